"""Power cuts, kills and a full disk leave the store with everything it answered for."""

from __future__ import annotations

import pytest

from tests.faults import disk_full, power_cut, store_kill
from tests.faults.run import fast


@pytest.mark.parametrize("fault", [power_cut, store_kill, disk_full], ids=lambda one: one.__name__)
def test_nothing_that_was_answered_is_lost(fault) -> None:
    """Each claim of the fault holds."""
    for claim, figure, bar, ok in fault.run(fast()):
        print(f"{claim}: {figure:g} (bar {bar:g})")
        assert ok, (claim, figure)
