"""Histories over this broker and its sources, put together before anything is chosen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.web.ngsi_ld.doors import header
from tests.web.ngsi_ld.foreign import Abroad, Heard, Said

pytestmark = pytest.mark.asyncio
OPS = ["retrieveTemporal", "queryTemporal"]
ONE = "/temporal/entities/urn:ngsi-ld:Lamp:1"
SINCE = "timerel=after&timeAt=2020-01-01T00:00:00Z"


def lamp(number: int, *levels: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A lamp whose level was something on days of May."""
    told = [
        {"type": "Property", "value": value, "observedAt": f"2026-05-{day:02}T00:00:00Z"}
        for day, value in levels
    ]
    return {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", "level": told} | more


def levels(document: Any) -> list[int]:
    """Values of a history, in its order."""
    told = document["level"]
    return [one["value"] for one in (told if isinstance(told, list) else [told])]


async def test_instances_of_all_are_one_series(abroad: Abroad) -> None:
    """In the order of time; one that both have is there once."""
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10), (2, 20)))
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, lamp(1, (2, 20), (3, 30)))
    assert [10, 20, 30] == levels(await abroad.door.json("GET", f"{ONE}?{SINCE}"))
    assert "options=sysAttrs" in abroad.last("one").below


async def test_what_only_a_source_knows_is_told(abroad: Abroad) -> None:
    """In every form; times outside of what was asked are left out, whatever the source says."""
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, lamp(1, (1, 10), (20, 30)))
    asked = "timerel=between&timeAt=2026-04-01T00:00:00Z&endTimeAt=2026-05-10T00:00:00Z"
    found = await abroad.door.json("GET", f"{ONE}?{asked}&options=temporalValues")
    assert [[10, "2026-05-01T00:00:00Z"]] == found["level"]["values"]


async def test_the_last_of_all_are_the_last(abroad: Abroad) -> None:
    """lastN counts what was put together."""
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10), (4, 40)))
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, lamp(1, (2, 20), (3, 30)))
    found = await abroad.door.json("GET", f"{ONE}?{SINCE}&lastN=2")
    assert [30, 40] == sorted(levels(found))


async def test_aggregates_are_of_all(abroad: Abroad) -> None:
    """Not of what one broker has."""
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 100)))
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, [lamp(1, (2, 300))])
    asked = f"type=Lamp&{SINCE}&format=aggregatedValues&aggrMethods=avg"
    found = await abroad.door.json("GET", f"/temporal/entities?{asked}")
    assert 200 == found[0]["level"]["avg"][0][0]


async def test_a_source_is_not_asked_about_times_it_has_nothing_of(abroad: Abroad) -> None:
    """A query on observedAt is held against its observationInterval (5.2.9)."""
    times = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-02-01T00:00:00Z"}
    await abroad.registers("one", operations=OPS, observationInterval=times)
    abroad.world.says("one", 200, [lamp(1, (1, 10))])
    march = "timerel=between&timeAt=2026-03-01T00:00:00Z&endTimeAt=2026-04-01T00:00:00Z"
    for path in (ONE, "/temporal/entities"):
        await abroad.door("GET", f"{path}?type=Lamp&{march}" if path != ONE else f"{path}?{march}")
    assert [] == abroad.lines("one")
    await abroad.door("GET", f"/temporal/entities?type=Lamp&{SINCE}")
    assert 1 == len(abroad.lines("one"))


async def test_the_scope_of_an_entity_elsewhere_is_asked_of(abroad: Abroad) -> None:
    """scopeQ holds of what the source says of the scope (5.7.4.4, 4.18)."""
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, [lamp(1, (1, 10), scope="/Madrid")])
    found = await abroad.door.json("GET", f"/temporal/entities?type=Lamp&{SINCE}&scopeQ=/Madrid")
    assert ["urn:ngsi-ld:Lamp:1"] == [one["id"] for one in found]


async def test_pages_part_the_union(abroad: Abroad) -> None:
    """By id, each once, wherever it is."""
    await abroad.door("POST", "/temporal/entities", lamp(2, (1, 1)))
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, [lamp(3, (1, 1)), lamp(1, (1, 1))])
    pages = [
        await abroad.door.json("GET", f"/temporal/entities?type=Lamp&{SINCE}&limit=2&offset={at}")
        for at in (0, 2)
    ]
    assert [["1", "2"], ["3"]] == [[one["id"][-1] for one in page] for page in pages]


async def test_an_exclusive_source_speaks_for_its_attribute_alone(abroad: Abroad) -> None:
    """What is here of it from before is not told."""
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10)))
    info = [
        {
            "entities": [{"type": "Lamp", "id": "urn:ngsi-ld:Lamp:1"}],
            "propertyNames": ["level"],
        }
    ]
    await abroad.registers("one", "exclusive", operations=OPS, information=info)
    abroad.world.says("one", 200, lamp(1, (3, 30), secret={"type": "Property", "value": 1}))
    found = await abroad.door.json("GET", f"{ONE}?{SINCE}")
    assert [30] == levels(found)
    assert "secret" not in found


