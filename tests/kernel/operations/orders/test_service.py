"""The service clock: 52 worked cases, counted by hand over the calendar of the State Council."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.orders.calendar import Calendar, known_until
from pintu.kernel.operations.orders.service import LEVELS, MINUTE_US, ServiceClock, running
from pintu.kernel.operations.orders.words import Order, Pause

CASES = json.loads((Path(__file__).parent / "clock_cases.json").read_text("utf-8"))
CHINA = ZoneInfo("Asia/Shanghai")
CLOCK = ServiceClock()


def us(local: str) -> int:
    """µs of a local minute; "" is 0."""
    if not local:
        return 0
    return int(datetime.fromisoformat(local).replace(tzinfo=CHINA).timestamp() * 1e6)


def said(at_us: int) -> str:
    """The local minute of an instant."""
    if not at_us:
        return ""
    return datetime.fromtimestamp(at_us / 1e6, CHINA).strftime("%Y-%m-%dT%H:%M")


def pauses_of(case: dict[str, Any]) -> list[Pause]:
    return [Pause(since_us=us(a), until_us=us(b)) for a, b in case["pauses"]]


@pytest.mark.parametrize("case", CASES, ids=[one["why"] for one in CASES])
def test_worked_cases(case: dict[str, Any]) -> None:
    """When a promise is over, and that exactly its time has been counted then."""
    start, budget = us(case["start"]), case["minutes"] * MINUTE_US
    due = CLOCK.due_us(start, budget, pauses_of(case), case["always"])
    assert case["due"] == said(due)
    if due:
        assert budget == CLOCK.counted_us(start, due, pauses_of(case), case["always"])


def test_there_are_fifty_cases() -> None:
    """As many as were promised, each of its own."""
    assert 50 <= len({one["why"] for one in CASES})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 900_000), st.integers(0, 20_000), st.integers(0, 20_000))
def test_time_adds_up(start: int, first: int, second: int) -> None:
    """What is counted in two stretches is what is counted in both together."""
    a = us("2025-01-01T00:00") + start * MINUTE_US
    b = a + first * MINUTE_US
    c = b + second * MINUTE_US
    assert CLOCK.worked_us(a, c) == CLOCK.worked_us(a, b) + CLOCK.worked_us(b, c)
    due = CLOCK.after_us(a, (first + 1) * MINUTE_US)
    assert (first + 1) * MINUTE_US == CLOCK.worked_us(a, due)
    assert (first + 1) * MINUTE_US > CLOCK.worked_us(a, due - 1)


def test_a_town_decides_days_of_its_own() -> None:
    """A local holiday is not worked, whatever the country does."""
    clock = ServiceClock(calendar=Calendar({date(2026, 11, 24): False}))
    due = clock.after_us(us("2026-11-23T17:00"), 60 * MINUTE_US)
    assert "2026-11-25T09:00" == said(due)


def test_what_nobody_announced_is_said_to_be_a_guess() -> None:
    """Beyond the last announced year a promise names plain weekdays, and the clock says so."""
    last = known_until()
    assert (12, 31) == (last.month, last.day)
    assert not CLOCK.guesses(us(f"{last.year}-12-31T10:00"))
    assert CLOCK.guesses(us(f"{last.year + 1}-01-01T10:00"))


def test_a_promise_without_an_end_is_refused() -> None:
    """A town in which nobody ever works promises nothing."""
    clock = ServiceClock(hours=())
    with pytest.raises(BadRequestData, match="11 years"):
        clock.after_us(us("2026-11-23T17:00"), MINUTE_US)


def test_pauses_leave_the_rest() -> None:
    """Pauses in any order, overlapping, open: what runs is what no pause covers."""
    pauses = [Pause(since_us=50), Pause(since_us=10, until_us=20), Pause(since_us=15, until_us=30)]
    assert [(0, 10), (30, 50)] == list(running(0, 100, pauses))


def test_each_severity_promises_in_order() -> None:
    """Confirming comes before arriving before finishing, and worse is sooner."""
    for level in LEVELS.values():
        assert level.confirm < level.arrive < level.finish
    order = Order(
        tenant="", kind="patrol", what={}, target="a:b", severity="medium",
        opened_us=us("2026-11-23T09:00"), changed_us=0,
    )  # fmt: skip
    found = {name: said(at) for name, at in CLOCK.deadlines(order).items()}
    assert {
        "confirm": "2026-11-23T10:00",
        "arrive": "2026-11-23T14:30",
        "finish": "2026-11-25T09:00",
    } == found
