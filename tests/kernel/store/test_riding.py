"""Background work rides with a group of writes, and never takes them down with it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from pintu.kernel.clock import CityClock
from pintu.kernel.store.kinds import IndexPath, KindRow
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import INSERT, PendingPoints
from pintu.kernel.store.sqlite.schema import connect, migrate
from pintu.kernel.store.sqlite.written import Written
from tests.kernel.store.conftest import create, ids, lamp


class Broken:
    """Background work whose slices break, one way or the other."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.told = 0

    def pending(self) -> bool:
        """There is something to do until it broke."""
        return self.error is not None

    def step(self) -> Callable[[], None]:
        """Break."""
        assert self.error is not None
        raise self.error

    def failed(self) -> None:
        """Told once; there is nothing more."""
        self.told += 1
        self.error = None

    def idle(self) -> None:
        """Nothing."""


async def test_writes_survive_a_slice_that_breaks(tmp_path: Path) -> None:
    """They are tried again without it, once, and stored."""
    store = open_sqlite(tmp_path / "city.db", clock=CityClock())
    await store.submit([create(lamp(0))])
    for number, error in enumerate((ValueError("no"), apsw.FullError("full")), 1):
        broken = store._writer.background = Broken(error)
        outcomes = await store.submit([create(lamp(number))])
        assert [None] == [outcome.error for outcome in outcomes]
        assert 1 == broken.told
    assert [0, 1, 2] == await ids(store)
    await store.close()
    again = open_sqlite(tmp_path / "city.db", clock=CityClock())
    assert [0, 1, 2] == await ids(again)
    await again.close()


def test_points_that_waited_are_written_in_the_order_of_the_grid(tmp_path: Path) -> None:
    """A round of many slices: each row once, in order, whatever order they came in."""
    db = connect(tmp_path / "city.db", vfs=None, cache_kib=64, read_only=False)
    migrate(db)
    names = Names(db)
    waiting = PendingPoints(db, names, lambda done: done(), Written())
    chance = random.Random(3)
    paths = [IndexPath(n, KindRow(n, 1, ("Lamp",)), "point", "location") for n in (1, 2)]
    for n in range(1, 1_001):
        lon, lat = 120 + chance.random() / 10, 30 + chance.random() / 10
        waiting.add(paths[n % 2], n, lon, lat)
    waiting.idle()
    waiting.settle(500)
    waiting.commit()
    rows: list[tuple[Any, ...]] = []

    def traced(_: Any, sql: str, bindings: Any) -> bool:
        if sql == INSERT:
            rows.append(bindings)
        return True

    db.exec_trace = traced
    slices = 0
    while waiting.pending():
        with db:
            after = waiting.step()
        after()
        slices += 1
    db.exec_trace = None
    assert 2 == slices
    assert sorted(rows) == rows
    assert {*range(1, 1_001)} - {500} == {row[2] for row in rows}
    assert [(1_000,)] == db.execute("SELECT count(*) FROM point").fetchall()
    db.close()
