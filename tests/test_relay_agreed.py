"""What leaves a city through NATS under an agreement that both sides signed: real rooms, gate and
log, from the request to the copy at the other site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pintu.city import City
from pintu.kernel.access import Actor, Mask
from pintu.kernel.context.write import upsert_replace
from pintu.kernel.exchange.agreements import Terms
from pintu.kernel.exchange.words import Condition
from pintu.kernel.identity.words import Organisation
from pintu.kernel.relay.room import RelayRoom
from pintu.kernel.store.port import Op
from pintu.relaying import open_relay
from pintu.settings import Settings
from tests.kernel.relay.conftest import Site, until
from tests.nats import nats_server

REASON = "入学登记需要核对（演示）"
SENSORS = {
    "provider": "context", "type": "Sensor", "owner": "works",
    "columns": [{"name": "district"}, {"name": "level", "kind": "number"}, {"name": "note"}],
}  # fmt: skip


def sensor(number: int, district: str, level: int) -> dict[str, Any]:
    told = {"district": district, "level": level, "note": "not to be known"}
    made = {name: {"type": "Property", "value": value} for name, value in told.items()}
    return {"id": f"urn:ngsi-ld:Sensor:{number}", "type": "Sensor", **made}


def person(name: str, organisation: str, role: str) -> Actor:
    return Actor(
        id=f"person:{name}", kind="person", person=name, organisation=organisation,
        roles=frozenset((role,)),
    )  # fmt: skip


async def put(city: City, *documents: dict[str, Any]) -> None:
    tenant = await city.rooms.store.open_tenant("")
    ops = [Op(tenant, one["id"], upsert_replace(one)) for one in documents]
    await city.rooms.store.submit(ops, "token:x")


async def agreed_on(city: City) -> str:
    """Asked for, not decided: the id."""
    rooms = city.rooms
    rooms.configuration.save("datasets", "sensors", SENSORS, by="test")
    assert rooms.agreements is not None
    fields = {"district": Mask(), "level": Mask(kind="generalise", step=10)}
    terms = Terms(
        data_set="sensors", provider="works", consumer="education", purpose="enrolment",
        basis="statutory_duty", fields=fields,
        where=(Condition("district", "=", "D1"),), retention_days=30,
        until_us=rooms.clock.now_us() + 86_400_000_000,
    )  # fmt: skip
    asker = person("pa", "education", "officer")
    return (await rooms.agreements.request(asker, terms, reason=REASON)).id


async def relaying(city: City, id: str, url: str) -> RelayRoom:
    """What leaves is read as a service of the consumer's, under that agreement."""
    rooms = city.rooms
    assert rooms.people is not None
    await rooms.people.create_organisation(Organisation(id="education", name={"en": "E"}))
    _, token = await rooms.identity.create_token(
        "relay", {"read:nowhere"}, organisation="education"
    )
    out = {"agreement": id, "purpose": "enrolment", "reason": REASON}
    told = {"city": "works", "token": token.id, "urls": url, "max_mb": 50}
    rooms.settings = replace(rooms.settings, relay={**told, "out": {"default": out}})
    room = open_relay(rooms)
    assert room is not None
    return room


async def shown(school: Site) -> dict[str, Any]:
    """Of the copy, what has nothing but what was agreed on."""
    return {
        one[-1]: (document["district"]["value"], document["level"]["value"])
        for one, document in (await school.holds("copy")).items()
        if document.keys() == {"id", "type", "district", "level"}
    }


async def test_from_the_request_to_the_copy(tmp_path: Path) -> None:
    """Nothing leaves before both signed; then rows, columns and masks as agreed on, each in the log
    under the agreement; nothing after it was revoked."""
    settings = Settings(data=tmp_path / "works", pieces=False)
    settings.data.mkdir()
    city, school = await City.open(settings), Site("school", tmp_path / "school")
    await school.open()
    room = None
    try:
        with nats_server() as nats:
            rooms = city.rooms
            agreements, audit = rooms.agreements, rooms.audit
            assert agreements is not None and audit is not None
            id = await agreed_on(city)
            room = await relaying(city, id, nats.url)
            going = room.outgoing
            assert going is not None
            await put(city, sensor(1, "D1", 17), sensor(2, "D2", 18))
            await room.start()
            into = {"works": {"tenants": {"default": "copy"}}}
            await until(lambda: going.state == "up" and going.refusals())
            await school.relay(urls=nats.url, **{"in": into})
            assert {} == await school.holds("copy")
            await agreements.approve(person("po", "works", "owner"), id)
            await agreements.sign(person("pc", "education", "owner"), id)

            async def has(expected: dict[str, Any]) -> bool:
                return expected == await shown(school)

            await until(lambda: has({"1": ("D1", 10)}))
            await put(city, sensor(3, "D1", 42), sensor(4, "D3", 5))
            await until(lambda: has({"1": ("D1", 10), "3": ("D1", 40)}))
            assert {"1", "3"} == {one[-1] for one in await school.holds("copy")}
            assert 2 <= sum(one.row.rows for one in await audit.search(agreement=id))
            await agreements.revoke(person("po", "works", "owner"), id, reason="no longer needed")
            await put(city, sensor(5, "D1", 77))  # what was decided a moment ago is over
            await until(lambda: going.behind == 0)
            assert {"1", "3"} == {one[-1] for one in await school.holds("copy")}
            await room.stop()
            room = None
            await school.stop_relay()
    finally:
        if room is not None:
            await room.stop()
        await school.close()
        await city.close()
