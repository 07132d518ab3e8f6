"""Types, scopes, geoqueries, orderings and id patterns: read, or refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_order,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.selection import GeoSelection, OrderKey, Path
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A", [{"A"}]),
        ("A,B", [{"A"}, {"B"}]),
        ("A|B", [{"A"}, {"B"}]),
        ("A;B", [{"A", "B"}]),
        ("(A;B),C", [{"A", "B"}, {"C"}]),
        ("(A,B);C", [{"A", "C"}, {"B", "C"}]),
        ("https://ex.org/T#x,A", [{"https://ex.org/T#x"}, {"A"}]),
        ("https%3A%2F%2Fex.org%2FT", [{"https://ex.org/T"}]),
    ],
)
def test_a_type_selection_is_a_list_of_conjunctions(text: str, expected: list[set[str]]) -> None:
    """4.17: `,` and `|` are or, `;` is and, parentheses group."""
    selection = parse_types(text, CORE)
    assert selection is not None
    assert expected == [set(one) for one in selection.any_of]


def test_a_star_is_every_type() -> None:
    """`*` selects nothing out."""
    assert None is parse_types("*", CORE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a/b", [("/a/b",)]),
        ("a/b", [("/a/b",)]),
        ("/a/+", [("/a/+",)]),
        ("/+/b/#", [("/+/b/#",)]),
        ("/#", [("/#",)]),
        ("/a;/b", [("/a", "/b")]),
        ("/a,/b", [("/a",), ("/b",)]),
        ("(/a;/b)|/c", [("/a", "/b"), ("/c",)]),
    ],
)
def test_a_scope_query_is_a_list_of_conjunctions(
    text: str, expected: list[tuple[str, ...]]
) -> None:
    """4.19, with `+` for one level and `#` for any below."""
    assert expected == list(parse_scope(text).any_of)


@pytest.mark.parametrize("text", ["", "/", "/a//b", "/a/#/b", "/a;", "(/a", "/a b", "/a/"])
def test_a_broken_scope_query_is_refused(text: str) -> None:
    """The error names the text that was read."""
    with pytest.raises(BadRequestData, match="scopeQ"):
        parse_scope(text)


@pytest.mark.parametrize("text", ["", "A,", "(A", "A;;B", "A B", "A,*", 5])
def test_a_broken_type_selection_is_refused(text: Any) -> None:
    """The error names the text that was read."""
    with pytest.raises(BadRequestData, match="type"):
        parse_types(text, CORE)


def test_a_selection_may_not_explode() -> None:
    """A product of alternatives is counted before it is made."""
    with pytest.raises(BadRequestData, match="combinations"):
        parse_types(";".join("(A,B,C,D)" for _ in range(8)), CORE)


SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]


def test_a_geoquery_is_read() -> None:
    """4.10: near takes exactly one distance; coordinates are JSON text or an array."""
    point = {"type": "Point", "coordinates": [8, 40]}
    assert GeoSelection("near", point, max_distance_m=2000.0) == parse_geo(
        "near;maxDistance==2000", "Point", "[8,40]", None, CORE
    )
    assert GeoSelection("near", point, "place", min_distance_m=0.5) == parse_geo(
        "near;minDistance==0.5", "Point", [8, 40], "place", CORE
    )
    assert GeoSelection("within", {"type": "Polygon", "coordinates": SQUARE}) == parse_geo(
        "within", "Polygon", SQUARE, None, CORE
    )
    assert None is parse_geo(None, None, None, None, CORE)


@pytest.mark.parametrize(
    ("georel", "geometry", "coordinates"),
    [
        ("near", "Point", "[8,40]"),
        ("near;maxDistance==0", "Point", "[8,40]"),
        ("near;maxDistance==-100", "Point", "[8,40]"),
        ("near;maxDistance==inf", "Point", "[8,40]"),
        ("near;maxDistance==1e400", "Point", "[8,40]"),
        ("near;maxDistance==5;minDistance==1", "Point", "[8,40]"),
        ("near;maxDistance=5", "Point", "[8,40]"),
        ("touches", "Point", "[8,40]"),
        ("within", None, "[8,40]"),
        (None, "Point", "[8,40]"),
        ("within", "Point", None),
        ("within", "Circle", "[8,40]"),
        ("within", "Point", "8,40"),
        ("within", "Point", "[[8,40]]"),
        ("within", "Point", "[8]"),
        ("within", "Point", '["8","40"]'),
        ("within", "Point", "[true,false]"),
        ("within", "Point", "[8,NaN]"),
        ("within", "Point", "[40,120]"),
        ("within", "Polygon", "[[[0,0],[1,0],[1,1]]]"),
        ("within", "Polygon", "[[[0,0],[1,0],[1,1],[2,2]]]"),
        ("within", "LineString", "[[0,0]]"),
        ("within", "MultiPoint", "[]"),
        ("within", "Point", "{}"),
        (5, "Point", "[8,40]"),
    ],
)
def test_a_broken_geoquery_is_refused(georel: Any, geometry: Any, coordinates: Any) -> None:
    """Each parameter is checked for itself."""
    with pytest.raises(BadRequestData):
        parse_geo(georel, geometry, coordinates, None, CORE)


def test_swapped_coordinates_get_a_hint() -> None:
    """Somebody who writes latitude first is told so."""
    with pytest.raises(BadRequestData, match="longitude comes first"):
        parse_geo("equals", "Point", "[30.2,120.1]", None, CORE)


def test_too_many_positions_are_refused() -> None:
    """A geometry has a size limit of its own."""
    with pytest.raises(BadRequestData, match="more positions"):
        parse_geo("equals", "MultiPoint", [[0, 0]] * 10_001, None, CORE)


def test_an_ordering_is_read() -> None:
    """4.23: members in order, each with its direction, distances from one place."""
    expected = (
        OrderKey(Path("type"), collation="de-u-co-phonebk"),
        OrderKey(Path("name", ("sub",)), descending=True, collation="de-u-co-phonebk"),
        OrderKey(Path("address", (), ("city",)), collation="de-u-co-phonebk"),
        OrderKey(
            Path("location"), True, by_distance_from={"type": "Point", "coordinates": [8, 40]}
        ),
    )
    text = "type;asc,name.sub;desc,address[city],location;dist-desc"
    options = {"order_from": "[8,40]", "collation": "de-u-co-phonebk"}
    assert expected == parse_order(text, CORE, **options)
    assert expected == parse_order(text.split(","), CORE, **options)


@pytest.mark.parametrize(
    ("order_by", "options"),
    [
        ("", {}),
        ([], {}),
        ([5], {}),
        (5, {}),
        ("a;up", {}),
        ("a;", {}),
        ("a,,b", {}),
        (",".join("a" for _ in range(17)), {}),
        ("location;dist-asc", {}),
        ("location;dist-asc", {"order_from": "8,40"}),
        (["location;dist-asc"], {"order_from": "8,40"}),
        ("id", {"order_geometry": 5}),
        ("id", {"collation": "!!nope"}),
        ("id", {"collation": "not a bcp47 tag!!"}),
        ("id", {"collation": 5}),
    ],
)
def test_a_broken_ordering_is_refused(order_by: Any, options: dict[str, Any]) -> None:
    """Nothing is sorted by a rule that was not understood."""
    with pytest.raises(BadRequestData):
        parse_order(order_by, CORE, **options)


@pytest.mark.parametrize("pattern", ["invalid**", "(", "x" * 513, "(?<=a)b", "\ud800"])
def test_a_broken_id_pattern_is_refused(pattern: str) -> None:
    """5.7.2: an idPattern that does not compile is BadRequestData."""
    with pytest.raises(BadRequestData):
        parse_id_pattern(pattern)


@given(st.text(max_size=40))
def test_no_text_breaks_a_reader(text: str) -> None:
    """Whatever comes is a selection or BadRequestData."""
    for read in (
        lambda: parse_types(text, CORE),
        lambda: parse_scope(text),
        lambda: parse_order(text, CORE),
        lambda: parse_geo(text, text, text, text, CORE),
        lambda: parse_id_pattern(text),
    ):
        try:
            read()
        except BadRequestData:
            continue
