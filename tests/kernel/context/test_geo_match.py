"""Geoqueries: distances against known ones, relations against shapely, boxes that miss nothing."""

from __future__ import annotations

from math import acos, cos, radians, sin
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from pintu.kernel.context.match import (
    EARTH_RADIUS_M,
    boxes_around,
    compile_selection,
    distance_m,
    geometry_distance_m,
    geometry_test,
    points,
    search_boxes,
    shapes,
)
from pintu.kernel.context.parse import parse_geo
from pintu.kernel.context.selection import GeoSelection, Selection
from pintu.kernel.jsonld import CORE

# Great-circle distances on a sphere of radius 6371008.8 m: the radius times the angle between the
# two unit vectors, worked out apart from this code.
KNOWN = [
    ((0, 0), (1, 0), 111195.0802335329),
    ((0, 0), (0, 1), 111195.0802335329),
    ((0, 0), (180, 0), 20015114.442035925),
    ((0, -90), (0, 90), 20015114.442035925),
    ((179.5, 0), (-179.5, 0), 111195.0802335329),
    ((0, 60), (1, 60), 55597.01086489693),
    ((120.1, 30.2), (120.2, 30.3), 14693.79497659305),
]


@pytest.mark.parametrize(("one", "other", "metres"), KNOWN)
def test_known_distances(one: Any, other: Any, metres: float) -> None:
    """The haversine gives what the sphere's geometry says."""
    assert pytest.approx(metres, rel=1e-9) == distance_m(*one, *other)
    assert distance_m(*other, *one) == distance_m(*one, *other)


LON = st.floats(-180, 180)
LAT = st.floats(-90, 90)


@given(LON, LAT, LON, LAT)
def test_haversine_equals_the_cosine_rule(
    lon1: float, lat1: float, lon2: float, lat2: float
) -> None:
    """Two formulas of one thing agree where the second is accurate."""
    metres = distance_m(lon1, lat1, lon2, lat2)
    a, b, apart = radians(lat1), radians(lat2), radians(lon2 - lon1)
    cosine = sin(a) * sin(b) + cos(a) * cos(b) * cos(apart)
    other = EARTH_RADIUS_M * acos(max(-1.0, min(1.0, cosine)))
    assert pytest.approx(other, abs=1.0) == metres


@given(LON, LAT, st.floats(1, 5_000_000), LON, LAT)
def test_the_search_box_holds_all_that_is_near(
    lon: float, lat: float, reach: float, lon2: float, lat2: float
) -> None:
    """No point within reach lies outside of the boxes a store would search."""
    if distance_m(lon, lat, lon2, lat2) <= reach:
        boxes = boxes_around((lon, lat, lon, lat), reach)
        assert any(
            west <= lon2 <= east and south <= lat2 <= north for west, south, east, north in boxes
        )


@given(LON, st.floats(-85, 85), st.floats(10, 100_000), st.floats(0, 360), st.floats(0, 0.999))
def test_close_points_are_in_the_search_box(
    lon: float, lat: float, reach: float, bearing: float, part: float
) -> None:
    """The same, with points made to lie within reach."""
    away = part * reach / EARTH_RADIUS_M
    lat2 = lat + away * 57.29577951308232 * cos(radians(bearing))
    lon2 = lon + away * 57.29577951308232 * sin(radians(bearing)) / max(cos(radians(lat)), 1e-9)
    lon2 = (lon2 + 180) % 360 - 180
    if not -90 <= lat2 <= 90 or distance_m(lon, lat, lon2, lat2) > reach:
        return
    assert any(
        west <= lon2 <= east and south <= lat2 <= north
        for west, south, east, north in boxes_around((lon, lat, lon, lat), reach)
    )


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def line(*places: list[float]) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": list(places)}


def test_distance_is_to_the_nearest_point_of_a_line() -> None:
    """A point a kilometre north of a parallel is a kilometre from the line along it."""
    found = geometry_distance_m(point(10, 60.009), line([0, 60], [10, 60]))
    assert pytest.approx(1000.76, abs=0.1) == found


def test_the_nearest_point_is_nearest_in_metres() -> None:
    """Near the pole a degree of longitude is short: the end that way is the nearer one."""
    found = geometry_distance_m(point(0, 85), line([1, 85], [0, 85.6]))
    assert 9_500 < found < 9_700


def test_distance_goes_the_short_way_round() -> None:
    """A line beyond the antimeridian is near."""
    found = geometry_distance_m(point(179.9, 0), line([-179.9, -1], [-179.9, 1]))
    assert pytest.approx(22239.0, rel=1e-3) == found


def test_inside_is_no_distance() -> None:
    """A point in a polygon is 0 m away, in its hole it is not."""
    holed = {
        "type": "Polygon",
        "coordinates": [
            [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]],
            [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]],
        ],
    }
    assert 0.0 == geometry_distance_m(point(2, 2), holed)
    assert pytest.approx(110_770, rel=1e-2) == geometry_distance_m(point(5, 5), holed)


