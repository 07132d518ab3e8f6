"""The journal: a deed and what the city hears of it are one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import parse_clock
from pintu.kernel.context.record import Record
from pintu.kernel.intake import Intake
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.journal import (
    Deed,
    Journal,
    create_journal,
    enter,
    journal_tables,
    tell,
)
from pintu.kernel.store.port import Store, settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import OpenTables, PrivateTables
from tests.kernel.operations.conftest import Home

METADATA = sa.MetaData()
journal_tables(METADATA)
TABLES = PrivateTables(name="deeds_of_a_test", metadata=METADATA, migrations=(create_journal,))
CLOCK = parse_clock("real")
Kept = tuple[Journal, OpenTables, Store]


@pytest.fixture
async def kept(home: Home, tmp_path: Path) -> AsyncIterator[Kept]:
    """A journal with one part over a city of its own."""
    tables = home()
    store = open_sqlite(tmp_path / "context.db", clock=CLOCK)
    intake = Intake(store, ContextLibrary(tmp_path / "contexts"), CLOCK, tables)
    journal = Journal(intake, CLOCK)
    opened = tables.register(TABLES)
    journal.join(opened)
    yield journal, opened, store
    await store.close()
    tables.close()


def deed(number: int) -> Deed:
    """One of many."""
    return Deed(subject="incident:1", verb="opened", who="detector", at_us=number, tenant="demo")


async def known(store: Store, id: str) -> Record | None:
    """What the demo tenant has of an entity."""
    tenant = store.tenant("demo")
    assert tenant is not None
    return await settled(store.retrieve(tenant, id))


async def test_the_city_hears_what_was_told_once_and_in_order(kept: Kept) -> None:
    """What two transactions told is one entity, as the later one told it."""
    journal, opened, store = kept
    heard: list[Deed] = []
    journal.listen(heard.append)
    for number in (1, 2):
        entity = {"id": "urn:ngsi-ld:Incident:1", "type": "Incident", "n": number}

        def work(connection: Connection, number: int = number, told: Any = entity) -> Deed:
            tell(connection, "demo", told)
            return enter(connection, deed(number))

        done = await opened.run(work)
        await journal.told(opened, [done])
    record = await known(store, "urn:ngsi-ld:Incident:1")
    assert record is not None
    assert orjson.loads(record.body)["n"]["value"] == 2
    assert [1, 2] == [one.number for one in heard]
    assert ["deeds_of_a_test"] * 2 == [one.room for one in heard]


async def test_what_a_crash_left_untold_is_told_at_the_next_start(kept: Kept) -> None:
    """Nothing stays behind between the commit and the telling."""
    journal, opened, store = kept
    entity = {"id": "urn:ngsi-ld:Incident:2", "type": "Incident", "state": "open"}
    await opened.run(lambda c: tell(c, "demo", entity))
    await journal.start()
    assert await known(store, "urn:ngsi-ld:Incident:2") is not None


async def test_deeds_are_read_by_time_and_subject(kept: Kept) -> None:
    """The newest so many of a span, oldest first."""
    journal, opened, _ = kept
    await opened.run(lambda c: [enter(c, deed(n)) for n in range(10)])
    assert [7, 8] == [d.at_us for d in await journal.list_deeds(until_us=9, limit=2)]
    assert [] == await journal.list_deeds(subject="incident:2")
