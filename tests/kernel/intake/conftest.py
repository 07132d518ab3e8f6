"""A small city of intake rooms: the real store, the real tables, a clock in the test's hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import iso
from pintu.kernel.intake import Intake, Limits
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import CityTables, open_tables

NOON_US = 1_790_000_000_000_000


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


def lamp(number: int, *, at_us: int | None = NOON_US, power: Any = 60) -> Update:
    """One reading of one lamp."""
    value: dict[str, Any] = {"type": "Property", "value": power}
    if at_us is not None:
        value["observedAt"] = iso(at_us)
    return Update(
        {"id": f"urn:ngsi-ld:Streetlight:x:L{number}", "type": "Streetlight", "activePower": value}
    )


def batch(key: str, *updates: Update, **more: Any) -> Batch:
    """A batch of the lamps' source in tenant demo."""
    return Batch("street_lights/mqtt", "demo", key, list(updates), **more)


@dataclass
class Scene:
    """What a test plays with."""

    intake: Intake
    store: Store
    clock: HandClock
    tables: CityTables
    data: Path
    closed: bool = False

    async def close(self) -> None:
        """Let go of the files, as a crash would: intake itself is not stopped."""
        if not self.closed:
            self.closed = True
            await self.store.close()
            self.tables.close()

    async def log(self) -> list[tuple[str, str]]:
        """(id, verb) of everything written."""
        changes = await settled(self.store.changes(0, 100_000))
        return [(change.id, change.verb) for change in changes]


Opener = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def open_scene(tmp_path: Path, stores: str) -> AsyncIterator[Opener]:
    """Opens intake of one city, on each store; again for what a restart sees."""
    opened: list[Scene] = []

    async def make(*, limits: Limits | None = None, folder: str = "data", **more: Any) -> Scene:
        data = tmp_path / folder
        data.mkdir(exist_ok=True)
        clock = HandClock()
        tables = open_tables(data, stores)
        store = await open_store(stores, data, clock=clock)
        library = ContextLibrary(data / "contexts", clock=clock)
        intake = Intake(store, library, clock, tables, limits=limits, **more)
        opened.append(Scene(intake, store, clock, tables, data))
        return opened[-1]

    yield make
    for scene in opened:
        await scene.close()


@pytest.fixture
async def scene(open_scene: Opener) -> Scene:
    """One open intake."""
    return await open_scene()


@pytest.fixture
async def door(scene: Scene) -> AsyncIterator[Any]:
    """A door, opened."""
    from .door import Door

    door = Door(scene)
    await door.open()
    yield door
    for link in door.links:
        await link.stop()
    await door.shut()
