"""`?at=`: any query as of any moment, under the same rules as the present."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Projection
from pintu.kernel.analytics.history import History
from pintu.kernel.clock import iso
from pintu.kernel.context.selection import Compare
from pintu.kernel.context.selection import Path as QPath
from pintu.kernel.tables import open_tables
from tests.postgres import address_for
from tests.web.ngsi_ld.doors import CABINET, Door

LAMPS = "/entities?type=Lamp&options=keyValues"


@pytest.fixture
async def then(door: Door, lamp: dict[str, Any], tmp_path: Path) -> Any:
    """A city whose lamp was at 40 then, and is at 80 now; another came since."""
    tables = open_tables(tmp_path, address_for(tmp_path))
    rooms = door.broker.rooms
    rooms.history = History(rooms.store, tables, rooms.clock, address_for(tmp_path))
    for entity in (lamp, CABINET):
        await door("POST", "/entities", entity)
    moment = iso(rooms.clock.now_us())
    level = {"level": {"type": "Property", "value": 80}}
    assert 204 == (await door("PATCH", f"/entities/{lamp['id']}/attrs", level)).status
    renamed = {"name": {"type": "Property", "value": "C2"}}
    await door("PATCH", f"/entities/{CABINET['id']}/attrs", renamed)
    await door("POST", "/entities", {**lamp, "id": "urn:ngsi-ld:Lamp:2"})
    yield moment
    tables.close()


async def test_a_query_is_answered_as_of_then(door: Door, then: str) -> None:
    """Values, entities and conditions are those of the moment."""
    [one] = await door.json("GET", f"{LAMPS}&at={then}")
    assert ("urn:ngsi-ld:Lamp:1", 40) == (one["id"], one["level"])
    assert 2 == len(await door.json("GET", LAMPS))
    assert [] == await door.json("GET", f"{LAMPS}&q=level>50&at={then}")
    counted = await door("GET", f"{LAMPS}&q=level<50&count=true&at={then}")
    assert (b"ngsild-results-count", b"1") in [(k.lower(), v) for k, v in counted.headers]


async def test_an_entity_is_retrieved_as_of_then(door: Door, then: str) -> None:
    """What was not there yet is not found; where it leads is as it was, too."""
    path = f"/entities/urn:ngsi-ld:Lamp:1?join=inline&options=keyValues&at={then}"
    assert "C1" == (await door.json("GET", path))["partOf"]["name"]
    assert 404 == (await door("GET", f"/entities/urn:ngsi-ld:Lamp:2?at={then}")).status
    await door("DELETE", "/entities/urn:ngsi-ld:Lamp:1")
    assert 404 == (await door("GET", "/entities/urn:ngsi-ld:Lamp:1")).status
    whole = await door.json("GET", f"/entities/urn:ngsi-ld:Lamp:1?at={then}&options=sysAttrs")
    assert whole["createdAt"] < then and 40 == whole["level"]["value"]


async def test_the_gate_narrows_the_past(door: Door, then: str) -> None:
    """Rows, attributes and questions of the past are those that are let through."""
    door.desk.projection = Projection(rows=Compare(QPath("level"), ">", 50))
    assert [] == await door.json("GET", f"{LAMPS}&at={then}")
    assert 404 == (await door("GET", f"/entities/urn:ngsi-ld:Lamp:1?at={then}")).status
    door.desk.projection = Projection(hidden=frozenset({"secret"}))
    [one] = await door.json("GET", f"{LAMPS}&at={then}")
    assert "secret" not in one
    assert 403 == (await door("GET", f"{LAMPS}&q=secret&at={then}")).status


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2999-01-01T00:00:00Z", "lies ahead"),
        ("yesterday", "at"),
        ("1969-01-01T00:00:00Z", "before this city's history"),
    ],
)
async def test_a_moment_that_cannot_be_told_is_refused(
    door: Door, then: str, at: str, said: str
) -> None:
    """Ahead of the clock, before history, or no time at all: the answer says which."""
    for path in (f"{LAMPS}&at={at}", f"/entities/urn:ngsi-ld:Lamp:1?at={at}"):
        answer = await door("GET", path)
        assert 400 == answer.status
        assert said in orjson.loads(answer.body)["detail"]


async def test_before_the_city_there_was_nothing(door: Door, then: str) -> None:
    """A moment of which everything is known, and nothing was there."""
    assert [] == await door.json("GET", f"{LAMPS}&at=2001-01-01T00:00:00Z")


NEAR = "georel=near;maxDistance==2000&geometry=Point&coordinates=%5B{}%5D"


async def test_places_and_scopes_are_those_of_then(door: Door, then: str) -> None:
    """A lamp that was moved and filed elsewhere since is found where it was, by distance, by area,
    by scope, in order of distance; not where it is now."""
    path, first = "/entities/urn:ngsi-ld:Lamp:1", door.broker.rooms.clock.now_us

    async def moves(lamp: int, *place: float) -> None:
        point = {"type": "Point", "coordinates": place}
        told = {"location": {"type": "GeoProperty", "value": point}}
        await door("PATCH", f"/entities/urn:ngsi-ld:Lamp:{lamp}/attrs", told)

    await door("POST", f"{path}/attrs", {"scope": ["/north/road"]})
    await moves(2, 120.11, 30.2)
    north = iso(first())
    await moves(1, 121.5, 31.2)
    await door("DELETE", "/entities/urn:ngsi-ld:Lamp:2")
    await door("POST", f"{path}/attrs", {"scope": ["/south"]})
    old, new = NEAR.format("120.1,30.2"), NEAR.format("121.5,31.2")
    ring = "[[[120,30],[120.2,30],[120.2,30.4],[120,30.4],[120,30]]]"
    area = f"georel=within&geometry=Polygon&coordinates={ring}"

    async def found(query: str, at: str = "") -> list[str]:
        told = await door.json("GET", f"{LAMPS}&{query}{at and '&at=' + at}")
        return [one["id"].rpartition(":")[2] for one in told]

    assert (["1"], [], ["1"]) == (await found(new), await found(old), await found("scopeQ=/south"))
    assert (["1", "2"], []) == (await found(old, north), await found(new, north))
    assert ["1"] == await found(old, then)
    assert (["1", "2"], []) == (await found(area, north), await found(area))
    assert (["1"], []) == (
        await found("scopeQ=/north/%23", north),
        await found("scopeQ=/north/%23"),
    )
    assert ([], []) == (await found("scopeQ=/south", north), await found("scopeQ=/north/%23", then))
    assert ["1"] == await found(f"{old}&scopeQ=/north/%2B", north)
    order = "orderBy=location;dist-asc&orderFrom=[121,31]"
    assert ["2", "1"] == await found(order, north)
    counted = await door("GET", f"{LAMPS}&{old}&count=true&limit=1&at={north}")
    assert (b"ngsild-results-count", b"2") in [(k.lower(), v) for k, v in counted.headers]
    door.desk.projection = Projection(hidden=frozenset({"location"}))
    assert 403 == (await door("GET", f"{LAMPS}&{old}&at={north}")).status