async def test_a_source_that_cuts_its_times_is_asked_on(abroad: Abroad) -> None:
    """Until it has told all; one that never ends is left after a number of pages."""
    await abroad.registers("one", operations=OPS)

    def cuts(heard: Heard) -> Said | bytes:
        if "2026-05-02" in heard.below:
            return Said(200, orjson.dumps(lamp(1, (3, 30))))
        body = orjson.dumps(lamp(1, (1, 10), (2, 20)))
        ranged = "date-time 2026-05-01T00:00:00Z-2026-05-02T00:00:00Z/*"
        head = f"HTTP/1.1 206 X\r\nContent-Range: {ranged}\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body

    abroad.world.behaviours["one"] = cuts
    assert [10, 20, 30] == levels(await abroad.door.json("GET", f"{ONE}?{SINCE}"))


async def test_a_source_without_an_end_is_left_and_named(abroad: Abroad) -> None:
    """A page that is always full: what came is told, with a warning."""
    await abroad.registers("one", operations=OPS)
    abroad.world.says("one", 200, [lamp(number, (1, 1)) for number in range(100)])
    answer = await abroad.door("GET", f"/temporal/entities?type=Lamp&{SINCE}&limit=5")
    assert 200 == answer.status
    assert 60 > len(abroad.lines("one"))
    assert [True] == [b"without an end" in one for one in header(answer, b"ngsild-warning")]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n{{{", None])
async def test_a_source_that_fails_is_a_warning(abroad: Abroad, said: bytes | None) -> None:
    """What is here is told."""
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10)))
    await abroad.registers("one", operations=OPS)
    if said is None:
        abroad.world.says("one", 200, [7, {"id": 3}, {"id": "urn:x:1", "type": "Other"}])
    else:
        abroad.world.behaviours["one"] = lambda _: said
    answer = await abroad.door("GET", f"{ONE}?{SINCE}")
    assert [10] == levels(orjson.loads(answer.body))
    assert (said is None) != bool(header(answer, b"ngsild-warning"))


WRITES = [
    "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal", "updateAttrInstanceTemporal",
    "deleteAttrInstanceTemporal", "deleteTemporal",
]  # fmt: skip
LEVEL = [{"entities": [{"type": "Lamp", "id": "urn:ngsi-ld:Lamp:1"}], "propertyNames": ["level"]}]
LOCAL = f"{ONE}?local=true"


async def test_an_exclusive_source_keeps_the_history_of_its_attribute(abroad: Abroad) -> None:
    """What is told of the past is divided as the present is; the rest is kept here."""
    await abroad.registers("one", "exclusive", operations=WRITES, information=LEVEL)
    abroad.world.says("one", 201)
    told = lamp(1, (1, 10), colour=[{"type": "Property", "value": "red"}])
    answer = await abroad.door("POST", "/temporal/entities", told)
    assert 201 == answer.status
    assert [ONE] == [
        one.decode().removeprefix("/ngsi-ld/v1") for one in header(answer, b"location")
    ]
    assert lamp(1, (1, 10)) == abroad.last("one").document
    here = await abroad.door.json("GET", LOCAL)
    assert ("colour" in here, "level" in here) == (True, False)
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("POST", "/temporal/entities", told)).status
    fragment = {"level": lamp(1, (2, 20))["level"]}
    assert 204 == (await abroad.door("POST", f"{ONE}/attrs", fragment)).status
    assert fragment == abroad.last("one").document
    assert 204 == (await abroad.door("DELETE", f"{ONE}/attrs/level?deleteAll=true")).status
    below = ONE.removeprefix("/")
    assert ["POST temporal/entities", "POST temporal/entities", f"POST {below}/attrs",
            f"DELETE {below}/attrs/level?deleteAll=true"] == abroad.lines("one")  # fmt: skip


async def test_an_instance_is_changed_where_it_is_kept(abroad: Abroad) -> None:
    """The others that are asked have none of that id, which is no failure; 404 when nobody has."""
    await abroad.registers("one", operations=WRITES)
    abroad.world.says("one", 204)
    await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10)))
    abroad.world.says("one", 404)
    [level] = (await abroad.door.json("GET", LOCAL))["level"]
    instance = level["instanceId"]
    path, changed = f"{ONE}/attrs/level/", {"type": "Property", "value": 11}
    assert 204 == (await abroad.door("PATCH", path + instance, changed)).status
    assert [11] == levels(await abroad.door.json("GET", LOCAL))
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("DELETE", path + "urn:ngsi-ld:Instance:theirs")).status
    assert f"DELETE {path[1:]}urn:ngsi-ld:Instance:theirs" == abroad.lines("one")[-1]
    abroad.world.says("one", 404)
    assert 404 == (await abroad.door("DELETE", path + "urn:ngsi-ld:Instance:nobodys")).status
    assert 204 == (await abroad.door("DELETE", ONE)).status
    assert 404 == (await abroad.door("GET", LOCAL)).status


async def test_a_source_is_written_for_what_it_is_registered_for(abroad: Abroad) -> None:
    """No group of operations has those of histories; what only it may have is a conflict then."""
    await abroad.registers("one")
    assert 201 == (await abroad.door("POST", "/temporal/entities", lamp(1, (1, 10)))).status
    assert [] == abroad.lines("one")
    await abroad.registers("two", "exclusive", information=LEVEL)
    assert 409 == (await abroad.door("POST", f"{ONE}/attrs", lamp(1, (2, 1)))).status
    await abroad.registers("three", operations=WRITES)
    abroad.world.says("three", 500)
    answer = await abroad.door("POST", "/temporal/entities", lamp(2, (1, 10)))
    assert 207 == answer.status
    assert "urn:ngsi-ld:ContextSourceRegistration:three" in answer.body.decode()
