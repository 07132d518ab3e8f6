"""Limits that are gone over again and again: the gate suspends by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pintu.kernel.errors import Forbidden, Refused, TooManyRequests
from pintu.kernel.exchange.agreements.words import Limits
from pintu.kernel.exchange.gate import breaking
from pintu.kernel.exchange.words import Question, Why

from .conftest import SCHOOL, HandClock, Office, close_office, open_office

MINUTE_US = 60_000_000
ONE_CALL = Limits(calls_a_minute=1)


async def over(office: Office, why: Why) -> None:
    """One minute more in which a limit is gone over, many times."""
    office.clock.us += MINUTE_US
    await office.exchange.ask(SCHOOL, "people", Question(), why)
    for _ in range(5):
        with pytest.raises(Refused):  # too many, until there is no agreement any more
            await office.exchange.ask(SCHOOL, "people", Question(), why)


async def test_a_third_minute_over_a_limit_suspends(office: Office) -> None:
    """A burst counts once; in the last minute that is borne the agreement is suspended, told with
    its reason; nothing passes from that moment, before it is durable."""
    why = office.shelf.put(limits=ONE_CALL)
    for _ in range(2):
        await over(office, why)
    await asyncio.sleep(0)
    assert [] == office.shelf.suspended
    office.clock.us += MINUTE_US
    await office.exchange.ask(SCHOOL, "people", Question(), why)
    with pytest.raises(TooManyRequests):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    office.clock.us += MINUTE_US
    with pytest.raises(Forbidden, match="no agreement"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    await office.gate.close()
    told = "It lets 1 calls a minute: that was gone over in 3 minutes of one day"
    assert [("ag-1/1", told)] == office.shelf.suspended


async def test_it_is_tried_until_it_is_durable(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the log is away nothing passes either; let pass again, its breaches begin anew."""
    monkeypatch.setattr(breaking, "AGAIN_S", 0.0)
    why = office.shelf.put(limits=ONE_CALL)
    office.shelf.away = 3
    for _ in range(3):
        await over(office, why)
    await office.gate.close()
    assert 1 == len(office.shelf.suspended)
    why = office.shelf.put(limits=ONE_CALL)  # the owner resumed it
    for _ in range(2):
        await over(office, why)
    await office.gate.close()
    assert 1 == len(office.shelf.suspended)


async def test_breaches_of_a_day_survive_a_restart_and_end_with_it(tmp_path: Path) -> None:
    """Who waits for a restart is suspended all the same; yesterday's breaches are yesterday's, and
    after some days nobody knows whom anybody looked at."""
    clock = HandClock()
    first = await open_office(tmp_path, clock)
    why = first.shelf.put(limits=ONE_CALL)
    for _ in range(2):
        await over(first, why)
    await close_office(first)
    second = await open_office(tmp_path, clock)
    why = second.shelf.put(limits=ONE_CALL)
    await over(second, why)
    await second.gate.close()
    assert 1 == len(second.shelf.suspended)
    why = second.shelf.put(limits=ONE_CALL)
    clock.us += 4 * 86_400 * 1_000_000
    await over(second, why)
    await close_office(second)
    assert 1 == len(second.shelf.suspended)
    third = await open_office(tmp_path, clock)
    assert {("ag-1", "breach"): 1} == await kept(third)
    await close_office(third)


async def kept(office: Office) -> dict[tuple[str, str], int]:
    """How many rows of each kind the gate keeps."""
    from sqlalchemy import func, select

    from pintu.kernel.exchange.gate.schema import TABLES, USED

    query = select(USED.c.agreement, USED.c.what, func.count()).group_by(
        USED.c.agreement, USED.c.what
    )
    tables = office.tables.register(TABLES)
    return {
        (agreement, what): count
        for agreement, what, count in await tables.read(lambda c: list(c.execute(query)))
    }
