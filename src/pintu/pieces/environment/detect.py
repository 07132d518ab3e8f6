"""(5) Hours → alerts: limits exceeded, and patterns as tampering leaves them, each with the reason
and the values that led to it. Pure.

A pattern is looked for at a station's newest hour, again whenever that hour or one of a station
around it changes. It is raised once, and cleared when it has not held for some hours.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from pintu.kit import Changed, Update, iso
from pintu.pieces.environment.model.air import (
    PIECE,
    POLLUTANTS,
    Pollutant,
    date_of,
    day_of,
    local_part,
    station_id,
)
from pintu.pieces.environment.model.book import Book
from pintu.pieces.environment.model.cases import (
    SEVERITY,
    Case,
    alert_id,
    parts_of,
    target_of,
    title_of,
)
from pintu.pieces.environment.model.index import Limits, limits_at
from pintu.pieces.environment.model.patterns import (
    Told,
    exceedance,
    flag_abuse,
    flat_line,
    repeated,
    rewritten,
    sudden_drop,
)
from pintu.pieces.environment.model.writing import instant, plain

KEPT_HOURS = 100
CLEAR_AFTER = 3
"""Hours in which a pattern must not hold before it is over; an exceedance is over at once."""
SILENT_HOURS = 3
RECENT_HOURS = 3
MOST_A_TICK = 60


class Detector:
    """Watches hours; returns Alert entities raised and cleared, with stable ids."""

    name = "detect"
    reads: tuple[str, ...] = ("AirQualityObserved", "AirQualityDay", "Alert")

    def __init__(self, limits: tuple[Limits, ...], *, area_class: int = 2) -> None:
        self._limits, self._class = limits, area_class
        self._book = Book()
        self._open: dict[str, int] = {}  # alert id → the hour at which it last held
        self._dirty: dict[str, None] = {}
        self._ticks = 0

    # --- changes ----------------------------------------------------------------------------------
    def changed(self, change: Changed, now_us: int) -> list[Update]:
        """Take note; patterns are looked for at the next tick, when more of the hour is there."""
        local = local_part(change.id)
        if "Alert" in change.types:
            self._remember(change)
        elif f":{PIECE}:" not in change.id or change.verb == "deleted":
            return []
        elif "AirQualityObserved" in change.types:
            self._book.take_station(local, change.entity)
        elif "AirQualityDay" in change.types:
            self._day(local, change.entity)
        return []

    def _day(self, local: str, entity: dict[str, Any]) -> None:
        code, _, text = local.rpartition(":")
        try:
            day = (date.fromisoformat(text) - date(1970, 1, 1)).days
        except ValueError:
            return
        newest = max((one.newest for one in self._book.stations.values()), default=0)
        if day < day_of(newest) - KEPT_HOURS // 24:
            return
        changed = self._book.take_day(code, day, entity)
        if code in self._book.rewritten:
            self._dirty[code] = None
        for hour in changed:
            for one in (code, *self._book.around(code)):
                if hour > self._book.station(one).newest - 4:
                    self._dirty[one] = None

    def _remember(self, change: Changed) -> None:
        if parts_of(change.id) is None:
            return
        if change.verb != "deleted" and change.entity["status"]["value"] == "open":
            self._open.setdefault(change.id, 0)
        else:
            self._open.pop(change.id, None)

    # --- ticks ------------------------------------------------------------------------------------
    def tick(self, now_us: int) -> list[Update]:
        """Patterns at the hours that changed; silence, from time alone."""
        self._ticks += 1
        found: list[Update] = []
        for code in list(self._dirty)[:MOST_A_TICK]:
            del self._dirty[code]
            found += self._look(code, now_us)
        if self._ticks % 30 == 0:
            found += self._silence(now_us)
        if self._ticks % 600 == 0:
            newest = max((one.newest for one in self._book.stations.values()), default=0)
            self._book.drop_before(newest - KEPT_HOURS)
        return found

    def _look(self, code: str, now_us: int) -> list[Update]:
        station = self._book.station(code)
        if not station.newest:
            return []
        found: list[Update] = []
        limits = limits_at(self._limits, date.fromisoformat(date_of(day_of(station.newest))))
        hour = station.hours.get(station.newest)
        # a station that comes back tells its backlog first: what was exceeded days ago is no alarm
        recent = now_us // 3_600_000_000 - station.newest <= RECENT_HOURS
        for pollutant in POLLUTANTS:
            if hour is None or pollutant.code not in hour.values:
                continue
            if limits is not None:
                told = exceedance(self._book, code, pollutant.code, limits, self._class)
                if told is None or recent:
                    found += self._judge(Case.EXCEEDANCE, code, pollutant, told)
            for case, holds in _PATTERNS.items():
                told = holds(self._book, code, pollutant.code)
                found += self._judge(case, code, pollutant, told)
        found += self._judge(Case.REWRITTEN, code, None, rewritten(self._book, code))
        if limits is not None:
            daily = {name: row["24h"][self._class - 1]
                     for name, row in limits.limits.items() if "24h" in row}  # fmt: skip
            told = flag_abuse(self._book, code, daily)
            found += self._judge(Case.FLAG_ABUSE, code, None, told)
        return found

    def _judge(
        self, case: Case, code: str, pollutant: Pollutant | None, told: Told
    ) -> list[Update]:
        """Raise what holds and is not open; clear what is open and has not held for long enough."""
        name, hour = alert_id(case, target_of(code, pollutant)), self._book.station(code).newest
        if told is not None:
            raised = name not in self._open
            self._open[name] = hour
            return [self._alert(case, code, pollutant, told)] if raised else []
        if name not in self._open:
            return []
        since = self._open[name] or hour
        self._open[name] = since
        patience = 1 if case is Case.EXCEEDANCE else CLEAR_AFTER
        return [self._cleared(name, hour)] if hour - since >= patience else []

    def _silence(self, now_us: int) -> list[Update]:
        """Stations without hours for long; nothing is said when none has any, for then our own ear
        is deaf."""
        stations = [one for one in self._book.stations.values() if one.newest]
        newest = max((one.newest for one in stations), default=0)
        now = now_us // 3_600_000_000
        if len(stations) < 2 or now - newest > SILENT_HOURS:
            return []
        found: list[Update] = []
        for station in stations:
            name = alert_id(Case.SILENT, station.code)
            gone = newest - station.newest
            if gone > SILENT_HOURS and name not in self._open:
                self._open[name] = newest
                told = {"hours": gone, "zh": f"已 {gone} 小时没有小时数据",
                        "en": f"No hour for {gone} hours"}  # fmt: skip
                found.append(self._alert(Case.SILENT, station.code, None, told, newest))
            elif gone <= SILENT_HOURS and name in self._open:
                found.append(self._cleared(name, station.newest))
        return found

    # --- alerts -----------------------------------------------------------------------------------
    def _alert(
        self,
        case: Case,
        code: str,
        pollutant: Pollutant | None,
        told: dict[str, Any],
        hour: int | None = None,
    ) -> Update:
        station = self._book.station(code)
        at = iso((hour or station.newest) * 3_600_000_000)
        target = target_of(code, pollutant)
        severity = SEVERITY[case]
        if case is Case.EXCEEDANCE and told["times"] >= 2:
            severity = "high"
        entity: dict[str, Any] = {
            "id": alert_id(case, target),
            "type": "Alert",
            "category": plain("environment"),
            "subCategory": plain(str(case)),
            "severity": plain(severity),
            "status": plain("open", at),
            "name": {
                "type": "LanguageProperty",
                "languageMap": title_of(
                    case, pollutant.code if pollutant else "", station.name or code
                ),
            },
            "description": {
                "type": "LanguageProperty",
                "languageMap": {"zh": told["zh"], "en": told["en"]},
            },
            "dateIssued": instant(at),
            "validFrom": instant(at),
            "alertSource": {"type": "Relationship", "object": station_id(code)},
            "target": plain(target),
            "detector": plain(f"{PIECE}/detect"),
            "evidence": {
                "type": "JsonProperty",
                "json": {name: one for name, one in told.items() if name not in ("zh", "en")},
            },
        }
        if station.location is not None:
            entity["location"] = {"type": "GeoProperty", "value": station.location}
        return Update(entity, "upsert")

    def _cleared(self, name: str, hour: int) -> Update:
        self._open.pop(name, None)
        at = iso(hour * 3_600_000_000)
        return Update(
            {
                "id": name,
                "type": "Alert",
                "status": plain("cleared", at),
                "validTo": instant(at),
                "dateResolved": instant(at),
            }
        )


_PATTERNS: dict[Case, Callable[[Book, str, str], Told]] = {
    Case.FLAT_LINE: flat_line,
    Case.SUDDEN_DROP: sudden_drop,
    Case.REPEATED: repeated,
}
