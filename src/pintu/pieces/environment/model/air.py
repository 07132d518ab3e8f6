"""What is measured: pollutants by their code, attribute, factor code and unit; names of things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

PIECE: Final = "environment"
LOCAL_HOURS: Final = 8
"""Stations tell Beijing time (UTC+8, no summer time); a natural day is one of that clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pollutant:
    """One of the six of HJ 633. `factor` is its code in HJ 212 (HJ 524); `range_top` the upper end
    of an analyser's range (HJ 653, HJ 654; gases at 298.15 K) in the unit of the index table."""

    code: str
    attribute: str
    factor: str
    zh: str
    en: str
    milli: bool = False  # stated in mg/m³, the others in µg/m³
    range_top: float


POLLUTANTS: Final = (
    Pollutant(code="PM2.5", attribute="pm25", factor="a34004", zh="细颗粒物", en="PM2.5",
              range_top=1_000),
    Pollutant(code="PM10", attribute="pm10", factor="a34002", zh="可吸入颗粒物", en="PM10",
              range_top=5_000),
    Pollutant(code="SO2", attribute="so2", factor="a21026", zh="二氧化硫", en="SO2",
              range_top=1_310),
    Pollutant(code="NO2", attribute="no2", factor="a21004", zh="二氧化氮", en="NO2",
              range_top=940),
    Pollutant(code="O3", attribute="o3", factor="a05024", zh="臭氧", en="O3", range_top=1_000),
    Pollutant(code="CO", attribute="co", factor="a21005", zh="一氧化碳", en="CO", milli=True,
              range_top=58),
)  # fmt: skip
BY_CODE: Final = {one.code: one for one in POLLUTANTS}
BY_FACTOR: Final = {one.factor: one for one in POLLUTANTS}
BY_ATTRIBUTE: Final = {one.attribute: one for one in POLLUTANTS}

WEATHER: Final = {
    "a01001": ("temperature", "CEL", -60.0, 60.0),
    "a01002": ("relativeHumidity", "P1", 0.0, 100.0),
    "a01006": ("atmosphericPressure", "A97", 300.0, 1_200.0),
    "a01007": ("windSpeed", "MTS", 0.0, 100.0),
    "a01008": ("windDirection", "DD", 0.0, 360.0),
}
"""Factor → attribute, unit, and what can be; the pressure of HJ 212 in kPa is brought to hPa."""


def station_id(code: str) -> str:
    """The id of a station, by its MN."""
    return f"urn:ngsi-ld:AirQualityObserved:{PIECE}:{code}"


def day_id(code: str, day: int) -> str:
    """The id of one station's natural day (days since 1970-01-01, Beijing time)."""
    return f"urn:ngsi-ld:AirQualityDay:{PIECE}:{code}:{date_of(day).replace('-', '')}"


def forecast_id(code: str) -> str:
    """The id of a station's forecast."""
    return f"urn:ngsi-ld:AirQualityForecast:{PIECE}:{code}"


def local_part(entity_id: str) -> str:
    """What follows the piece's name in an id of ours: the MN, and of a day its date too."""
    return entity_id.partition(f":{PIECE}:")[2]


def date_of(day: int) -> str:
    """`2026-11-22` of days since 1970."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def day_of(hour: int) -> int:
    """The natural day (Beijing time) of an hour since 1970 UTC."""
    return (hour + LOCAL_HOURS) // 24


def hours_of(day: int) -> range:
    """The 24 hours (since 1970 UTC) of a natural day."""
    first = day * 24 - LOCAL_HOURS
    return range(first, first + 24)


def hour_word(hour: int) -> str:
    """The attribute of AirQualityDay that holds an hour: `hour00` is 00:00 to 01:00 Beijing
    time."""
    return f"hour{(hour + LOCAL_HOURS) % 24:02d}"
