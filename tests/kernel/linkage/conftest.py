"""Two departments with a table each, the real gate and tables, a log in memory, a clock in hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Act, Actor, Entry, Receipt
from pintu.kernel.exchange import Column, DataSet
from pintu.kernel.exchange.correcting import Correcting
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.landing import TableLanding
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.linkage.acting import Guard, Hand
from pintu.kernel.linkage.linkage import Linkage
from pintu.kernel.linkage.words import Plan, Ref, Source
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.timers import Timers

NOON_US = 1_790_000_000_000_000
COLUMNS = [
    Column(name="no", person="account", key=True),
    Column(name="xm", person="name", title={"zh": "姓名", "en": "Name"}),
    Column(name="sfzh", person="id_number"),
    Column(name="csrq", person="birth", kind="date"),
    Column(name="dh", person="phone"),
    Column(name="zz", person="address"),
    Column(name="height", kind="number"),
]
HEALTH = DataSet(name="patients", provider="table", owner="health", columns=COLUMNS)
SCHOOL = DataSet(name="pupils", provider="table", owner="education", columns=COLUMNS)
NOBODYS = DataSet(name="orphans", provider="table", owner="", columns=COLUMNS)
ROLES = {"name": "xm", "id_number": "sfzh", "birth": "csrq", "phone": "dh", "address": "zz"}
PLAN = Plan(
    name="children",
    title={"zh": "儿童（演示）", "en": "Children (demo)"},
    sources=(
        Source(data_set="patients", columns={**ROLES, "height": "height"}),
        Source(data_set="pupils", columns=ROLES),
    ),
    authority={"birth": ("patients",), "address": ("pupils",), "name": ("pupils", "patients")},
)


def hand(organisation: str = "health", role: str = "steward", **more: Any) -> Hand:
    """A member of an organisation with a purpose and a reason."""
    person = more.pop("person", f"{organisation}_{role}")
    actor = Actor(
        id=f"person:{person}",
        kind="person",
        person=person,
        organisation=organisation,
        roles=frozenset((role,)),
    )
    return Hand(actor=actor, **{"purpose": "service", "reason": "补种前核对名单", **more})


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass(slots=True)
class Log:
    """The log of a city, in memory."""

    rows: list[Entry] = field(default_factory=list)

    async def enter(self, entry: Entry) -> Receipt:
        self.rows.append(entry)
        return Receipt(number=len(self.rows), at_us=0, leaf="")

    def count(self, actor: Actor, act: Act) -> None:
        """Nothing is counted."""

    def digest(self, value: str | bytes) -> str:
        return f"digest of {value!r}"

    def deeds(self) -> list[str]:
        """What was done in linkage, in order."""
        return [one.deed for one in self.rows if one.what == "linkage"]


@dataclass(slots=True)
class Scene:
    """What a test of linkage holds in its hands."""

    linkage: Linkage
    tables: CityTables
    provider: TableProvider
    rows: Correcting
    clock: HandClock
    timers: Timers
    log: Log

    async def load(
        self, data_set: DataSet, rows: dict[str, dict[str, Any]], source: str = "hospital/1"
    ) -> None:
        """Land rows by key, as a load does."""
        landing = TableLanding(self.provider, data_set, self.clock, source=source)
        items = [Row(key=key, values={"no": key, **values}) for key, values in rows.items()]
        await landing.land("", "", items, [])

    async def value(self, data_set: str, key: str, column: str) -> Any:
        """One value as it is now."""
        found = await self.rows.told(data_set, [key], column)
        return found[key].value if key in found else None

    def snapshot(self, plan: str = "children") -> bytes:
        """Every cluster of a plan as bytes."""
        from pintu.kernel.linkage.keeping import snapshot

        return self.linkage._opened.read_now(lambda c: snapshot(c, plan))


def ref(data_set: str, key: str) -> Ref:
    return Ref(data_set, key)


async def open_scene(folder: Path, address: str = "sqlite:") -> Scene:
    """A city's linkage over two tables; close its tables and timers when done."""
    clock, log = HandClock(), Log()
    tables = open_tables(folder, address)
    provider = TableProvider(tables, clock, "Asia/Shanghai")
    known = {one.name: one for one in (HEALTH, SCHOOL, NOBODYS)}
    rows = Correcting(provider, known.__getitem__, clock)
    thin = ThinGate(demo_tenant="")
    gate = ExchangeGate(thin, audit=log, clock=clock)
    timers = Timers(tables, clock)
    linkage = Linkage(tables, clock, Guard(gate=lambda: gate, rows=rows, audit=log), timers)
    return Scene(linkage, tables, provider, rows, clock, timers, log)


@pytest.fixture
async def scene(tmp_path: Path, stores: str) -> AsyncIterator[Scene]:
    """On each store, with the plan saved."""
    opened = await open_scene(tmp_path / "data", stores)
    await opened.linkage.save_plan(PLAN, hand())
    opened.log.rows.clear()
    yield opened
    await opened.timers.stop()
    opened.tables.close()


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[Scene]:
    """In files only, for what does not hang on the store and takes seconds."""
    opened = await open_scene(tmp_path / "data")
    await opened.linkage.save_plan(PLAN, hand())
    opened.log.rows.clear()
    yield opened
    await opened.timers.stop()
    opened.tables.close()
