"""Working days of mainland China: weekends, public holidays, and the weekends worked instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Final

SATURDAY: Final = 5


@cache
def known_until() -> date:
    """The last day whose holidays the State Council had announced when `chinese-calendar`, which
    copies its notices, was released: the end of a year."""
    from chinese_calendar.constants import holidays

    return date(max(holidays).year, 12, 31)


@cache
def known_since() -> date:
    """The first such day: the beginning of a year."""
    from chinese_calendar.constants import holidays

    return date(min(holidays).year, 1, 1)


@cache
def _works(day: date) -> bool:
    from chinese_calendar import is_workday

    return bool(is_workday(day))


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are worked. `own` is what a town decided for itself, over everything else.

    Beyond `known_until()` nobody has announced holidays yet: those days are plain weekdays and
    weekends, and `knows` says so, for pages to say it too.
    """

    own: Mapping[date, bool] = field(default_factory=dict)

    def works(self, day: date) -> bool:
        """Whether offices work on a day."""
        told = self.own.get(day)
        if told is not None:
            return told
        if self.knows(day):
            return _works(day)
        return day.weekday() < SATURDAY

    def knows(self, day: date) -> bool:
        """Whether the holidays of that day's year were announced."""
        return known_since() <= day <= known_until()
