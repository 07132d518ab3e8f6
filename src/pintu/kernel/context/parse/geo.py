"""Geoqueries (4.10): a relation, a geometry with coordinates, a geoproperty."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final, get_args

import orjson

from pintu.kernel.context.parse.reader import decoded
from pintu.kernel.context.selection import GeoRelation, GeoSelection
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms

POSITIONS_LIMIT: Final = 10_000
NEAR_LIMIT: Final = 1_000
"""Positions of a geometry to measure distances from: each candidate is measured to all of them."""
_NEAR = re.compile(r"near;(maxDistance|minDistance)==(.*)", re.DOTALL)
_DISTANCE = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_DEPTHS: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
_SHORTEST: Final = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}
_RELATIONS: Final = frozenset(get_args(GeoRelation)) - {"near"}


def parse_geo(
    georel: Any,
    geometry: Any,
    coordinates: Any,
    geoproperty: Any,
    terms: Terms,
) -> GeoSelection | None:
    """A geoquery of its four parameters; None when none of the first three is given.

    `coordinates` is a JSON text or the array itself. Distances are metres, one of maxDistance and
    minDistance. Raises BadRequestData naming the parameter.
    """
    if georel is None and geometry is None and coordinates is None:
        return None
    for name, given in (("georel", georel), ("geometry", geometry), ("coordinates", coordinates)):
        if given is None:
            raise BadRequestData(f"A geoquery needs {name} beside the other geo parameters")
    if not isinstance(georel, str):
        raise BadRequestData("georel must be a string")
    if geoproperty is not None and (not isinstance(geoproperty, str) or not geoproperty):
        raise BadRequestData("geoproperty must be the name of a GeoProperty")
    relation, most, least = _relation(georel)
    return GeoSelection(
        relation=relation,
        geometry=geometry_of(
            geometry, coordinates, NEAR_LIMIT if relation == "near" else POSITIONS_LIMIT
        ),
        geoproperty=terms.stored(decoded(geoproperty)) if geoproperty else "location",
        max_distance_m=most,
        min_distance_m=least,
    )


def _relation(georel: str) -> tuple[GeoRelation, float | None, float | None]:
    near = _NEAR.fullmatch(georel)
    if near is None:
        for relation in get_args(GeoRelation):
            if georel == relation and relation in _RELATIONS:
                return relation, None, None
        raise BadRequestData(
            f"georel {georel[:80]!r} is not near;maxDistance==metres, near;minDistance==metres"
            f" or one of {', '.join(sorted(_RELATIONS))}"
        )
    written = near[2]
    metres = float(written) if _DISTANCE.fullmatch(written) else 0.0
    if not metres > 0 or not isfinite(metres):
        raise BadRequestData(
            f"georel {near[1]} must be a positive number of metres, not {written[:40]!r}"
        )
    return ("near", metres, None) if near[1] == "maxDistance" else ("near", None, metres)


def geometry_of(geometry: Any, coordinates: Any, positions: int = NEAR_LIMIT) -> dict[str, Any]:
    """GeoJSON of a geometry type and coordinates (JSON text or array) of so many positions at most.

    Raises BadRequestData.
    """
    if not isinstance(geometry, str) or geometry not in _DEPTHS:
        raise BadRequestData(f"geometry {str(geometry)[:40]!r} is not one of {', '.join(_DEPTHS)}")
    if isinstance(coordinates, str):
        try:
            coordinates = orjson.loads(coordinates)
        except orjson.JSONDecodeError as error:
            raise BadRequestData(f"coordinates are not a JSON array: {error}") from error
    if not isinstance(coordinates, list):
        raise BadRequestData("coordinates must be a JSON array")
    _check(coordinates, _DEPTHS[geometry], geometry, [positions])
    return {"type": geometry, "coordinates": coordinates}


def _check(item: Any, depth: int, geometry: str, budget: list[int]) -> None:
    if depth == 0:
        budget[0] -= 1
        if budget[0] < 0:
            raise BadRequestData("coordinates hold more positions than a query may")
        _check_position(item, geometry)
        return
    if not isinstance(item, list) or not item:
        deep = _DEPTHS[geometry] + 1
        raise BadRequestData(f"coordinates of a {geometry} must be nested {deep} arrays deep")
    for part in item:
        _check(part, depth - 1, geometry, budget)
    if depth == 1 and len(item) < _SHORTEST.get(geometry, 1):
        raise BadRequestData(
            f"A {geometry} needs at least {_SHORTEST[geometry]} positions in each part"
        )
    if depth == 1 and "Polygon" in geometry and item[0][:2] != item[-1][:2]:
        raise BadRequestData(f"Each ring of a {geometry} must end where it starts")


def _check_position(item: Any, geometry: str) -> None:
    if (
        not isinstance(item, list)
        or not 2 <= len(item) <= 3
        or not all(type(number) in (int, float) for number in item)
    ):
        raise BadRequestData(
            f"coordinates of a {geometry} must lead to positions [longitude, latitude],"
            f" not {str(item)[:40]}"
        )
    lon, lat = item[0], item[1]
    if not -180 <= lon <= 180 or not -90 <= lat <= 90:
        hint = "; longitude comes first" if -180 <= lat <= 180 and -90 <= lon <= 90 else ""
        raise BadRequestData(f"Position [{lon}, {lat}] is not on Earth{hint}")
