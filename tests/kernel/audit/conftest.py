"""A log of its own for each test, on each store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.kernel.audit import Audit
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Store
from pintu.kernel.tables import CityTables, open_tables


@dataclass
class Hand:
    """A clock that is set by hand; it moves by a millisecond whenever it is looked at."""

    at_us: int = 1_763_873_000_000_000
    rate: float = 1.0

    def now_us(self) -> int:
        """The time."""
        self.at_us += 1_000
        return self.at_us


@dataclass
class Desk:
    """One city's log with what it lies on."""

    store: Store
    tables: CityTables
    audit: Audit
    clock: Hand
    folder: Path

    def keys(self, name: str) -> Keys:
        """The keys of this city, or of another one."""
        return Keys(self.folder / name)

    async def close(self) -> None:
        """As a city ends."""
        await self.audit.stop()
        await self.store.close()
        self.tables.close()


Opening = Callable[[], Awaitable[Desk]]


@pytest.fixture
def opening(stores: str, tmp_path: Path) -> Opening:
    """How to open the one log of a test, again and again."""

    async def make() -> Desk:
        clock = Hand()
        store = await open_store(stores, tmp_path, clock=clock)
        tables = open_tables(tmp_path, stores)
        audit = Audit(store, tables, Keys(tmp_path / "keys"), clock, name="city.example")
        return Desk(store, tables, audit, clock, tmp_path)

    return make


@pytest.fixture
async def desk(opening: Opening) -> AsyncIterator[Desk]:
    """A log that nothing was written to."""
    made = await opening()
    await made.audit.sealer.load()
    yield made
    await made.close()
