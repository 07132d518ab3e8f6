"""A health office with a table of persons, and agreements put in force by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Actor, Mask
from pintu.kernel.audit import Audit
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import Unavailable
from pintu.kernel.exchange import Exchange, Readable
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.gate.opening import join_gate
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.words import Why
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.identity.keys import Keys
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Store
from pintu.kernel.tables import CityTables, open_tables
from tests.kernel.exchange.conftest import HandClock

ADMIN = Actor(id="token:admin", grants=frozenset({"admin"}))
SCHOOL = Actor(id="person:t", person="t", organisation="school", roles=frozenset({"clerk"}))
CLERK = Actor(id="person:c", person="c", organisation="health", roles=frozenset({"clerk"}))
PURPOSE, REASON = "enrolment", "Class 3B enrols on Monday"
LOOK = Why(purpose="treatment", reason="Vaccination due this week")
PEOPLE: dict[str, Any] = {
    "provider": "table",
    "owner": "health",
    "columns": [
        {"name": "idno", "person": "id_number", "key": True},
        {"name": "name", "person": "name"},
        {"name": "school"},
        {"name": "born", "kind": "date", "person": "birth"},
        {"name": "vaccinated", "kind": "yes_no"},
    ],
}
FIELDS = {"vaccinated": Mask(kind="yes_no"), "born": Mask(kind="truncate", keep=4)}


@dataclass(slots=True)
class Shelf:
    """Agreements in force, and what was told to be held by consumers."""

    known: dict[str, Agreement] = field(default_factory=dict)
    copies: list[tuple[str, int]] = field(default_factory=list)
    callbacks: list[Any] = field(default_factory=list)
    breaks_a_day: int = 3
    suspended: list[tuple[str, str]] = field(default_factory=list)
    away: int = 0  # how many suspensions fail before one is kept

    def active(self, id: str) -> Agreement | None:
        return self.known.get(id)

    def of_consumer(self, organisation: str) -> list[Agreement]:
        return [one for one in self.known.values() if one.terms.consumer == organisation]

    def held(self, agreement: str, rows: int) -> None:
        self.copies.append((agreement, rows))

    def listen(self, callback: Any) -> None:
        self.callbacks.append(callback)

    async def suspend_for(self, id: str, reason: str) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("The log cannot be written")
        self.suspended.append((id, reason))
        del self.known[id.partition("/")[0]]

    def put(self, **more: Any) -> Why:
        """One more agreement in force; what a caller names of it."""
        version, limits = more.pop("version", 1), more.pop("limits", Limits(calls_a_minute=0))
        told = {"fields": FIELDS, "until_us": 2**60, "subject": "", **more}
        terms = Terms(
            data_set=told.pop("data_set", "people"), provider="health", consumer="school",
            purpose=PURPOSE, basis="law", limits=limits, **told,
        )  # fmt: skip
        made = Agreement(id="ag-1", version=version, terms=terms, state="active")
        self.known["ag-1"] = made
        for callback in self.callbacks:
            callback(made)
        return Why(agreement="ag-1", purpose=PURPOSE, reason=REASON)


@dataclass(slots=True)
class Office:
    """What a test holds in its hands."""

    exchange: Exchange
    gate: ExchangeGate
    shelf: Shelf
    audit: Audit
    clock: HandClock
    store: Store
    tables: CityTables
    configuration: Configuration

    async def log(self) -> list[Any]:
        """The rows of the log, oldest first."""
        return [one.row for one in await self.audit.rows(0, 1000)]


def person(number: int) -> dict[str, Any]:
    """Somebody made up."""
    return {
        "idno": f"33010620150101{number:04d}",
        "name": f"某{number}",
        "school": "S1" if number % 2 else "S2",
        "born": f"20{10 + number % 5:02d}-01-{1 + number % 28:02d}",
        "vaccinated": number % 3 != 0,
    }


async def open_office(folder: Path, clock: HandClock) -> Office:
    """The rooms on a folder; people are laid in once."""
    store = await open_store("sqlite:", folder, clock=clock)
    tables = open_tables(folder, "sqlite:")
    keys = Keys(folder / "keys")
    audit, shelf = Audit(store, tables, keys, clock), Shelf()
    gate = ExchangeGate(ThinGate(), None, None, clock=clock)
    configuration = Configuration(folder / "config", clock)
    exchange = Exchange(configuration, tables, Readable(store=store, gate=gate, clock=clock))
    configuration.save("datasets", "people", PEOPLE, by="test")
    join_gate(gate, exchange, tables, keys, (shelf, audit))
    if not tables.exists("datasets", "people"):
        landing = open_landing(tables, clock, exchange.catalogue.get("people"), source="test")
        rows = [Row(key=str(one["idno"]), values=one) for one in map(person, range(40))]
        await landing.land("c", "1", rows, [])
    return Office(exchange, gate, shelf, audit, clock, store, tables, configuration)


async def close_office(office: Office) -> None:
    """Let go of everything."""
    await office.gate.limits.close()
    await office.gate.recorder.close()
    await office.store.close()
    office.tables.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    opened = await open_office(tmp_path, HandClock())
    yield opened
    await close_office(opened)
