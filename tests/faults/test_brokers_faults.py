"""Several brokers on one PostgreSQL: whoever leads is killed, and all are restarted in turn."""

from __future__ import annotations

import pytest

from tests.faults.brokers_kill import measure
from tests.faults.run import fast, times


def test_another_leads_when_the_leader_is_killed() -> None:
    """kill -9 under load: told at least once, in order, by another; how soon is the table's."""
    seen = measure("kill", times(6, 1))
    assert ([], []) == (seen.lost, seen.wrong), seen.told
    assert seen.acknowledged, seen


@pytest.mark.skipif(fast(), reason="the quick form kills only")
@pytest.mark.parametrize("way", ["hang", "restart"])
def test_another_leads_when_the_leader_hangs_or_ends(way: str) -> None:
    """A leader that hangs is not one any more; a rolling restart behind a balancer refuses
    nobody."""
    seen = measure(way, 1)
    assert ([], []) == (seen.lost, seen.wrong), seen.told
    assert seen.acknowledged, seen
