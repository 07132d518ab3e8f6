"""Typhoon-0: one CAP warning puts lamps, a crew and messages into a plan; its Update narrows the
plan, its Cancel restores the exact state, told by a hash of everything in the context that lamps
are."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from claims.operations_stand import TENANT, Stand, a_city, run
from claims.words import Finding, judged
from pintu.kernel.access import Actor
from pintu.kernel.intake.words import Command, CommandReport, Update
from pintu.kernel.store.port import settled
from pintu.protocols import cap
from pintu.web.api.warnings import message_of

LAMPS: Final = 200
Take = Callable[[int, str, Any], Awaitable[Any]]
RELAY: Final = Actor(id="met-relay", grants=frozenset({"respond:demo"}))
DUTY: Final = Actor(
    id="person:duty", kind="person", person="duty", roles=frozenset({"duty"}),
    grants=frozenset({"respond:demo", "command:demo"}),
)  # fmt: skip
WHOLE: Final = ((30.0, 120.0), (30.0, 120.4), (30.4, 120.4), (30.4, 120.0), (30.0, 120.0))
WEST: Final = ((30.0, 120.0), (30.0, 120.2), (30.4, 120.2), (30.4, 120.0), (30.0, 120.0))
BUILDING: Final = "urn:ngsi-ld:StreetlightControlCabinet:street_lights:C1"


def document(number: int, kind: str, ring: Any, day: str) -> bytes:
    """A message of the weather bureau (made up); each refers to the one before it."""
    earlier = (
        (cap.CapReference(sender="met@demo.example", identifier=f"T0-{number - 1}",
                          sent=f"{day}T0{number - 1}:00:00+00:00"),)
        if number > 1
        else ()
    )  # fmt: skip
    info = cap.CapInfo(
        language="zh-CN", categories=("Met",), event="台风", urgency="Expected", severity="Severe",
        certainty="Likely", headline="台风橙色预警（演示）", instruction="请留在室内（演示）",
        responses=("Prepare",), areas=(cap.CapArea(description="全市", polygons=(ring,)),),
        expires="2099-01-01T00:00:00+00:00",
    )  # fmt: skip
    return cap.write(
        cap.CapAlert(
            identifier=f"T0-{number}", sender="met@demo.example",
            sent=f"{day}T0{number}:00:00+00:00",
            status="Actual", msg_type=kind, scope="Public", references=earlier,
            infos=() if kind == "Cancel" else (info,),
        )
    )  # fmt: skip


def lamp_id(number: int) -> str:
    """A lamp's entity."""
    return f"urn:ngsi-ld:Streetlight:street_lights:T{number:05d}"


