"""Histories over NGSI-LD: told, asked for, changed, cut into pages, within what may be seen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.access import Mask, Projection
from pintu.kernel.context.selection import Compare, Path
from tests.web.ngsi_ld.doors import Door, header

ID = "urn:ngsi-ld:Lamp:1"
HISTORY = "/temporal/entities"
ONE = f"{HISTORY}/{ID}"
A = "urn:a"


def at(hour: int) -> str:
    """An hour of a day long ago."""
    return f"2025-03-01T{hour:02d}:00:00Z"


def reading(value: Any, hour: int, **more: Any) -> dict[str, Any]:
    """A Property that was observed then."""
    return {"type": "Property", "value": value, "observedAt": at(hour), **more}


def history(id: str = ID, **attributes: Any) -> dict[str, Any]:
    """A temporal representation."""
    return {"id": id, "type": "Lamp", **attributes}


async def told(door: Door, path: str, name: str = "power") -> list[Any]:
    """The values of an attribute in a history."""
    return [one["value"] for one in (await door.json("GET", path)).get(name, [])]


async def test_a_history_is_told_and_goes_on(door: Door) -> None:
    """201 with its place, then 204; types join; one time is told once; the present is untouched."""
    first = await door("POST", HISTORY, history(power=[reading(1, 1), reading(2, 2)]))
    assert (201, [b"/ngsi-ld/v1/temporal/entities/" + ID.encode()]) == (
        first.status,
        header(first, b"location"),
    )
    more = {**history(power=reading(3, 2)), "type": ["Lamp", "Pole"]}
    assert 204 == (await door("POST", HISTORY, more)).status
    assert [1, 3] == await told(door, ONE)
    assert ["Lamp", "Pole"] == (await door.json("GET", ONE))["type"]
    assert 404 == (await door("GET", f"/entities/{ID}")).status
    assert 204 == (await door("POST", f"{ONE}/attrs", {"level": reading(9, 9)})).status
    assert [9] == await told(door, ONE, "level")
    assert 404 == (await door("POST", f"{HISTORY}/urn:no/attrs", {"a": reading(1, 1)})).status


async def test_every_write_is_history(door: Door) -> None:
    """Created, patched, an attribute deleted, the entity deleted, created again: one history."""
    await door("POST", "/entities", history(power=reading(1, 1), scope="/a"))
    await door("PATCH", f"/entities/{ID}/attrs", {"power": reading(2, 2)})
    await door("DELETE", f"/entities/{ID}/attrs/power")
    await door("DELETE", f"/entities/{ID}")
    await door("POST", "/entities", history(power=reading(3, 3)))
    assert [1, 2, "urn:ngsi-ld:null", 3] == await told(door, ONE)
    assert ["/a", []] == await told(door, ONE, "scope")
    gone = await door.json("GET", f"{ONE}?timeproperty=deletedAt&options=temporalValues")
    assert ["urn:ngsi-ld:null"] == [value for value, _ in gone["power"]["values"]]


async def test_attributes_and_instances_are_taken_out(door: Door) -> None:
    """The default instance, one data set, all; an instance by its id; the whole."""
    power = [reading(1, 1), reading(2, 2), reading(3, 3, datasetId=A)]
    await door("POST", HISTORY, history(power=power, level=reading(5, 5)))
    instances = (await door.json("GET", ONE))["power"]
    place = f"{ONE}/attrs/power/{instances[0]['instanceId']}"
    assert 204 == (await door("PATCH", place, {"power": {"type": "Property", "value": 7}})).status
    changed = (await door.json("GET", f"{ONE}?options=sysAttrs"))["power"][0]
    assert (7, at(1), instances[0]["instanceId"]) == (
        changed["value"], changed["observedAt"], changed["instanceId"]
    )  # fmt: skip
    assert changed["createdAt"] < changed["modifiedAt"]
    assert 204 == (await door("DELETE", place)).status
    assert 404 == (await door("DELETE", place)).status
    assert [2, 3] == await told(door, ONE)
    assert 204 == (await door("DELETE", f"{ONE}/attrs/power")).status
    assert 404 == (await door("DELETE", f"{ONE}/attrs/power")).status
    assert [3] == await told(door, ONE)
    assert 204 == (await door("DELETE", f"{ONE}/attrs/power?deleteAll=true")).status
    assert {"id", "type", "level"} == set(await door.json("GET", ONE))
    assert 204 == (await door("DELETE", ONE)).status
    assert (404, 404) == ((await door("GET", ONE)).status, (await door("DELETE", ONE)).status)


async def test_what_only_history_knows_can_be_deleted_there(door: Door) -> None:
    """Deleting an attribute of an entity that is not present leaves a tombstone in its history."""
    await door("POST", HISTORY, history(power=reading(1, 1), scope=["/a"]))
    assert 204 == (await door("DELETE", f"/entities/{ID}/attrs/power")).status
    assert 204 == (await door("DELETE", f"/entities/{ID}/attrs/scope")).status
    assert 404 == (await door("DELETE", f"/entities/{ID}/attrs/power")).status
    assert [1, "urn:ngsi-ld:null"] == await told(door, ONE)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (HISTORY, history(power="urn:ngsi-ld:null")),
        (HISTORY, history(power={**reading(1, 1), "observedAt": "2025-03-01T01:00:00+01:00"})),
        (HISTORY, {"type": "Lamp", "power": reading(1, 1)}),
        (HISTORY, {"id": ID, "power": reading(1, 1)}),
        (HISTORY, history(scope=[{"type": "Property", "value": "/a", "unitCode": "x"}])),
        (HISTORY, history(expiresAt="urn:ngsi-ld:null")),
        (f"{ONE}/attrs", {}),
        (f"{ONE}/attrs", {"id": "urn:other", "power": reading(1, 1)}),
    ],
)
async def test_a_wrong_history_is_refused(door: Door, path: str, body: Any) -> None:
    """400, and nothing is known."""
    assert 400 == (await door("POST", path, body)).status
    assert 404 == (await door("GET", ONE)).status


async def test_a_strict_tenant_keeps_to_its_words_in_the_past_too(door: Door) -> None:
    """Invented types and attributes are refused."""
    told = history(powerState=[{**reading("on", 1), "type": "Property"}])
    refused = await door("POST", HISTORY, told, ngsild_tenant="strict")
    assert 400 == refused.status
    known = {**told, "type": "Streetlight"}
    assert 201 == (await door("POST", HISTORY, known, ngsild_tenant="strict")).status


LAMPS = f"{HISTORY}?type=Lamp&timerel=after&timeAt={at(0)}"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("", [1, 2, 3]),
        ("&q=power>2", [2]),
        ("&q=power==5|power==1", [1, 2]),
        ("&attrs=level", [3]),
        ("&pick=power", [1, 2]),
        ("&datasetId=urn:a", [3]),
        ("&idPattern=2$", [2]),
        ("&id=urn:lamp:3,urn:lamp:1,urn:no", [1, 3]),
        ("&orderBy=id;desc", [3, 2, 1]),
        ("&limit=1&offset=1", [2]),
        ("&georel=near;maxDistance==10&geometry=Point&coordinates=[120,30]", [1]),
    ],
)
async def test_histories_are_queried(door: Door, question: str, expected: list[int]) -> None:
    """Only what lies in the time asked for counts; those of deleted entities are found too."""
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120, 30]}}
    here = {**place, "observedAt": at(3)}
    away = {**here, "value": {"type": "Point", "coordinates": [10, 10]}}
    early = {**reading(99, 0), "observedAt": "2024-01-01T00:00:00Z"}
    await door("POST", HISTORY, history("urn:lamp:1", power=[reading(1, 1), early], location=here))
    await door("POST", "/entities", history("urn:lamp:2", power=reading(5, 1), location=away))
    await door("DELETE", "/entities/urn:lamp:2")
    await door("POST", HISTORY, history("urn:lamp:3", level=reading(1, 1, datasetId=A)))
    await door("POST", HISTORY, history("urn:lamp:4", power=early))
    await door("POST", HISTORY, {**history("urn:bin:1", power=reading(5, 1)), "type": "Bin"})
    answer = await door("GET", LAMPS + question)
    assert 200 == answer.status, answer.body
    found = [one.get("id", "urn:lamp:0") for one in orjson.loads(answer.body)]
    if "pick" in question:
        assert len(expected) == len(found)
    else:
        assert [f"urn:lamp:{n}" for n in expected] == found


async def test_pages_of_entities_lead_on(door: Door) -> None:
    """Count and literal links."""
    for number in range(3):
        await door("POST", HISTORY, history(f"urn:lamp:{number}", power=reading(1, 1)))
    answer = await door("GET", f"{LAMPS}&limit=1&offset=1&count=true")
    assert [b"3"] == header(answer, b"ngsild-results-count")
    before, after = header(answer, b"link")[-2:]
    assert b"offset=0" in before and b'rel="prev"' in before
    assert b"offset=2" in after and b'rel="next"' in after


@pytest.mark.parametrize(
    "question",
    [
        "",
        "?type=Lamp",
        "?type=Lamp&timerel=after",
        f"?timerel=after&timeAt={at(0)}",
        f"?type=Lamp&timerel=after&timeAt={at(0)}&orderBy=power",
        f"?type=Lamp&timerel=after&timeAt={at(0)}&pick=partOf{{name}}",
        f'?type=Lamp&timerel=after&timeAt={at(0)}&q=partOf{{name}}=="x"',
        f"?type=Lamp&timerel=after&timeAt={at(0)}&options=aggregatedValues",
        f"?type=Lamp&timerel=between&timeAt={at(5)}&endTimeAt={at(2)}",
        f"?type=Lamp&timerel=after&timeAt={at(0)}&attrs=power&pick=power",
    ],
)
async def test_a_wrong_question_is_refused(door: Door, question: str) -> None:
    """400 with what is wrong."""
    answer = await door("GET", HISTORY + question)
    assert (400, "BadRequestData") == (
        answer.status,
        orjson.loads(answer.body)["type"].rpartition("/")[2],
    )


async def test_a_query_document(door: Door) -> None:
    """temporalQ, aggrParams, several selectors."""
    await door("POST", HISTORY, history(power=[reading(1, 1), reading(3, 2)]))
    document = {
        "type": "Query",
        "entities": [{"type": "Lamp"}, {"type": "Bin", "id": "urn:bin:1"}],
        "temporalQ": {"timerel": "after", "timeAt": at(0)},
        "aggrParams": {"aggrMethods": ["avg"], "aggrPeriodDuration": "PT0S"},
    }
    place = "/temporal/entityOperations/query"
    [found] = await door.json("POST", place, document)
    assert [[2.0, at(0), at(2)]] == found["power"]["avg"]
    for wrong in ({}, {"temporalQ": {"timeAt": at(0)}}, {"temporalQ": {"x": 1}}):
        assert 400 == (await door("POST", place, {**document, "temporalQ": 5, **wrong})).status


async def test_a_long_history_is_cut_and_read_on(door: Door) -> None:
    """206 with the range that is told; from its end on nothing is missing."""
    settings = door.broker.rooms.settings
    object.__setattr__(settings, "temporal_page", 5)
    await door("POST", HISTORY, history(power=[reading(n, n) for n in range(12)]))
    seen: list[int] = []
    since = at(0)
    for _ in range(5):
        answer = await door("GET", f"{ONE}?timerel=after&timeAt={since}")
        values = [one["value"] for one in orjson.loads(answer.body)["power"]]
        seen += [one for one in values if one not in seen]
        if answer.status == 200:
            break
        assert 206 == answer.status
        [range_] = header(answer, b"content-range")
        since = range_.decode().removeprefix(f"date-time {since}-").removesuffix("/*")
    assert list(range(12)) == seen
    answer = await door("GET", f"{ONE}?lastN=12")
    assert f"date-time {at(11)}-{at(7)}/12".encode() == header(answer, b"content-range")[0]


# --- what may be seen -------------------------------------------------------------------------
HIDING = [
    Projection(hidden=frozenset({"secret", "scope"})),
    Projection(attributes=frozenset({"power"})),
    Projection(masks={"secret": Mask(kind="truncate", keep=1), "scope": Mask(kind="drop")}),
]


@pytest.mark.parametrize("projection", HIDING)
async def test_what_is_hidden_has_no_history(door: Door, projection: Projection) -> None:
    """Neither its instances nor its tombstone nor an entity that has nothing else."""
    await door("POST", "/entities", history(power=reading(1, 1), secret=reading(7, 1), scope="/a"))
    await door("DELETE", f"/entities/{ID}/attrs/secret")
    await door("POST", HISTORY, history("urn:lamp:2", secret=reading(8, 1)))
    door.desk.projection = projection
    assert {"id", "type", "power"} == set(await door.json("GET", ONE))
    assert [ID] == [one["id"] for one in await door.json("GET", LAMPS)]
    for question in ("attrs=secret", "pick=secret", "q=secret>1"):
        assert 403 == (await door("GET", f"{LAMPS}&{question}")).status
    assert 403 == (await door("GET", f"{ONE}?attrs=secret")).status
    for method, path, body in (
        ("POST", HISTORY, history(secret=reading(1, 1))),
        ("DELETE", f"{ONE}/attrs/secret", None),
        ("DELETE", ONE, None),
    ):
        assert 403 == (await door(method, path, body)).status


async def test_a_fence_holds_where_instances_must_be_told_apart(door: Door) -> None:
    """Several data sets written behind the fence do not bring back what lies before it."""
    both = [reading(1, 1), reading(2, 1, datasetId=A)]
    await door("POST", "/entities", history(power=both, district=reading("D9", 1)))
    await door("PATCH", f"/entities/{ID}/attrs", {"district": reading("D1", 2)})
    await door("POST", f"/entities/{ID}/attrs", {"power": [reading(7, 7, datasetId=A)]})
    door.desk.projection = Projection(rows=Compare(Path("district"), "==", "D1"))
    assert {1, 7} >= set(await told(door, ONE)) >= {7}
    assert ["D1"] == await told(door, ONE, "district")


async def test_rows_that_are_not_seen_have_no_history(door: Door) -> None:
    """An entity is seen as what it is now: its past only since it is one that may be seen."""
    await door("POST", "/entities", history(power=reading(1, 1), district=reading("D9", 1)))
    await door("PATCH", f"/entities/{ID}/attrs", {"power": reading(2, 2)})
    await door("PATCH", f"/entities/{ID}/attrs", {"district": reading("D1", 3)})
    await door("PATCH", f"/entities/{ID}/attrs", {"power": reading(4, 4)})
    for number, district in ((2, "D2"), (3, "D1")):
        whole = history(f"urn:lamp:{number}", power=reading(5, 5), district=reading(district, 5))
        await door("POST", "/entities", whole)
    await door("DELETE", "/entities/urn:lamp:3")
    await door("POST", HISTORY, history("urn:lamp:4", district=reading("D1", 1)))
    door.desk.projection = Projection(rows=Compare(Path("district"), "==", "D1"))
    assert [4] == await told(door, ONE)
    assert [ID] == [one["id"] for one in await door.json("GET", LAMPS)]
    assert 404 == (await door("GET", f"{HISTORY}/urn:lamp:2")).status
    assert 404 == (await door("GET", f"{HISTORY}/urn:lamp:3")).status
    assert 403 == (await door("POST", HISTORY, history(power=reading(1, 1)))).status
    assert 403 == (await door("DELETE", ONE)).status
