"""(5) Hours → what a station and its day come to: which values may be used, means, index, level,
the daily report, the next 24 hours. Pure; enters by intake."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from typing import Any

from pintu.kit import Changed, ResourceNotFound, Update, iso
from pintu.pieces.environment.model.air import (
    BY_CODE,
    PIECE,
    POLLUTANTS,
    date_of,
    day_of,
    forecast_id,
    hour_word,
    hours_of,
    local_part,
    station_id,
)
from pintu.pieces.environment.model.book import Book, Hour, Station, hour_value
from pintu.pieces.environment.model.cases import SUSPICIONS, Case, parts_of
from pintu.pieces.environment.model.index import (
    Editions,
    Limits,
    level_of,
    limits_at,
    report,
    sub_index,
)
from pintu.pieces.environment.model.means import Minutes, day_values, real_time_values
from pintu.pieces.environment.model.outlook import Forecaster, Outlook
from pintu.pieces.environment.model.quality import PEAK_HOURS
from pintu.pieces.environment.model.writing import (
    NULL,
    basis,
    day_head,
    differs,
    instant,
    measured,
    plain,
    reported,
    said,
    station_head,
    with_unit,
)

KEPT_HOURS = 120
"""Hours the stations' book keeps; nothing above looks further back."""
MOST_A_TICK = 40
HOUR_US = 3_600_000_000
LATE_S = 1_200
"""So long after its end an hour is made of the readings in between, when no hour came itself."""

MEANS_24H = {one.code: f"{one.attribute}Mean24h" for one in POLLUTANTS if one.code != "O3"}


