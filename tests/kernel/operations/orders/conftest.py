"""A small orders room: a city's store, a clock that is set by hand, two crews."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Actor
from pintu.kernel.context.record import Put
from pintu.kernel.feed import Feed
from pintu.kernel.identity import ThinGate
from pintu.kernel.intake import Intake
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.orders.looking import ContextLook
from pintu.kernel.operations.orders.orders import Orders
from pintu.kernel.operations.orders.schema import TABLES
from pintu.kernel.store.port import Op, settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.timers import Timers
from tests.kernel.operations.conftest import Home

LAMP = "urn:ngsi-ld:Streetlight:street_lights:L00017"
ALERT = "urn:ngsi-ld:Alert:street_lights:failed:L00017"
DUTY = Actor(
    id="person:duty", kind="person", person="duty", grants=frozenset({"respond:demo"}),
    roles=frozenset({"duty"}),
)  # fmt: skip
FOREMAN = Actor(
    id="person:foreman", kind="person", person="foreman", grants=frozenset({"respond:demo"}),
    roles=frozenset({"foreman"}),
)  # fmt: skip
CREW_1 = Actor(id="person:c1", kind="person", person="c1", roles=frozenset({"crew"}))
CREW_2 = Actor(id="person:c2", kind="person", person="c2", roles=frozenset({"crew"}))
START_US = 1_795_400_000_000_000  # 2026-11-23 10:13:20 in Shanghai, a Monday


class SetClock:
    """A clock that is moved by hand."""

    rate = 1.0

    def __init__(self) -> None:
        self.at_us = START_US

    def now_us(self) -> int:
        return self.at_us

    def pass_minutes(self, minutes: float) -> None:
        self.at_us += int(minutes * 60_000_000)


class Room:
    """The orders room of a test and what stands around it."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.clock = SetClock()
        self.cities = home()
        self.store = open_sqlite(folder / "context.db", clock=self.clock)
        library = ContextLibrary(folder / "contexts")
        self.intake = Intake(self.store, library, self.clock, self.cities)
        self.journal = Journal(self.intake, self.clock)
        self.timers = Timers(self.cities, self.clock)
        self.feed = Feed(self.store)
        opened = self.cities.register(TABLES)
        self.journal.join(opened)
        self.effect_us = 0
        look = self.look = ContextLook(self.store, self._effect)
        self.orders = Orders(opened, self.journal, ThinGate(), look)

    async def _effect(self, tenant: str, target: str) -> int:
        return self.effect_us

    async def put(self, entity: dict[str, Any]) -> None:
        """The context has an entity."""
        tenant = await self.store.open_tenant("demo")

        def transform(record: Any, now_us: int) -> Put:
            verb: Any = "created" if record is None else "replaced"
            return Put(entity, verb, None, body=orjson.dumps(entity))

        await self.store.submit([Op(tenant, entity["id"], transform)], "test")

    async def entity(self, id: str) -> dict[str, Any] | None:
        """What the context has of one."""
        tenant = self.store.tenant("demo")
        record = await settled(self.store.retrieve(tenant, id)) if tenant else None
        return None if record is None else orjson.loads(record.body)

    async def alarm(self, status: str, id: str = ALERT, about: str = LAMP) -> None:
        """A detector raises or clears an alert."""
        await self.put(
            {
                "id": id,
                "type": "Alert",
                "subCategory": {"type": "Property", "value": "failed"},
                "status": {"type": "Property", "value": status},
                "alertSource": {"type": "Relationship", "object": about},
            }
        )

    async def open(self, key: str = "k1", **more: Any) -> Any:
        """An order for the dark lamp, by its alarm."""
        asked = {"cause": ALERT, "severity": "medium"} | more
        return await self.orders.open_order(DUTY, "demo", "repair_lamp", LAMP, key=key, **asked)

    async def close(self) -> None:
        await self.timers.stop()
        await self.store.close()
        self.cities.close()


@pytest.fixture
async def room(home: Home, tmp_path: Path) -> AsyncIterator[Room]:
    """The room, with a lamp that has a place."""
    made = Room(home, tmp_path)
    await made.put(
        {
            "id": LAMP,
            "type": "Streetlight",
            "name": {"type": "Property", "value": "滨江大道 17 号灯（演示）"},
            "location": {
                "type": "GeoProperty",
                "value": {"type": "Point", "coordinates": [120.2, 30.2]},
            },
        }
    )
    yield made
    await made.close()
