"""How far apart two places are: the one rule that queries, ordering and any store's SQL share.

Distance is the great circle (haversine) on a sphere of `EARTH_RADIUS_M`. Between extended shapes
it is the great circle between their nearest points, which are sought in a plane whose east-west
unit is shrunk by the cosine of the latitude there.
"""

from __future__ import annotations

from math import asin, cos, degrees, inf, radians, sin, sqrt

EARTH_RADIUS_M = 6371008.8
"""Mean radius of the Earth (IUGG), metres."""

Box = tuple[float, float, float, float]
"""Smallest longitude, smallest latitude, largest longitude, largest latitude, in degrees."""

_MARGIN = 1.0 + 1e-9


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Great-circle distance of two points, metres; degrees in, longitude first."""
    phi1, phi2 = radians(lat1), radians(lat2)
    north = sin((phi2 - phi1) / 2)
    east = sin(radians(lon2 - lon1) / 2)
    square = north * north + cos(phi1) * cos(phi2) * east * east
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(square)))


def boxes_around(box: Box, reach_m: float) -> list[Box]:
    """Boxes that hold every point within `reach_m` of the box: one, two across the antimeridian."""
    angle = reach_m / EARTH_RADIUS_M * _MARGIN + 1e-12
    west, south, east, north = box
    low, high = south - degrees(angle), north + degrees(angle)
    if low <= -90 or high >= 90 or angle >= 1.5:
        return [(-180.0, max(low, -90.0), 180.0, min(high, 90.0))]
    steepest = radians(max(abs(south), abs(north)))
    ratio = sin(angle) / cos(steepest)
    wide = degrees(asin(ratio)) if ratio < 1 else 180.0
    west, east = west - wide, east + wide
    if east - west >= 360:
        return [(-180.0, low, 180.0, high)]
    if west < -180:
        return [(-180.0, low, east, high), (west + 360, low, 180.0, high)]
    if east > 180:
        return [(west, low, 180.0, high), (-180.0, low, east - 360, high)]
    return [(west, low, east, high)]


def box_of(coordinates: object) -> Box:
    """The bounding box of GeoJSON coordinates of any depth; ValueError if there is no position."""
    west = south = inf
    east = north = -inf
    todo = [coordinates]
    while todo:
        item = todo.pop()
        if not isinstance(item, (list, tuple)) or not item:
            continue
        first = item[0]
        if isinstance(first, (int, float)):
            lon, lat = float(first), float(item[1])
            west, east = min(west, lon), max(east, lon)
            south, north = min(south, lat), max(north, lat)
        else:
            todo.extend(item)
    if west == inf:
        raise ValueError("coordinates hold no position")
    return (west, south, east, north)
