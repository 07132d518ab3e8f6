"""A day of failing endpoints and kills: no notification is lost, and none tells too much."""

from __future__ import annotations

from tests.faults.notify_kill import day
from tests.faults.run import times


def test_a_day_of_failures_and_kills_loses_no_notification() -> None:
    """At least once, in order a lamp, nothing after the end, nothing beyond the agreement."""
    figures, broken = day(seconds=times(120, 15), kills=times(20, 4))
    assert [] == broken
    assert figures["changes"] > 0
    assert figures["refused"] > 0
