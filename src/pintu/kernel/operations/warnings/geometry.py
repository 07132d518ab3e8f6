"""Where a warning holds: polygons and circles of its areas as one shape in WGS 84."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import orjson
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pintu.kernel.operations.warnings.words import Area, Message

CORNERS: Final = 64
KM_A_DEGREE: Final = 111.195  # of a great circle on a sphere of 6,371 km
MOST_POINTS_TOLD: Final = 1_000
"""Corners the city is told; the message itself keeps all of them."""


def circle(latitude: float, longitude: float, radius_km: float) -> Polygon:
    """A circle as a polygon of 64 corners; a point's neighbourhood of 10 m when it has no radius
    (CAP lets an area be a point so)."""
    radius = max(radius_km, 0.01) / KM_A_DEGREE
    wide = radius / max(math.cos(math.radians(latitude)), 0.01)
    turns = (2 * math.pi * n / CORNERS for n in range(CORNERS))
    return Polygon(
        [(longitude + wide * math.sin(t), latitude + radius * math.cos(t)) for t in turns]
    )


def shape_of(areas: Iterable[Area]) -> BaseGeometry | None:
    """The union of what areas say with coordinates, mended where a ring crosses itself; None when
    they name places by codes only."""
    found: list[BaseGeometry] = []
    for area in areas:
        for ring in area.polygons:
            polygon = Polygon([(longitude, latitude) for latitude, longitude in ring])
            found.append(polygon if polygon.is_valid else shapely.make_valid(polygon))
        found += [circle(*one) for one in area.circles]
    if not found:
        return None
    union = shapely.union_all(found)
    return None if union.is_empty else union


def shape_of_message(message: Message) -> BaseGeometry | None:
    """Of all its parts; each language usually says the same area again."""
    unique = dict.fromkeys(area for info in message.infos for area in info.areas)
    return shape_of(unique)


def geojson(shape: BaseGeometry, most: int = MOST_POINTS_TOLD) -> dict[str, Any]:
    """GeoJSON of at most about `most` points, simplified only as far as it takes."""
    tolerance = 1e-5
    while shapely.get_num_coordinates(shape) > most and tolerance < 1:
        shape = shape.simplify(tolerance)
        tolerance *= 2
    told: dict[str, Any] = orjson.loads(shapely.to_geojson(shape))
    return told


def geocodes_of(message: Message) -> frozenset[tuple[str, str]]:
    """(list, code) of every place named by a code."""
    return frozenset(
        (code.name, code.value)
        for info in message.infos
        for area in info.areas
        for code in area.geocodes
    )
