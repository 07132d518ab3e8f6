"""What may not leave does not; what should not come is held; doubt ends in the present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from pintu.kernel.access import Act, Actor, Mask, Projection
from pintu.kernel.access.narrowing import Kept, Narrowing
from pintu.kernel.context.record import Remove
from pintu.kernel.context.write import append, upsert_replace
from pintu.kernel.errors import Forbidden
from pintu.kernel.relay import names
from pintu.kernel.relay.bus import Bus
from pintu.kernel.relay.words import Line
from pintu.kernel.store.port import Op, settled
from tests.kernel.relay.conftest import Site, until
from tests.nats import NatsServer, ask


def entity(name: str, type: str = "Lamp", **values: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"urn:ngsi-ld:{name}", "type": type}
    for key, value in values.items():
        made[key] = {"type": "Property", "value": value}
    return made


async def put(site: Site, tenant: str, *documents: dict[str, Any]) -> None:
    number = await site.store.open_tenant(tenant)
    for one in documents:
        await site.store.submit([Op(number, one["id"], upsert_replace(one))], "token:x")


async def remove(site: Site, tenant: str, name: str) -> None:
    number = await site.store.open_tenant(tenant)
    op = Op(number, f"urn:ngsi-ld:{name}", lambda record, now: Remove())
    await site.store.submit([op], "token:x")


async def joined(nats: NatsServer, here: Site, there: Site, **out: Any) -> Any:
    """Both relaying tenant `own`; the outgoing room once it is up."""
    room = await here.relay(urls=nats.url, max_mb=50, out={"own": out})
    await until(lambda: room.outgoing.state == "up" and not room.outgoing.telling())
    into = {here.name: {"tenants": {"own": "copy"}}}
    await there.relay(urls=nats.url, **{"in": into})
    return room


async def shown(site: Site, tenant: str = "copy") -> dict[str, Any]:
    """Entity → its values, or just its types."""
    return {
        id.removeprefix("urn:ngsi-ld:"): {
            name: one["value"] for name, one in document.items() if name not in ("id", "type")
        }
        for id, document in (await site.holds(tenant)).items()
    }


async def test_persons_and_other_types_stay(nats: NatsServer, sites: Any) -> None:
    """Only types that may leave do, also when an entity becomes one of those that may not."""
    here, there = await sites("fen"), await sites("bog")
    here.asked.of_persons = frozenset({"Resident"})
    await joined(nats, here, there, types=["Lamp", "Resident"])
    await put(here, "own", entity("1", power=1), entity("2", power=2), entity("3", power=3))
    await put(here, "own", entity("r", "Resident", flat="nobody"), entity("p", "Pole", height=3))
    await put(here, "own", entity("3", "Pole", height=3))
    number = here.store.tenant("own")
    fragment = entity("2", "Resident")
    await here.store.submit([Op(number, fragment["id"], append(fragment))], "token:x")
    await put(here, "own", entity("1", power=9))

    async def done() -> bool:
        return {"1": {"power": 9}} == await shown(there)

    await until(done)
    stream = ask(
        nats.port, f"$JS.API.STREAM.INFO.{names.stream('fen')}", b'{"subjects_filter":">"}'
    )
    told = orjson.dumps(stream["state"]).decode()
    assert "Resident" not in told and "Pole" not in told


@dataclass
class Agreement:
    """A gate that lets everything be read as an agreement does: lamps that are on, power coarse."""

    refused: str = ""

    def decide(self, actor: Actor, act: Act) -> Projection:
        if self.refused:
            raise Forbidden(self.refused)
        lit = lambda document: document.get("lit", {}).get("value") is True  # noqa: E731
        fields = {"power": Mask(kind="generalise", step=10), "lit": Mask()}
        seen = Narrowing(frozenset({"Lamp"}), fields, lit, key=b"", kept=Kept())
        return Projection(agreement="AG-1/1", recorded=True, seen=seen, types=frozenset({"Lamp"}))


async def test_under_an_agreement_what_is_agreed_leaves(nats: NatsServer, sites: Any) -> None:
    """Rows, columns and masks hold for every change, and each is written down before it leaves."""
    here = await sites("cape", gate=lambda identity: Agreement())
    there = await sites("isle")
    agreed = {"agreement": "AG-1", "purpose": "planning", "reason": "the yearly plan"}
    await joined(nats, here, there, **agreed)
    await put(here, "own", entity("1", power=17, lit=True, owner="x"), entity("2", lit=False))
    await put(here, "own", entity("3", power=20, lit=True), entity("4", power=1, lit=True))
    await put(here, "own", entity("2", power=55, lit=True), entity("3", power=20, lit=False))
    await remove(here, "own", "4")
    await put(here, "own", entity("1", power=18, lit=True, owner="y"))  # nothing that is agreed on
    await put(here, "own", entity("5", power=3, lit=True))

    async def done() -> bool:
        return "5" in await shown(there)

    await until(done)
    assert {
        "1": {"power": 10, "lit": True}, "2": {"power": 50, "lit": True},
        "5": {"power": 0, "lit": True},
    } == await shown(there)  # fmt: skip
    rows = [(one.id[-1], one.verb) for one in await there.rows("copy")]
    assert [("1", "created"), ("3", "created"), ("4", "created"), ("2", "created"),
            ("3", "deleted"), ("4", "deleted"), ("5", "created")] == rows  # fmt: skip
    assert len(rows) == sum(count for _, count in here.asked.written)
    assert {"AG-1"} == {agreement for agreement, _ in here.asked.written}


async def test_what_was_decided_is_asked_again_when_it_leaves(nats: NatsServer, sites: Any) -> None:
    """Rows that were decided, and even written down, do not leave once the agreement is over."""
    agreement = Agreement()
    here = await sites("quay", gate=lambda identity: agreement)
    there = await sites("skerry")
    agreed = {"agreement": "AG-1", "purpose": "planning", "reason": "the yearly plan"}
    room = await joined(nats, here, there, **agreed)
    await put(here, "own", entity("1", power=17, lit=True))
    await until(lambda: _landed(there, 1))
    here.asked.once_written = lambda: setattr(agreement, "refused", "It is over")
    await put(here, "own", entity("2", power=18, lit=True), entity("3", power=19, lit=True))
    await until(lambda: room.outgoing.refusals() and room.outgoing.behind == 0)
    assert 2 <= len(here.asked.written)  # they were on their way
    assert 1 == room.outgoing.sent
    assert {"1": {"power": 10, "lit": True}} == await shown(there)


async def test_a_token_that_ends_stops_what_leaves(nats: NatsServer, sites: Any) -> None:
    """Nothing leaves after; another token, and the present is told, with what went meanwhile."""
    here, there = await sites("dune"), await sites("reef")
    room = await joined(nats, here, there)
    await put(here, "own", entity("1", power=1), entity("2", power=2))

    async def has(expected: dict[str, Any]) -> bool:
        return expected == await shown(there)

    await until(lambda: has({"1": {"power": 1}, "2": {"power": 2}}))
    await here.identity.revoke_token(here.token)
    await until(lambda: not room.outgoing._leaving["own"].decide())
    await put(here, "own", entity("3", power=3))
    await remove(here, "own", "1")
    await until(lambda: room.outgoing.behind == 0 and room.outgoing.refusals())
    assert {"1": {"power": 1}, "2": {"power": 2}} == await shown(there)
    _, token = await here.identity.create_token("again", ["read:own"])
    here.token = token.id
    await here.stop_relay()
    await here.relay(urls=nats.url, max_mb=50, out={"own": {}})
    await until(lambda: has({"2": {"power": 2}, "3": {"power": 3}}))


async def test_poison_is_held_and_nothing_comes_twice(nats: NatsServer, sites: Any) -> None:
    """What others put into a stream is in quarantine with its reason, the rest lands, and a sender
    that begins again behind such a message sends nothing again."""
    here, there = await sites("glen"), await sites("firth")
    await joined(nats, here, there)
    await put(here, "own", entity("1", power=1))
    await until(lambda: _landed(there, 1))
    bus = Bus(Line(urls=(nats.url,)), "rogue")
    bus.start()
    await bus.wait()
    good = {"Pintu": "glen 9 0"}
    subject = names.subject("glen", "own", ("Lamp",))
    body = orjson.dumps(
        {"what": "row", "id": "x", "types": ["Lamp"], "verb": "created", "at_us": 1}
    )
    for told, headers in ((b"\x00", None), (b"{}", {"Pintu": "hill 9 0"}), (body, good)):
        await bus.request(subject, told) if headers is None else await bus.publish(
            subject, told, headers=headers
        )
    await here.stop_relay()
    await bus.request(subject, b"the last word")
    await bus.stop()
    await here.relay(urls=nats.url, max_mb=50, out={"own": {}})
    await put(here, "own", entity("2", power=2))
    await until(lambda: _landed(there, 2))
    held = await there.intake.quarantine.list()
    assert 4 == len(held) and {"relay/glen"} == {one.source for one in held}
    reasons = sorted(one.reason for one in held)
    assert any("not of glen" in one for one in reasons), reasons
    assert ["1", "2"] == [one.id[-1] for one in await there.rows("copy")]


async def test_what_a_strict_copy_refuses_is_held_before_it_is_passed(
    nats: NatsServer, sites: Any
) -> None:
    """So that a kill behind the commit takes nothing from what people are told; also of entities of
    one part, each under its own key, and of what becomes wrong by an update."""
    here = await sites("fell")
    there = await sites("tarn", refuse=lambda doc: ["owner is unknown"] if "owner" in doc else [])
    told: list[tuple[str, int]] = []
    put_away = there.intake.quarantine.put

    async def seen(tenant: str, items: Any, held_us: int) -> None:
        at = await settled(there.store.kept(names.route_mark("fell", "own")))
        told.extend((one.envelope.key, at or 0) for one in items)
        await put_away(tenant, items, held_us)

    there.intake.quarantine.put = seen
    await put(here, "own", entity("1", owner="x"), entity("2", owner="y"), entity("3", power=1))
    await joined(nats, here, there)
    await until(lambda: _landed(there, 1))
    await put(here, "own", entity("3", power=2), entity("4", power=1))
    number, fragment = here.store.tenant("own"), entity("4", owner="z")
    await here.store.submit([Op(number, fragment["id"], append(fragment))], "token:x")
    await remove(here, "own", "4")
    await put(here, "own", entity("5", power=1))
    await until(lambda: _landed(there, 5))
    assert {"3": {"power": 2}, "5": {"power": 1}} == await shown(there)
    held = {one.key: one.attempts for one in await there.intake.quarantine.list()}
    assert [3, 0] == [len(held), sum(held.values())], held
    assert {key for key, _ in told} == held.keys()
    assert all(at < int(key.rpartition("/")[2].partition("#")[0]) for key, at in told), told


async def _landed(site: Site, rows: int) -> bool:
    return len(await site.rows("copy")) >= rows


async def test_a_stream_that_is_made_anew_is_noticed(nats: NatsServer, sites: Any) -> None:
    """Also when it has grown past the place where the copy was: the present is told."""
    here, there = await sites("weir"), await sites("lock")
    await joined(nats, here, there)
    await put(here, "own", entity("1", power=1), entity("2", power=2))
    await until(lambda: _landed(there, 2))
    await there.stop_relay()
    stream = names.stream("weir")
    ask(nats.port, f"$JS.API.STREAM.DELETE.{stream}", b"")
    await put(here, "own", *(entity(str(number), power=number) for number in range(3, 12)))
    room = here.room
    assert room is not None and room.outgoing is not None
    out = room.outgoing
    await until(lambda: out.behind == 0 and out.stream is not None, 30)
    await there.relay(urls=nats.url, **{"in": {"weir": {"tenants": {"own": "copy"}}}})

    async def equal() -> bool:
        return await here.hash_of("own") == await there.hash_of("copy")

    await until(equal, 30)


async def test_a_copy_begins_empty(nats: NatsServer, sites: Any) -> None:
    """A tenant with entities of its own is never written over by a mistake in the settings."""
    here, there = await sites("holt"), await sites("wold")
    await put(there, "copy", entity("mine", power=1))
    await joined(nats, here, there)
    await put(here, "own", entity("1", power=1))
    assert there.room is not None
    incoming = there.room.incoming[0]
    await until(lambda: "holds entities already" in incoming.state)
    assert {"mine": {"power": 1}} == await shown(there)
