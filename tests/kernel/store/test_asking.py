"""What a store promises of selections: exact whichever index serves them, pages, counts, order,
limits.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
import pytest

from pintu.kernel.context.match import matches
from pintu.kernel.context.selection import (
    And,
    Compare,
    Exists,
    GeoSelection,
    OneOf,
    Or,
    OrderKey,
    Path,
    Range,
    ScopeSelection,
    Selection,
    TypeSelection,
)
from pintu.kernel.store.port import Store
from tests.kernel.store.conftest import Doc, create, ids, lamp, page, put, update

POWER = Path("power")


def types(*any_of: str) -> TypeSelection:
    """`A;B` is one conjunction."""
    return TypeSelection(tuple(frozenset(one.split(";")) for one in any_of))


def near(lon: float, lat: float, metres: float) -> GeoSelection:
    """Within so many metres of a place."""
    return GeoSelection("near", {"type": "Point", "coordinates": [lon, lat]}, max_distance_m=metres)


async def learned(store: Store) -> None:
    """Wait until the store has built what it is learning."""
    for _ in range(2000):
        if not store.statistics().get("learning"):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("The index was not built")


async def test_types_select_by_conjunction_and_disjunction(store: Store) -> None:
    """`A,B`, `A;B`, one of several types."""
    await store.submit(
        [
            create(lamp(1)),
            create(lamp(2, type=["Device", "Lamp"])),
            create(lamp(3, type="Device")),
            create(lamp(4, type="Bin")),
        ]
    )
    assert [1, 2] == await ids(store, types=types("Lamp"))
    assert [2] == await ids(store, types=types("Lamp;Device"))
    assert [1, 2, 3] == await ids(store, types=types("Lamp", "Device"))
    assert [] == await ids(store, types=types("Ghost"))
    assert [1, 2, 3, 4] == await ids(store)


async def test_ids_patterns_scopes_and_attributes_select(store: Store) -> None:
    """Each alone and together."""
    await store.submit(
        [
            create(lamp(1, voltage=1)),
            create({**lamp(2), "scope": ["/east/a"]}),
            create(lamp(3)),
            create({**lamp(12), "scope": ["/west"]}),
        ]
    )
    one, two = "urn:ngsi-ld:Lamp:1", "urn:ngsi-ld:Lamp:2"
    assert [1, 2] == await ids(store, ids=(one, two, one, "urn:none"))
    assert [] == await ids(store, ids=(one,), types=types("Bin"))
    assert [1, 12] == await ids(store, id_pattern="^urn:ngsi-ld:Lamp:1")
    assert [2] == await ids(store, scope=ScopeSelection((("/east/#",),)))
    assert [1] == await ids(store, attributes=("voltage", "nothing"))
    assert [1] == await ids(store, attributes=("voltage",), id_pattern="1$")
    found = await page(store, attributes=("power",), count=True, limit=2)
    assert (4, 2) == (found.count, len(found.records))


async def test_pages_cover_everything_once(store: Store) -> None:
    """limit and offset walk through a selection; the count is exact on every page; limit 0
    counts.
    """
    await store.submit(
        [create(lamp(i, type="Lamp" if i % 2 else ["Lamp", "Odd"])) for i in range(95)]
    )
    for wanted in (
        {"types": types("Lamp")},
        {"q": Compare(POWER, ">=", 0)},
        {"geo": near(120, 30, 1e6)},
    ):
        seen = []
        for offset in range(0, 100, 10):
            found = await page(store, limit=10, offset=offset, count=True, **wanted)
            assert 95 == found.count
            seen += [record.id for record in found.records]
        assert 95 == len(seen) == len(set(seen))
    assert 95 == (await page(store, limit=0, count=True, types=types("Lamp"))).count


async def test_a_path_that_is_asked_for_gets_an_index_and_answers_stay_the_same(
    store: Store,
) -> None:
    """Asked three times, built, used, visible in the statistics, kept by later writes, kept over
    types.
    """
    await store.submit([create(lamp(i, power=i % 50)) for i in range(2000)])
    q = Compare(POWER, ">", 47)
    before = await ids(store, q=q)
    for _ in range(3):
        await ids(store, q=q)
    await learned(store)
    found = await page(store, q=q, limit=1000, count=True)
    assert "value power" == found.plan and 80 == found.count == len(before)
    assert before == await ids(store, q=q)
    await store.submit(
        [update("urn:ngsi-ld:Lamp:0", power=49), update(f"urn:ngsi-ld:Lamp:{before[0]}", power=0)]
    )
    await store.submit([create(lamp(5000, power=48)), put(lamp(before[1], power="a text"))])
    expected = sorted({*before, 0, 5000} - set(before[:2]))
    assert expected == await ids(store, q=q)


async def test_places_are_exact_at_the_edge_and_follow_moves(store: Store) -> None:
    """A point is found within its distance to the metre; moved or removed it is no longer there."""
    await store.submit([create(lamp(i)) for i in range(200)])
    found = await page(store, geo=near(120.1, 30, 1000), limit=100, count=True)
    assert found.plan.startswith("place") and 21 == found.count == len(found.records)
    assert [100] == await ids(store, geo=near(120.1, 30, 96.2))
    assert [99, 100, 101] == await ids(store, geo=near(120.1, 30, 96.4))
    away = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [0, 0]}}
    await store.submit(
        [
            update("urn:ngsi-ld:Lamp:100", location=away),
            update("urn:ngsi-ld:Lamp:99", location=None),
        ]
    )
    assert [101] == await ids(store, geo=near(120.1, 30, 96.4))
    assert [100] == await ids(store, geo=near(0, 0, 1))


async def test_shapes_points_and_several_places_are_all_found(store: Store) -> None:
    """Lines and polygons by their boxes and exactly; an entity with two places once."""
    line = {"type": "LineString", "coordinates": [[10, 10], [10.02, 10.02]]}
    square = {
        "type": "Polygon",
        "coordinates": [[[10, 10], [10, 11], [11, 11], [11, 10], [10, 10]]],
    }
    point = {"type": "Point", "coordinates": [10.01, 10.01]}
    two = [
        {"type": "GeoProperty", "value": point},
        {"type": "GeoProperty", "value": square, "datasetId": "urn:d"},
    ]
    await store.submit(
        [
            create(lamp(1, location={"type": "GeoProperty", "value": line})),
            create(lamp(2, location={"type": "GeoProperty", "value": square})),
            create(lamp(3, location=two)),
            create(lamp(4)),
        ]
    )
    assert [1, 2, 3] == await ids(store, geo=near(10.01, 10.01, 5))
    inside = GeoSelection("within", square)
    assert [1, 2, 3] == await ids(store, geo=inside)
    await store.submit([put(lamp(2)), update("urn:ngsi-ld:Lamp:3", location=two[0])])
    assert [1, 3] == await ids(store, geo=inside)
    assert [2, 4] == await ids(store, geo=GeoSelection("disjoint", square))


async def test_places_across_the_antimeridian_and_at_the_poles(store: Store) -> None:
    """The grid has no seam."""
    for number, place in enumerate([[179.999, 0], [-179.999, 0], [0, 89.999], [120, 89.999]]):
        value = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}
        await store.submit([create(lamp(number, location=value))])
    assert [0, 1] == await ids(store, geo=near(180, 0, 500))
    assert [2, 3] == await ids(store, geo=near(-60, 90, 500))


async def test_order_sorts_over_pages(store: Store) -> None:
    """Descending by value, then pages; the distance from a place."""
    await store.submit([create(lamp(i, power=(i * 7) % 30)) for i in range(30)])
    wanted: dict[str, Any] = {"order": (OrderKey(POWER, descending=True),), "limit": 10}
    powers = []
    for offset in (0, 10, 20):
        found = await page(store, offset=offset, **wanted)
        powers += [orjson.loads(record.body)["power"]["value"] for record in found.records]
    assert list(range(29, -1, -1)) == powers
    place = {"type": "Point", "coordinates": [120.01, 30.0]}
    found = await page(store, order=(OrderKey(Path("location"), by_distance_from=place),), limit=1)
    assert ["urn:ngsi-ld:Lamp:10"] == [record.id for record in found.records]


VALUES = [
    0,
    1,
    2.5,
    -3,
    1e300,
    True,
    False,
    "",
    "a",
    "on",
    "zürich",
    "2026-01-01T00:00:00Z",
    "2026-01-01T08:00:00+08:00",
    [1, "b", 7],
    {"x": 3},
    None,
    10**15,
    0.1,
]


def random_document(number: int, chance: random.Random) -> Doc:
    """Values of every sort, absent, in several instances."""
    doc: Doc = {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": chance.choice(["Lamp", "Bin", ["Bin", "Lamp"]]),
    }
    for name in ("power", "state"):
        choice = chance.random()
        values = [{"type": "Property", "value": chance.choice(VALUES)} for _ in range(2)]
        if choice < 0.7:
            doc[name] = values[0]
        elif choice < 0.85:
            doc[name] = [values[0], {**values[1], "datasetId": "urn:d"}]
    if chance.random() < 0.8:
        place = [chance.uniform(-180, 180), chance.uniform(-90, 90)]
        doc["location"] = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}
    return doc


def random_q(chance: random.Random) -> Any:
    """Comparisons of every sort."""
    path = Path(chance.choice(["power", "state"]))
    scalars = [value for value in VALUES if isinstance(value, (str, int, float))]
    one = chance.choice(scalars)
    kind = chance.randrange(7)
    if kind == 0:
        return Compare(path, "==", Range(-1, chance.choice([1, 2.5, 1e9])))
    if kind == 1:
        return Compare(path, "==", OneOf((one, chance.choice(scalars))))
    if kind == 2:
        return And((random_q(chance), random_q(chance)))
    if kind == 3:
        return Or((Compare(path, "==", one), Compare(path, "==", chance.choice(scalars))))
    if kind == 4:
        return Exists(path)
    op: Any = chance.choice(["==", "!=", "<", "<=", ">", ">="])
    return Compare(path, op, one)


@pytest.mark.parametrize("seed", range(4))
async def test_every_plan_finds_what_the_matcher_finds(store: Store, seed: int) -> None:
    """Random documents and queries: with and without learned indexes, before and after changes."""
    chance = random.Random(seed)
    docs = {number: random_document(number, chance) for number in range(1800)}
    await store.submit([create(doc) for doc in docs.values()])
    for turn in range(160):
        if turn in (60, 100):
            changed = {
                number: random_document(number, chance)
                for number in chance.sample(range(1800), 300)
            }
            docs.update(changed)
            await store.submit([put(doc) for doc in changed.values()])
            await learned(store)
        wanted: dict[str, Any] = {"types": types(chance.choice(["Lamp", "Bin", "Bin;Lamp"]))}
        wanted["q"] = random_q(chance)
        if chance.random() < 0.2:
            wanted["geo"] = near(chance.uniform(-180, 180), chance.uniform(-90, 90), 4e6)
        selection = Selection(tenant=1, **wanted)
        expected = [number for number, doc in docs.items() if matches(doc, selection, None)]
        found = await page(store, limit=2000, count=True, **wanted)
        numbers = sorted(int(record.id.rsplit(":", 1)[1]) for record in found.records)
        assert expected == numbers, (found.plan, wanted)
        assert len(expected) == found.count
    assert store.statistics()["learned"]
