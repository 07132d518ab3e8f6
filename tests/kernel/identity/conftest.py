"""An identity of a new city, and a clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.kernel.identity import Identity
from pintu.kernel.tables import CityTables, open_tables

HOUR_US = 3_600_000_000
HOST = {b"host": b"127.0.0.1:8800"}


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = 1_790_000_000_000_000
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass
class Scene:
    identity: Identity
    clock: HandClock
    data: Path
    address: str  # of the city's store

    def open_again(self) -> CityTables:
        """The same tables as another process opens them."""
        return open_tables(self.data, self.address)

    def bearer(self, secret: str) -> dict[bytes, bytes]:
        return {**HOST, b"authorization": b"Bearer " + secret.encode()}


@pytest.fixture
def tables(tmp_path: Path, stores: str) -> Iterator[CityTables]:
    """The tables of a new city, on each store."""
    made = open_tables(tmp_path, stores)
    yield made
    made.close()


@pytest.fixture
def scene(tables: CityTables, stores: str) -> Scene:
    """An identity that knows nobody yet."""
    clock = HandClock()
    return Scene(Identity(tables, clock), clock, tables.data, stores)