COORDINATE = st.integers(0, 6)
PLACES = st.tuples(COORDINATE, COORDINATE).map(list)
BOXES = st.tuples(COORDINATE, COORDINATE, st.integers(1, 4), st.integers(1, 4)).map(
    lambda b: {
        "type": "Polygon",
        "coordinates": [
            [
                [b[0], b[1]],
                [b[0] + b[2], b[1]],
                [b[0] + b[2], b[1] + b[3]],
                [b[0], b[1] + b[3]],
                [b[0], b[1]],
            ]
        ],
    }
)
LINES = st.lists(PLACES, min_size=2, max_size=3, unique_by=tuple).map(
    lambda places: {"type": "LineString", "coordinates": places}
)
GEOMETRIES = (
    PLACES.map(lambda place: {"type": "Point", "coordinates": place})
    | BOXES
    | LINES
    | st.lists(PLACES, min_size=1, max_size=3).map(
        lambda places: {"type": "MultiPoint", "coordinates": places}
    )
)
RELATIONS = ["within", "contains", "intersects", "equals", "disjoint", "overlaps"]


@given(GEOMETRIES, GEOMETRIES, st.sampled_from(RELATIONS))
def test_relations_are_shapely_s(target: Any, reference: Any, relation: Any) -> None:
    """Quick ways for points and prepared shapes answer as the plain predicate does."""
    expected = bool(getattr(shapely, relation)(shape(target), shape(reference)))
    assert expected is geometry_test(GeoSelection(relation, reference))(target)


@given(GEOMETRIES, GEOMETRIES, st.sampled_from([*RELATIONS, "near"]))
def test_a_match_touches_a_search_box(target: Any, reference: Any, relation: Any) -> None:
    """What a store finds by boxes holds everything that matches."""
    reach = 100_000.0 if relation == "near" else None
    geo = GeoSelection(relation, reference, max_distance_m=reach)
    boxes = search_boxes(geo)
    if boxes is None or not geometry_test(geo)(target):
        return
    doc = {"id": "urn:x:1", "type": "T", "location": {"type": "GeoProperty", "value": target}}
    spans = [span[1:] for span in shapes(doc)] + [(x, y, x, y) for _, x, y in points(doc)]
    assert any(
        west <= east2 and west2 <= east and south <= north2 and south2 <= north
        for west, south, east, north in boxes
        for west2, south2, east2, north2 in spans
    )


def test_a_self_intersecting_polygon_is_an_area() -> None:
    """A bow tie counts as the two triangles it encloses."""
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    inside = geometry_test(GeoSelection("within", bow))
    assert True is inside(point(1.8, 1))
    assert False is inside(point(1, 1.8))


@pytest.mark.parametrize("broken", [{}, {"type": "Point"}, {"type": "X", "coordinates": []}])
@pytest.mark.parametrize("relation", [*RELATIONS, "near"])
def test_a_broken_geometry_does_not_match(broken: Any, relation: Any) -> None:
    """What cannot be read is not anywhere."""
    for reference in (point(0, 0), line([0, 0], [1, 1])):
        geo = GeoSelection(relation, reference, max_distance_m=10.0)
        assert False is geometry_test(geo)(broken)


def test_places_are_listed_for_an_index() -> None:
    """Points and boxes of all GeoProperties, each instance."""
    doc = {
        "id": "urn:x:1",
        "type": "T",
        "location": {"type": "GeoProperty", "value": point(1, 2)},
        "area": [
            {"type": "GeoProperty", "value": line([0, 0], [3, 4])},
            {"type": "GeoProperty", "value": point(5, 6), "datasetId": "urn:d"},
        ],
        "speed": {"type": "Property", "value": point(9, 9)},
        "all": {
            "type": "GeoProperty",
            "value": {"type": "GeometryCollection", "geometries": [point(1, 1), point(2, 3)]},
        },
    }
    assert [("location", 1.0, 2.0), ("area", 5.0, 6.0)] == points(doc)
    assert [("area", 0.0, 0.0, 3.0, 4.0), ("all", 1.0, 1.0, 2.0, 3.0)] == shapes(doc)


def test_near_on_any_property_and_instance() -> None:
    """The geoproperty is the one named; one instance within reach is enough; none is no match."""
    doc = {
        "id": "urn:x:1",
        "type": "T",
        "location": {"type": "GeoProperty", "value": point(0, 0)},
        "seen": [
            {"type": "GeoProperty", "value": point(8, 40)},
            {"type": "GeoProperty", "value": point(9, 41), "datasetId": "urn:d"},
        ],
    }

    def found(georel: str, geoproperty: str | None) -> bool:
        geo = parse_geo(georel, "Point", "[9,41]", geoproperty, CORE)
        return compile_selection(Selection(tenant=1, geo=geo))(doc)

    assert True is found("near;maxDistance==10", "seen")
    assert False is found("near;maxDistance==10", None)
    assert True is found("near;minDistance==10", None)
    assert False is found("disjoint", "nowhere")
