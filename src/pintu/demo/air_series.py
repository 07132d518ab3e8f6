"""What the air of the demo district holds: real hours of three Beijing stations shifted in time
(演示 replay) when their files are there, a made-up diurnal series when not."""

from __future__ import annotations

import csv
import math
import os
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

HOUR = 3600.0
BEIJING_H = 8
NAMES = ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "wd", "WSPM")
CONCENTRATIONS = NAMES[:6]
FIRST = datetime(2013, 3, 1, tzinfo=UTC)
HOURS = 35_064
YEARS = 4
WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE",
         "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")  # fmt: skip
Reading = dict[str, float]
"""Factor code → value: µg/m³, of CO mg/m³; °C, % and kPa, m/s, degrees. What was not measured is
not there."""


class Series(Protocol):
    """The hours of one place."""

    @property
    def label(self) -> str:
        """What its numbers are."""
        ...

    def hour(self, number: int) -> Reading:
        """What was measured in an hour (hours since 1970, UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """One real year of one station, at the same day and hour of each year of the demo.

    There are more stations in the demo than files: the others tell the same hours by a factor,
    which their label says, so that neighbours in one district have one weather.
    """

    label: str
    columns: dict[str, array[float]]
    cycle: int  # which of the four years, March to February
    factor: float = 1.0  # of concentrations

    def hour(self, number: int) -> Reading:
        """The same day of the year and hour, as it was then."""
        local = datetime.fromtimestamp(number * HOUR, UTC) + timedelta(hours=BEIJING_H)
        year = FIRST.year + self.cycle + (1 if local.month < 3 else 0)
        day = 28 if (local.month, local.day) == (2, 29) else local.day
        moment = datetime(year, local.month, day, local.hour, tzinfo=UTC)
        at = int((moment - FIRST).total_seconds() // HOUR)
        return _reading(
            {
                name: column[at] * (self.factor if name in CONCENTRATIONS else 1.0)
                for name, column in self.columns.items()
            }
        )


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Calm nights, rush hours, ozone after noon, episodes that come and go over days."""

    seed: int
    label: str = "演示 / demo: made-up diurnal series"

    def hour(self, number: int) -> Reading:
        """The same for the same seed and hour."""
        local = (number + BEIJING_H) % 24
        episode = 1.0 + 0.7 * math.sin(number / 31.0 + self.seed) + 0.4 * math.sin(number / 83.0)
        rush = math.exp(-(((local - 8) / 2.5) ** 2)) + math.exp(-(((local - 19) / 3) ** 2))
        noon = max(0.0, math.sin((local - 6) / 12 * math.pi)) if 6 <= local <= 18 else 0.0
        warmth = 17 + 10 * math.sin((number / 24 - 110) / 365.25 * 2 * math.pi)
        told = {
            "PM2.5": 28 * max(0.3, episode) + 10 * rush,
            "PM10": 50 * max(0.3, episode) + 22 * rush,
            "SO2": 7 + 3 * rush,
            "NO2": 22 + 28 * rush + 6 * max(0.0, episode),
            "CO": 500 + 400 * rush + 150 * max(0.0, episode),
            "O3": 35 + 95 * noon,
            "TEMP": warmth + 4 * math.sin((local - 9) / 24 * 2 * math.pi),
            "PRES": 1013 + 6 * math.sin(number / 67.0),
            "DEWP": warmth - 6,
            "wd": (number * 11 + self.seed * 40) % 360,
            "WSPM": 1.6 + 0.9 * noon,
        }
        return _reading({name: value * self._noise(number, name) for name, value in told.items()})

    def _noise(self, number: int, name: str) -> float:
        if name in ("PRES", "wd"):
            return 1.0
        return 0.94 + zlib.crc32(f"{self.seed} {number} {name}".encode()) % 1200 / 10_000


def _reading(told: dict[str, float]) -> Reading:
    found = {
        "a34004": told["PM2.5"],
        "a34002": told["PM10"],
        "a21026": told["SO2"],
        "a21004": told["NO2"],
        "a05024": told["O3"],
        "a21005": told["CO"] / 1000,
        "a01001": told["TEMP"],
        "a01002": _humidity(told["TEMP"], told["DEWP"]),
        "a01006": told["PRES"] / 10,
        "a01007": told["WSPM"],
        "a01008": told["wd"],
    }
    return {code: value for code, value in found.items() if not math.isnan(value)}


def _humidity(air: float, dew: float) -> float:
    """Percent, from temperature and dew point (Magnus over water)."""
    ratio = 17.62 * dew / (243.12 + dew) - 17.62 * air / (243.12 + air)
    return min(100.0, 100 * math.exp(ratio))


def find_folder() -> Path | None:
    """Where the real hours are: PINTU_DEMO_AIR, or `shared/data/environment` beside the project;
    None when they are not there."""
    told = os.environ.get("PINTU_DEMO_AIR")
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "environment"
    folder = Path(told) if told else beside
    return folder if sorted(folder.glob("PRSA_Data_*.csv")) else None


def make_series(count: int, seed: int, folder: Path | None) -> list[Series]:
    """One series a station, of the year the seed says, each with its label; made-up ones without
    files. ValueError when a file is not what it should be."""
    files = sorted(folder.glob("PRSA_Data_*.csv")) if folder is not None else []
    if not files:
        return [MadeUp(seed * 100 + number) for number in range(count)]
    cycle = seed % YEARS
    year = FIRST.year + cycle
    found: list[Series] = []
    for number in range(count):
        path, turn = files[number % len(files)], number // len(files)
        factor = (1.0, 0.93, 1.08, 0.88)[turn % 4]
        label = f"演示 replay / demo: real hours of {path.name.split('_')[2]}, Beijing, "
        label += f"{year}/{year + 1}, shifted in time" + (f", times {factor:g}" if turn else "")
        found.append(Replay(label, _columns(path), cycle, factor))
    return found


@lru_cache(maxsize=8)
def _columns(path: Path) -> dict[str, array[float]]:
    columns = {name: array("f") for name in NAMES}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in _values(row):
                columns[name].append(value)
    if len(columns["PM2.5"]) != HOURS:
        raise ValueError(f"{path.name} has {len(columns['PM2.5'])} hours, expected {HOURS}")
    return columns


def _values(row: dict[str, str]) -> Iterator[tuple[str, float]]:
    for name in NAMES:
        text = row[name]
        if name == "wd":
            yield name, WINDS.index(text) * 22.5 if text in WINDS else math.nan
        else:
            yield name, math.nan if text == "NA" else float(text)
