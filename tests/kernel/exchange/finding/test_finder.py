"""The finder over a real exchange: two departments' tables measured, compared, remembered."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.configuration import Configuration
from pintu.kernel.exchange import Exchange, Readable
from pintu.kernel.exchange.finding import Finder, Use
from pintu.kernel.exchange.finding.differing import differences
from pintu.kernel.exchange.finding.islands import DAY_US, System
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.schemas import Schemas
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.opening import open_store
from pintu.kernel.tables import CityTables, open_tables

NOON_US = 1_790_000_000_000_000

HEALTH: dict[str, Any] = {
    "provider": "table",
    "title": {"zh": "接种登记（演示）", "en": "Vaccinations (demo)"},
    "owner": "health",
    "source": "health_db",
    "columns": [
        {"name": "id_number", "title": {"zh": "身份证号"}, "person": "id_number", "key": True},
        {"name": "name", "title": {"zh": "姓名"}, "person": "name", "authority": True},
        {"name": "born", "title": {"zh": "出生日期"}, "kind": "date", "person": "birth"},
        {"name": "vaccinated", "title": {"zh": "是否接种"}, "kind": "yes_no"},
    ],
}
SCHOOL: dict[str, Any] = {
    "provider": "table",
    "title": {"zh": "在校学生（演示）", "en": "Pupils (demo)"},
    "owner": "education",
    "source": "school_sheet",
    "columns": [
        {"name": "sfzh", "person": "id_number", "key": True},
        {"name": "xm", "person": "name"},
        {"name": "csrq", "kind": "date", "person": "birth"},
    ],
}


@dataclass(slots=True)
class HandClock:
    us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass(slots=True)
class Town:
    """What a test holds in its hands."""

    exchange: Exchange
    tables: CityTables
    configuration: Configuration
    clock: HandClock
    schemas: Schemas
    finder: Finder

    async def lay(self, name: str, rows: list[dict[str, Any]], key: str) -> None:
        data_set = self.exchange.get(name)
        landing = open_landing(self.tables, self.clock, data_set, source=name)
        landed = [Row(key=str(one[key]), values=one) for one in rows]
        await landing.land(f"{self.clock.us}", "1", landed, [])


def people(count: int = 120) -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        {
            "id_number": f"33010820{n % 20:02}0{1 + n % 9}{10 + n % 18}{n:04}",
            "name": "".join(chance.choices("王李张刘陈杨黄赵吴周伟芳娜敏静丽", k=3)),
            "born": f"20{n % 20:02}-0{1 + n % 9}-{10 + n % 18}",
            "vaccinated": n % 3 == 0,
        }
        for n in range(count)
    ]


def pupils(count: int = 90) -> list[dict[str, Any]]:
    """Ninety of them as the school wrote them, seven births wrong."""
    return [
        {
            "sfzh": one["id_number"],
            "xm": one["name"],
            "csrq": "1999-01-01" if n % 13 == 0 else one["born"].replace("-", "/"),
        }
        for n, one in enumerate(people()[:count])
    ]


@pytest.fixture
async def town(tmp_path: Path, stores: str) -> AsyncIterator[Town]:
    clock = HandClock()
    store = await open_store(stores, tmp_path, clock=clock)
    tables = open_tables(tmp_path, stores)
    configuration = Configuration(tmp_path / "config", clock)
    exchange = Exchange(configuration, tables, Readable(store=store, gate=ThinGate(), clock=clock))
    schemas = Schemas(tables, clock)
    finder = Finder(tables, clock, exchange, schemas)
    opened = Town(exchange, tables, configuration, clock, schemas, finder)
    for name, content in (("vaccinations", HEALTH), ("pupils", SCHOOL)):
        configuration.save("datasets", name, content, by="test")
    await opened.lay("vaccinations", people(), "id_number")
    await opened.lay("pupils", pupils(), "sfzh")
    await schemas.note(exchange.described())
    yield opened
    await store.close()
    tables.close()


async def test_two_departments_hold_the_same_fields(town: Town) -> None:
    """Name and birth of the same people, whatever the columns are called and dates look like."""
    assert 2 == await town.finder.measure_all()
    day = await town.finder.find()
    (twin,) = town.finder.list_twins()
    assert {"pupils", "vaccinations"} == {twin.left, twin.right}
    assert twin.whole
    assert 0.95 < twin.overlap <= 1
    assert {("csrq", "born"), ("xm", "name")} == {(one.left, one.right) for one in twin.fields}
    assert ("vaccinations", True) == (twin.authority, twin.authority_marked)
    assert (7, 3) == (day.fields, day.again)
    assert round(3 / 7, 6) == round(day.index, 6)


async def test_how_far_copies_differ_is_counted_row_by_row(town: Town) -> None:
    """Seven of ninety births, of 180 values 3.9 %."""
    await town.finder.measure_all()
    await town.finder.find()
    (twin,) = town.finder.list_twins()
    found = differences(twin, pupils(), people())
    assert (90, 0, 30) == (found.joined, found.only_left, found.only_right)
    assert (180, 7) == (found.compared, found.differ)
    assert {"csrq"} == {one.left for one in found.rows}
    assert found.rows[0].says[0] == "1999-01-01"


async def test_nothing_of_a_person_is_kept(town: Town) -> None:
    """Neither a profile nor a sketch holds a value of a person's field."""
    await town.finder.measure_all()
    told = repr(town.finder.measured("vaccinations")) + repr(town.finder._sketches)
    one = people()[0]
    assert not [value for value in (one["id_number"], one["name"], one["born"]) if value in told]
    for sketch in town.finder.published():
        assert () == sketch.samples
        assert not any(field.smallest for field in sketch.fields if field.person)


