"""Nights that are killed lose and double nothing, on both stores."""

from __future__ import annotations

from tests.faults import history_kill
from tests.faults.run import fast


def test_a_killed_night_loses_and_doubles_nothing() -> None:
    """Each claim of the fault holds."""
    for claim, figure, _, ok in history_kill.run(fast()):
        print(f"{claim}: {figure:g}")
        assert ok, claim
