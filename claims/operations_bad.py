"""Bad input to the operations room: one city in this process, everything real but the clock.

A broken detector that floods, clocks a day off, messages of authorities that make no sense,
approvals at the wrong time, crews and devices that do nothing, endpoints that hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from claims.operations_stand import TENANT, HandClock, Stand, a_city, run
from claims.words import Finding, judged
from pintu.demo.events import HOUR, Course, Lie, Planner
from pintu.kernel.access import Actor
from pintu.kernel.clock import iso
from pintu.kernel.errors import PintuError
from pintu.kernel.intake.words import Command, CommandReport, Update

NIGHT_S = 1_795_978_800.0  # 2026-11-30T03:00+08:00
FLOOD, MINUTE_S = 3_000, 60.0
DUTY = Actor(
    id="person:claims-duty", kind="person", person="claims-duty",
    grants=frozenset({f"respond:{TENANT}", f"command:{TENANT}"}), roles=frozenset({"duty"}),
)  # fmt: skip
SECOND = Actor(
    id="person:claims-second", kind="person", person="claims-second",
    grants=frozenset({f"respond:{TENANT}", f"command:{TENANT}"}),
    roles=frozenset({"supervisor"}),
)  # fmt: skip
AUTHORITY = Actor(id="claims-relay", grants=frozenset({f"respond:{TENANT}"}))
Work = Callable[[Stand], Awaitable[list[Finding]]]


def in_a_city(work: Work) -> list[Finding]:
    """A claim in a city of its own at 03:00."""

    async def live(folder: Path) -> list[Finding]:
        async with a_city(folder, HandClock(NIGHT_S), allow=("127.0.0.1",)) as stand:
            return await work(stand)

    return run(live)


async def flood(stand: Stand) -> list[Finding]:
    """One detector raises 3,000 alarms all over the town while a sewer really overflows."""
    layout = stand.lay_out(3)
    room = stand.room.incidents
    event = Planner(layout, 3).make("burst", NIGHT_S + 60)
    assert event is not None
    await stand.hear(stand.ground(NIGHT_S))
    collectors = stand.collectors(Course([event]))
    began = time.process_time()
    for part in range(10):
        stand.clock.set_s(NIGHT_S + 60 + part * 40)
        told = [_flooding(part * FLOOD // 10 + n, stand.clock) for n in range(FLOOD // 10)]
        await stand.tell(told)
        for one in collectors:
            await stand.hear(
                [each for each in one.look(stand.clock.now_s()) if "alarms" in each[0]]
            )
        await room.taker.caught_up()
    spent = time.process_time() - began
    found = [one for one in await room.list_incidents(TENANT, limit=5_000) if one.state != "merged"]
    real = [one for one in found if not one.flood]
    whole = [one for one in real if one.alarms >= 0.9 * len(event.signs)]
    many = FLOOD + len(event.signs)
    seen = 0
    for one in found:
        for offset in range(0, many, 5_000):
            seen += len(await room.list_alarms(one.id, limit=5_000, offset=offset))
    return [
        judged(f"{FLOOD} alarms of one broken detector", f"{len(found)} incidents", "≤ 2",
               len(found) <= 2, f"{spent / FLOOD * 1e6:.0f} µs of CPU an alarm"),
        judged("the true incident beside the flood", f"{len(whole)} of 1, {len(real)} in all",
               "1 of 1", len(whole) == len(real) == 1),
        judged("alarms that can be seen, flood and all", str(seen), str(many), seen == many),
    ]  # fmt: skip


def _flooding(number: int, clock: Any) -> Update:
    lon, lat = 120.16 + number % 71 * 0.0013, 30.17 + number % 67 * 0.0009
    values = {
        "category": "infrastructure", "subCategory": "high_water", "severity": "high",
        "status": "open", "detector": "sewers/broken",
        "dateIssued": {"@type": "DateTime", "@value": iso(clock.now_us())},
    }  # fmt: skip
    entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Alert:claims:F{number:05d}", "type": "Alert"}
    entity |= {name: {"type": "Property", "value": value} for name, value in values.items()}
    where = {"type": "Point", "coordinates": [lon, lat]}
    entity["location"] = {"type": "GeoProperty", "value": where}
    return Update(entity, "upsert")


async def clocks(stand: Stand) -> list[Finding]:
    """A third of the things of one incident have a clock that is a day ahead or behind."""
    layout = stand.lay_out(5)
    room = stand.room.incidents
    event = Planner(layout, 5).make("pumps", NIGHT_S + 30)
    assert event is not None
    off = sorted(event.signs)[::3]
    lies = [
        Lie(thing=thing, kind=("clock_ahead", "clock_behind")[n % 2], begins_s=NIGHT_S,
            ends_s=NIGHT_S + 9 * HOUR)
        for n, thing in enumerate(off)
    ]  # fmt: skip
    await stand.hear(stand.ground(NIGHT_S))
    collectors = stand.collectors(Course([event], lies))
    for step in range(30):
        stand.clock.set_s(NIGHT_S + step * 20)
        for one in collectors:
            await stand.hear(
                [each for each in one.look(stand.clock.now_s()) if "alarms" in each[0]]
            )
        await room.taker.caught_up()
    found = await room.list_open(TENANT)
    alarms = [alarm for one in found for alarm in await room.list_alarms(one.id)]
    worst_s = max(abs(alarm.at_us / 1e6 - alarm.heard_us / 1e6) for alarm in alarms)
    return [
        judged(f"clocks a day off ({len(off)} of {len(event.signs)} things)",
               f"{len(found)} incident, {len(alarms)} alarms", f"1, {len(event.signs)}",
               len(found) == 1 and len(alarms) == len(event.signs)),
        judged("how far such an alarm is put from when it was heard", f"{worst_s:.0f} s",
               "≤ 300 s", worst_s <= 300),
    ]  # fmt: skip


async def approvals(stand: Stand) -> list[Finding]:
    """An approval given twice, by the same person and another one, and one after its time-out."""
    plays = stand.room.plays
    await stand.tell([_lamp(number) for number in range(40)])
    one = await plays.propose(DUTY, "corridor_lighting", "incident:claims-1", tenant=TENANT)
    first = one.groups[0].name
    await plays.approve(DUTY, one.id, first)
    refused = [await _refusal(plays.approve(who, one.id, first)) for who in (DUTY, SECOND)]
    await _until(lambda: _asked(stand, 40))
    last = (await plays.get(one.id)).groups[-1]
    stand.clock.set_s(last.until_us / 1e6 + 60)
    late = await _refusal(plays.approve(DUTY, one.id, last.name))
    commands = [
        each.command for each in await stand.rooms.commands.recent(tenant=TENANT, limit=1_000)
    ]
    once = len({each.target for each in commands}) == len(commands) == 40
    return [
        judged("an approval given twice", "; ".join(refused), "refused",
               all(each == "StateConflict" for each in refused)),
        judged("an approval after its time-out", late, "refused", late == "StateConflict"),
        judged("commands of a play approved twice", f"{len(commands)} to 40 lamps", "40", once),
    ]  # fmt: skip


async def _asked(stand: Stand, many: int) -> bool:
    return len(await stand.rooms.commands.recent(tenant=TENANT, limit=1_000)) >= many


async def _refusal(work: Awaitable[Any]) -> str:
    try:
        await work
    except PintuError as error:
        return type(error).__name__
    return "taken"


def _lamp(number: int) -> Update:
    entity = {
        "id": f"urn:ngsi-ld:Streetlight:street_lights:L{number:05d}",
        "type": "Streetlight",
        "illuminanceLevel": {"type": "Property", "value": 0.5},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120.2 + number * 1e-4, 30.2]},
        },
    }
    return Update(entity, "upsert")


async def crew(stand: Stand) -> list[Finding]:
    """An order that nobody confirms goes up, one level a deadline, and ends nowhere by itself."""
    orders = stand.room.orders
    await stand.tell([_lamp(1)])
    target = "urn:ngsi-ld:Streetlight:street_lights:L00001"
    one = await orders.open_order(
        DUTY, TENANT, "inspect", target, cause="incident:claims-2", severity="critical", key="k1"
    )
    levels: list[int] = []
    for minutes in (20, 60, 180, 600, 1440):
        stand.clock.set_s(NIGHT_S + minutes * MINUTE_S)
        await stand.nudge()
        await _until(lambda: _level(orders, one.id, len(set(levels))), 1.5)
        levels.append((await orders.get(one.id)).level)
    now = await orders.get(one.id)
    deeds = await stand.room.journal.list_deeds(subject=one.subject)
    up = [each for each in deeds if each.verb == "escalated"]
    return [
        judged("a crew that never answers: escalated", f"{len(up)} times, level {levels}", "≥ 1",
               bool(up) and levels == sorted(levels)),
        judged("the order nobody answered", now.state, "open", not now.final),
    ]  # fmt: skip


async def _level(orders: Any, id: str, before: int) -> bool:
    return bool((await orders.get(id)).level > before)


async def device(stand: Stand) -> list[Finding]:
    """A device says yes and does nothing: the ledger says so, and an order opens by itself."""
    rooms = stand.rooms
    await stand.tell([_lamp(number) for number in range(3)])

    def obey(command: Command) -> None:
        for state in ("sent", "acknowledged"):
            report = CommandReport(command.id, state)
            tasks.append(asyncio.ensure_future(rooms.commands.report(report, "process:field")))

    tasks: list[asyncio.Future[Any]] = []
    deaf = rooms.commands.on_dispatch(obey)
    target = "urn:ngsi-ld:Streetlight:street_lights:L00001"
    command = await rooms.commands.request(
        DUTY, "street_lights", "DimLamp", target, {"level": 100}, key="d1", tenant=TENANT
    )
    await asyncio.sleep(0.2)
    await asyncio.gather(*tasks)
    stand.clock.set_s(NIGHT_S + 3600)
    await stand.nudge()
    await _until(lambda: _ended(rooms, command.id))
    await _until(lambda: _orders_of(rooms, target))
    entry = await rooms.commands.get(command.id)
    opened = await _orders_of(rooms, target)
    deaf()
    return [
        judged("a device that acknowledges and does nothing", entry.state, "timed_out",
               entry.state == "timed_out"),
        judged("orders opened by the missing effect", str(len(opened)), "1", len(opened) == 1),
    ]  # fmt: skip


async def _ended(rooms: Any, id: str) -> bool:
    return bool((await rooms.commands.get(id)).final)


async def _orders_of(rooms: Any, target: str) -> list[Any]:
    return [one for one in await rooms.operations.orders.list_orders(TENANT) if
            one.target == target]  # fmt: skip


async def hanging(stand: Stand) -> list[Finding]:
    """Twenty endpoints take a message and never answer; one answers: it hears within a second."""
    from pintu.kernel.operations.roster.channels.settings import Channel
    from pintu.kernel.operations.roster.words import Message

    room = stand.room
    heard: list[float] = []
    async with _server(None) as dead, _server(heard) as alive:
        for number in range(20):
            room.channels.save(
                Channel(name=f"dead{number}", kind="webhook", url=dead, to="x"), by="claims"
            )
        room.channels.save(Channel(name="alive", kind="webhook", url=alive, to="x"), by="claims")
        said = Message(
            subject="incident:claims-3", title={"zh": "演示", "en": "Demo"},
            text={"zh": "演示", "en": "Demo"}, severity="critical",
        )  # fmt: skip
        names = [f"channel:dead{number}" for number in range(20)] + ["channel:alive"]
        began = time.monotonic()
        receipts = await room.notifier.send(TENANT, said, names, "claims-hang")
        written_ms = (time.monotonic() - began) * 1e3
        await _until(lambda: bool(heard), 10.0)
        took_s = heard[0] - began if heard else float("nan")
    return [
        judged("21 messages, 20 endpoints that hang: written down in", f"{written_ms:.0f} ms",
               "≤ 500 ms", written_ms <= 500 and len(receipts) == 21),
        judged("the endpoint that answers heard after", f"{took_s:.2f} s", "≤ 1 s",
               bool(heard) and took_s <= 1),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def _server(heard: list[float] | None) -> AsyncIterator[str]:
    """An HTTP server that notes when it was asked and answers; or, with None, never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
        ):
            await reader.readuntil(b"\r\n\r\n")
            if heard is None:
                await asyncio.sleep(3600)
            else:
                heard.append(time.monotonic())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


async def _until(holds: Callable[[], Any], timeout_s: float = 8.0) -> None:
    """Wait for something that is about to be so; go on when it is not: the claim says what is."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        told = holds()
        if asyncio.iscoroutine(told):
            told = await told
        if told:
            return
        await asyncio.sleep(0.02)


ALL: tuple[Work, ...] = (flood, clocks, approvals, crew, device, hanging)


def quick() -> list[Finding]:
    """All of them; some seconds."""
    from claims.operations_cap import bad_messages

    return [one for work in (*ALL, bad_messages) for one in in_a_city(work)]


def main() -> None:
    """`python -m claims.operations_bad [NAME …]`."""
    import sys

    for work in ALL:
        if not sys.argv[1:] or work.__name__ in sys.argv[1:]:
            for one in in_a_city(work):
                print(one.line(), flush=True)


if __name__ == "__main__":
    main()
