"""Replay's state hash equals the live one, wherever the rows lie: the suites that walk it."""

from __future__ import annotations

from claims.doors import tested
from claims.words import Finding


def measure() -> list[Finding]:
    """Random programs live and replayed on both stores, over packed and filed rows."""
    return [
        *tested("replay's hash is the live one", "tests/web/test_replay.py"),
        *tested("every row of a span, wherever it lies", "tests/kernel/analytics/test_between.py"),
    ]
