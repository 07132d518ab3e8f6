"""Geoqueries (4.10) on stored geometries: distances on the sphere, all else in plain degrees."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians
from typing import Any

import shapely
from shapely.geometry import shape

from pintu.kernel.context.match.distance import distance_m
from pintu.kernel.context.selection import GeoSelection

GeometryTest = Callable[[dict[str, Any]], bool]
"""GeoJSON geometry of an entity → matches."""

_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    shapely.errors.ShapelyError,
)
_ROUNDS = 3


def geometry_test(geo: GeoSelection) -> GeometryTest:
    """The test of one GeoJSON geometry; a geometry nobody can read does not match.

    A self-intersecting polygon is taken as the area it encloses.
    """
    if geo.relation == "near":
        return _near(geo)
    reference = geo.geometry
    if reference["type"] == "Point":
        return _relation_to_point(geo)
    target = shape_of(reference)
    shapely.prepare(target)
    return _relation_to_shape(geo.relation, target)


def shape_of(geometry: dict[str, Any]) -> shapely.Geometry:
    """A valid shapely geometry of GeoJSON; raises what shapely raises when it is none."""
    made = shape(geometry)
    return made if shapely.is_valid(made) else shapely.make_valid(made)


def geometry_distance_m(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Metres between two GeoJSON geometries, nearest point to nearest point; 0 when they touch."""
    if one["type"] == "Point" and other["type"] == "Point":
        a, b = one["coordinates"], other["coordinates"]
        return distance_m(a[0], a[1], b[0], b[1])
    return shape_distance_m(shape_of(one), shape_of(other))


def shape_distance_m(one: shapely.Geometry, other: shapely.Geometry) -> float:
    """Metres between two shapes in degrees: nearest points are sought in a plane whose east-west
    unit fits the latitude where they lie, then measured on the sphere. Lines are straight in
    degrees.
    """
    turns = round((one.centroid.x - other.centroid.x) / 360)
    if turns:
        shift = (turns * 360.0, 0.0)
        other = shapely.transform(other, lambda places: places + shift)
    if shapely.intersects(one, other):
        return 0.0
    latitude = _latitude(one, other)
    best = float("inf")
    for _ in range(_ROUNDS):
        scale = max(cos(radians(latitude)), 1e-6)
        line = shapely.shortest_line(_squeezed(one, scale), _squeezed(other, scale))
        (x1, y1), (x2, y2) = shapely.get_coordinates(line).tolist()
        best = min(best, distance_m(x1 / scale, y1, x2 / scale, y2))
        if abs(latitude - (y1 + y2) / 2) < 1e-6:
            break
        latitude = (y1 + y2) / 2
    return best


def _latitude(one: shapely.Geometry, other: shapely.Geometry) -> float:
    for geometry in (one, other):
        if geometry.geom_type == "Point":
            return float(geometry.y)
    return float(one.centroid.y + other.centroid.y) / 2


def _squeezed(geometry: shapely.Geometry, scale: float) -> shapely.Geometry:
    return shapely.transform(geometry, lambda places: places * [scale, 1.0])


def _near(geo: GeoSelection) -> GeometryTest:
    reference = geo.geometry
    most = float("inf") if geo.max_distance_m is None else geo.max_distance_m
    least = -1.0 if geo.min_distance_m is None else geo.min_distance_m
    from_point = reference["type"] == "Point"
    if from_point:
        lon, lat = reference["coordinates"][:2]
    shapes: list[shapely.Geometry] = []  # made when something that is no point comes

    def test(geometry: dict[str, Any]) -> bool:
        try:
            if from_point and geometry["type"] == "Point":
                place = geometry["coordinates"]
                return least <= distance_m(lon, lat, place[0], place[1]) <= most
            if not shapes:
                shapes.append(shape_of(reference))
            return least <= shape_distance_m(shapes[0], shape_of(geometry)) <= most
        except _UNREADABLE:
            return False

    return test


def _relation_to_point(geo: GeoSelection) -> GeometryTest:
    lon, lat = geo.geometry["coordinates"][:2]
    relation = geo.relation
    general = _relation_to_shape(relation, shape_of(geo.geometry))
    if relation == "overlaps":
        return lambda geometry: False if geometry.get("type") == "Point" else general(geometry)
    apart = relation == "disjoint"

    def test(geometry: dict[str, Any]) -> bool:
        if geometry.get("type") != "Point":
            return general(geometry)
        try:
            place = geometry["coordinates"]
            return (place[0] == lon and place[1] == lat) is not apart
        except _UNREADABLE:
            return False

    return test


def _relation_to_shape(relation: str, target: shapely.Geometry) -> GeometryTest:
    """`relation(entity's geometry, target)`, turned round so that the prepared target works."""
    area = target.geom_type in ("Polygon", "MultiPolygon")
    turned = {"within": shapely.contains, "contains": shapely.within}.get(
        relation, getattr(shapely, relation)
    )
    by_place = {
        "within": shapely.contains_xy,
        "intersects": shapely.intersects_xy,
        "disjoint": lambda goal, x, y: not shapely.intersects_xy(goal, x, y),
    }.get(relation)

    def test(geometry: dict[str, Any]) -> bool:
        try:
            if area and by_place is not None and geometry["type"] == "Point":
                place = geometry["coordinates"]
                return bool(by_place(target, place[0], place[1]))
            return bool(turned(target, shape_of(geometry)))
        except _UNREADABLE:
            return False

    return test
