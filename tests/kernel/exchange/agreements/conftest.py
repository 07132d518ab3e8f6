"""A town of two departments that agree about a third's data: real tables, timers, keys; a clock in
hand; a log on paper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Act, Actor, Entry, Mask, Receipt
from pintu.kernel.errors import ResourceNotFound, Unavailable
from pintu.kernel.exchange.agreements import Agreement, Agreements, Limits, Terms
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.words import Column, Condition, DataSet
from pintu.kernel.identity.keys import Keys
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.timers import Timers
from pintu.vocabulary import vocabulary

NOON_US = 1_790_000_000_000_000  # 2026-09-21T13:33:20Z, a Monday
DAY_US = 86_400_000_000


def codes(code_list: str) -> frozenset[str]:
    found = [one for one in vocabulary().code_lists() if one.name == code_list]
    return frozenset(code.value for one in found for code in one.codes)


def person(name: str, organisation: str, *roles: str) -> Actor:
    return Actor(
        id=f"person:{name}",
        kind="person",
        person=name,
        organisation=organisation,
        roles=frozenset(roles),
    )


ASKER = person("pa", "education", "officer")
CHIEF = person("pc", "education", "owner")
OWNER = person("po", "health", "owner")
DEPUTY = person("pd", "health", "deputy")
CLERK = person("pk", "education", "clerk")
STRANGER = person("ps", "traffic", "owner")
AUDITOR = person("pu", "city", "auditor")
NOBODY = Actor(id="anonymous", kind="anonymous")

SHOTS = DataSet(
    name="shots",
    provider="table",
    owner="health",
    title={"zh": "接种记录（演示）", "en": "Vaccinations (demo)"},
    columns=[
        Column(name="id_number", person="id_number", key=True),
        Column(name="child", person="name"),
        Column(name="phone", person="phone"),
        Column(name="birth", kind="date", person="birth"),
        Column(name="vaccinated", kind="yes_no", person="health"),
        Column(name="school", kind="code"),
        Column(name="clinic", kind="code"),
    ],
)
LAMPS = DataSet(
    name="lamps",
    provider="table",
    owner="works",
    columns=[Column(name="lamp", key=True), Column(name="power", kind="number")],
)


def terms(**more: Any) -> Terms:
    """Whether a pupil of one school is vaccinated, one pupil a call."""
    told: dict[str, Any] = {
        "data_set": "shots",
        "provider": "health",
        "consumer": "education",
        "purpose": "enrolment",
        "basis": "statutory_duty",
        "fields": {"vaccinated": Mask(kind="yes_no")},
        "where": (Condition("school", "=", "S1"),),
        "subject": "id_number",
        "limits": Limits(subjects_a_day=300, looks_at_one=5),
        "retention_days": 30,
        "until_us": NOON_US + 100 * DAY_US,
    }
    return Terms(**{**told, **more})


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass(slots=True)
class PaperLog:
    """A log that keeps its rows in a list, or is away."""

    rows: list[Entry] = field(default_factory=list)
    away: bool = False

    async def enter(self, entry: Entry) -> Receipt:
        if self.away:
            raise Unavailable("The log cannot be written")
        self.rows.append(entry)
        return Receipt(number=len(self.rows), at_us=0, leaf="")

    def count(self, actor: Actor, act: Act) -> None:
        raise NotImplementedError

    def digest(self, value: str | bytes) -> str:
        return str(value)


def find_data_set(name: str) -> DataSet:
    for one in (SHOTS, LAMPS):
        if one.name == name:
            return one
    raise ResourceNotFound(f"There is no data set called {name!r}")


class Town:
    """One life of a room of agreements on a folder; `again` is the next one."""

    deadlines = Deadlines(owner_days=5, deputy_days=3)

    def __init__(self, folder: Path, store: str, clock: HandClock, audit: Any) -> None:
        self.folder, self.store, self.clock, self.log = folder, store, clock, audit
        self.tables: CityTables = open_tables(folder, store)
        self.timers = Timers(self.tables, clock)
        self.told: list[Agreement] = []
        self.room = Agreements(
            self.tables,
            clock,
            self.timers,
            Keys(folder / "keys"),
            audit=audit,
            find_data_set=find_data_set,
            deadlines=lambda: self.deadlines,
            codes=codes,
        )
        self.room.listen(self.told.append)

    async def again(self) -> Town:
        await self.close()
        return Town(self.folder, self.store, self.clock, self.log)

    async def in_force(self, **more: Any) -> Agreement:
        """An agreement in force between education and health."""
        asked = await self.room.request(ASKER, terms(**more), reason="入学核验疫苗接种")
        await self.room.approve(OWNER, asked.id)
        return await self.room.sign(CHIEF, asked.id)

    async def pass_days(self, days: float) -> None:
        """The clock goes on, and what is due is done."""
        self.clock.us += int(days * DAY_US)
        await self.room.do_due()

    async def close(self) -> None:
        await self.timers.stop()
        await self.room.stop()
        self.tables.close()


@pytest.fixture
async def town(tmp_path: Path, stores: str) -> AsyncIterator[Town]:
    opened = Town(tmp_path, stores, HandClock(), PaperLog())
    yield opened
    await opened.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    """A town on SQLite: for truths that no store could change."""
    opened = Town(tmp_path, "sqlite:", HandClock(), PaperLog())
    yield opened
    await opened.close()
