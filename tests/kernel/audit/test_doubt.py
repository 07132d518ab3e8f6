"""A log that is not what was sealed is found by the city itself, and never quietly sealed again."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Audit
from pintu.kernel.audit.schema import HEAD, TILE
from pintu.kernel.errors import PintuError, StateConflict, Unavailable
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.opening import open_store
from pintu.kernel.tables import open_tables
from pintu.processes.keeping.copying import Keys as CopiedKeys
from pintu.processes.keeping.copying import copy_city
from pintu.settings import Settings

from .conftest import Desk, Hand, Opening

AUDITOR = Actor(id="person:a", person="a", organisation="city", roles=frozenset({"auditor"}))


async def fill(desk: Desk, count: int) -> None:
    """So many rows, sealed."""
    entries = (Entry(what="read", reason=f"预约 {n}") for n in range(count))
    await asyncio.gather(*(desk.audit.enter(one) for one in entries))
    await desk.audit.sealer.seal()


def copied(old: Path, new: Path) -> None:
    """As `pintu backup` copies a city, without its keys."""
    copy_city(Settings(data=old), new, CopiedKeys(left_out=True), lambda *_: None)


async def harm(desk: Desk, sql: str) -> None:
    """What somebody does who may write the store's own tables."""
    store: Any = desk.store
    if hasattr(store, "connections"):
        await store.task(lambda connection: connection.execute(sql))
    else:
        await store._task(lambda: store._db.execute(sql))


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM note WHERE number > 590", "rewound"),
        ("UPDATE note SET body = (SELECT body FROM note WHERE number = 1) WHERE number = 600",
         "Row 600 of the log is not the one"),
    ],
)  # fmt: skip
async def test_an_end_that_does_not_fit_is_found_at_the_start(
    opening: Opening, sql: str, why: str
) -> None:
    """Cut, or an old backup, or another last row: no head is signed over it."""
    desk = await opening()
    await desk.audit.sealer.load()
    await fill(desk, 600)
    await harm(desk, f"{sql}")
    if hasattr(desk.store, "connections"):
        await harm(desk, "UPDATE head SET notes = (SELECT max(number) FROM note)")
    await desk.close()
    again = await opening()
    await again.audit.sealer.load()
    assert why in again.audit.trouble
    await again.audit.enter(Entry(what="read"))
    head = await again.audit.sealer.seal()
    assert head is not None and 600 == head.size
    told = [one.row.detail.get("why", "") for one in await again.audit.search(what="node")]
    assert [again.audit.trouble] == told
    await again.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE note SET body = (SELECT body FROM note WHERE number = 1) WHERE number = 300",
        "DELETE FROM note WHERE number = 300",
        "DELETE FROM note WHERE number = 1",
    ],
)
async def test_a_row_in_the_middle_is_found_by_the_city_itself(desk: Desk, sql: str) -> None:
    """Every row is held against the tree, at the start and once a day."""
    await fill(desk, 600)
    assert 600 == await desk.audit.checker.compare_all(0)
    await harm(desk, sql)
    assert await desk.audit.checker.compare_all(0) < 600
    assert "of the log is" in desk.audit.trouble


async def test_tiles_or_heads_that_are_not_ours_are_found(opening: Opening) -> None:
    """A tree that leads elsewhere, a head somebody else signed, heads that are gone."""
    for change in (
        TILE.update().values(hashes=b"\x00" * 32),
        HEAD.update().values(told=sa.func.replace(HEAD.c.told, "city", "site")),
        HEAD.delete(),
    ):
        desk = await opening()
        await desk.audit.sealer.load()
        before = desk.audit.trouble
        if not before:
            await fill(desk, 3)
            await desk.audit.tables.run(lambda c, change=change: c.execute(change))  # type: ignore[misc]
        await desk.close()
        again = await opening()
        await again.audit.sealer.load()
        assert "" != again.audit.trouble
        await again.audit.accept(AUDITOR, "核查过")
        await again.close()


