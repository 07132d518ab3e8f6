"""Background work rides with a group of writes, and never takes them down with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from pintu.kernel.clock import CityClock
from pintu.kernel.store.sqlite import open_sqlite
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
