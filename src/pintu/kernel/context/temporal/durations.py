"""ISO 8601 durations: how long a period is, and where the period begins that a time lies in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pintu.kernel.errors import BadRequestData

_FORM: Final = re.compile(
    r"P(?=.)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,](\d{1,6}))?S)?)?"
)
_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A duration: calendar months, and microseconds besides. Both 0: the whole time asked for."""

    months: int = 0
    micros: int = 0

    @property
    def whole(self) -> bool:
        """Is it all of the time at once?"""
        return not (self.months or self.micros)

    @property
    def about_us(self) -> int:
        """Microseconds at least; a month has 28 days or more."""
        return self.months * 28 * 86_400 * _SECOND + self.micros

    def start(self, origin_us: int, number: int) -> int:
        """When the period of that number begins, the first one at the origin; ends at the end of
        time.
        """
        at_us = origin_us + number * self.micros
        if self.months:
            at_us = _later(at_us, number * self.months)
        return min(at_us, _LAST_US)

    def number(self, origin_us: int, at_us: int) -> int:
        """The number of the period a time at or after the origin lies in."""
        if not self.months:
            return (at_us - origin_us) // self.micros
        number = (at_us - origin_us) // (self.months * 31 * 86_400 * _SECOND + self.micros)
        while self.start(origin_us, number + 1) <= at_us:
            number += 1
        return number


def parse_period(text: object) -> Period:
    """The period of `PT1H`, `P1M`, `PT0S`; raises BadRequestData for what is no ISO 8601
    duration.
    """
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadRequestData(f"aggrPeriodDuration {str(text)[:50]!r} is not an ISO 8601 duration")
    years, months, weeks, days, hours, minutes, seconds = (
        int(found[group] or 0) for group in range(1, 8)
    )
    fraction = int((found[8] or "").ljust(6, "0"))
    of_days = (weeks * 7 + days) * 86_400
    micros = (of_days + hours * 3_600 + minutes * 60 + seconds) * _SECOND + fraction
    return Period(years * 12 + months, micros)


def micros(text: str) -> int:
    """Microseconds since 1970 of a UTC timestamp (4.6.3)."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def _later(at_us: int, months: int) -> int:
    """So many months later; the last day of a month where it has no such day."""
    moment = _EPOCH + timedelta(microseconds=min(at_us, _LAST_US))
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > 9999:
        return _LAST_US
    first = moment.replace(year=year, month=month + 1, day=1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return (first.replace(day=min(moment.day, last.day)) - _EPOCH) // _MICROSECOND
