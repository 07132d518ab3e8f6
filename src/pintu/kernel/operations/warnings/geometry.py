"""Where a warning holds: polygons and circles of its areas as one shape in WGS 84.

Whoever may hand in a message may hand in ten thousand corners that cross one another: what would
take minutes to mend or to join exactly is taken with its hull instead. More people are warned then,
never fewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import orjson
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from pintu.kernel.operations.warnings.words import Area, Message

CORNERS: Final = 64
KM_A_DEGREE: Final = 111.195  # of a great circle on a sphere of 6,371 km
MOST_POINTS_TOLD: Final = 1_000
"""Corners the city is told; the message itself keeps all of them."""

MOST_CROSSINGS: Final = 100_000
LOOKED_AT: Final = 128
THIN: Final = 1e-4
"""Degrees around what has corners and no ground: about ten metres."""

EARTH: Final = box(-180, -90, 180, 90)


def circle(latitude: float, longitude: float, radius_km: float) -> Polygon:
    """A circle as a polygon of 64 corners; a point's neighbourhood of 10 m when it has no radius
    (CAP lets an area be a point so)."""
    radius = min(max(radius_km, 0.01) / KM_A_DEGREE, 180.0)
    wide = min(radius / max(math.cos(math.radians(latitude)), 0.01), 180.0)
    turns = (2 * math.pi * n / CORNERS for n in range(CORNERS))
    return Polygon(
        [(longitude + wide * math.sin(t), latitude + radius * math.cos(t)) for t in turns]
    )


def shape_of(areas: Iterable[Area]) -> BaseGeometry | None:
    """The union of what areas say with coordinates, mended where a ring crosses itself; None when
    they name places by codes only."""
    return _shape(tuple(areas))


@lru_cache(maxsize=64)
def _shape(areas: tuple[Area, ...]) -> BaseGeometry | None:
    found: list[BaseGeometry] = []
    for area in areas:
        rings = [[(longitude, latitude) for latitude, longitude in one] for one in area.polygons]
        found += [mended(Polygon(one)) for one in rings]
        found += [circle(*one) for one in area.circles]
    if not found:
        return None
    union = on_earth(joined(found))
    return None if union.is_empty else union


def joined(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    """All of them as one, in bounded time."""
    if len(shapes) > 1 and tangled(shapes):
        return _hull(shapes)
    return shapely.union_all(shapes)


def mended(shape: BaseGeometry) -> BaseGeometry:
    """The ground of a shape that may cross itself: never lines, and in bounded time."""
    if shape.is_valid and shape.area > 0:
        return shape
    made = _hull([shape]) if tangled([shape]) else shapely.make_valid(shape)
    parts = [one for one in getattr(made, "geoms", [made]) if one.area > 0]
    return shapely.union_all(parts) if parts else made.buffer(THIN)


def tangled(shapes: Sequence[BaseGeometry]) -> bool:
    """Whether their sides may cross more often than can be reckoned: guessed from some of them."""
    sides = [_sides(one) for one in shapes]
    boxes = np.concatenate(sides) if sides else np.empty((0, 4))
    if len(boxes) ** 2 < MOST_CROSSINGS:
        return False
    some = boxes[:: max(1, len(boxes) // LOOKED_AT)]
    over = (
        (some[:, None, 0] <= boxes[None, :, 2])
        & (some[:, None, 2] >= boxes[None, :, 0])
        & (some[:, None, 1] <= boxes[None, :, 3])
        & (some[:, None, 3] >= boxes[None, :, 1])
    )
    return float(over.sum()) / len(some) * len(boxes) / 2 > MOST_CROSSINGS


def _sides(shape: BaseGeometry) -> Any:
    """(west, south, east, north) of each side."""
    corners = shapely.get_coordinates(shape)
    return np.hstack((np.minimum(corners[:-1], corners[1:]), np.maximum(corners[:-1], corners[1:])))


def _hull(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    return shapely.convex_hull(shapely.geometrycollections(list(shapes)))


def on_earth(shape: BaseGeometry) -> BaseGeometry:
    """The same within the world's bounds: what goes over 180 degrees comes back on the other
    side."""
    if shape.is_empty or EARTH.covers(shape):
        return shape
    turned = [translate(shape, by).intersection(EARTH) for by in (-360, 0, 360)]
    return mended(shapely.union_all([one for one in turned if one.area > 0]))


def shape_of_message(message: Message) -> BaseGeometry | None:
    """Of all its parts; each language usually says the same area again."""
    unique = dict.fromkeys(area for info in message.infos for area in info.areas)
    return shape_of(unique)


def coarse(shape: BaseGeometry, most: int = MOST_POINTS_TOLD) -> BaseGeometry:
    """At most about `most` points, simplified only as far as it takes."""
    tolerance = 1e-5
    while shapely.get_num_coordinates(shape) > most and tolerance < 1:
        shape = shape.simplify(tolerance)
        tolerance *= 2
    return shape


def geojson(shape: BaseGeometry, most: int = MOST_POINTS_TOLD) -> dict[str, Any]:
    """GeoJSON of at most about `most` points."""
    told: dict[str, Any] = orjson.loads(shapely.to_geojson(coarse(shape, most)))
    return told


def geocodes_of(message: Message) -> frozenset[tuple[str, str]]:
    """(list, code) of every place named by a code."""
    return frozenset(
        (code.name, code.value)
        for info in message.infos
        for area in info.areas
        for code in area.geocodes
    )
