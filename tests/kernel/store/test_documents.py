"""Documents kept in memory are what SQLite would answer in the snapshot that asks, whatever the
writer does in between.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Iterator
from math import cos, radians
from pathlib import Path
from typing import Any

import apsw
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.match import distance_m
from pintu.kernel.context.record import Put, Record
from pintu.kernel.store.choosing import circle
from pintu.kernel.store.port import Op, settled
from pintu.kernel.store.rows import cell_of
from pintu.kernel.store.sqlite import Tuning, open_sqlite
from pintu.kernel.store.sqlite.blocks import CELLS_BITS, bands_of, block_of, inside
from pintu.kernel.store.sqlite.documents import LARGEST_BYTES, ROOM_FOR, ROW_BYTES, Documents
from pintu.kernel.store.sqlite.written import Written
from tests.kernel.store.conftest import create, delete, lamp, put
from tests.kernel.store.test_asking import learned
from tests.kernel.store.test_statements import around, compared, expected, strokes

ROWS = 6


def change(db: apsw.Connection, written: Written, chance: random.Random) -> Iterator[None]:
    """One transaction as the writer makes it, a step at a time, some rolled back."""
    db.execute("BEGIN IMMEDIATE")
    yield
    for _ in range(chance.randrange(4)):
        n = chance.randrange(ROWS)
        written.touch(n)
        if chance.random() < 0.3:
            db.execute("DELETE FROM entity WHERE n=?", (n,))
        else:
            body = b"%d" % chance.getrandbits(60)
            db.execute("REPLACE INTO entity VALUES(?, ?)", (n, body))
        yield
        if chance.random() < 0.3:  # before a task of the same transaction
            written.tell()
            yield
    written.tell()
    yield
    db.execute("COMMIT" if chance.random() < 0.8 else "ROLLBACK")
    yield
    written.end()


class Beside:
    """The writer's steps, between and inside those of the loop."""

    def __init__(self, path: str, chance: random.Random) -> None:
        self.db = apsw.Connection(path)
        self.db.pragma("journal_mode", "wal")
        self.db.pragma("synchronous", 0)
        self.db.execute("CREATE TABLE entity(n INTEGER PRIMARY KEY, body BLOB)")
        self.written = Interrupted(self)
        self._chance = chance
        self._steps: Iterator[None] = iter(())
        self._inside = False

    def go(self) -> None:
        """A few steps further, or none; not from inside of one."""
        if self._inside:
            return
        self._inside = True
        for _ in range(self._chance.choice((0, 0, 0, 1, 2, 7))):
            if next(self._steps, self) is self:
                self._steps = change(self.db, self.written, self._chance)
        self._inside = False

    def end(self) -> None:
        """Go on to the end of the transaction."""
        self._inside = True
        for _ in self._steps:
            pass
        self.db.close()


class Queue(deque[Any]):
    """A queue whose every use lets the writer go on."""

    def __init__(self, beside: Beside) -> None:
        super().__init__()
        self._beside = beside

    def popleft(self) -> Any:
        """As ever; then it is the writer's turn."""
        found = super().popleft()
        self._beside.go()
        return found


