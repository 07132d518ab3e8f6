"""Faults of backups are rows of the table (`backup_faults.FAULTS`); here their quick forms run."""

from __future__ import annotations

import pytest

from claims.words import NotRun
from tests.faults import backup_faults
from tests.faults.run import times
from tests.faults.seen import Fault, Result


@pytest.mark.parametrize("fault", backup_faults.FAULTS[:4], ids=lambda fault: fault.way)
def test_what_comes_back_is_what_was_there(fault: Fault) -> None:
    """The fault's verdict is ok."""
    try:
        seen = backup_faults.measure(fault.way, times(fault.fast * 2, fault.fast))
    except NotRun as reason:
        pytest.skip(str(reason))
    result = Result(fault=fault, seen=seen, took_s=0)
    print(result.line())
    assert "ok" == result.verdict, (seen.lost, seen.wrong)
