"""Places: two columns, one text, GeoJSON or WKT, in a source's frame, to GeoJSON in WGS-84."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping.frames import Convert as Move
from pintu.kernel.intake.mapping.frames import to_wgs84
from pintu.kernel.intake.mapping.reasons import shown, wrong
from pintu.kernel.intake.mapping.values import Convert, number

MOST_POSITIONS: Final = 100_000
LONGEST: Final = 4_000_000

_PAIR: Final = re.compile(
    r"[(（\[]?\s*([^,，;；\s]+)\s*[,，;；\s]\s*([^,，;；\s)）\]]+)\s*[)）\]]?"
)
_WKT: Final = re.compile(
    r"(?:SRID=\d+;)?\s*POINT\s*Z?\s*\(\s*([-\d.eE]+)\s+([-\d.eE]+)[^)]*\)", re.I
)
_DEGREES: Final = re.compile(
    r"([NSEW东西南北]?)\s*(-?\d{1,3})\s*[°度]\s*(?:(\d{1,2}(?:\.\d+)?)\s*[′'分]\s*)?"
    r"(?:(\d{1,2}(?:\.\d+)?)\s*(?:[″\"秒]|'')\s*)?([NSEW东西南北]?)",
    re.IGNORECASE,
)
_DEPTHS: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def degrees(value: Any) -> float:
    """One coordinate: a number, or degrees, minutes and seconds (`120°08′34″E`)."""
    if value.__class__ is float:
        return float(value)
    try:
        return float(number(value))
    except BadInput:
        text = unicodedata.normalize("NFKC", str(value)).replace("′", "'").replace("″", '"')
        found = _DEGREES.fullmatch(text.strip())
        if found is None or (found[1] and found[5]):
            raise
        size = abs(int(found[2])) + float(found[3] or 0) / 60 + float(found[4] or 0) / 3600
        side = (found[1] or found[5]).upper()
        return -size if side in ("S", "W", "南", "西") or found[2].startswith("-") else size


def place(lon: float, lat: float, move: Move | None) -> list[float]:
    """A position in WGS-84; BadRequestData when it lies nowhere, or looks swapped."""
    if move is not None:
        lon, lat = move(lon, lat)
    if -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0:
        return [lon, lat]
    if -90.0 <= lon <= 90.0 and -180.0 <= lat <= 180.0:
        raise wrong(
            f"Longitude {lon:g} and latitude {lat:g} look swapped: exchange the two columns",
            f"经度 {lon:g} 与纬度 {lat:g} 像是颠倒了：请交换这两列",
        )
    raise wrong(
        f"{lon:g}, {lat:g} is no longitude and latitude: is it in another frame (EPSG:n)?",
        f"{lon:g}, {lat:g} 不是经纬度：是否为其他坐标系（EPSG:n）？",
    )


def _point(lon: Any, lat: Any, move: Move | None) -> dict[str, Any] | None:
    lon, lat = degrees(lon), degrees(lat)
    if lon == 0 and lat == 0:
        return None  # what instruments say when they do not know
    return {"type": "Point", "coordinates": place(lon, lat, move)}


def two_columns(frame: str) -> Convert:
    """Reads (lon, lat) of two columns."""
    move = to_wgs84(frame)

    def read(values: Sequence[Any]) -> dict[str, Any] | None:
        return _point(values[0], values[1], move)

    return read


def one_value(frame: str, *, shapes: bool = True) -> Convert:
    """Reads one value: `lon,lat` as a text, a list, `{lon, lat}`, GeoJSON (text or object), WKT
    POINT. Without `shapes` GeoJSON other than a point is refused."""
    move = to_wgs84(frame)

    def read(value: Any) -> dict[str, Any] | None:
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, list | tuple) and 2 <= len(value) <= 3:
            return _point(value[0], value[1], move)
        if isinstance(value, dict):
            if "type" in value:
                return _geometry(value, move, shapes)
            lon = _first(value, ("lon", "lng", "longitude", "x", "经度"))
            lat = _first(value, ("lat", "latitude", "y", "纬度"))
            if lon is not None and lat is not None:
                return _point(lon, lat, move)
        raise _no_place(value)

    return read


def _first(value: dict[str, Any], names: Sequence[str]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _parsed(text: str) -> Any:
    """What a text says of a place: a pair, or parsed GeoJSON."""
    if len(text) > LONGEST:
        raise _no_place(text)
    text = text.strip()
    if text.startswith(("{", "[{")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise _no_place(text) from None
    found = _WKT.fullmatch(text)
    if found is None and len(text) < 200:
        found = _PAIR.fullmatch(unicodedata.normalize("NFKC", text))
    if found is None:
        raise _no_place(text)
    return [found[1], found[2]]


def _geometry(value: dict[str, Any], move: Move | None, shapes: bool) -> dict[str, Any] | None:
    kind = value.get("type")
    if kind == "Feature":
        value, kind = value.get("geometry") or {}, (value.get("geometry") or {}).get("type")
    depth = _DEPTHS.get(kind) if isinstance(kind, str) else None
    coordinates = value.get("coordinates")
    if depth is None or not isinstance(coordinates, list) or not coordinates:
        raise _no_place(value)
    if depth == 0:
        return _point(*_pair(coordinates), move)
    if not shapes:
        raise wrong(f"The geometry is a {kind}, not a point", f"几何类型是 {kind}，不是点")
    left = [MOST_POSITIONS]
    return {"type": kind, "coordinates": _positions(coordinates, depth, move, left)}


def _positions(value: Any, depth: int, move: Move | None, left: list[int]) -> list[Any]:
    if depth == 0:
        left[0] -= 1
        if left[0] < 0:
            raise wrong(
                f"The shape has more than {MOST_POSITIONS} positions",
                f"图形超过 {MOST_POSITIONS} 个坐标点",
            )
        lon, lat = _pair(value)
        return place(degrees(lon), degrees(lat), move)
    if not isinstance(value, list):
        raise _no_place(value)
    return [_positions(one, depth - 1, move, left) for one in value]


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 4:
        raise _no_place(value)
    return value[0], value[1]


def _no_place(value: Any) -> Exception:
    return wrong(
        f"{shown(value)} is no place: neither 'lon,lat' nor GeoJSON nor POINT(lon lat)",
        f"{shown(value)}不是位置：既不是“经度,纬度”，也不是 GeoJSON 或 POINT(经度 纬度)",
    )