class Deriver:
    """Keeps what follows from hours: the station as of its newest hour, each day that changed, and
    the forecast."""

    name = "derive"
    reads: tuple[str, ...] = ("AirQualityObserved", "AirQualityDay", "Alert")

    def __init__(
        self,
        editions: Editions,
        limits: tuple[Limits, ...],
        *,
        area_class: int = 2,
        forecaster: Forecaster | None = None,
    ) -> None:
        self._editions, self._limits, self._class = editions, limits, area_class
        self._forecaster = forecaster
        self._book = Book()
        self._shown: dict[str, dict[str, Any]] = {}  # stations as they stand in the context
        self._days: dict[tuple[str, int], dict[str, Any]] = {}
        self._dirty_days: dict[tuple[str, int], None] = {}
        self._dirty: dict[str, None] = {}
        self._suspicions: dict[str, set[tuple[Case, str]]] = {}
        self._minutes: dict[tuple[str, int], Minutes] = {}
        self._due: dict[str, None] = {}  # stations whose forecast is older than their hours
        self._ticks = 0

    # --- changes ----------------------------------------------------------------------------------
    def changed(self, change: Changed, now_us: int) -> list[Update]:
        """Take note; updates follow at the next tick, so that a city's hour costs one look."""
        local = local_part(change.id)
        if "Alert" in change.types:
            self._suspect(change)
        elif f":{PIECE}:" not in change.id or change.verb == "deleted":
            return []  # other pieces' stations have no hours here
        elif "AirQualityDay" in change.types:
            self._day(local, change)
        elif "AirQualityObserved" in change.types:
            self._station(local, change)
        return []

    def _day(self, local: str, change: Changed) -> None:
        code, _, text = local.rpartition(":")
        try:
            day = (date.fromisoformat(text) - date(1970, 1, 1)).days
        except ValueError:
            return
        old = change.changed is None and "validHours" in change.entity
        changed = self._book.take_day(code, day, change.entity)
        self._book.rewritten.clear()  # the detector looks at those
        if not changed:
            return
        self._days[code, day] = change.entity
        station = self._book.station(code)
        if self._forecaster is not None:
            self._teach(code, changed)
        if old and day < day_of(station.newest) - 1:
            return  # told again after a restart, and worked out before
        for hour in changed:
            self._touch(code, hour)

    def _touch(self, code: str, hour: int) -> None:
        """An hour changed: the days it is part of, its station, and who is judged beside it."""
        for one in (code, *self._book.around(code)):
            if hour not in self._book.station(one).hours:
                continue
            for earlier in (hour, hour - PEAK_HOURS):  # what comes after judges a peak
                if earlier in self._book.station(one).hours:
                    self._dirty_days[one, day_of(earlier)] = None
            if hour > self._book.station(one).newest - 24:
                self._dirty[one] = None

    def _teach(self, code: str, hours: list[int]) -> None:
        assert self._forecaster is not None
        for hour in hours:
            told = self._book.station(code).hours[hour]
            values = {one: told.values[one] for one in told.values if one not in told.alone}
            self._forecaster.take(code, hour, {**values, **told.beside})
        self._due[code] = None

    def _station(self, code: str, change: Changed) -> None:
        self._shown[code] = change.entity
        station = self._book.take_station(code, change.entity)
        if change.changed is None or "location" in change.changed:
            self._dirty[code] = None
        if change.changed is None:
            return
        for pollutant in POLLUTANTS:
            word = f"{pollutant.attribute}Current"
            if word in change.changed:
                self._gather(station, pollutant.code, change.entity[word])

    def _gather(self, station: Station, pollutant: str, attribute: dict[str, Any]) -> None:
        if attribute.get("quality", {}).get("value", "good") != "good":
            return
        minute = _minute(attribute.get("observedAt", ""))
        if minute is not None:
            gathered = self._minutes.setdefault((station.code, minute // 60), Minutes())
            gathered.take(pollutant, minute % 60, float(attribute["value"]))

    def _suspect(self, change: Changed) -> None:
        parts = parts_of(change.id)
        if parts is None or parts[0] not in (*SUSPICIONS, Case.SILENT):
            return
        code = parts[1].partition("~")[0]
        is_open = change.verb != "deleted" and change.entity["status"]["value"] == "open"
        held = self._suspicions.setdefault(code, set())
        (held.add if is_open else held.discard)(parts)
        if code in self._book.stations:
            self._dirty[code] = None

    # --- ticks ------------------------------------------------------------------------------------
    def tick(self, now_us: int) -> list[Update]:
        """What follows from the hours that changed, at most so many days and stations at once."""
        self._ticks += 1
        found = self._hours_of_minutes(now_us)
        for code, day in list(self._dirty_days)[:MOST_A_TICK]:
            del self._dirty_days[code, day]
            found += self._day_update(code, day)
        for code in list(self._dirty)[:MOST_A_TICK]:
            del self._dirty[code]
            found += self._station_update(code)
        if self._forecaster is not None:
            self._forecaster.step()
            found += self._forecasts(now_us)
        if self._ticks % 300 == 0 and not self._dirty_days:
            self._tidy()
        return found

    def _tidy(self) -> None:
        newest = max((one.newest for one in self._book.stations.values()), default=0)
        self._book.drop_before(newest - KEPT_HOURS)
        for key in [one for one in self._days if one[1] < day_of(newest) - KEPT_HOURS // 24]:
            del self._days[key]

    def _hours_of_minutes(self, now_us: int) -> list[Update]:
        """Hours of stations that send none themselves."""
        found: list[Update] = []
        over = (now_us // 1_000_000 - LATE_S) // 3_600
        for code, hour in [one for one in self._minutes if one[1] < over]:
            gathered = self._minutes.pop((code, hour))
            told = self._book.station(code).hours.get(hour)
            means = gathered.means(_every(gathered))
            if told is not None or not means:
                continue
            at = iso(hour * HOUR_US)
            values = Hour(values=means, flags=dict.fromkeys(means, "N"))
            station = station_head(code)
            for name, value in means.items():
                pollutant = BY_CODE[name]
                station[pollutant.attribute] = measured(value, pollutant.milli, at, None)
            hours = {"type": "JsonProperty", "json": hour_value(values), "observedAt": at}
            found += [
                Update(station),
                Update({**day_head(code, day_of(hour)), hour_word(hour): hours}),
            ]
        return found

    # --- a station as of its newest hour ----------------------------------------------------------
    def _station_update(self, code: str) -> list[Update]:
        station = self._book.station(code)
        if not station.newest:
            return []
        hour, at = station.newest, iso(station.newest * HOUR_US)
        shown = self._shown.get(code, {})
        entity = self._verdicts(code, hour, at, shown)
        values = real_time_values(lambda one, name: self._book.valid(code, one, name), hour)
        for pollutant in POLLUTANTS:
            word = MEANS_24H.get(pollutant.code, "o3Mean8h")
            mean = values[pollutant.code].get("8h" if pollutant.code == "O3" else "24h")
            unit = "GP" if pollutant.milli else "GQ"
            rounded = None if mean is None else round(mean, 3 if pollutant.milli else 1)
            entity[word] = with_unit(rounded, at, unit)
        entity.update(self._index(values, hour, at))
        entity["validHours"] = with_unit(self._share(code, hour), at, "C62")
        entity["dataState"] = plain(self._state(code, hour), at)
        told = {name: one for name, one in entity.items() if differs(one, shown.get(name))}
        if not told:
            return []
        return [Update({**station_head(code), **told})]

    def _verdicts(self, code: str, hour: int, at: str, shown: dict[str, Any]) -> dict[str, Any]:
        """Attributes of the newest hour whose quality is other than it stands there."""
        known, doubts = self._book.station(code).hours[hour], self._book.doubts(code, hour)
        found: dict[str, Any] = {}
        for name, value in known.values.items():
            pollutant = BY_CODE[name]
            stands = shown.get(pollutant.attribute, {})
            if stands.get("observedAt") == at:
                doubt = doubts.get(name)
                attribute = measured(value, pollutant.milli, at, doubt)
                if doubt is None and "reason" in stands:
                    attribute["reason"] = NULL
                found[pollutant.attribute] = attribute
        return found

    def _index(self, values: dict[str, dict[str, float]], hour: int, at: str) -> dict[str, Any]:
        """The real-time report; where no table covers the date, the refusal in words."""
        try:
            table = self._editions.at(date.fromisoformat(date_of(day_of(hour))))
        except ResourceNotFound as error:
            return {"airQualityIndex": NULL, "airQualityLevel": NULL, "primaryPollutant": NULL,
                    "subIndices": NULL, "indexTable": NULL,
                    "indexRemark": said({"zh": "该日期没有可用的指数标准", "en": error.detail}, at),
                    }  # fmt: skip
        return reported(report(table, values, "real_time"), at)

    def _share(self, code: str, hour: int) -> float:
        """Of the last 24 hours times the pollutants the station measures: what may be used."""
        hours = self._book.station(code).hours
        measures = {name for one in range(hour - 23, hour + 1) if one in hours
                    for name in hours[one].values}  # fmt: skip
        if not measures:
            return 0.0
        good = sum(
            self._book.valid(code, one, name) is not None
            for one in range(hour - 23, hour + 1)
            for name in measures
        )
        return round(good / (24 * len(measures)), 3)

    def _state(self, code: str, hour: int) -> str:
        held = self._suspicions.get(code, set())
        if any(case is Case.SILENT for case, _ in held):
            return "silent"
        if held:
            return "suspect"
        return "doubtful" if self._book.doubts(code, hour) else "good"

    # --- a natural day ----------------------------------------------------------------------------
    def _day_update(self, code: str, day: int) -> list[Update]:
        station, at = self._book.station(code), iso(hours_of(day)[0] * HOUR_US)
        limits = limits_at(self._limits, date.fromisoformat(date_of(day)))
        ozone = limits.limits["O3"]["8h"][self._class - 1] if limits is not None else None
        told = day_values(lambda one, name: self._book.valid(code, one, name), day, ozone)
        entity: dict[str, Any] = {}
        for pollutant in POLLUTANTS:
            unit, places = ("GP", 3) if pollutant.milli else ("GQ", 1)
            for period, value in told.values[pollutant.code].items():
                word = {"8h": "o3Max8h", "1h": "o3Max1h"}.get(period, pollutant.attribute)
                entity[word] = with_unit(round(value, places), at, unit)
        try:
            table = self._editions.at(date.fromisoformat(date_of(day)))
            if any(told.values.values()):
                entity.update(reported(report(table, told.values, "daily"), at))
        except ResourceNotFound as error:
            zh = "该日期没有可用的指数标准"
            entity["indexRemark"] = said({"zh": zh, "en": error.detail}, at)
        measures = [told.hours[one] for one in told.hours if told.hours[one]]
        entity["validHours"] = plain(min(measures, default=0), at)
        entity["remarks"] = {"type": "JsonProperty", "json": self._remarks(code, day),
                             "observedAt": at}  # fmt: skip
        entity["stationName"] = plain(station.name or code)
        entity["demo"] = plain(station.demo)
        known = self._days.get((code, day), {})
        entity = {name: one for name, one in entity.items() if differs(one, known.get(name))}
        return [Update({**day_head(code, day), **entity})] if entity else []

    def _remarks(self, code: str, day: int) -> list[dict[str, Any]]:
        return [
            {"hour": number, "pollutant": name, "code": doubt.code, "quality": doubt.quality,
             "zh": doubt.zh, "en": doubt.en}
            for number, hour in enumerate(hours_of(day))
            for name, doubt in sorted(self._book.doubts(code, hour).items())
        ]  # fmt: skip

    # --- the next 24 hours ------------------------------------------------------------------------
    def _forecasts(self, now_us: int) -> list[Update]:
        assert self._forecaster is not None
        for code in [one for one in self._due if self._forecaster.ready(one)]:
            del self._due[code]
            told = self._forecaster.outlook(code)
            if told is not None:
                return [self._forecast(code, told, now_us)]  # one a tick is soon enough
        return []

    def _forecast(self, code: str, told: Outlook, now_us: int) -> Update:
        issued = iso(now_us // 1_000_000 * 1_000_000)
        first, last = iso((told.hour + 1) * HOUR_US), iso((told.hour + 25) * HOUR_US)
        mean = round(sum(told.values) / len(told.values), 1)
        station = self._book.station(code)
        entity: dict[str, Any] = {
            "id": forecast_id(code),
            "type": "AirQualityForecast",
            "refAirQualityObserved": {"type": "Relationship", "object": station_id(code)},
            "stationCode": plain(code),
            "stationName": plain(station.name or code),
            "pollutant": plain("PM2.5"),
            "dateIssued": instant(issued),
            "validFrom": instant(first),
            "validTo": instant(last),
            "forecastHours": {"type": "JsonProperty", "observedAt": issued, "json": [
                {"at": iso((told.hour + number) * HOUR_US), "value": value,
                 "persistence": round(told.now, 1)}
                for number, value in enumerate(told.values, 1)]},
            "pm25": with_unit(mean, issued, "GQ"),
            "meanAbsoluteError": with_unit(round(told.errors.model, 1), issued, "GQ"),
            "persistenceError": with_unit(round(told.errors.persistence, 1), issued, "GQ"),
            "method": plain(told.method),
            "basis": said(basis(told), issued),
            "owner": plain(f"{PIECE}/derive"),
            "demo": plain(station.demo),
        }  # fmt: skip
        if station.location is not None:
            entity["location"] = {"type": "GeoProperty", "value": station.location}
        try:
            table = self._editions.at(date.fromisoformat(date_of(day_of(told.hour + 12))))
        except ResourceNotFound:
            return Update(entity)
        index = sub_index(table, "PM2.5", "24h", mean)
        if index is not None:
            entity["airQualityIndex"] = with_unit(index, issued, "C62")
            entity["airQualityLevel"] = plain(level_of(table, index).code, issued)
            entity["indexTable"] = plain(table.edition, issued)
        return Update(entity)


def _minute(text: str) -> int | None:
    """Minutes since 1970 UTC of a timestamp."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) // 60
    except ValueError:
        return None


def _every(gathered: Minutes) -> int:
    """How many minutes a reading stands for: the least gap between two, at most ten."""
    seen = sorted({one for minutes in gathered.seen.values() for one in minutes})
    gaps = [later - one for one, later in itertools.pairwise(seen)]
    return min(10, *gaps) if gaps else 1
