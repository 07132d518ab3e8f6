"""How much intake takes at once, and what it refuses to believe."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every bound of intake in one place; seconds are the city's."""

    depth: int = 4  # derivers that answer derivers
    updates: int = 10_000  # a batch
    entity_bytes: int = 1_000_000
    unreadable: int = 10_000  # a batch
    future_s: float = 300.0  # how far ahead of the city's clock an observedAt may be
    late_s: float = (
        3650 * DAY_S
    )  # … and how far behind: a device that woke up in 1970 is not believed
    kept_bytes: int = 65_536  # of one quarantined body
    held_rows: int = 10_000
    held_bytes: int = 100_000_000
    keys_a_source: int = 2_000
    sources: int = 1_000
