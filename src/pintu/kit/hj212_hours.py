"""Which hours a station did not send, and when to ask for them: pure but for the real seconds
handed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

EPOCH = date(1970, 1, 1).toordinal()
WAITS_S = (5.0, 60.0, 300.0)
"""Real seconds after which an hour that is missing is asked for: first, second, last time."""
HOURS_BACK = 72
STATIONS = 20_000


@dataclass(slots=True, kw_only=True)
class _Station:
    newest: int
    missing: dict[int, int] = field(default_factory=dict)  # hour → how often it was asked for
    next_s: float = 0.0


class MissingHours:
    """Which hours of hour data (2061) did not come, though a later one did.

    An hour is asked for three times at most, and no further back than three days: what is older is
    given up.
    """

    def __init__(self) -> None:
        self._stations: OrderedDict[str, _Station] = OrderedDict()

    def heard(self, mn: str, data_time: str, now_s: float) -> None:
        """An hour came. `data_time` is YYYYMMDDhhmmss as the station writes it."""
        hour = _hour(data_time)
        if hour is None:
            return
        station = self._stations.get(mn)
        if station is None:
            self._stations[mn] = _Station(newest=hour)
            if len(self._stations) > STATIONS:
                self._stations.popitem(last=False)
            return
        station.missing.pop(hour, None)
        if hour <= station.newest:
            return
        gap = range(max(station.newest + 1, hour - HOURS_BACK), hour)
        if gap and not station.missing:
            station.next_s = now_s + WAITS_S[0]
        station.missing.update((one, 0) for one in gap)
        station.newest = hour
        for one in [one for one in station.missing if one < hour - HOURS_BACK]:
            del station.missing[one]

    def missing(self, mn: str) -> list[str]:
        """The hours of a station that are missing, as YYYYMMDDhhmmss."""
        station = self._stations.get(mn)
        return [] if station is None else [_text(one) for one in sorted(station.missing)]

    def due(self, now_s: float) -> list[tuple[str, str, str]]:
        """(MN, begin, end) of what should be asked for now; asking is counted."""
        found = []
        for mn, station in self._stations.items():
            if not station.missing or now_s < station.next_s:
                continue
            hours = sorted(station.missing)
            first = hours[0]
            last = first
            while last + 1 in station.missing:
                last += 1
            found.append((mn, _text(first), _text(last)))
            tries = 0
            for one in range(first, last + 1):
                tries = station.missing[one] = station.missing[one] + 1
                if tries >= len(WAITS_S):
                    del station.missing[one]
            station.next_s = now_s + WAITS_S[min(tries, len(WAITS_S) - 1)]
        return found

    def settled(self, mn: str, begin: str, end: str, now_s: float) -> None:
        """The station finished a request for these hours: what did not come is not there, and the
        next gap may be asked for."""
        station, first, last = self._stations.get(mn), _hour(begin), _hour(end)
        if station is not None and first is not None and last is not None:
            for one in range(first, last + 1):
                station.missing.pop(one, None)
            station.next_s = now_s + 1.0


def _hour(data_time: str) -> int | None:
    try:
        day = date(int(data_time[:4]), int(data_time[4:6]), int(data_time[6:8]))
        return (day.toordinal() - EPOCH) * 24 + int(data_time[8:10])
    except ValueError:
        return None


def _text(hour: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).strftime("%Y%m%d%H%M%S")