async def test_what_was_found_is_there_after_a_restart(town: Town) -> None:
    """With the time it was first seen."""
    await town.finder.measure_all()
    await town.finder.find()
    first = town.finder.list_twins()[0]
    town.clock.us += DAY_US
    await town.finder.find()
    again = Finder(town.tables, town.clock, town.exchange, town.schemas)
    (twin,) = again.list_twins()
    assert (first.since_us, town.clock.us) == (twin.since_us, twin.seen_us)
    assert 2 == len(again.days())


async def test_a_data_set_nobody_uses_is_told_after_ninety_days(town: Town) -> None:
    """Not before, and not while a page shows it."""
    await town.finder.find()
    assert [] == town.finder.list_findings()
    town.clock.us += 91 * DAY_US
    await town.finder.find()
    told = town.finder.list_findings()
    assert [("unused", "pupils"), ("unused", "vaccinations")] == [
        (one.kind, one.about) for one in told
    ]
    assert "91" == told[0].evidence["days"]
    town.finder.uses_of = lambda: [Use(data_set="pupils", kind="page", id="p")]
    await town.finder.find()
    assert ["vaccinations"] == [one.about for one in town.finder.list_findings()]


async def test_a_system_that_connects_to_nothing_is_told(town: Town) -> None:
    """Silent ones too; one whose data set somebody uses is not."""
    old = town.clock.us - 2 * DAY_US
    systems = [
        System(name="wall", door="upload", since_us=old, data_sets=("pupils",)),
        System(name="lonely", door="mqtt", since_us=old, health="silent", last_us=old),
    ]
    town.finder.systems_of = lambda: systems
    town.finder.uses_of = lambda: [Use(data_set="pupils", kind="agreement", id="ag")]
    day = await town.finder.find()
    assert (2, 1) == (day.systems, day.unconnected)
    told = {(one.kind, one.about) for one in town.finder.list_findings()}
    assert {("silent", "lonely"), ("unconnected", "lonely")} == told


async def test_new_times_with_old_values_are_suspected(town: Town) -> None:
    """Rows that are only touched look fresh; the profile says since when nothing moved."""
    town.configuration.save(
        "datasets", "noise",
        {"provider": "table", "columns": [{"name": "at", "key": True}, {"name": "db",
         "kind": "number"}, {"name": "observedAt", "kind": "time"}]},
        by="test",
    )  # fmt: skip
    for n in range(2):
        at = f"2026-09-2{n}T00:00:00Z"
        await town.lay(
            "noise", [{"at": f"s{n}", "db": 50.5, "observedAt": at} for n in range(40)], "at"
        )
        await town.finder.measure_all(["noise"])
        town.clock.us += DAY_US + 1
    measured = town.finder.measured("noise")
    assert measured is not None
    assert NOON_US == measured.constant_since_us
    await town.finder.find()
    assert "constant" in {one.kind for one in town.finder.list_findings()}


async def test_a_silent_change_of_unit_is_found(town: Town) -> None:
    """Every number a thousand times as large, and nobody said so; seen to once, told once."""
    town.configuration.save(
        "datasets", "flow",
        {"provider": "table", "columns": [{"name": "at", "key": True},
         {"name": "flow", "kind": "number", "unit": "m3/h"}]},
        by="test",
    )  # fmt: skip
    await town.schemas.note(town.exchange.described())
    for factor in (1, 1000, 1000):
        await town.lay(
            "flow", [{"at": f"s{n}", "flow": factor * (5.0 + n % 9)} for n in range(60)], "at"
        )
        await town.finder.measure_all(["flow"])
        town.clock.us += DAY_US
    (drift,) = await town.schemas.drifts("flow", unseen=True)
    assert ("unit", "m3/h", "× 1000", 1) == (
        drift.change.what, drift.change.before, drift.change.after, drift.version,
    )  # fmt: skip
    await town.schemas.seen(drift.number, by="person:officer")
    assert [] == await town.schemas.drifts("flow", unseen=True)
