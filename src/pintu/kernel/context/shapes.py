"""GeoJSON geometries: valid by RFC 7946, within the world, and told apart from swapped
coordinates."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from pintu.kernel.errors import BadRequestData

POSITION_LIMIT: Final = 100_000
_NUMBERS: Final[frozenset[Any]] = frozenset({int, float})


def is_geometry(value: Any) -> bool:
    """Whether an object looks like a GeoJSON geometry: type and coordinates (4.7.1)."""
    if value.__class__ is not dict or "coordinates" not in value:
        return False
    kind = value.get("type")
    return kind.__class__ is str and kind in _CHECKS


def is_plain_point(value: Any) -> bool:
    """Whether it is a Point of two numbers in range and nothing else: the common case, cheaply."""
    if value.__class__ is not dict or len(value) != 2 or value.get("type") != "Point":
        return False
    position = value.get("coordinates")
    if position.__class__ is not list or len(position) != 2:
        return False
    longitude: Any = position[0]
    latitude: Any = position[1]
    return (
        longitude.__class__ in _NUMBERS
        and latitude.__class__ in _NUMBERS
        and -180 <= longitude <= 180
        and -90 <= latitude <= 90
    )


def check_geometry(value: Any, what: str) -> None:
    """Raise BadRequestData naming `what` when the value is not a geometry NGSI-LD supports.

    GeometryCollection is none of them (4.6.3); a polygon that crosses itself is accepted.
    """
    if value.__class__ is not dict:
        raise BadRequestData(f"{what} is not a GeoJSON geometry")
    kind = value.get("type")
    check = _CHECKS.get(kind) if kind.__class__ is str else None
    if check is None:
        raise BadRequestData(
            f"{what} has the geometry type {kind!r}, which is none of {', '.join(_CHECKS)}"
        )
    if "coordinates" not in value:
        raise BadRequestData(f"{what} is a {kind} without coordinates")
    check(value["coordinates"], what)


def _position(value: Any, what: str) -> None:
    if value.__class__ is not list or not 2 <= len(value) <= 3:
        raise BadRequestData(f"{what} has a position that is not [longitude, latitude]")
    for number in value:
        if number.__class__ not in (int, float) or not isfinite(number):
            raise BadRequestData(f"{what} has a coordinate that is not a number: {number!r}")
    longitude, latitude = value[0], value[1]
    if not -180 <= longitude <= 180 or not -90 <= latitude <= 90:
        hint = ""
        if -90 <= longitude <= 90 and -180 <= latitude <= 180:
            hint = ": longitude and latitude look swapped, longitude comes first"
        raise BadRequestData(
            f"{what} has the position [{longitude}, {latitude}], outside the world{hint}"
        )


def _list_of(
    check: Callable[[Any, str], None], least: int, name: str
) -> Callable[[Any, str], None]:
    def check_all(value: Any, what: str) -> None:
        if value.__class__ is not list:
            raise BadRequestData(f"{what} is a {name} whose coordinates are not a list")
        if len(value) < least:
            raise BadRequestData(f"{what} is a {name} with fewer than {least} positions")
        if len(value) > POSITION_LIMIT:
            raise BadRequestData(f"{what} is a {name} with more than {POSITION_LIMIT} positions")
        for item in value:
            check(item, what)

    return check_all


_ring_positions = _list_of(_position, 4, "Polygon ring")


def _ring(value: Any, what: str) -> None:
    _ring_positions(value, what)
    if value[0] != value[-1]:
        raise BadRequestData(f"{what} has a polygon ring that is not closed: first and last differ")


_line = _list_of(_position, 2, "LineString")
_polygon = _list_of(_ring, 1, "Polygon")

_CHECKS: Final[dict[str, Callable[[Any, str], None]]] = {
    "Point": _position,
    "MultiPoint": _list_of(_position, 1, "MultiPoint"),
    "LineString": _line,
    "MultiLineString": _list_of(_line, 1, "MultiLineString"),
    "Polygon": _polygon,
    "MultiPolygon": _list_of(_polygon, 1, "MultiPolygon"),
}
