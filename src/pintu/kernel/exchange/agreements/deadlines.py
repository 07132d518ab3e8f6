"""How long people may take, in working days of the city's calendar, and how often limits may be
gone over; pure.

A town tells its own in `config/agreements/deadlines.toml`; a part of a day is plain time, so that a
test or a demonstration need not wait for a week.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from pintu.kernel.errors import ConfigurationError

DAY_US: Final = 86_400_000_000
SATURDAY: Final = 5


class Deadlines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Working days for each thing somebody waits for; `holidays` and `workdays` are dates that the
    calendar of the week gets wrong."""

    owner_days: float = 5.0  # to decide on a request
    deputy_days: float = 3.0  # after the owner was silent
    signature_days: float = 5.0  # for the consumer, after the approval
    recall_days: float = 5.0  # for a holder of copies to answer
    breaks_a_day: int = 5  # minutes of a day with a call over a limit until it is suspended
    holidays: tuple[str, ...] = ()
    workdays: tuple[str, ...] = ()
    zone: str = "Asia/Shanghai"

    def after(self, from_us: int, days: float) -> int:
        """The moment that many working days later: whole days keep the time of day."""
        whole, part = int(days), days - int(days)
        zone = ZoneInfo(self.zone)
        moment = datetime.fromtimestamp(from_us / 1e6, tz=UTC).astimezone(zone)
        for _ in range(whole):
            moment = _next_working(moment, self)
        shift = timedelta(days=part)
        moved = moment + shift
        if not whole:
            return from_us + int(part * DAY_US)
        return int(moved.timestamp() * 1_000_000)

    def works(self, day: date) -> bool:
        """Whether a day is a working day."""
        told = day.isoformat()
        return told in self.workdays or (told not in self.holidays and day.weekday() < SATURDAY)


def read_deadlines(content: Mapping[str, Any]) -> Deadlines:
    """What a town's file says; ConfigurationError with what is wrong."""
    try:
        found = msgspec.convert(dict(content), Deadlines)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            [f"The deadlines of agreements cannot be read: {error}"]
        ) from error
    mistakes = [
        f"The deadlines of agreements: {name} is not between 0 and 366 days"
        for name in ("owner_days", "deputy_days", "signature_days", "recall_days")
        if not 0 < getattr(found, name) <= 366
    ]
    if not 1 <= found.breaks_a_day <= 1_440:
        mistakes.append("The deadlines of agreements: breaks_a_day is not between 1 and 1440")
    mistakes += [
        f"The deadlines of agreements: {one!r} is no date"
        for one in (*found.holidays, *found.workdays)
        if not _is_date(one)
    ]
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def _next_working(moment: datetime, calendar: Deadlines) -> datetime:
    for _ in range(400):
        moment += timedelta(days=1)
        if calendar.works(moment.date()):
            break
    return moment


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
