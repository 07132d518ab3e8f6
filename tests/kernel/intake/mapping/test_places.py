"""Frames, and places as sources write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping.frames import (
    bd09_from_gcj02,
    gcj02_from_wgs84,
    metres,
    outside_china,
    suspected_frame,
    to_wgs84,
    wgs84_from_bd09,
    wgs84_from_gcj02,
)
from pintu.kernel.intake.mapping.points import one_value, two_columns

CHINA = st.tuples(st.floats(73.5, 135.5), st.floats(4, 53.5))
WORLD = st.tuples(st.floats(-180, 180), st.floats(-85, 85))
HANGZHOU = (120.1551, 30.2741)


@given(CHINA)
def test_gcj02_comes_back_within_half_a_metre(place: tuple[float, float]) -> None:
    """There and back; in truth within a millimetre."""
    assert metres(place, wgs84_from_gcj02(*gcj02_from_wgs84(*place))) < 0.001


@given(CHINA)
def test_bd09_comes_back_within_a_metre(place: tuple[float, float]) -> None:
    """Two steps there, two back."""
    there = bd09_from_gcj02(*gcj02_from_wgs84(*place))
    assert metres(place, wgs84_from_bd09(*there)) < 0.01


@given(WORLD.filter(lambda place: outside_china(*place)))
def test_outside_china_nothing_moves(place: tuple[float, float]) -> None:
    """The formula is for China alone."""
    assert place == gcj02_from_wgs84(*place) == wgs84_from_gcj02(*place) == wgs84_from_bd09(*place)


def test_the_offset_is_that_of_the_country() -> None:
    """In Hangzhou some 500 m; a published pair (Tiananmen) agrees within metres."""
    assert 400 < metres(HANGZHOU, gcj02_from_wgs84(*HANGZHOU)) < 600
    assert metres((116.403694, 39.916527), gcj02_from_wgs84(116.397451, 39.915119)) < 5


def test_any_epsg_frame_is_read() -> None:
    """CGCS 2000 three-degree zones and state-plane metres land where they should."""
    zone = to_wgs84("EPSG:4549")  # CGCS2000 / 3-degree Gauss-Kruger CM 120E
    assert zone is not None
    lon, lat = zone(514_936.0, 3_350_650.0)
    assert metres((lon, lat), (120.1551, 30.2741)) < 400
    assert to_wgs84("CGCS2000") is None and to_wgs84("EPSG:4490") is None
    for wrong in ("EPSG:999999", "Mars"):
        with pytest.raises(ConfigurationError):
            to_wgs84(wrong)
    with pytest.raises(BadInput):
        zone(1e12, 1e12)


def test_a_wrong_frame_is_suspected_by_things_whose_place_is_known() -> None:
    """Points that are 500 m off, and fall on their place as GCJ-02: that frame is named."""
    places = [(120.1 + n / 100, 30.2 + n / 150) for n in range(12)]
    assert "GCJ-02" == suspected_frame([(gcj02_from_wgs84(*one), one) for one in places], "WGS-84")
    bd = [(bd09_from_gcj02(*gcj02_from_wgs84(*one)), one) for one in places]
    assert "BD-09" == suspected_frame(bd, "WGS-84")
    assert "WGS-84" == suspected_frame([(wgs84_from_gcj02(*one), one) for one in places], "GCJ-02")
    assert suspected_frame([(one, one) for one in places], "WGS-84") is None
    scattered = [((x + 0.004 * (-1) ** n, y), (x, y)) for n, (x, y) in enumerate(places)]
    assert suspected_frame(scattered, "WGS-84") is None


@pytest.mark.parametrize(
    "told",
    [
        "120.1,30.2",
        "（120.1，30.2）",
        "[120.1, 30.2]",
        "120.1 30.2",
        "POINT(120.1 30.2)",
        "SRID=4490;POINT (120.1 30.2)",
        '{"type":"Point","coordinates":[120.1,30.2]}',
        {"type": "Point", "coordinates": [120.1, 30.2, 5]},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [120.1, 30.2]}},
        {"lng": "120.1", "lat": 30.2},
        [120.1, 30.2],
        "120°6′0″E,30°12′N",
    ],
)
def test_a_place_in_one_value(told: Any) -> None:
    """Text, list, object, GeoJSON and WKT say one place."""
    found = one_value("WGS-84")(told)
    assert found is not None
    assert [120.1, 30.2] == [round(one, 9) for one in found["coordinates"]]


def test_swapped_columns_are_noticed_with_words() -> None:
    """A latitude of 120 cannot be; the reason says what to do."""
    with pytest.raises(BadInput, match="look swapped") as refused:
        two_columns("WGS-84")(["30.2", "120.1"])
    assert "颠倒" in refused.value.extra["zh"]


@pytest.mark.parametrize(
    "told",
    ["杭州", "", "1", {"type": "Point", "coordinates": []}, {"type": "Circle"}, [1], "nan,nan", 5,
     {"type": "Polygon", "coordinates": [[[1, 2], "x"]]}, "{" * 5000, "500000,3300000",
     {"type": ["Point"], "coordinates": [1, 2]}, {"type": "Feature", "geometry": None}],
)  # fmt: skip
def test_what_is_no_place_is_refused(told: Any) -> None:
    """Never half a place."""
    with pytest.raises(BadInput):
        one_value("WGS-84")(told)


def test_nought_nought_is_no_place() -> None:
    """Instruments write 0,0 when they do not know: nothing is said."""
    assert two_columns("WGS-84")(["0", "0.0"]) is None


def test_shapes_are_moved_point_by_point() -> None:
    """A polygon in GCJ-02 lands in WGS-84; one too large is refused."""
    ring = [[120.0, 30.0], [120.1, 30.0], [120.1, 30.1], [120.0, 30.0]]
    moved = [list(gcj02_from_wgs84(*one)) for one in ring]
    found = one_value("GCJ-02")(json.dumps({"type": "Polygon", "coordinates": [moved]}))
    assert found is not None
    for here, there in zip(found["coordinates"][0], ring, strict=True):
        assert metres((here[0], here[1]), (there[0], there[1])) < 0.05
    with pytest.raises(BadInput, match="positions"):
        one_value("WGS-84")({"type": "LineString", "coordinates": [[1, 2]] * 100_001})


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.floats() | st.text(max_size=5),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "coordinates", "lon", "lat", "geometry"]), more, max_size=3),
    max_leaves=8,
))  # fmt: skip
def test_nothing_breaks_it(value: Any) -> None:
    """Any JSON is a place, or refused."""
    try:
        found = one_value("BD-09")(value)
    except BadInput:
        return
    assert found is None or found["type"]