class Interrupted(Written):
    """Lets the writer go on around each look at it."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._over = 0
        beside._inside = True
        super().__init__()
        beside._inside = False
        self.told = Queue(beside)

    @property
    def over(self) -> int:
        """Transactions that are over."""
        self._beside.go()
        found = self._over
        self._beside.go()
        return found

    @over.setter
    def over(self, number: int) -> None:
        self._over = number


@pytest.mark.parametrize("seed", range(2))
def test_a_document_is_never_old(tmp_path: Path, seed: int) -> None:
    """Every step of the writer between any two of the loop, also inside its lookups: each answer is
    what its snapshot says.
    """
    chance = random.Random(seed)
    beside = Beside(str(tmp_path / "one.db"), chance)
    loop_db = apsw.Connection(str(tmp_path / "one.db"), flags=apsw.SQLITE_OPEN_READONLY)
    go = beside.go

    def run(sql: str, bindings: tuple[Any, ...]) -> Any:
        go()
        found = loop_db.execute(sql, bindings)
        go()
        return found

    documents = Documents(run, beside.written, 4 * (ROW_BYTES + 18))
    hits = 0
    for _ in range(1_200):
        go()
        loop_db.execute("BEGIN")
        go()
        loop_db.execute("SELECT count(*) FROM entity").fetchall()  # as an index is asked first
        for _ in range(chance.randrange(1, 5)):
            go()
            n, missed = chance.randrange(ROWS), documents.missed
            found = documents.find(n)
            assert found == loop_db.execute("SELECT body FROM entity WHERE n=?", (n,)).get
            hits += missed == documents.missed
            some = chance.sample(range(ROWS), 2)
            sql = "SELECT body FROM json_each(?) j LEFT JOIN entity ON n = j.value"
            there = [body for (body,) in loop_db.execute(sql, (str(some),))]
            assert documents.of(some) == (None if None in there else there)
        go()
        loop_db.execute("COMMIT")
        go()
        documents.let_go()
    assert hits > 100
    beside.end()
    loop_db.close()


def test_memory_is_bounded_and_counted() -> None:
    """The first that came go first; what is too large is not kept; what goes is given back."""
    bodies = {n: b"x" * (100 + n % 7) for n in range(5_000)} | {9_999: b"y" * (LARGEST_BYTES + 1)}

    class Row:
        def __init__(self, body: bytes | None) -> None:
            self.get = body

    written = Written()
    most = 1_000 * (ROW_BYTES + 103)
    kept = Documents(lambda sql, key: Row(bodies.get(key[0])), written, most)
    for n in (*range(5_000), 9_999):
        assert bodies[n] == kept.find(n)
        assert kept.bytes <= most
    assert 1_000 - ROOM_FOR - 30 < len(kept) <= 1_030
    assert kept.of([4_999, 4_998]) == [bodies[4_999], bodies[4_998]]
    missed = kept.missed
    assert kept.of([4_999, 9_999, 9_999]) == [bodies[4_999], bodies[9_999], bodies[9_999]]
    assert missed + 2 == kept.missed
    assert kept.of([4_999, 77_777]) is None
    for n in range(5_000):
        written.touch(n)
    written.tell()
    written.end()
    kept.let_go()
    assert (0, 0) == (len(kept), kept.bytes)
    kept.of([1, 1, 2])
    assert 2 * ROW_BYTES + 203 == kept.bytes


def all_true(store: Any) -> int:
    """How many documents are kept; each, and every block of points, is what SQLite answers now."""
    store._see()
    read = store._loop_db.execute
    documents, blocks = store._documents, store._blocks
    documents._take_out()
    for n, body in documents._kept.items():
        assert body == read("SELECT body FROM entity WHERE n=?", (n,)).get
    assert documents.bytes == sum(len(one) + ROW_BYTES for one in documents._kept.values())
    blocks._take_out()
    kept = {key: block for key, block in blocks._kept.items() if block is not None}
    sql = "SELECT lon, lat FROM point WHERE path=? AND cell BETWEEN ? AND ?"
    for key, (count, bands) in kept.items():
        first = (key & (1 << 32) - 1) << CELLS_BITS
        there = read(sql, (key >> 32, first, first + (1 << CELLS_BITS) - 1)).fetchall()
        points = [one for _, _, lons, lats in bands for one in zip(lons, lats, strict=True)]
        assert sorted(there) == sorted(points)
        assert count == len(points)
    assert blocks.points == sum(count for count, _ in kept.values())
    return len(documents)


@pytest.mark.parametrize("budget", [20_000, 10_000_000])
async def test_a_store_answers_as_without_memory(tmp_path: Path, budget: int) -> None:
    """Random writes and rolled back groups, pages and retrievals between them and beside them."""
    chance = random.Random(budget)
    tuning = Tuning(documents_bytes=budget)
    store: Any = open_sqlite(tmp_path / "city.db", clock=CityClock(), tuning=tuning)
    await store.submit([create(lamp(n, power=n % 40)) for n in range(900)])
    for _ in range(4):
        await settled(store.select(compared("==", 1)))
    await learned(store)
    pages = [store.prepare(compared("==", 1)), store.prepare(around(0, 0, 1_000.0))]
    counting = store.prepare(around(0, 0, 1_000.0, count=True))

    def broken(record: Record | None, now: int) -> Put:
        raise ZeroDivisionError

    def read() -> None:
        pages[0].page(chance.randrange(40))
        pages[1].page((120 + chance.random() / 20, 30 + chance.random() / 20))
        id = f"urn:ngsi-ld:Lamp:{chance.randrange(900)}"
        plain = store._loop_db.execute("SELECT body FROM entity WHERE tenant=1 AND id=?", (id,))
        assert store.document(1, id) == plain.get

    kept = seen = 0
    for turn in range(25):
        ops = [one for _ in range(4) for one in strokes(chance, twice=0.0)]
        if turn % 5 == 0:
            ops.append(Op(1, "urn:broken", broken))
        calls = [store.submit(ops[at : at + 8]) for at in range(0, len(ops), 8)]
        while not all(call.done() for call in calls):
            read()
            await asyncio.sleep(0)
        for _ in range(20):
            read()
        for place in ((120.02, 30.02), (120.03, 30.025), (120.021, 30.02)):
            found = counting.page(place)
            if found is not None:
                selection = around(*place, 1_000.0, count=True)
                assert await expected(store, selection) == (found.body, found.more, found.count)
        kept = max(kept, all_true(store))
        seen = max(seen, store._blocks.points)
    assert kept
    assert seen
    await store.close()


async def test_rows_are_told_of_before_they_are_committed(tmp_path: Path) -> None:
    """Of a change, a removal, a point that moves and one that no longer waits."""
    store: Any = open_sqlite(tmp_path / "city.db", clock=CityClock())
    written, moved = store._documents._written, store._blocks._written
    told: list[tuple[set[int], set[int]]] = []

    def look() -> bool:
        rows, blocks = (
            {key for _, keys in list(one.told) for key in keys} for one in (written, moved)
        )
        if rows:
            told.append((rows, blocks))
        return False

    await store.submit([create(lamp(1)), create(lamp(2))])
    far: Any = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [121.0, 31.0]}}
    store._db.set_commit_hook(look)
    await store.submit([put(lamp(2, power=3))])
    await store.submit([put(lamp(2, power=3, location=far))])
    await store.submit([delete(lamp(1)["id"])])
    store._db.set_commit_hook(None)
    [path] = [one.n for one in store._names.paths.values() if one.form == "point"]
    one, two = (block_of(path, cell_of(lon, 30.0)) for lon in (120.001, 120.002))
    assert [{2}, {2}, {1}] == [rows for rows, _ in told]
    assert {two, block_of(path, cell_of(121.0, 31.0))} == told[1][1]
    assert {one} == told[2][1]
    await store.close()


def test_a_circle_is_counted_by_its_edges() -> None:
    """As many as have no more than that distance, at every latitude, also on the edge."""
    chance = random.Random(8)
    for _ in range(150):
        lat, lon = chance.choice([chance.uniform(-80, 80), 30.0, 0.0]), chance.uniform(-170, 170)
        metres = 10 ** chance.uniform(0, 3.7)
        told = circle(lon, lat, metres)
        assert told is not None
        wide, high = told[5] ** 0.5 * 1.3 / cos(radians(lat)), told[5] ** 0.5 * 1.3
        points = [
            (lon + chance.uniform(-wide, wide), lat + chance.uniform(-high, high))
            for _ in range(150)
        ]
        if chance.random() < 0.5:  # the distance of one of them, to the last bit
            metres = distance_m(lon, lat, *points[0])
            told = circle(lon, lat, metres)
        points += points[:3]
        expected_count = sum(distance_m(lon, lat, *one) <= metres for one in points)
        assert told is not None
        assert expected_count == sum(inside(band, told, metres) for band in bands_of(points))


async def test_what_is_read_while_its_change_is_under_way(tmp_path: Path) -> None:
    """The writer stands still in its transaction, the loop reads; then it is the other's turn."""
    store: Any = open_sqlite(tmp_path / "city.db", clock=CityClock())
    first, second = lamp(1, power=1), lamp(1, power=2)
    id = first["id"]
    await store.submit([create(first), create(lamp(2))])
    here, go = threading.Event(), threading.Event()

    def waits(record: Record | None, now: int) -> Put:
        here.set()
        assert go.wait(20)
        return Put(lamp(2, power=9), "replaced")

    before = store.document(1, id)
    call = store.submit([put(second), Op(1, lamp(2)["id"], waits)])
    await asyncio.to_thread(here.wait, 20)
    store._let_go()  # another snapshot, of before the commit
    assert before == store.document(1, id)
    go.set()
    await call
    after = store.document(1, id)
    assert before != after
    assert after == store._loop_db.execute("SELECT body FROM entity WHERE id=?", (id,)).get
    await store.submit([delete(id)])
    assert store.document(1, id) is None
    await store.submit([create(first)])
    assert before == store.document(1, id)
    assert 1 == all_true(store)
    await store.close()
