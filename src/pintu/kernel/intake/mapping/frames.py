"""Coordinate frames: from GCJ-02, BD-09 or any EPSG frame to WGS-84, which the city keeps.

GCJ-02 moves every point of China by 300 to 700 m with a formula that was published without an
inverse; BD-09 moves GCJ-02 once more. Both inverses here iterate on the way there until the rest is
below a millimetre of arc. CGCS 2000 is WGS-84 to within decimetres.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.mapping.reasons import wrong

Convert = Callable[[float, float], tuple[float, float]]
"""(lon, lat) of the source, or (x, y) of a projection → (lon, lat) in WGS-84."""

AXIS_M: Final = 6378245.0  # Krasovsky 1940, on which GCJ-02 computes
FLAT: Final = 0.00669342162296594323
DIGITS: Final = 7  # 1 cm; more than any source knows
TWIST: Final = math.pi * 3000.0 / 180.0
NAMES: Final = ("WGS-84", "CGCS2000", "GCJ-02", "BD-09")
_EPSG: Final = re.compile(r"EPSG:(\d{4,6})", re.IGNORECASE)
_SAME: Final = frozenset({"WGS-84", "CGCS2000", "EPSG:4326", "EPSG:4490"})


def outside_china(lon: float, lat: float) -> bool:
    """Where GCJ-02 moves nothing."""
    return not (72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271)


def _moved(lon: float, lat: float) -> tuple[float, float]:
    x, y = lon - 105.0, lat - 35.0
    root = math.sqrt(abs(x))
    wave = (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += (
        (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    )
    angle = lat / 180.0 * math.pi
    sine = math.sin(angle)
    magic = 1 - FLAT * sine * sine
    north = north * 180.0 / ((AXIS_M * (1 - FLAT)) / (magic * math.sqrt(magic)) * math.pi)
    east = east * 180.0 / (AXIS_M / math.sqrt(magic) * math.cos(angle) * math.pi)
    return east, north


def gcj02_from_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """The way there; outside China nothing moves."""
    if outside_china(lon, lat):
        return lon, lat
    east, north = _moved(lon, lat)
    return lon + east, lat + north


def wgs84_from_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The way back, to within a centimetre (iterated: there is no formula)."""
    if outside_china(lon, lat):
        return lon, lat
    found_lon, found_lat = lon, lat
    for _ in range(8):
        there_lon, there_lat = gcj02_from_wgs84(found_lon, found_lat)
        off_lon, off_lat = there_lon - lon, there_lat - lat
        found_lon, found_lat = found_lon - off_lon, found_lat - off_lat
        if abs(off_lon) < 1e-9 and abs(off_lat) < 1e-9:
            break
    return found_lon, found_lat


def bd09_from_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Baidu's frame from GCJ-02."""
    distance = math.hypot(lon, lat) + 0.00002 * math.sin(lat * TWIST)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * TWIST)
    return distance * math.cos(angle) + 0.0065, distance * math.sin(angle) + 0.006


def gcj02_from_bd09(lon: float, lat: float) -> tuple[float, float]:
    """GCJ-02 from Baidu's frame, iterated as above."""
    found_lon, found_lat = lon - 0.0065, lat - 0.006
    for _ in range(8):
        there_lon, there_lat = bd09_from_gcj02(found_lon, found_lat)
        off_lon, off_lat = there_lon - lon, there_lat - lat
        found_lon, found_lat = found_lon - off_lon, found_lat - off_lat
        if abs(off_lon) < 1e-9 and abs(off_lat) < 1e-9:
            break
    return found_lon, found_lat


def wgs84_from_bd09(lon: float, lat: float) -> tuple[float, float]:
    """WGS-84 from Baidu's frame; outside China nothing moves."""
    if outside_china(lon, lat):
        return lon, lat
    return wgs84_from_gcj02(*gcj02_from_bd09(lon, lat))


def to_wgs84(frame: str) -> Convert | None:
    """How points of a frame get to WGS-84; None when they are there already.

    Raises ConfigurationError for a frame nobody knows. Answers are rounded to 7 digits.
    """
    name = frame.upper().replace("CGCS 2000", "CGCS2000").replace("WGS84", "WGS-84")
    name = name.replace("GCJ02", "GCJ-02").replace("BD09", "BD-09")
    if name in _SAME:
        return None
    if name == "GCJ-02":
        return _rounded(wgs84_from_gcj02)
    if name == "BD-09":
        return _rounded(wgs84_from_bd09)
    number = _EPSG.fullmatch(name)
    if number is not None:
        return _projected(int(number[1]))
    raise ConfigurationError([f"Frame {frame!r} is not one of {', '.join(NAMES)} or EPSG:n"])


def _rounded(convert: Convert) -> Convert:
    def rounded(lon: float, lat: float) -> tuple[float, float]:
        found_lon, found_lat = convert(lon, lat)
        return round(found_lon, DIGITS), round(found_lat, DIGITS)

    return rounded


def _projected(epsg: int) -> Convert:
    # pyproj takes 0.2 s and 20 MB: loaded for a source that needs it
    from pyproj import Transformer
    from pyproj.exceptions import CRSError, ProjError

    try:
        transformer = Transformer.from_crs(epsg, 4326, always_xy=True)
    except (CRSError, ProjError) as error:
        raise ConfigurationError([f"Frame EPSG:{epsg} is not one that is known"]) from error

    def convert(x: float, y: float) -> tuple[float, float]:
        lon, lat = transformer.transform(x, y)
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise wrong(
                f"Point {x:g}, {y:g} does not lie where EPSG:{epsg} is used",
                f"点 {x:g}, {y:g} 不在 EPSG:{epsg} 的适用范围内",
            )
        return round(lon, DIGITS), round(lat, DIGITS)

    return convert


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance of two near points in metres."""
    north = (one[1] - other[1]) * 110_950.0
    east = (one[0] - other[0]) * 111_320.0 * math.cos(math.radians((one[1] + other[1]) / 2))
    return math.hypot(north, east)


def suspected_frame(
    pairs: Iterable[tuple[tuple[float, float], tuple[float, float]]], frame: str
) -> str | None:
    """Which frame a source's points are in truth, judged by things that have a place already.

    `pairs` are (what `frame` makes of the source's point, the place known for the same thing), in
    WGS-84. A frame is suspected when it brings at least five pairs, and three quarters of them,
    to a quarter of the 100 to 2,000 m they are apart now.
    """
    known = [(here, there) for here, there in pairs if 100 < metres(here, there) < 2_000]
    if len(known) < 5 or frame not in ("WGS-84", "CGCS2000", "GCJ-02", "BD-09"):
        return None
    there_of = {"GCJ-02": gcj02_from_wgs84, "BD-09": lambda *at: bd09_from_gcj02(*_gcj(at))}
    original = there_of.get(frame)
    best, best_share = None, 0.75
    for name, back in (
        ("GCJ-02", wgs84_from_gcj02),
        ("BD-09", wgs84_from_bd09),
        ("WGS-84", lambda lon, lat: (lon, lat)),
    ):
        if name == frame or (name == "WGS-84" and frame == "CGCS2000"):
            continue
        near = 0
        for here, there in known:
            raw = original(*here) if original else here
            near += metres(back(*raw), there) < metres(here, there) / 4
        if near / len(known) >= best_share:
            best, best_share = name, near / len(known)
    return best


def _gcj(at: tuple[float, float]) -> tuple[float, float]:
    return gcj02_from_wgs84(*at)
