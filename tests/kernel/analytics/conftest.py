"""A city's log and its history on each store, under a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from pintu.kernel.analytics.filing import Filing
from pintu.kernel.analytics.history import History
from pintu.kernel.analytics.job import Order, write
from pintu.kernel.clock import iso
from pintu.kernel.context.record import Put, Record, Remove
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Op, Store, settled
from pintu.kernel.tables import open_tables

BEGIN_US = 1_793_404_800_000_000  # 2026-10-31T00:00:00Z
DAY_US = 86_400_000_000


class HandClock:
    """Time stands still until a test moves it."""

    rate = 1.0

    def __init__(self, now_us: int = BEGIN_US) -> None:
        self.now = now_us

    def now_us(self) -> int:
        """Microseconds since 1970, a little later each time."""
        self.now += 1
        return self.now


def sensor(number: int) -> str:
    """The id of a sensor."""
    return f"urn:ngsi-ld:Sensor:{number}"


def reading(value: Any, observed_us: int | None = None) -> dict[str, Any]:
    """A property's instance."""
    told: dict[str, Any] = {"type": "Property", "value": value}
    if observed_us is not None:
        told["observedAt"] = iso(observed_us)
    return told


@dataclass(kw_only=True)
class Town:
    """A store and its history."""

    store: Store
    history: History
    clock: HandClock

    async def write(self, id: str, **attributes: Any) -> None:
        """Create the entity or write some of its attributes (None: deleted)."""

        def transform(record: Record | None, now: int) -> Put:
            if record is None:
                doc = {"id": id, "type": "Sensor", **attributes}
                return Put(doc, "created")
            doc = orjson.loads(record.body)
            for name, value in attributes.items():
                doc[name] = value
                if value is None:
                    del doc[name]
            return Put(doc, "updated", tuple(attributes))

        await self.store.submit([Op(1, id, transform)], "http")

    async def delete(self, id: str) -> None:
        """Delete the entity."""
        await self.store.submit([Op(1, id, lambda record, now: Remove())], "http")

    async def log(self, id: str) -> list[Change]:
        """The rows of an entity that the log has, oldest first."""
        return (await settled(self.store.history(1, id, limit=100_000)))[::-1]

    async def rows(self, id: str, **asked: Any) -> list[Change]:
        """What history knows of it."""
        return await self.history.past.rows(1, id, limit=100_000, **asked)


class Here(Filing):
    """Moves days in this process: starting another one takes longer than the days of a test."""

    async def job(self, **order: Any) -> list[tuple[int, dict[str, Any]]]:
        told = {"data": str(self._data), "store": self._store, **order}
        files = await asyncio.to_thread(lambda: list(write(msgspec.convert(told, Order))))
        return [(tenant, msgspec.to_builtins(one)) for tenant, one in files]


@pytest.fixture
async def town(stores: str, tmp_path: Path) -> AsyncIterator[Town]:
    """An empty city on each store."""
    clock = HandClock()
    store = await open_store(stores, tmp_path, clock=clock)
    tables = open_tables(tmp_path, stores)
    history = History(store, tables, clock, stores)
    history.filing = Here(history.opened, tmp_path, stores)
    yield Town(store=store, history=history, clock=clock)
    tables.close()
    await store.close()
