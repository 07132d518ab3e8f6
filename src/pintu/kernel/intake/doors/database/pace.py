"""How much of a database the owner lets us use: rows a second, and the hours of the day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SMALLEST_PAGE = 200
PAGE_TAKES_S = 0.5
"""A page is made smaller when the database needs longer than this for it."""


class Pace:
    """Waits so that no more rows a second are read than the owner said (0: no limit), and finds
    the size of a page: at most half a second of the database, at most `largest` rows."""

    def __init__(self, rows_per_second: float, largest: int) -> None:
        self._rate = rows_per_second
        self._largest = min(largest, max(int(rows_per_second), 10)) if self._rate else largest
        self._free_at = 0.0
        self.page = min(1_000, self._largest)

    async def wait(self) -> None:
        """Before a page: until the rows read so far were not too many."""
        pause_s = self._free_at - asyncio.get_running_loop().time()
        if self._rate and pause_s > 0:
            await asyncio.sleep(pause_s)

    def took(self, rows: int, seconds: float) -> None:
        """After a page: what it brought and how long the database took for it."""
        now = asyncio.get_running_loop().time()
        if self._rate:
            self._free_at = max(self._free_at, now - seconds) + rows / self._rate
        if seconds > PAGE_TAKES_S * 2:
            self.page = max(self.page // 2, min(SMALLEST_PAGE, self._largest))
        elif seconds < PAGE_TAKES_S and rows >= self.page:
            self.page = min(self.page * 2, self._largest)


def opens_in(hours: str, zone: str, now_us: int) -> float:
    """Seconds until `22:00-06:00` begins in the zone; 0 while it is open or when nothing is
    said."""
    if not hours:
        return 0.0
    now = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(ZoneInfo(zone))
    begin, end = (_minutes(one) for one in hours.split("-"))
    minute = now.hour * 60 + now.minute
    is_open = begin <= minute < end if begin < end else minute >= begin or minute < end
    if begin == end or is_open:
        return 0.0
    start = now.replace(hour=begin // 60, minute=begin % 60, second=0, microsecond=0)
    if start <= now:
        start += timedelta(days=1)
    return (start - now).total_seconds()


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
