"""What a store promises of places of every form: the same answers as the matcher's, whatever the
relation, over the antimeridian and around the poles.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from pintu.kernel.context.match import distance_m, matches
from pintu.kernel.context.selection import GeoSelection, Selection
from pintu.kernel.store.port import Store
from tests.kernel.store.conftest import Doc, create, ids, lamp, page, put
from tests.kernel.store.test_asking import near

CENTRES = ((120.0, 30.0), (179.99, 10.0), (-179.99, 10.0), (0.0, 89.95), (60.0, -89.95))


def random_place(chance: random.Random, reach: float = 0.05) -> dict[str, Any]:
    """A geometry of any form near one of a few centres."""
    lon, lat = chance.choice(CENTRES)

    def position() -> list[float]:
        east, north = chance.uniform(-reach, reach), chance.uniform(-reach, reach)
        return [min(max(lon + east, -180.0), 180.0), min(max(lat + north, -90.0), 90.0)]

    form = chance.randrange(6)
    if form < 2:
        return {"type": "Point", "coordinates": position()}
    if form == 2:
        return {"type": "LineString", "coordinates": [position() for _ in range(3)]}
    if form == 3:
        return {"type": "MultiPoint", "coordinates": [position() for _ in range(3)]}
    west, south = position()
    width, height = chance.uniform(0.001, reach), chance.uniform(0.001, reach)
    east, north = min(west + width, 180.0), min(south + height, 90.0)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def random_thing(number: int, chance: random.Random) -> Doc:
    """One place, several, or none."""
    doc = lamp(number)
    places = [{"type": "GeoProperty", "value": random_place(chance)} for _ in range(2)]
    kind = chance.random()
    if kind < 0.1:
        del doc["location"]
    elif kind < 0.2:
        doc["location"] = [places[0], {**places[1], "datasetId": "urn:d"}]
    else:
        doc["location"] = places[0]
    return doc


def random_question(chance: random.Random, docs: dict[int, Doc]) -> GeoSelection:
    """Any relation to a geometry of any form, sometimes to one that is stored."""
    geometry = random_place(chance, 0.08)
    relation: Any = chance.choice(
        ["near", "near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]
    )
    if relation in ("equals", "contains") and chance.random() < 0.7:
        held: Any = chance.choice(list(docs.values())).get("location")
        if type(held) is dict:
            geometry = held["value"]
    if relation != "near":
        return GeoSelection(relation, geometry)
    least = chance.choice([None, None, 200.0])
    most = chance.choice([0.0, 150.0, 3_000.0, 3_000.0, 9_000.0, 15_000_000.0, None])
    if most is None and least is None:
        most = 1.0
    return GeoSelection("near", geometry, max_distance_m=most, min_distance_m=least)


@pytest.mark.parametrize("seed", range(2))
async def test_every_relation_finds_what_the_matcher_finds(store: Store, seed: int) -> None:
    """Points, lines, areas, several at once; after moves too."""
    chance = random.Random(seed)
    docs = {number: random_thing(number, chance) for number in range(200)}
    await store.submit([create(doc) for doc in docs.values()])
    for turn in range(90):
        if turn == 45:
            changed = {one: random_thing(one, chance) for one in chance.sample(range(200), 90)}
            docs.update(changed)
            await store.submit([put(doc) for doc in changed.values()])
        geo = random_question(chance, docs)
        selection = Selection(tenant=1, geo=geo)
        expected = [number for number, doc in docs.items() if matches(doc, selection, None)]
        assert expected == await ids(store, geo=geo), geo
        found = await page(store, geo=geo, limit=7, offset=3, count=True)
        assert len(expected) == found.count
        assert len(expected[3:10]) == len(found.records)
        assert len(found.records) == len({one.id for one in found.records})


async def test_a_circle_ends_where_the_matcher_says(store: Store) -> None:
    """Points a hair inside and outside, found by their exact distances."""
    chance = random.Random(3)
    await store.submit([create(lamp(number)) for number in range(60)])
    for _ in range(40):
        lon, lat = 120 + chance.uniform(-0.01, 0.07), 30 + chance.uniform(-0.01, 0.01)
        number = chance.randrange(60)
        doc = lamp(number)
        exact = distance_m(lon, lat, *doc["location"]["value"]["coordinates"])
        for metres in (exact, exact * (1 + 1e-15), exact * (1 - 1e-15), exact * (1 - 1e-13)):
            question = near(lon, lat, metres)
            inside = matches(doc, Selection(tenant=1, geo=question), None)
            assert inside is (number in await ids(store, geo=question))
    for metres in (0.0, 5e-324, 1e-9, 0.0009):
        assert [7] == await ids(store, geo=near(120.007, 30, metres))


async def test_pages_of_a_circle_are_full_until_the_last(store: Store) -> None:
    """Two places of one entity are one entity; pages follow each other without a gap."""
    both = [
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.0, 30.0]}},
        {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120.001, 30.0]},
            "datasetId": "urn:d",
        },
    ]
    await store.submit([create(lamp(i, location=both) if i % 3 else lamp(i)) for i in range(30)])
    seen: list[str] = []
    for offset in range(0, 40, 4):
        found = await page(store, geo=near(120, 30, 5_000), limit=4, offset=offset, count=True)
        assert 30 == found.count
        seen += [record.id for record in found.records]
    assert 30 == len(seen) == len(set(seen))
