"""Counts requests where they are answered: by operation, status and class of tenant, in whole
numbers that stand ready.

Labels are bounded by what they are: an operation of the route table, a status, and one of a few
classes. No tenant's name, no id, no address and nobody who asked is ever kept.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappush, heapreplace
from typing import Any, Final, Protocol

from pintu.kernel.counting import BUCKETS, LARGEST, LAST, TOTAL, histogram, less

Row = tuple[str, int, str]
"""Operation, HTTP status, class of the tenant."""

CLASSES: Final = ("default", "demo", "hosted", "other")
TENANT: Final = b"ngsild-tenant"
SAMPLED: Final = 256
"""One request in so many goes the way on which every step is timed."""

KEPT_SLOWEST: Final = 10
TICK_S: Final = 10.0
KEPT_TICKS: Final = 31
"""Five minutes of what was counted each ten seconds."""

MINUTES: Final = 5


class Asked(Protocol):
    """What the meter reads of a request."""

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Its header lines."""
        ...

    @property
    def operation(self) -> str:
        """What it turned out to be; "" when it was refused before that."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Slow:
    """A request that took long: nothing in it says who asked, or for what."""

    took_us: int
    at_s: float
    operation: str
    status: int
    tenant_class: str


@dataclass(frozen=True, slots=True)
class Tick:
    """All that was counted up to a moment (`time.monotonic`)."""

    at_s: float
    rows: dict[Row, list[int]]
    more: dict[str, Any]


class Meter:
    """One a broker process; lives on the loop."""

    def __init__(self) -> None:
        self.rows: dict[Row, list[int]] = {}
        self.classes: dict[bytes, str] = {b"": "default"}
        self.sampled: Any = None
        """A broker that times its steps (`sampling.py`), or None."""
        self.left = SAMPLED
        self.slowest: list[Slow] = []
        self.slow_us = 0  # what a request must take to be among them
        self.ticks: deque[Tick] = deque(maxlen=KEPT_TICKS)
        self.more: Callable[[], dict[str, Any]] = dict
        """What else to remember at each tick."""

    # --- the hot path -------------------------------------------------------------------------
    def count(self, asked: Asked, status: int, took_s: float) -> None:
        """One request was answered."""
        name = self.classes.get(asked.headers.get(TENANT, b""), "other")
        key = (asked.operation, status, name)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = histogram()
        us = int(took_s * 1e6)
        row[us.bit_length() if us <= LARGEST else LAST] += 1
        row[TOTAL] += us
        if us > self.slow_us:
            self._slow(us, key)

    def next(self, broker: Any) -> Any:
        """Who answers the one request in so many; `left` counts down to it."""
        self.left = SAMPLED
        return broker if self.sampled is None else self.sampled

    def _slow(self, us: int, key: Row) -> None:
        operation, status, name = key
        one = Slow(us, time.time(), operation, status, name)
        if len(self.slowest) < KEPT_SLOWEST:
            heappush(self.slowest, one)
        else:
            heapreplace(self.slowest, one)
        if len(self.slowest) == KEPT_SLOWEST:
            self.slow_us = self.slowest[0].took_us

    # --- from time to time --------------------------------------------------------------------
    def hosted(self, tenants: Iterable[str], demo: str) -> None:
        """Which tenants are of a class of their own."""
        found = {name.encode(): "hosted" for name in tenants}
        self.classes = {b"": "default", demo.encode(): "demo"} | found

    def tick(self) -> None:
        """Remember how things stand, so that somebody can ask of the last minutes."""
        rows = {key: list(row) for key, row in self.rows.items()}
        self.ticks.append(Tick(time.monotonic(), rows, self.more()))
        old = time.time() - 60 * MINUTES
        if any(one.at_s < old for one in self.slowest):
            self.slowest = [one for one in self.slowest if one.at_s >= old]
            self.slowest.sort()
            self.slow_us = 0 if len(self.slowest) < KEPT_SLOWEST else self.slowest[0].took_us

    def lately(self) -> tuple[float, dict[str, list[int]]]:
        """(seconds, operation → what was counted) of the last minutes, every status together."""
        now = {key: list(row) for key, row in self.rows.items()}
        before = self.ticks[0] if self.ticks else None
        since_s = 0.0 if before is None else time.monotonic() - before.at_s
        found: dict[str, list[int]] = {}
        for key, row in now.items():
            old = before.rows.get(key) if before is not None else None
            row = row if old is None else less(row, old)
            if any(row[:BUCKETS]):
                sums = found.setdefault(key[0], histogram())
                found[key[0]] = [a + b for a, b in zip(sums, row, strict=True)]
        return since_s, found
