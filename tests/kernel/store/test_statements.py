"""A statement finds what a selection with its number or place finds, in the same order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.match import distance_m
from pintu.kernel.context.match.distance import boxes_around
from pintu.kernel.context.selection import Compare, CompareOp, Selection
from pintu.kernel.store.choosing import cells_across, cells_around, circle
from pintu.kernel.store.port import Statement, Store, settled
from pintu.kernel.store.rows import COLUMNS, cell_of
from pintu.kernel.store.sqlite import open_sqlite
from tests.kernel.store.conftest import create, delete, lamp, put, update
from tests.kernel.store.test_asking import POWER, learned, near, types

OPERATORS: list[CompareOp] = ["==", ">", ">=", "<", "<="]


def compared(op: CompareOp, number: float, **more: Any) -> Selection:
    """Lamps by their power."""
    q = Compare(POWER, op, number)
    return Selection(tenant=1, types=types("Lamp"), q=q, limit=8, bodies=True, **more)


def around(lon: float, lat: float, metres: float, **more: Any) -> Selection:
    """Lamps near a place."""
    geo = near(lon, lat, metres)
    return Selection(tenant=1, types=types("Lamp"), geo=geo, limit=8, bodies=True, **more)


async def expected(store: Store, selection: Selection) -> tuple[bytes, bool, int | None]:
    """What a page of seven shows, whether more follow, how many there are."""
    page = await settled(store.select(replace(selection, bodies=False)))
    shown = b",".join(record.body for record in page.records[:7])
    more = len(page.records) > 7 if page.count is None else page.count > len(page.records)
    return shown, more or len(page.records) > 7, page.count


def strokes(chance: random.Random, twice: float = 0.2) -> list[Any]:
    """Writes that move lamps, give them two places or powers, and take them away."""
    number = chance.randrange(900)
    at = {"type": "Point", "coordinates": [120 + chance.random() / 20, 30 + chance.random() / 20]}
    place: Any = {"type": "GeoProperty", "value": at}
    if chance.random() < twice:
        place = [place, {**place, "datasetId": "urn:d"}]
    power: Any = chance.choice([chance.randrange(40), chance.random() * 40, "none", [3, 4]])
    return [
        chance.choice(
            [
                put(lamp(number, location=place, power=power)),
                update(f"urn:ngsi-ld:Lamp:{number}", location=place),
                update(f"urn:ngsi-ld:Lamp:{number}", power=power),
                delete(f"urn:ngsi-ld:Lamp:{number}"),
            ]
        )
        for _ in range(6)
    ]


@pytest.mark.parametrize("count", [False, True])
async def test_a_statement_finds_what_a_selection_finds(store: Store, count: bool) -> None:
    """After writes of every sort, for numbers and places of every sort."""
    chance = random.Random(11)
    if store.prepare(compared("==", 1)) is None:
        pytest.skip("this store makes no statements")
    await store.submit([create(lamp(n, power=n % 40)) for n in range(900)])
    for _ in range(4):
        await settled(store.select(compared("==", 1)))
    await learned(store)
    kept: dict[str, Statement | None] = {
        op: store.prepare(compared(op, 1, count=count)) for op in OPERATORS
    }
    metres = {150.0, 1_000.0, 14_000.0}
    places = {one: store.prepare(around(0, 0, one, count=count)) for one in metres}
    served = 0
    for _ in range(60):
        await store.submit([one for _ in range(10) for one in strokes(chance)])
        op = chance.choice(OPERATORS)
        number = chance.choice([chance.randrange(41), round(chance.random() * 40, 2), -1])
        radius = chance.choice(sorted(metres))
        lon, lat = 120 + chance.random() / 20, 30 + chance.random() / 20
        for statement, blank, selection in (
            (kept[op], number, compared(op, number, count=count)),
            (places[radius], (lon, lat), around(lon, lat, radius, count=count)),
        ):
            assert statement is not None
            found = statement.page(blank)
            if found is not None:
                served += 1
                assert await expected(store, selection) == (found.body, found.more, found.count)
    assert served > 20


async def test_what_no_statement_serves_is_left_to_select(store: Store) -> None:
    """An order, an offset, attributes, two conditions, places beside each other."""
    asked = compared("==", 1)
    for more in ({"offset": 3}, {"ids": ("urn:a",)}, {"bodies": False}, {"limit": 5_000}):
        assert store.prepare(replace(asked, **more)) is None
    both = store.prepare(replace(around(120, 30, 9), q=asked.q))
    assert both is None or both.page(1) is None


def test_a_circle_is_what_the_distance_says() -> None:
    """Points certainly inside and outside are; no place in the ring between is far from it."""
    chance = random.Random(2)
    near_it = 0
    for _ in range(20_000):
        lat = chance.choice([chance.uniform(-84.8, 84.8), 30.0, 0.0, 0.001])
        lon = chance.uniform(-179, 179)
        metres = 10 ** chance.uniform(-2, 4.17)
        told = circle(lon, lat, metres)
        if told is None:
            assert abs(lat) > 84.8
            continue
        box = boxes_around((lon, lat, lon, lat), metres)[0]
        place = (chance.uniform(box[0], box[2]), chance.uniform(box[1], box[3]))
        _, _, more, inside, less, outside = told
        x, y = place[0] - lon, place[1] - lat
        far = distance_m(lon, lat, *place)
        if y * y + more * x * x <= inside:
            assert far <= metres
        elif y * y + less * x * x > outside:
            assert far > metres
        else:
            near_it += 1
            assert abs(far - metres) <= metres * 0.05
    assert near_it < 600


def test_a_circle_lies_in_the_cells_that_are_read() -> None:
    """Every point within the distance, in cells as few as those of the box."""
    chance = random.Random(4)
    for _ in range(3_000):
        lon, lat = chance.uniform(-179, 179), chance.uniform(-84, 84)
        metres = 10 ** chance.uniform(-1, 4.17)
        told, box = circle(lon, lat, metres), boxes_around((lon, lat, lon, lat), metres)[0]
        if told is None:
            continue
        rows = dict(zip(cells_across(box), cells_around(box, told), strict=True))
        for (low, high), (first, last) in rows.items():
            assert low <= first
            assert last <= high
        for _ in range(5):
            place = chance.uniform(box[0], box[2]), chance.uniform(box[1], box[3])
            if distance_m(lon, lat, *place) <= metres:
                assert any(low <= cell_of(*place) <= high for low, high in rows.values())


def test_every_cell_that_a_circle_touches_is_read() -> None:
    """Rows of cells the middle one first, each once."""
    chance = random.Random(3)
    for _ in range(2_000):
        west, south = chance.uniform(-179, 178), chance.uniform(-88, 87)
        box = (west, south, west + chance.random(), south + chance.random() / 4)
        cells = cells_across(box)
        rows = [low // COLUMNS for low, _ in cells]
        assert list(range(min(rows), max(rows) + 1)) == sorted(rows)
        assert abs(rows[0] - (min(rows) + max(rows)) / 2) <= 0.5
        lon, lat = chance.uniform(box[0], box[2]), chance.uniform(box[1], box[3])
        assert any(low <= cell_of(lon, lat) <= high for low, high in cells)


async def test_no_statement_reads_more_in_a_larger_city(tmp_path: Path) -> None:
    """Each looks things up by an index, whatever it leaves open."""
    store = open_sqlite(tmp_path / "city.db", clock=CityClock())
    await store.submit([create(lamp(n)) for n in range(600)])
    for _ in range(4):
        await settled(store.select(compared(">", 1)))
    await learned(store)
    db = apsw.Connection(str(tmp_path / "city.db"))
    seen: list[str] = []
    for selection, blank in ((compared(">", 1), 5), (around(120.1, 30, 900), (120.1, 30.0))):
        for count in (False, True):
            statement: Any = store.prepare(replace(selection, count=count))
            room = statement._room
            run = room.run

            def told(sql: str, bindings: Any, run: Any = run) -> Any:
                seen.append(sql)
                return run(sql, bindings)

            room.run = told
            assert statement.page(blank) is not None
            room.run = run
    assert len(set(seen)) == 4
    for sql in set(seen):
        bindings = (1,) * (11 if "?10" in sql else sql.count("?"))
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
        looked = [one for one in steps if "SCAN" not in one or "SCAN (subquery" in one]
        assert steps == looked, (sql, steps)
    db.close()
    await store.close()
