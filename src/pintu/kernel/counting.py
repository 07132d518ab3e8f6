"""How often and how long, counted in whole numbers that stand ready: what a hot path may afford.

A histogram is a list of buckets by powers of two, so that a bucket is found with one `bit_length`.
Nothing is turned to text, and nothing grows, until somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BUCKETS: Final = 26
"""Buckets 0 to 25: bucket k holds whole numbers below 2**k and not below 2**(k-1)."""

LAST: Final = BUCKETS - 1
LARGEST: Final = (1 << LAST) - 1
"""What is larger counts as this: 33 seconds, in microseconds."""

TOTAL: Final = BUCKETS
"""Where the sum stands, behind the buckets."""


def histogram() -> list[int]:
    """A histogram that holds nothing yet."""
    return [0] * (BUCKETS + 1)


def count(into: list[int], value: int) -> None:
    """Count one whole number (microseconds, or how many)."""
    into[value.bit_length() if value <= LARGEST else LAST] += 1
    into[TOTAL] += value


def many(told: Sequence[int]) -> int:
    """How many were counted."""
    return sum(told[:BUCKETS])


def quantile(told: Sequence[int], share: float) -> int:
    """The value below which `share` of what was counted lies, straight within its bucket; 0 when
    nothing was counted."""
    wanted = share * many(told)
    if not wanted:
        return 0
    passed = 0
    for bucket in range(BUCKETS):
        here = told[bucket]
        if here and passed + here >= wanted:
            low = 0 if bucket == 0 else 1 << (bucket - 1)
            high = 1 << bucket
            return round(low + (high - low) * (wanted - passed) / here) if bucket else 0
        passed += here
    return LARGEST


def less(now: Sequence[int], before: Sequence[int]) -> list[int]:
    """What was counted in between."""
    return [new - old for new, old in zip(now, before, strict=True)]


def group_times() -> dict[str, list[int]]:
    """What a store's writer counts of its groups: operations, and microseconds of each step."""
    return {name: histogram() for name in ("operations", "apply_us", "commit_us", "tell_us")}


def count_s(into: list[int], began_s: float, ended_s: float) -> None:
    """Count a time in microseconds."""
    count(into, int((ended_s - began_s) * 1e6))
