"""What is known of stations: each hour as it was told, and which values of it may be used.

Filled from AirQualityDay entities, which hold the hours; so after a restart, when all entities are
told again, the same is known as before. Verdicts follow from hours alone, in whatever order they
came.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pintu.pieces.environment.model.air import (
    BY_CODE,
    POLLUTANTS,
    hour_word,
    hours_of,
)
from pintu.pieces.environment.model.quality import (
    FLAT_HOURS,
    PEAK_HOURS,
    PEAK_TIMES,
    Doubt,
    of_neighbours,
    of_past,
    of_peak,
    of_step,
    of_values,
)

AROUND_KM, MOST_AROUND = 20.0, 8
"""Neighbours are the nearest stations, so many at most and none further."""
LONGEST_FLAT = max(FLAT_HOURS.values())


@dataclass(slots=True)
class Hour:
    """One hour of one station as it was told: values and flags by pollutant, other quantities."""

    values: dict[str, float] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)
    alone: dict[str, Doubt] = field(default_factory=dict)  # doubts from the hour itself
    told: Any = None  # as it stands in the day


@dataclass(slots=True)
class Station:
    """One station: where it is, and its hours since 1970 UTC."""

    code: str
    name: str = ""
    place: tuple[float, float] | None = None  # lon, lat
    location: dict[str, Any] | None = None
    demo: bool = False
    provider: str = ""
    hours: dict[int, Hour] = field(default_factory=dict)
    newest: int = 0
    heard_us: int = 0


class Book:
    """All stations."""

    def __init__(self) -> None:
        self.stations: dict[str, Station] = {}
        self._around: dict[str, list[str]] = {}
        self._verdicts: dict[tuple[str, int], dict[str, Doubt]] = {}
        self.rewritten: dict[str, dict[int, tuple[Hour, Hour]]] = {}
        """Station → hour → (as it was, as it is), of hours told anew with other values; who
        looks at them takes them away."""

    def station(self, code: str) -> Station:
        """The station of that MN, made when it is new."""
        found = self.stations.get(code)
        if found is None:
            found = self.stations[code] = Station(code)
            self._around.clear()
        return found

    def take_station(self, code: str, entity: Mapping[str, Any]) -> Station:
        """Name and place from an AirQualityObserved entity."""
        station = self.station(code)
        name = entity.get("stationName") or entity.get("name") or {}
        station.name = str(name.get("value", "") or station.name or code)
        station.demo = bool(entity.get("demo", {}).get("value", False))
        station.provider = str(entity.get("dataProvider", {}).get("value", ""))
        location = entity.get("location")
        if location is not None and location["value"].get("type") == "Point":
            lon, lat = location["value"]["coordinates"][:2]
            if station.place != (lon, lat):
                station.place, station.location = (lon, lat), location["value"]
                self._around.clear()
                self._verdicts.clear()
        return station

    def take_day(self, code: str, day: int, entity: Mapping[str, Any]) -> list[int]:
        """The hours of an AirQualityDay entity; returns those that are new or other than known."""
        station, changed = self.station(code), []
        for hour in hours_of(day):
            told = entity.get(hour_word(hour))
            if told is None:
                continue
            value = told.get("json", told.get("value"))
            known = station.hours.get(hour)
            if known is not None and known.told == value:
                continue
            read = read_hour(value)
            if known is not None and (known.values, known.flags) == (read.values, read.flags):
                continue
            if known is not None and known.values != read.values:
                self.rewritten.setdefault(code, {})[hour] = known, read
            station.hours[hour] = read
            station.newest = max(station.newest, hour)
            changed.append(hour)
        for hour in changed:
            self._forget_verdicts(code, hour)
        return changed

    def drop_before(self, hour: int) -> None:
        """Forget hours that nothing will ask for any more."""
        for station in self.stations.values():
            for old in [one for one in station.hours if one < hour]:
                del station.hours[old]
        for key in [one for one in self._verdicts if one[1] < hour]:
            del self._verdicts[key]

    def around(self, code: str) -> list[str]:
        """The stations near one, by their MN."""
        found = self._around.get(code)
        if found is None:
            found = self._around[code] = list(self._near(code))
        return found

    def valid(self, code: str, hour: int, pollutant: str) -> float | None:
        """A value that may be used, or None: not told, or in doubt."""
        known = self.stations[code].hours.get(hour)
        value = known.values.get(pollutant) if known is not None else None
        return None if value is None or pollutant in self.doubts(code, hour) else value

    def plain(self, code: str, hour: int, pollutant: str) -> float | None:
        """A value without a doubt from its own hour; what stations are compared by."""
        known = self.stations[code].hours.get(hour)
        if known is None or pollutant in known.alone:
            return None
        return known.values.get(pollutant)

    def moved(self, code: str, hour: int, pollutant: str) -> float | None:
        """By which share the stations around went up and down in eight hours (their median); None
        when nobody knows."""
        shares = []
        for one in self.around(code):
            told = [self.plain(one, at, pollutant) for at in range(hour - 7, hour + 1)]
            known = [value for value in told if value is not None]
            if len(known) >= 4 and max(known) > 0:
                shares.append((max(known) - min(known)) / max(known))
        return median(shares) if shares else None

    def doubts(self, code: str, hour: int) -> dict[str, Doubt]:
        """Why values of an hour may not be used, by pollutant."""
        key = (code, hour)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = self._judged(code, hour)
        return found

    def _judged(self, code: str, hour: int) -> dict[str, Doubt]:
        known = self.stations[code].hours.get(hour)
        if known is None:
            return {}
        found = dict(known.alone)
        for pollutant, value in known.values.items():
            if pollutant not in found:
                doubt = self._of_others(code, hour, pollutant, value)
                if doubt is not None:
                    found[pollutant] = doubt
        return found

    def _of_others(self, code: str, hour: int, pollutant: str, value: float) -> Doubt | None:
        length = FLAT_HOURS[pollutant]
        before = [self.plain(code, hour - back, pollutant) for back in range(1, 2 * length)]
        now = {one: self.plain(one, hour, pollutant) for one in self.around(code)}
        moved = [
            (last, value_now)
            for one, value_now in now.items()
            if value_now is not None and (last := self.plain(one, hour - 1, pollutant)) is not None
        ]
        return (
            of_past(pollutant, value, before, self.moved(code, hour, pollutant))
            or of_step(pollutant, value, before[0], moved)
            or of_neighbours(pollutant, value, [one for one in now.values() if one is not None])
            or self._peak(code, hour, pollutant, value)
        )

    def _peak(self, code: str, hour: int, pollutant: str, value: float) -> Doubt | None:
        beside = self._beside(code, hour, pollutant)
        if beside is None or value <= PEAK_TIMES * max(beside):
            return None
        rises = []
        for one in self.around(code):
            told, theirs = self.plain(one, hour, pollutant), self._beside(one, hour, pollutant)
            if told is not None and theirs is not None:
                rises.append(told - max(theirs))
        return of_peak(pollutant, value, beside, rises)

    def _beside(self, code: str, hour: int, pollutant: str) -> tuple[float, float] | None:
        """The least of the two hours before and of the two after; None when one side is unknown."""
        sides = []
        for way in (-1, 1):
            told = [
                self.plain(code, hour + way * far, pollutant) for far in range(1, PEAK_HOURS + 1)
            ]
            known = [one for one in told if one is not None]
            if not known:
                return None
            sides.append(min(known))
        return sides[0], sides[1]

    def _forget_verdicts(self, code: str, hour: int) -> None:
        for later in range(hour - PEAK_HOURS, hour + 2 * LONGEST_FLAT):
            self._verdicts.pop((code, later), None)
        for one in self.around(code):
            for later in range(hour - PEAK_HOURS, hour + 8):
                self._verdicts.pop((one, later), None)

    def _near(self, code: str) -> Iterator[str]:
        place = self.stations[code].place
        if place is None:
            return
        apart = sorted(
            (_kilometres(place, other.place), other.code)
            for other in self.stations.values()
            if other.code != code and other.place is not None
        )
        for distance, other_code in apart[:MOST_AROUND]:
            if distance <= AROUND_KM:
                yield other_code


def read_hour(told: Any) -> Hour:
    """An hour as `hour_value` wrote it; what is not understood is left out."""
    hour = Hour(told=told)
    if not isinstance(told, dict):
        return hour
    for name, value in told.items():
        if name in BY_CODE and isinstance(value, list) and len(value) == 2:
            hour.values[name], hour.flags[name] = float(value[0]), str(value[1])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            hour.beside[name] = float(value)
    hour.alone = of_values(hour.values, hour.flags)
    return hour


def hour_value(hour: Hour) -> dict[str, Any]:
    """An hour as an AirQualityDay keeps it: pollutant → [value, flag], other quantities plain."""
    told: dict[str, Any] = {
        one.code: [hour.values[one.code], hour.flags.get(one.code, "")]
        for one in POLLUTANTS
        if one.code in hour.values
    }
    return {**told, **hour.beside}


def _kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Near enough on the scale of a city: the earth as flat."""
    east = (other[0] - one[0]) * 111.32 * math.cos(math.radians((one[1] + other[1]) / 2))
    return math.hypot(east, (other[1] - one[1]) * 110.57)
