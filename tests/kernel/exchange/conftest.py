"""A small exchange: the real store, tables and gate, four stations, a clock in hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Actor
from pintu.kernel.audit import Audit
from pintu.kernel.configuration import Configuration
from pintu.kernel.context.record import Keep, Put, Record
from pintu.kernel.exchange import Exchange, Readable
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.words import Why
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op, Store
from pintu.kernel.tables import CityTables, open_tables

NOON_US = 1_790_000_000_000_000  # 2026-09-21T13:33:20Z
ADMIN = Actor(id="admin", grants=frozenset({"admin"}))
READER = Actor(id="reader", grants=frozenset({"read:default"}))
CLERK = Actor(id="person:c", person="c", organisation="health", roles=frozenset({"clerk"}))
"""A member of the organisation that owns the data sets of persons."""

LOOK = Why(purpose="care", reason="Vaccination due this week")
NOBODY = Actor(id="anonymous", kind="anonymous")
STATIONS = (
    ("A1", "上城", 35, "2026-09-20T15:30:00Z"),
    ("A2", "滨江", 80, "2026-09-20T16:30:00Z"),
    ("A3", "滨江", 120, "2026-09-21T12:00:00Z"),
    ("A4", "西湖", None, "2026-09-21T13:00:00Z"),
)


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass(slots=True)
class Scene:
    """What a test of the exchange holds in its hands."""

    exchange: Exchange
    store: Store
    tables: CityTables
    configuration: Configuration
    clock: HandClock
    address: str  # of its store

    def save(self, name: str, content: dict[str, Any]) -> None:
        self.configuration.save("datasets", name, content, by="test")


def station(name: str, district: str, pm25: int | None, at: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"urn:ngsi-ld:AirQualityObserved:env:{name}",
        "type": "AirQualityObserved",
        "name": {"type": "LanguageProperty", "languageMap": {"zh": f"{district}站", "en": name}},
        "district": {"type": "Property", "value": district},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120.1, 30.2]},
        },
        "refDevice": {"type": "Relationship", "object": f"urn:ngsi-ld:Device:env:{name}"},
    }
    if pm25 is not None:
        found["pm25"] = {"type": "Property", "value": pm25, "unitCode": "GQ", "observedAt": at}
    else:
        found["online"] = {"type": "Property", "value": False, "observedAt": at}
    return found


def setting(name: str, value: Any, at: str) -> Any:
    """A transform that gives an attribute a new value."""

    def transform(record: Record | None, now_us: int) -> Put | Keep:
        if record is None:
            return Keep()
        entity = orjson.loads(record.body)
        entity[name] = {**entity[name], "value": value, "observedAt": at}
        return Put(entity, "updated", (name,))

    return transform


@pytest.fixture
async def scene(tmp_path: Path, stores: str) -> AsyncIterator[Scene]:
    """Four stations in the context, no table yet; on either store."""
    clock = HandClock()
    store = await open_store(stores, tmp_path, clock=clock)
    tables = open_tables(tmp_path, stores)
    configuration = Configuration(tmp_path / "config", clock)
    gate = ExchangeGate(
        ThinGate(), None, Audit(store, tables, Keys(tmp_path / "keys"), clock), clock=clock
    )
    readable = Readable(store=store, gate=gate, clock=clock)
    tenant = await store.open_tenant("")
    made = [station(*one) for one in STATIONS]
    ops = [Op(tenant, one["id"], fresh=Put(one, "created", body=orjson.dumps(one))) for one in made]
    await store.submit(ops, "env")
    exchange = Exchange(configuration, tables, readable)
    yield Scene(exchange, store, tables, configuration, clock, stores)
    await store.close()
    tables.close()
