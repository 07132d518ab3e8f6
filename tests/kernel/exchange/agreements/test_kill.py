"""The room is killed in the middle of deeds, again and again, on one folder."""

from __future__ import annotations

import pytest

from tests.faults.agreement_kill import kills


@pytest.mark.slow
def test_kill_9_loses_no_answer_and_does_nothing_twice() -> None:
    """Six kills: every deed that was answered is there, once, with its row of the log; of two who
    approve at once one did; every silence was told, once."""
    answers, wrong = kills(6)
    assert [] == wrong
    assert answers > 15
