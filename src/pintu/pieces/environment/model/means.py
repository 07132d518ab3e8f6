"""Means over hours with the least number of valid ones, and what a natural day comes to.

GB 3095-2012, table 4: a mean of 24 h needs 20 of its hours, one of 8 h needs 6, one hour 45 minutes
of sampling. HJ 663-2013: the daily maximum of 8 h means takes windows that end at 08:00 to 24:00
and needs 14 of them, unless it is above the limit anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pintu.pieces.environment.model.air import POLLUTANTS, hours_of

LEAST_OF_24, LEAST_OF_8, LEAST_WINDOWS, LEAST_MINUTES = 20, 6, 14, 45
PARTICLES_AND_GASES = tuple(one.code for one in POLLUTANTS if one.code != "O3")

Valid = Callable[[int, str], float | None]
"""(hour since 1970 UTC, pollutant) → its mean when it may be used, else None."""


def mean(values: Iterable[float | None], least: int) -> float | None:
    """The mean of what is known, None with fewer than `least`."""
    known = [one for one in values if one is not None]
    return sum(known) / len(known) if len(known) >= least else None


def rolling(valid: Valid, hour: int, pollutant: str, length: int) -> float | None:
    """The mean of the `length` (24 or 8) hours that end with `hour`."""
    least = LEAST_OF_24 if length == 24 else LEAST_OF_8
    return mean((valid(one, pollutant) for one in range(hour - length + 1, hour + 1)), least)


def real_time_values(valid: Valid, hour: int) -> dict[str, dict[str, float]]:
    """What a real-time report of an hour may need: 1 h, 24 h and for O3 8 h means."""
    found: dict[str, dict[str, float]] = {}
    for pollutant in POLLUTANTS:
        told = {"1h": valid(hour, pollutant.code)}
        if pollutant.code == "O3":
            told["8h"] = rolling(valid, hour, "O3", 8)
        else:
            told["24h"] = rolling(valid, hour, pollutant.code, 24)
        found[pollutant.code] = {name: one for name, one in told.items() if one is not None}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A natural day: what a daily report needs, and how many hours each pollutant had."""

    values: Mapping[str, Mapping[str, float]]
    hours: Mapping[str, int]


def day_values(valid: Valid, day: int, o3_limit: float | None = None) -> Day:
    """The means of a natural day; `o3_limit` is the limit above which a maximum counts anyway."""
    values: dict[str, dict[str, float]] = {}
    hours = {
        one.code: sum(valid(hour, one.code) is not None for hour in hours_of(day))
        for one in POLLUTANTS
    }
    for code in PARTICLES_AND_GASES:
        found = mean((valid(hour, code) for hour in hours_of(day)), LEAST_OF_24)
        values[code] = {} if found is None else {"24h": found}
    values["O3"] = _ozone(valid, day, o3_limit)
    if hours["O3"] >= LEAST_OF_24:
        known = (valid(hour, "O3") for hour in hours_of(day))
        values["O3"]["1h"] = max(one for one in known if one is not None)
    return Day(values=values, hours=hours)


def _ozone(valid: Valid, day: int, limit: float | None) -> dict[str, float]:
    """Windows that end at 08:00 to 24:00: their last hours are 07 to 23."""
    windows = [rolling(valid, hour, "O3", 8) for hour in list(hours_of(day))[7:]]
    known = [one for one in windows if one is not None]
    if not known:
        return {}
    highest = max(known)
    if len(known) >= LEAST_WINDOWS or (limit is not None and highest > limit):
        return {"8h": highest}
    return {}


@dataclass(slots=True)
class Minutes:
    """Readings of less than an hour, gathered until the hour is over: for stations that send no
    hours themselves."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=dict)

    def take(self, pollutant: str, minute: int, value: float) -> None:
        """One reading that may be used."""
        self.sums[pollutant] = self.sums.get(pollutant, 0.0) + value
        self.counts[pollutant] = self.counts.get(pollutant, 0) + 1
        self.seen.setdefault(pollutant, set()).add(minute)

    def means(self, every: int) -> dict[str, float]:
        """The mean of each pollutant that was sampled in at least 45 of the 60 minutes; a reading
        stands for `every` minutes."""
        return {
            one: round(self.sums[one] / self.counts[one], 3)
            for one, seen in self.seen.items()
            if len(seen) * every >= LEAST_MINUTES
        }
