"""Promoted standbys leave what was answered for; kills are rows of the table (`table.py`)."""

from __future__ import annotations

from tests.faults import postgres_standby
from tests.faults.run import fast


def test_nothing_that_was_answered_is_lost() -> None:
    """Each claim of the fault holds."""
    for claim, figure, bar, ok in postgres_standby.run(fast()):
        print(f"{claim}: {figure:g} (bar {bar:g})")
        assert ok, (claim, figure)