class Gateways:
    """Lamps that do what they are told and measure it, each once a command."""

    def __init__(self, stand: Stand) -> None:
        self._stand, self.told = stand, 0
        self._waiting: list[Command] = []
        self._wake = asyncio.Event()

    def take(self, command: Command) -> None:
        """A command comes from the ledger."""
        self._waiting.append(command)
        self._wake.set()

    async def obey(self) -> None:
        """Acknowledge, dim, measure; for as long as it is not cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            some, self._waiting = self._waiting, []
            self.told += len(some)
            levels = [
                {"id": one.target, "type": "Streetlight",
                 "illuminanceLevel": one.arguments["level"] / 100}
                for one in some
            ]  # fmt: skip
            await self._stand.tell([Update(one, "merge") for one in levels])
            await asyncio.gather(*(self._report(one) for one in some))

    async def _report(self, command: Command) -> None:
        for state in ("sent", "acknowledged", "confirmed"):
            report = CommandReport(command.id, state)
            await self._stand.rooms.commands.report(report, "process:field")


async def lamps_hash(stand: Stand, lamps: int) -> str:
    """Everything that the context says lamps are like, as one hash; times of telling are not what
    a lamp is like."""
    tenant = stand.rooms.store.tenant(TENANT)
    assert tenant is not None
    whole = hashlib.sha256()
    for number in range(lamps):
        record = await settled(stand.rooms.store.retrieve(tenant, lamp_id(number)))
        assert record is not None
        whole.update(orjson.dumps(_plain(orjson.loads(record.body)), option=orjson.OPT_SORT_KEYS))
    return whole.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        times = ("createdAt", "modifiedAt", "observedAt", "instanceId")
        return {name: _plain(one) for name, one in value.items() if name not in times}
    return [_plain(one) for one in value] if isinstance(value, list) else value


async def until(holds: Callable[[], Any], timeout_s: float = 90.0) -> None:
    """Wait for something that is asked for."""
    end_s = time.monotonic() + timeout_s
    while not await holds():
        if time.monotonic() > end_s:
            raise TimeoutError("it never came true")
        await asyncio.sleep(0.05)


async def lay_out(stand: Stand, lamps: int) -> None:
    """Lamps at levels of their own over a city, a cabinet, and a person to tell."""
    things: list[dict[str, Any]] = [
        {"id": BUILDING, "type": "StreetlightControlCabinet",
         "location": {"type": "Point", "coordinates": [120.1, 30.1]}},
        *(
            {"id": lamp_id(n), "type": "Streetlight", "illuminanceLevel": (n % 9) / 10,
             "powerState": "on" if n % 9 else "off",
             "location": {"type": "Point",
                          "coordinates": [round(120.01 + 0.38 * n / lamps, 5), 30.2]}}
            for n in range(lamps)
        ),
    ]  # fmt: skip
    await stand.tell([Update(one, "merge") for one in things])
    assert stand.refused == [], stand.refused[:3]


async def levels(stand: Stand, lamps: int) -> list[float]:
    """How bright each lamp is."""
    tenant = stand.rooms.store.tenant(TENANT)
    assert tenant is not None
    found = []
    for number in range(lamps):
        record = await settled(stand.rooms.store.retrieve(tenant, lamp_id(number)))
        assert record is not None
        found.append(float(orjson.loads(record.body)["illuminanceLevel"]["value"]))
    return found


async def typhoon(folder: Path, lamps: int = LAMPS) -> dict[str, Any]:
    """The whole story in one city; what was measured on the way."""
    async with a_city(folder) as stand:
        await lay_out(stand, lamps)
        gateways = Gateways(stand)
        forget = stand.rooms.commands.on_dispatch(gateways.take)
        field = asyncio.create_task(gateways.obey())
        try:
            return await _story(stand, gateways, lamps)
        finally:
            forget()
            field.cancel()
            await asyncio.gather(field, return_exceptions=True)


async def _story(stand: Stand, gateways: Gateways, lamps: int) -> dict[str, Any]:
    room = stand.rooms.operations
    assert room is not None
    assert room.warnings is not None
    assert room.plays is not None
    plays, warnings = room.plays, room.warnings
    found: dict[str, Any] = {"before": await lamps_hash(stand, lamps)}

    async def take(number: int, kind: str, ring: Any) -> Any:
        taken = await warnings.take(
            RELAY, message_of(document(number, kind, ring, "2026-09-08")), TENANT
        )
        await warnings.following.settled()
        return taken

    begun_s = time.monotonic()
    taken = await take(1, "Alert", WHOLE)
    cause = taken.warning.cause
    found["plans"] = [one.playbook for one in await plays.list_for(cause)]
    (play,) = await plays.list_for(cause)
    found["proposed_s"] = time.monotonic() - begun_s
    for group in play.groups:
        await plays.approve(DUTY, play.id, group.name)

    async def done() -> bool:
        return all(one.state == "done" for one in await plays.list_for(cause))

    await until(done)
    found["bright"] = sum(one == 1.0 for one in await levels(stand, lamps))
    found["during"] = await lamps_hash(stand, lamps)
    found["orders"] = await _orders(room, cause)
    deeds = await room.journal.list_deeds(subject=f"play:{play.id}")
    found["told"] = sum(one.verb == "notified" for one in deeds)
    await _over(stand, lamps, take, found)
    found["commands"] = gateways.told
    deeds = await room.journal.list_deeds(subject=f"play:{play.id}")
    found["cleared"] = sum(one.verb == "all_clear_sent" for one in deeds)
    return found


async def _over(stand: Stand, lamps: int, take: Take, found: dict[str, Any]) -> None:
    """The second half: the Update narrows, the Cancel restores."""
    room = stand.rooms.operations
    assert room is not None
    assert room.plays is not None
    plays = room.plays
    updated = await take(2, "Update", WEST)
    found["update"], cause = updated.effect, updated.warning.cause
    inside = lamps // 2

    async def half() -> bool:
        return sum(one == 1.0 for one in await levels(stand, lamps)) <= inside + 1

    await until(half)
    found["narrowed"] = sum(one == 1.0 for one in await levels(stand, lamps))
    begun_s = time.monotonic()
    found["cancel"] = (await take(3, "Cancel", WHOLE)).effect

    async def undone() -> bool:
        return all(one.state == "undone" for one in await plays.list_for(cause))

    await until(undone)
    found["restored_s"] = time.monotonic() - begun_s
    found["after"] = await lamps_hash(stand, lamps)
    found["plays_before"] = await plays.hash_before(cause)
    found["plays_after"] = await plays.state_hash(cause)
    found["orders_after"] = await _orders(room, cause)
    verbs = [one.verb for one in await room.journal.list_deeds(subject=cause)]
    found["verbs"] = verbs


async def _orders(room: Any, cause: str) -> list[str]:
    found = await room.orders.list_for(cause)
    return [msgspec.to_builtins(one)["state"] for one in found]


def measure() -> list[Finding]:
    """The findings of `make show NAME=operations`."""
    found = run(lambda folder: typhoon(folder))
    same = found["before"] == found["after"]
    plays = found["plays_before"] == found["plays_after"]
    restored = f"{found['after'][:12]} / {found['before'][:12]}"
    return [
        judged(
            "one warning: plans, lamps to 100 %, orders, messages",
            f"{len(found['plans'])}, {found['bright']}/{LAMPS}, {len(found['orders'])}, "
            f"{found['told']}",
            "1, all, 1, 1",
            (found["bright"], len(found["orders"]), found["told"]) == (LAMPS, 1, 1),
        ),
        judged(
            "an Update to half of the area leaves lamps at 100 %",
            str(found["narrowed"]),
            f"about {LAMPS // 2}",
            abs(found["narrowed"] - LAMPS // 2) <= LAMPS // 9 + 1,
        ),
        judged("Cancel restores the exact state (hash)", restored, "equal", same),
        judged("hash of plays: lamps, orders, messages", found["plays_after"][:12], "equal", plays),
        judged(
            "from Cancel to the state as it was",
            f"{found['restored_s']:.1f} s, {found['commands']} commands",
            "≤ 60 s",
            found["restored_s"] <= 60,
        ),
    ]
