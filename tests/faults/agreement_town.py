"""A town for faults of agreements: the real room, timers, keys and sealed log on one folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pintu.kernel.access import Actor, Mask
from pintu.kernel.audit import Audit
from pintu.kernel.clock import CityClock
from pintu.kernel.exchange.agreements import Agreements, Limits, Terms
from pintu.kernel.exchange.agreements.deadlines import DAY_US, Deadlines
from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Timers

SHOTS = DataSet(
    name="shots",
    provider="table",
    owner="health",
    columns=[
        Column(name="id_number", person="id_number", key=True),
        Column(name="vaccinated", kind="yes_no", person="health"),
        Column(name="school", kind="code"),
    ],
)
CODES = {"purpose": frozenset({"enrolment"}), "legalBasis": frozenset({"statutory_duty"})}
SILENCE_S = 0.4
"""The owner's and the deputy's deadline."""


@dataclass(slots=True)
class FaultTown:
    """What a child and its checker hold."""

    room: Agreements
    audit: Audit
    timers: Timers


def actor(person: str, organisation: str, *roles: str) -> Actor:
    """Somebody who acts."""
    return Actor(
        id=f"person:{person}",
        kind="person",
        person=person,
        organisation=organisation,
        roles=frozenset(roles),
    )


def wanted() -> Terms:
    """What is asked for."""
    return Terms(
        data_set="shots",
        provider="health",
        consumer="education",
        purpose="enrolment",
        basis="statutory_duty",
        fields={"vaccinated": Mask(kind="yes_no")},
        subject="id_number",
        limits=Limits(subjects_a_day=300),
        retention_days=30,
        until_us=CityClock().now_us() + DAY_US,
    )


@asynccontextmanager
async def fault_town(folder: Path, store: str = "sqlite:") -> AsyncIterator[FaultTown]:
    """Opened as a city opens it."""
    clock = CityClock()
    city = open_sqlite(folder / "city.db", clock=clock)
    tables = open_tables(folder, store)
    keys = Keys(folder / "keys")
    audit = Audit(city, tables, keys, clock)
    timers = Timers(tables, clock)
    silence = SILENCE_S * 1e6 / DAY_US
    deadlines = Deadlines(owner_days=silence, deputy_days=silence, recall_days=silence)
    room = Agreements(
        tables,
        clock,
        timers,
        keys,
        audit=audit,
        find_data_set=lambda name: SHOTS,
        codes=CODES.__getitem__,
        deadlines=lambda: deadlines,
    )
    await audit.start()
    await room.start()
    await timers.start()
    try:
        yield FaultTown(room, audit, timers)
    finally:
        await timers.stop()
        await room.stop()
        await audit.stop()
        await city.close()
        tables.close()