async def test_a_log_goes_on_as_a_new_era_when_an_auditor_says_so(desk: Desk) -> None:
    """Under a name of its own, with the old head and the reason in its rows; proofs go on."""
    audit = desk.audit
    await fill(desk, 300)
    with pytest.raises(StateConflict):
        await audit.accept(AUDITOR, "没有问题")
    old = audit.head()
    await audit.sealer.doubt("Row 7 of the log is not the one that was sealed")
    receipt = await audit.accept(AUDITOR, "硬盘更换，已核对")
    head = audit.head()
    assert head is not None and old is not None
    assert ("city.example", "city.example#2") == (old.origin, head.origin)
    row = await audit.row(receipt.number)
    assert ("log.accepted", "硬盘更换，已核对", old.text) == (
        row.deed, row.reason, row.detail["head"],
    )  # fmt: skip
    assert "" == audit.trouble
    await fill(desk, 5)
    newest = audit.head()
    assert newest is not None and 307 == newest.size
    assert await audit.proofs.bundle(1)
    assert 1 == len(await audit.search(what="node", limit=10)) - 1  # doubted, accepted


async def test_rows_are_entered_while_the_log_is_doubted(desk: Desk) -> None:
    """A city whose old rows were harmed still writes down what it does; it says what is wrong."""
    await fill(desk, 2)
    await desk.audit.sealer.doubt("Row 1 of the log is not the one that was sealed")
    receipt = await desk.audit.enter(Entry(what="read"))
    assert 4 == receipt.number
    with pytest.raises(PintuError, match="not sealed"):
        await desk.audit.inclusion(4)


async def test_counts_are_one_row_a_minute(desk: Desk) -> None:
    """What is counted is added up by who, what and where; nothing is lost when it cannot be
    written."""
    act = Act(deed=Deed.READ, data_set="lamps")
    for _ in range(3):
        desk.audit.count(AUDITOR, act)
    desk.audit.count(Actor(id="token:x"), act)
    await desk.audit.write_counts()
    assert await desk.audit.write_counts() is None
    [one] = await desk.audit.rows(0, 10)
    assert {"person:a read - lamps": "3", "token:x read - lamps": "1"} == one.row.detail
    assert ("counts", 4) == (one.row.what, one.row.rows)


async def test_a_clock_that_is_set_back_is_in_the_log(desk: Desk) -> None:
    """Before the next row; a jitter is not worth a row."""
    await desk.audit.enter(Entry(what="read"))
    desk.clock.at_us -= 2_000_000
    await desk.audit.enter(Entry(what="read"))
    desk.clock.at_us -= 3_600_000_000
    receipt = await desk.audit.enter(Entry(what="read"))
    assert 4 == receipt.number
    third = await desk.audit.row(3)
    assert ("node", "clock") == (third.what, third.deed)


class Away:
    """A store whose notes cannot be read for now."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.away = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def notes(self, after: int, limit: int) -> Any:
        """As the store's, when it is there."""
        if self.away:
            raise Unavailable("The store is away")
        return self._store.notes(after, limit)


async def test_a_city_starts_while_its_notes_are_away(opening: Opening) -> None:
    """What cannot be compared at the start keeps no city from starting; nothing is sealed until it
    was compared."""
    desk = await opening()
    await desk.audit.sealer.load()
    await fill(desk, 10)
    await desk.close()
    again = await opening()
    sealer, store = again.audit.sealer, Away(again.store)
    sealer._store = cast(Any, store)
    await again.audit.start()
    assert not again.audit.trouble
    await again.audit.enter(Entry(what="read"))
    head = await sealer.seal()
    assert head is not None and 10 == head.size
    store.away = False
    while head is None or head.size < 11:
        await asyncio.sleep(0.1)
        head = again.audit.head()
    await again.close()


async def test_a_backup_of_a_busy_city_is_no_log_that_was_rewound(tmp_path: Path) -> None:
    """Rows that are written and sealed while the backup is made: what is restored has every row
    that its heads tell of."""

    async def city(folder: Path) -> Desk:
        clock = Hand()
        store = await open_store("sqlite:", folder, clock=clock)
        tables = open_tables(folder)
        audit = Audit(store, tables, Keys(folder / "keys"), clock, name="city.example")
        return Desk(store, tables, audit, clock, folder)

    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    desk = await city(old)
    await desk.audit.sealer.load()
    await fill(desk, 100)
    copying = asyncio.create_task(asyncio.to_thread(copied, old, new))
    while not copying.done():
        await fill(desk, 5)
    await copying
    await desk.close()
    shutil.copytree(old / "keys", new / "keys", dirs_exist_ok=True)
    again = await city(new)
    await again.audit.sealer.load()
    assert "" == again.audit.trouble
    await again.close()
