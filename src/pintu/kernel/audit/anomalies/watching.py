"""Reads the rows of the last weeks and lets the rules look at them, off the loop, within a
deadline; asked again at once it answers what it found.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from pintu.kernel.audit.anomalies.rules import DAY_US, detect
from pintu.kernel.audit.anomalies.words import Finding, Thresholds
from pintu.kernel.audit.rows import Numbered, read_row
from pintu.kernel.clock import Clock
from pintu.kernel.errors import DeadlineExceeded
from pintu.kernel.store.port import Store, settled

CHUNK: Final = 2_000
MOST_ROWS: Final = 500_000
DEADLINE_S: Final = 30.0
KEPT_S: Final = 20.0


class Watch:
    """Finds what looks wrong."""

    def __init__(self, store: Store, clock: Clock, number_at: Callable[[int], Awaitable[int]]):
        self._store = store
        self._clock = clock
        self._number_at = number_at
        self._kept: tuple[float, int, Thresholds, list[Finding]] | None = None
        self._turn = asyncio.Lock()

    async def findings(self, limits: Thresholds, zone: str) -> list[Finding]:
        """What the rules find in the rows of the window, the newest first; of more than 500,000
        rows in the newest of them. DeadlineExceeded when the store is too slow for that.
        """
        async with self._turn:
            head = self._store.notes_head()
            kept = self._kept
            fresh = kept is not None and time.monotonic() - kept[0] < KEPT_S
            if kept is not None and kept[2] == limits and (fresh or kept[1] == head):
                return kept[3]
            now_us = self._clock.now_us()
            first = await self._number_at(now_us - limits.window_days * DAY_US)
            rows = await self._rows(max(first, head - MOST_ROWS), head)
            offset = datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone)).utcoffset()
            offset_us = int(offset.total_seconds() * 1e6) if offset is not None else 0
            found = await asyncio.to_thread(detect, rows, limits, offset_us)
            self._kept = (time.monotonic(), head, limits, found)
            return found

    async def _rows(self, after: int, head: int) -> list[Numbered]:
        ends = time.monotonic() + DEADLINE_S
        found: list[Numbered] = []
        while after < head:
            if time.monotonic() > ends:
                raise DeadlineExceeded(
                    "The log is too long to be looked through: shorten the window"
                )
            part = await settled(self._store.notes(after, min(CHUNK, head - after)))
            if not part:
                break
            found += await asyncio.to_thread(_decoded, part)
            after = part[-1][0]
        return found


def _decoded(part: list[tuple[int, bytes]]) -> list[Numbered]:
    return [Numbered(number=number, row=read_row(body)) for number, body in part]
