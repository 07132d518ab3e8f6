"""A full disk leaves the store with everything it answered for; kills and power cuts are rows of
the table (`table.py`)."""

from __future__ import annotations

from tests.faults import disk_full
from tests.faults.run import fast


def test_nothing_that_was_answered_is_lost() -> None:
    """Each claim of the fault holds."""
    for claim, figure, bar, ok in disk_full.run(fast()):
        print(f"{claim}: {figure:g} (bar {bar:g})")
        assert ok, (claim, figure)
