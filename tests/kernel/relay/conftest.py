"""Two cities on one NATS: stores, gates and intakes that are real, without screens."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Act, Actor, Gate, Projection
from pintu.kernel.clock import CityClock
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed
from pintu.kernel.identity import Identity
from pintu.kernel.intake import Intake
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.relay.applying import Refuse
from pintu.kernel.relay.room import RelayRoom
from pintu.kernel.relay.words import Relay, read_relay
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.subscriptions.rebuilding import rebuilt
from pintu.kernel.tables import CityTables, open_tables
from tests.nats import NatsServer, nats_server


@dataclass
class Asked:
    """What a house says to its relay."""

    store: Store
    identity: Identity
    gate: Gate
    of_persons: frozenset[str] = frozenset()
    written: list[tuple[str, int]] = field(default_factory=list)
    once_written: Callable[[], None] = lambda: None

    def standing(self, actor: Actor) -> Actor | None:
        return self.identity.standing(actor)

    def holds(self, actor: Actor, act: Act, projection: Projection) -> bool:
        try:
            self.gate.decide(actor, act)
        except PintuError:
            return False
        return True

    def persons(self, tenant: str) -> frozenset[str]:
        return self.of_persons

    async def rebuild(self, change: Change) -> Change:
        return await rebuilt(self.store, change)

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, body: bytes, rows: int
    ) -> object:
        self.written.append((act.agreement, rows))
        self.once_written()
        return None


@dataclass
class Site:
    """One city: its rooms, and its relay while it runs."""

    name: str
    folder: Path
    address: str = "sqlite:"
    told: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    gate: Callable[[Identity], Gate] = lambda identity: identity.gate
    refuse: Refuse | None = None

    async def open(self) -> None:
        """Open the rooms; the relay starts with `relay`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = CityClock()
        self.tables: CityTables = open_tables(self.folder, self.address)
        self.store = await open_store(self.address, self.folder, clock=self.clock)
        self.identity = Identity(self.tables, self.clock)
        if not self.token:
            _, token = await self.identity.create_token("relay", ["read:*"])
            self.token = token.id
        self.feed = Feed(self.store)
        library = ContextLibrary(self.folder / "contexts", clock=self.clock)
        self.intake = Intake(self.store, library, self.clock, self.tables)
        await self.intake.start()
        self.asked = Asked(self.store, self.identity, self.gate(self.identity))
        self.room: RelayRoom | None = None

    async def relay(self, **told: Any) -> RelayRoom:
        """Start relaying as settings tell."""
        found, mistakes = read_relay({"city": self.name, "token": self.token, **told})
        assert [] == mistakes and isinstance(found, Relay)
        rooms = (self.store, self.feed, self.intake, self.clock)
        self.room = RelayRoom(found, rooms, self.asked, refuse=lambda tenant: self.refuse)
        await self.room.start()
        return self.room

    async def stop_relay(self) -> None:
        """End the relay alone."""
        if self.room is not None:
            await self.room.stop()
            self.room = None

    async def close(self) -> None:
        """End everything."""
        await self.stop_relay()
        await self.intake.stop()
        await self.store.close()
        self.tables.close()

    async def holds(self, tenant: str) -> dict[str, Any]:
        """Every document of a tenant by id."""
        number = self.store.tenant(tenant)
        found: dict[str, Any] = {}
        while number is not None:
            selection = Selection(tenant=number, limit=1000, offset=len(found))
            page = await settled(self.store.select(selection))
            found.update((one.id, orjson.loads(one.body)) for one in page.records)
            if len(page.records) < 1000:
                break
        return found

    async def hash_of(self, tenant: str) -> str:
        """One hash over all documents of a tenant, whatever the order of their members."""
        text = orjson.dumps(await self.holds(tenant), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()

    async def rows(self, tenant: str) -> list[Change]:
        """The log's rows of a tenant."""
        number, found, after = self.store.tenant(tenant), [], 0
        while page := await settled(self.store.changes(after, 1000)):
            found += [one for one in page if one.tenant == number]
            after = page[-1].position
        return found


async def until(true: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something is true; asynchronous questions are awaited."""
    end = time.monotonic() + seconds
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < end, "it never became true"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    """One server for a module's tests: cities of different names do not meet."""
    with nats_server() as server:
        yield server


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Open a city by its name; all are closed in the end."""
    opened: list[Site] = []

    async def open_site(name: str, **more: Any) -> Site:
        site = Site(name, tmp_path / name, **more)
        await site.open()
        opened.append(site)
        return site

    yield open_site
    for one in opened:
        await one.close()
