"""Snapshots: what queries found at a moment, whatever happens afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Projection
from pintu.kernel.context.parse import parse_q
from pintu.kernel.jsonld import CORE
from tests.web.ngsi_ld.doors import header
from tests.web.ngsi_ld.foreign import Abroad

pytestmark = pytest.mark.asyncio
ALL = {"type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "Lamp"}]}]}


def lamp(number: int, level: int) -> dict[str, Any]:
    """A lamp of some level."""
    id = f"urn:ngsi-ld:Lamp:{number}"
    return {"id": id, "type": "Lamp", "level": {"type": "Property", "value": level}}


async def made(abroad: Abroad, document: dict[str, Any]) -> dict[str, Any]:
    """A snapshot that is not being prepared any more."""
    answer = await abroad.door("POST", "/snapshots", document)
    assert 201 == answer.status
    path = header(answer, b"location")[0].decode().removeprefix("/ngsi-ld/v1")
    for _ in range(200):
        found: dict[str, Any] = await abroad.door.json("GET", path)
        if found["snapshotStatus"] != "preparing":
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("still preparing")


async def levels(abroad: Abroad, snapshot: str, query: str = "type=Lamp") -> list[int]:
    """The levels of the lamps of a snapshot."""
    found = await abroad.door.json("GET", f"/entities?{query}", ngsild_snapshot=snapshot)
    return [one["level"]["value"] for one in found]


async def test_what_changes_afterwards_does_not_change_the_snapshot(abroad: Abroad) -> None:
    """Changed, deleted and new entities are in it as they were."""
    for number in (1, 2):
        await abroad.door("POST", "/entities", lamp(number, number))
    snapshot = await made(abroad, ALL)
    assert "success" == snapshot["snapshotStatus"]
    await abroad.door("PATCH", "/entities/urn:ngsi-ld:Lamp:1", lamp(1, 100))
    await abroad.door("DELETE", "/entities/urn:ngsi-ld:Lamp:2")
    await abroad.door("POST", "/entities", lamp(3, 3))
    assert [1, 2] == await levels(abroad, snapshot["id"])
    one = "/entities/urn:ngsi-ld:Lamp:1"
    answer = await abroad.door("GET", one, ngsild_snapshot=snapshot["id"])
    assert 1 == orjson.loads(answer.body)["level"]["value"]
    assert [snapshot["id"].encode()] == header(answer, b"ngsild-snapshot")


async def test_a_snapshot_is_asked_as_a_store_is(abroad: Abroad) -> None:
    """q, order, pages and counts; beyond a few hundred entities in a thread."""
    lamps = [lamp(number, number % 7) for number in range(300)]
    await abroad.door("POST", "/entityOperations/create", lamps)
    snapshot = (await made(abroad, ALL))["id"]
    await abroad.door("DELETE", "/entities?type=Lamp")
    query = "type=Lamp&q=level>=5&orderBy=level;desc&limit=50&offset=0&count=true"
    answer = await abroad.door("GET", f"/entities?{query}", ngsild_snapshot=snapshot)
    expected = sum(number % 7 >= 5 for number in range(300))
    assert [b"%d" % expected] == header(answer, b"ngsild-results-count")
    found = [one["level"]["value"] for one in orjson.loads(answer.body)]
    assert [6] * 42 + [5] * 8 == found
    types = await abroad.door.json("GET", "/types", ngsild_snapshot=snapshot)
    assert ["Lamp"] == types["typeList"]


async def test_only_what_the_query_found_is_in_it(abroad: Abroad) -> None:
    """Each query is told of by itself."""
    for number in (1, 2, 3):
        await abroad.door("POST", "/entities", lamp(number, number))
    queries = [
        {"type": "Query", "entities": [{"type": "Lamp"}], "q": "level>2"},
        {"type": "Query", "entities": [{"type": "Lamp"}], "q": "level<2"},
    ]
    snapshot = await made(abroad, {"type": "Snapshot", "snapshotQueries": queries})
    assert ["success"] * 2 == [one["resultStatus"] for one in snapshot["snapshotQueriesDetails"]]
    assert [1, 3] == sorted(await levels(abroad, snapshot["id"]))


@pytest.mark.parametrize(
    "document",
    [
        {"type": "Snapshot"},
        {"type": "Snapshot", "snapshotQueries": []},
        {"type": "Snapshot", "snapshotQueries": [{"type": "Query"}]},
        {**ALL, "snapshotStatus": "success"},
        {**ALL, "snapshotPriority": -1},
        {**ALL, "expiresAt": "2020-01-01T00:00:00Z"},
        {**ALL, "type": "Photo"},
    ],
)
async def test_what_is_no_snapshot_is_refused(abroad: Abroad, document: Any) -> None:
    """400 for what is missing, unknown, out of bounds or over."""
    assert 400 == (await abroad.door("POST", "/snapshots", document)).status


async def test_an_unknown_snapshot_is_not_found_and_none_is_written(abroad: Abroad) -> None:
    """404, never the live entities instead; a snapshot does not change."""
    await abroad.door("POST", "/entities", lamp(1, 1))
    unknown = "urn:ngsi-ld:Snapshot:x"
    assert 404 == (await abroad.door("GET", "/entities?type=Lamp", ngsild_snapshot=unknown)).status
    snapshot = (await made(abroad, ALL))["id"]
    answer = await abroad.door("POST", "/entities", lamp(2, 2), ngsild_snapshot=snapshot)
    assert 422 == answer.status
    assert 404 == (await abroad.door("GET", "/entities/urn:ngsi-ld:Lamp:2")).status


async def test_a_clone_outlives_the_snapshot_it_was_made_of(abroad: Abroad) -> None:
    """They share entities, not lives."""
    await abroad.door("POST", "/entities", lamp(1, 1))
    first = (await made(abroad, ALL))["id"]
    answer = await abroad.door("POST", f"/snapshots/{first}/clone", {"snapshotPriority": 9})
    clone = header(answer, b"location")[0].decode().rpartition("/")[2]
    assert 204 == (await abroad.door("DELETE", f"/snapshots/{first}")).status
    assert 404 == (await abroad.door("GET", f"/snapshots/{first}")).status
    assert [1] == await levels(abroad, clone)
    assert 9 == (await abroad.door.json("GET", f"/snapshots/{clone}"))["snapshotPriority"]


async def test_its_priority_and_its_end_change_and_nothing_else(abroad: Abroad) -> None:
    """200 with what it is now."""
    snapshot = (await made(abroad, ALL))["id"]
    path = f"/snapshots/{snapshot}"
    changed = await abroad.door.json("PATCH", path, {"snapshotPriority": 2})
    assert 2 == changed["snapshotPriority"]
    assert 400 == (await abroad.door("PATCH", path, {"snapshotQueries": []})).status


async def test_a_purge_takes_those_that_match(abroad: Abroad) -> None:
    """q is about members of snapshots alone."""
    low = (await made(abroad, {**ALL, "snapshotPriority": 1}))["id"]
    high = (await made(abroad, {**ALL, "snapshotPriority": 8}))["id"]
    assert 400 == (await abroad.door("DELETE", "/snapshots?q=level>1")).status
    assert 204 == (await abroad.door("DELETE", "/snapshots?q=snapshotPriority<5")).status
    assert 404 == (await abroad.door("GET", f"/snapshots/{low}")).status
    assert 200 == (await abroad.door("GET", f"/snapshots/{high}")).status


async def test_a_reader_of_some_rows_sees_them_alone(abroad: Abroad) -> None:
    """Whoever made it: what one may see is decided when it is read."""
    for number in (1, 2, 3):
        await abroad.door("POST", "/entities", lamp(number, number))
    snapshot = (await made(abroad, ALL))["id"]
    abroad.door.desk.projection = Projection(basis="test", rows=parse_q("level>1", CORE))
    assert [2, 3] == await levels(abroad, snapshot)


async def test_what_sources_have_is_in_it(abroad: Abroad) -> None:
    """Its queries are asked everywhere; afterwards no source is asked any more."""
    await abroad.door("POST", "/entities", lamp(1, 1))
    await abroad.registers("one", operations=["queryEntity"])
    abroad.world.says("one", 200, [lamp(2, 2)])
    snapshot = (await made(abroad, ALL))["id"]
    asked = len(abroad.lines("one"))
    assert [1, 2] == sorted(await levels(abroad, snapshot))
    assert asked == len(abroad.lines("one"))
