"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def told(at_us: int | None) -> str:
    """A time (µs since 1970) in UTC."""
    if at_us is None:
        return "a time it does not tell"
    try:
        return f"{datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{at_us} µs"
