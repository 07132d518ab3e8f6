"""Memory that was freed is given back when a process that grew is quiet."""

from __future__ import annotations

from pintu.web.metrics.freed import EVERY, FIRST, GROWN, QUIET_S, Freed

BUSY = 10 * QUIET_S


def test_who_has_grown_gives_back_in_the_first_quiet_second() -> None:
    """A process that grew waits until it has nothing to do."""
    freed = Freed(0, 0.0)
    assert not freed.due(GROWN, 0.0)
    assert not freed.due(2 * GROWN, BUSY)
    assert freed.due(2 * GROWN, BUSY)


def test_what_was_given_back_is_not_asked_for_again() -> None:
    """It has to grow again from what it still held."""
    freed = Freed(0, 0.0)
    assert freed.due(4 * GROWN, 0.0)
    freed.given(3 * GROWN)
    assert not freed.due(4 * GROWN, 0.0)
    assert freed.due(4 * GROWN + 1, 0.0)


def test_who_is_never_quiet_gives_back_too() -> None:
    """A minute after the start, and then every ten minutes."""
    freed = Freed(0, 0.0)
    due = [look for look in range(1, 2 * EVERY + 1) if freed.due(0, look * BUSY)]
    assert due == [FIRST, EVERY, 2 * EVERY]
