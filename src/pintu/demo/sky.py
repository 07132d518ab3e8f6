"""When it is dark: the sun's elevation by the low-precision formulas of the Astronomical Almanac
(±0.02°)."""

from __future__ import annotations

import math
from functools import lru_cache

LAT, LON = 30.2, 120.2
LAMPS_ON_BELOW = -1.0
"""Degrees of the sun's elevation under which the schedule burns; a few minutes after sunset."""
J2000_S = 946_728_000.0


def sun_elevation(at_s: float, lat: float = LAT, lon: float = LON) -> float:
    """Degrees above the horizon at a time in seconds since 1970 UTC."""
    days = (at_s - J2000_S) / 86_400.0
    mean = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    sidereal = math.radians((280.46061837 + 360.98564736629 * days + lon) % 360)
    hour = sidereal - ascension
    here = math.radians(lat)
    return math.degrees(
        math.asin(
            math.sin(here) * math.sin(declination)
            + math.cos(here) * math.cos(declination) * math.cos(hour)
        )
    )


def is_dark(at_s: float) -> bool:
    """True while the schedule burns."""
    return sun_elevation(at_s) < LAMPS_ON_BELOW


@lru_cache(maxsize=4096)
def dark_seconds_of_day(day: int) -> tuple[float, float]:
    """(dawn, dusk) of a UTC day as seconds since 1970: burning ends at dawn, begins at dusk, both
    in that
    local (UTC+8) day."""
    midnight = day * 86_400.0 - 8 * 3600  # local midnight at UTC+8
    return _cross(midnight, midnight + 43_200, rising=True), _cross(
        midnight + 43_200, midnight + 86_400, rising=False
    )


def _cross(low: float, high: float, *, rising: bool) -> float:
    for _ in range(22):
        middle = (low + high) / 2
        if (sun_elevation(middle) < LAMPS_ON_BELOW) == rising:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=8192)
def _dark_before(day: int) -> float:
    """Seconds of darkness of all local days from 2024-01-01 (day 19723) to the beginning of
    `day`."""
    total = 0.0
    for one in range(19_723, day):
        dawn, dusk = dark_seconds_of_day(one)
        midnight = one * 86_400.0 - 8 * 3600
        total += (dawn - midnight) + (midnight + 86_400 - dusk)
    return total


def dark_hours_since_2024(at_s: float) -> float:
    """Hours the schedule has burnt from 2024 to now; what an honest hours counter has gained."""
    day = int((at_s + 8 * 3600) // 86_400)
    midnight = day * 86_400.0 - 8 * 3600
    dawn, dusk = dark_seconds_of_day(day)
    burnt = min(at_s, dawn) - midnight + max(0.0, at_s - dusk)
    return (_dark_before(day) + burnt) / 3600
