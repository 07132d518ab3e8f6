"""The service-level clock: how much of a promised time has passed, and when it is over. Pure.

A promise counts either around the clock or in working hours only; it stands still while an order is
suspended. Instants are µs UTC; days and hours are those of the city's zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.orders.calendar import Calendar
from pintu.kernel.operations.orders.words import Deadline, Order, Pause, Severity

MINUTE_US: Final = 60_000_000
FURTHEST_DAYS: Final = 4_000
"""No promise reaches further: eleven years."""

OFFICE: Final = ((8 * 60 + 30, 12 * 60), (13 * 60 + 30, 17 * 60 + 30))
"""Working hours of a working day in minutes of the day: 08:30-12:00 and 13:30-17:30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What is promised for a severity, in minutes; `always` counts nights and holidays too."""

    confirm: int
    arrive: int
    finish: int
    always: bool = False


LEVELS: Final[Mapping[Severity, Level]] = {
    "critical": Level(confirm=5, arrive=30, finish=240, always=True),
    "high": Level(confirm=15, arrive=60, finish=480, always=True),
    "medium": Level(confirm=60, arrive=240, finish=900),
    "low": Level(confirm=240, arrive=900, finish=2_250),
    "informational": Level(confirm=450, arrive=2_250, finish=4_500),
}
"""In working minutes where not `always`: a working day has 450."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """Counts promised time in one city."""

    zone: str = "Asia/Shanghai"
    calendar: Calendar = field(default_factory=Calendar)
    hours: Sequence[tuple[int, int]] = OFFICE
    levels: Mapping[Severity, Level] = field(default_factory=lambda: LEVELS)

    # --- between two instants ---------------------------------------------------------------------
    def worked_us(self, since_us: int, until_us: int, always: bool = False) -> int:
        """The counted time between two instants; 0 when the second is not later."""
        if until_us <= since_us:
            return 0
        if always:
            return until_us - since_us
        total = 0
        for start_us, end_us in self._spans(since_us):
            if start_us >= until_us:
                break
            total += max(0, min(end_us, until_us) - max(start_us, since_us))
        return total

    def after_us(self, since_us: int, budget_us: int, always: bool = False) -> int:
        """The first instant at which `budget_us` of counted time has passed since another.

        Raises BadRequestData for a budget that ends in no eleven years.
        """
        if always or budget_us <= 0:
            return since_us + max(0, budget_us)
        left = budget_us
        for start_us, end_us in self._spans(since_us):
            begin = max(start_us, since_us)
            if end_us - begin >= left:
                return begin + left
            left -= max(0, end_us - begin)
        raise BadRequestData(f"A promise of {budget_us // MINUTE_US} minutes ends in no 11 years")

    def _spans(self, since_us: int) -> Iterator[tuple[int, int]]:
        """Working spans that end after an instant, in order."""
        zone = ZoneInfo(self.zone)
        day = datetime.fromtimestamp(since_us / 1e6, zone).date()
        for _ in range(FURTHEST_DAYS):
            if self.calendar.works(day):
                for start, end in self.hours:
                    end_us = _instant(day, end, zone)
                    if end_us > since_us:
                        yield _instant(day, start, zone), end_us
            day += timedelta(days=1)

    # --- with pauses ------------------------------------------------------------------------------
    def counted_us(
        self, since_us: int, until_us: int, pauses: Sequence[Pause], always: bool = False
    ) -> int:
        """The counted time between two instants without the pauses, which may touch or overlap."""
        return sum(
            self.worked_us(start, end, always) for start, end in running(since_us, until_us, pauses)
        )

    def due_us(
        self, since_us: int, budget_us: int, pauses: Sequence[Pause], always: bool = False
    ) -> int:
        """When a promise is over; 0 while it stands still and is not over already."""
        left = budget_us
        for start, end in running(since_us, FOREVER, pauses):
            if end >= FOREVER:
                return self.after_us(start, left, always)
            passed = self.worked_us(start, end, always)
            if passed >= left:
                return self.after_us(start, left, always)
            left -= passed
        return 0

    # --- of an order ------------------------------------------------------------------------------
    def deadlines(self, order: Order) -> dict[Deadline, int]:
        """Each deadline of an order that is not met yet, and when it is over (0: stands still).

        A crew has its time to confirm from when it was told; everything else counts from the
        opening.
        """
        if order.final or order.reported_us:
            return {}
        level = self.levels[order.severity]
        wanted: list[tuple[Deadline, int, int]] = [("finish", order.opened_us, level.finish)]
        if not order.arrived_us:
            wanted.append(("arrive", order.opened_us, level.arrive))
            if not order.confirmed_us:
                told_us = order.assigned_us or order.opened_us
                wanted.append(("confirm", told_us, level.confirm))
        return {
            name: self.due_us(since, minutes * MINUTE_US, order.pauses, level.always)
            for name, since, minutes in wanted
        }

    def share(self, order: Order, now_us: int) -> float:
        """How much of the time to finish is used: 1.0 is all of it."""
        level = self.levels[order.severity]
        until_us = order.reported_us or order.closed_us or now_us
        used = self.counted_us(order.opened_us, until_us, order.pauses, level.always)
        return used / (level.finish * MINUTE_US)

    def guesses(self, until_us: int) -> bool:
        """Whether an instant lies where nobody has announced the holidays yet."""
        day = datetime.fromtimestamp(until_us / 1e6, ZoneInfo(self.zone)).date()
        return not self.calendar.knows(day)


FOREVER: Final = 2**62


def running(since_us: int, until_us: int, pauses: Sequence[Pause]) -> Iterator[tuple[int, int]]:
    """The stretches between two instants in which the clock runs, in order."""
    at = since_us
    for pause in sorted(pauses, key=lambda one: one.since_us):
        if pause.since_us >= until_us:
            break
        if pause.since_us > at:
            yield at, pause.since_us
        at = max(at, pause.until_us or FOREVER)
    if at < until_us:
        yield at, until_us


def _instant(day: date, minutes: int, zone: ZoneInfo) -> int:
    """µs UTC of a minute of a local day; 24:00 is the next day's midnight."""
    days, rest = divmod(minutes, 1440)
    hour, minute = divmod(rest, 60)
    local = datetime.combine(day + timedelta(days=days), time(hour, minute), zone)
    return int(local.astimezone(UTC).timestamp() * 1e6)
