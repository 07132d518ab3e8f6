"""An identity on an empty folder, and a clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.kernel.identity import Identity
from pintu.kernel.tables import open_tables

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

    def bearer(self, secret: str) -> dict[bytes, bytes]:
        return {**HOST, b"authorization": b"Bearer " + secret.encode()}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An identity on an empty folder."""
    tables = open_tables(tmp_path)
    clock = HandClock()
    yield Scene(Identity(tables, clock), clock, tmp_path)
    tables.close()
