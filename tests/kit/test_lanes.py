"""How fast a source may be."""

from __future__ import annotations

from pintu.kit.lanes import Bucket, FloodGuard


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    """Ten at once, then two a second."""
    bucket = Bucket(2.0, 10.0)
    assert [0.0] * 10 == [bucket.wait_s(100.0) for _ in range(10)]
    assert [0.5, 1.0] == [bucket.wait_s(100.0) for _ in range(2)]
    assert 0.0 == bucket.wait_s(200.0)


def test_a_guard_tells_senders_apart() -> None:
    """One floods, the other is let through."""
    guard = FloodGuard(per_sender_s=1.0, burst=5.0)
    assert [False] * 5 + [True] == [guard.floods("a", 10.0) for _ in range(6)]
    assert (False, 1) == (guard.floods("b", 10.0), guard.refused)


def test_a_guard_keeps_a_sample_of_a_flood() -> None:
    """Twenty messages a minute are evidence enough."""
    guard = FloodGuard()
    assert 20 == sum(guard.keeps(5.0) for _ in range(1000))


def test_invented_senders_earn_no_memory() -> None:
    """The table of senders is bounded."""
    guard = FloodGuard(senders_at_most=100)
    for number in range(1000):
        guard.floods(f"s{number}", 5.0)
    assert len(guard._senders) <= 100
