"""What one city writes is in the other's copy: the same documents and history, each change once."""

from __future__ import annotations

import random
from typing import Any

from pintu.kernel.context.record import Remove
from pintu.kernel.context.write import append, merge, upsert_replace
from pintu.kernel.store.port import Op
from tests.kernel.relay.conftest import Site, until
from tests.nats import NatsServer


def lamp(number: int, value: int) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [120 + number / 1000, 30.0]}
    return {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": "Lamp",
        "power": {"type": "Property", "value": value},
        "location": {"type": "GeoProperty", "value": place},
    }


def change(chance: random.Random, tenant: int, value: int) -> tuple[Op, str]:
    """One of the ways an entity changes, and who does it."""
    number = chance.randrange(30)
    id, power = f"urn:ngsi-ld:Lamp:{number}", {"type": "Property", "value": value}
    observed = {**power, "observedAt": f"2026-01-01T00:{chance.randrange(60):02}:00Z"}
    dataset = {**power, "datasetId": f"urn:ngsi-ld:d:{chance.randrange(3)}"}
    source = chance.choice(("token:x", "push/lamps"))
    told = source.startswith("push")
    way = chance.randrange(7)
    if way == 0:
        return Op(tenant, id, upsert_replace(lamp(number, value))), source
    if way == 1:
        return Op(tenant, id, lambda record, now: Remove()), source
    if way == 2:
        return Op(tenant, id, append({"id": id, "level": [power, dataset]})), source
    if way == 3:
        return Op(tenant, id, merge({"id": id, "type": "Lamp", "level": dataset})), source
    if way == 4:
        return Op(tenant, id, merge({"id": id, "level": "urn:ngsi-ld:null"})), source
    if way == 5:
        fragment = {"id": id, "type": "Pole", "scope": ["/north"], "power": observed}
        return Op(tenant, id, append(fragment, keep_newer=told)), source
    return Op(tenant, id, merge({"id": id, "power": observed}, keep_newer=told)), source


async def write(site: Site, tenant: str, changes: int, seed: int) -> None:
    """Random changes, some of which are refused because nothing is there."""
    chance, number = random.Random(seed), await site.store.open_tenant(tenant)
    for value in range(changes):
        op, source = change(chance, number, value)
        await site.store.submit([op], source)


def told(rows: list[Any]) -> list[tuple[Any, ...]]:
    """What rows say, but for where and when they stand."""
    return [(one.id, one.types, one.verb, one.changed, one.payload) for one in rows]


async def test_a_copy_is_equal_document_by_document_and_row_by_row(
    nats: NatsServer, sites: Any
) -> None:
    """Whatever way entities change: the same log, so the same present and the same past."""
    here, there = await sites("river"), await sites("hill")
    room = await here.relay(urls=nats.url, out={"lamps": {}, "default": {}})
    await until(lambda: room.outgoing.state == "up")
    tenants = {"lamps": "river-lamps", "default": "river"}
    await there.relay(urls=nats.url, **{"in": {"river": {"tenants": tenants}}})
    await write(here, "lamps", 300, 1)
    await write(here, "", 50, 2)
    await write(here, "private", 10, 3)
    for tenant, copy in (("lamps", "river-lamps"), ("", "river")):
        rows = await here.rows(tenant)
        await until(lambda copy=copy, rows=rows: _has(there, copy, len(rows)))
        assert told(rows) == told(await there.rows(copy))
        assert await here.hash_of(tenant) == await there.hash_of(copy)
    assert {"river-lamps", "river", ""} == set(there.store.tenants())


async def _has(site: Site, tenant: str, rows: int) -> bool:
    return len(await site.rows(tenant)) >= rows


async def test_either_side_may_begin_again_in_the_middle(nats: NatsServer, sites: Any) -> None:
    """Restarted while changes flow, neither side loses one nor has one twice."""
    here, there = await sites("lake"), await sites("moor")
    out: dict[str, Any] = {"urls": nats.url, "out": {"lamps": {}}}
    into: dict[str, Any] = {"urls": nats.url, "in": {"lake": {"tenants": {"lamps": "lamps"}}}}
    room = await here.relay(**out)
    await until(lambda: room.outgoing.state == "up")
    await there.relay(**into)
    for turn in range(6):
        await write(here, "lamps", 60, turn)
        side = here if turn % 2 else there
        await side.stop_relay()
        await write(here, "lamps", 20, 100 + turn)
        await side.relay(**(out if turn % 2 else into))
    rows = await here.rows("lamps")
    await until(lambda: _has(there, "lamps", len(rows)))
    assert told(rows) == told(await there.rows("lamps"))
    assert await here.hash_of("lamps") == await there.hash_of("lamps")


async def test_what_there_was_before_is_told(nats: NatsServer, sites: Any) -> None:
    """A tenant that begins to leave is told as it is, then what changes; a copy that lost rows
    is told again, and what is gone meanwhile goes."""
    here, there = await sites("north"), await sites("south")
    tenant = await here.store.open_tenant("lamps")
    for number in range(0, 900, 2):
        await here.store.submit([Op(tenant, f"urn:ngsi-ld:Lamp:{number}",
                                    upsert_replace(lamp(number, 1)))])  # fmt: skip
    room = await here.relay(urls=nats.url, out={"lamps": {}})
    into = {"urls": nats.url, "in": {"north": {"tenants": {"lamps": "lamps"}}}}
    await there.relay(**into)
    await until(lambda: _same(here, there))
    copy = there.store.tenant("lamps")
    extra = Op(copy, "urn:ngsi-ld:Lamp:77", upsert_replace(lamp(77, 1)))
    await there.store.submit([extra], "relay/north")
    await room.outgoing.tell_again("lamps")
    await write(here, "lamps", 50, 5)
    await until(lambda: room.outgoing.telling() == [])
    await until(lambda: _same(here, there))


async def _same(here: Site, there: Site) -> bool:
    return await here.hash_of("lamps") == await there.hash_of("lamps")


async def test_a_city_on_a_server_is_joined_as_one_in_files(
    nats: NatsServer, sites: Any, city_address: str
) -> None:
    """On PostgreSQL both halves: what came over and over there is what comes back here."""
    here, there = await sites("port"), await sites("ferry", address=city_address)
    room = await here.relay(urls=nats.url, max_mb=50, out={"lamps": {}})
    back = {"in": {"port": {"tenants": {"lamps": "copy"}}}, "out": {"lamps": {}}}
    server = await there.relay(urls=nats.url, max_mb=50, **back)
    await until(lambda: room.outgoing.state == server.outgoing.state == "up")
    await here.stop_relay()
    into = {"in": {"ferry": {"tenants": {"lamps": "copy"}}}, "out": {"lamps": {}}}
    await write(here, "lamps", 80, 1)
    await here.relay(urls=nats.url, max_mb=50, **into)
    await write(there, "lamps", 80, 2)
    await there.stop_relay()
    await write(here, "lamps", 20, 3)
    await there.relay(urls=nats.url, max_mb=50, **back)
    for one, other in ((here, there), (there, here)):
        rows = await one.rows("lamps")
        await until(lambda other=other, rows=rows: _has(other, "copy", len(rows)))
        assert told(rows) == told(await other.rows("copy"))
        assert await one.hash_of("lamps") == await other.hash_of("copy")
