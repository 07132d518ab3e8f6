"""A time zone as data, so that every engine has the same days: when its offset changed, and when
each day began. Pure.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from pintu.kernel.analytics.rollups import DAY_US

SECOND_US: Final = 1_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Day(NamedTuple):
    """A day of a zone: its number since 1970-01-01, from when to before when in µs."""

    day: int
    begin_us: int
    end_us: int


def offset_us(zone: ZoneInfo, at_us: int) -> int:
    """What a zone's clock is ahead of UTC."""
    told = (EPOCH + timedelta(microseconds=at_us)).astimezone(zone).utcoffset() or timedelta()
    return round(told.total_seconds()) * SECOND_US


def offsets(name: str, since_us: int, until_us: int) -> list[tuple[int, int]]:
    """(up to before this moment, offset) of a span of time, the last one up to its end."""
    zone = ZoneInfo(name)
    found: list[tuple[int, int]] = []
    low = since_us
    while low < until_us:
        high = min(low + DAY_US, until_us)
        before, after = offset_us(zone, low), offset_us(zone, high)
        if before != after:
            found.append((_changed(zone, low, high), before))
        low = high
    return [*found, (until_us, offset_us(zone, until_us))]


def _changed(zone: ZoneInfo, low: int, high: int) -> int:
    """The first moment, in whole seconds, of another offset between two; one change a day."""
    before = offset_us(zone, low)
    a, b = low // SECOND_US, -(-high // SECOND_US)
    while b - a > 1:
        middle = (a + b) // 2
        if offset_us(zone, middle * SECOND_US) == before:
            a = middle
        else:
            b = middle
    return b * SECOND_US


def days(name: str, since_us: int, until_us: int) -> list[Day]:
    """Every day of a zone that has a part in a span of time, and the one after."""
    zone = ZoneInfo(name)
    first = (since_us + offset_us(zone, since_us)) // DAY_US
    last = (until_us + offset_us(zone, until_us)) // DAY_US + 1
    begins = [begin_us(zone, day) for day in range(first, last + 2)]
    return [Day(first + n, begins[n], begins[n + 1]) for n in range(len(begins) - 1)]


def begin_us(zone: ZoneInfo, day: int) -> int:
    """When a day begins: at its midnight, or where the clock leaps over it."""
    on = date(1970, 1, 1) + timedelta(days=day)
    for fold in (0, 1):  # a midnight that is put back an hour is only there the second time
        midnight = datetime(on.year, on.month, on.day, tzinfo=zone, fold=fold).astimezone(UTC)
        if midnight.astimezone(zone).date() == on:
            break
    return (midnight - EPOCH) // timedelta(microseconds=1)
