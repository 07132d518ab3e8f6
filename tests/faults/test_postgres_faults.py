"""Kills of PostgreSQL and of the broker, and promoted standbys, leave what was answered for."""

from __future__ import annotations

import pytest

from tests.faults import postgres_kill, postgres_standby
from tests.faults.run import fast


@pytest.mark.parametrize(
    "fault", [postgres_kill, postgres_standby], ids=lambda one: one.__name__.rpartition(".")[2]
)
def test_nothing_that_was_answered_is_lost(fault) -> None:
    """Each claim of the fault holds."""
    for claim, figure, bar, ok in fault.run(fast()):
        print(f"{claim}: {figure:g} (bar {bar:g})")
        assert ok, (claim, figure)
