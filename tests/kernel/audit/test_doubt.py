"""A log that is not what was sealed is found by the city itself, and never quietly sealed again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.access.audited import Entry
from pintu.kernel.audit.schema import HEAD, TILE
from pintu.kernel.errors import PintuError, StateConflict

from .conftest import Desk, Opening

AUDITOR = Actor(id="person:a", person="a", organisation="city", roles=frozenset({"auditor"}))


async def fill(desk: Desk, count: int) -> None:
    """So many rows, sealed."""
    entries = (Entry(what="read", reason=f"预约 {n}") for n in range(count))
    await asyncio.gather(*(desk.audit.enter(one) for one in entries))
    await desk.audit.sealer.seal()


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
