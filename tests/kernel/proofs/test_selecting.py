"""Scopes, types, places and q: what is selected is what naive evaluators select."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, shape

from pintu.kernel.context.match import matches
from pintu.kernel.context.parse import parse_geo, parse_q, parse_scope, parse_types
from pintu.kernel.context.selection import Selection
from pintu.kernel.jsonld import CORE
from tests.kernel.proofs.examples import tried

# --- scopes (4.19) and types (4.17) -----------------------------------------------------------
names = st.sampled_from(["a", "b", "c"])
scopes = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
patterns = st.builds(
    lambda parts, tail: "/" + "/".join(parts) + tail,
    st.lists(names | st.just("+"), min_size=1, max_size=3),
    st.sampled_from(["", "", "/#"]),
)
Tree = tuple[str, list["Tree"]] | str


def trees(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Expressions of leaves, `and` and `or`."""
    return st.recursive(
        leaves,
        lambda inner: st.tuples(
            st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)
        ),
        max_leaves=5,
    )


def written(tree: Any, either: str = ",", *, inside: bool = False) -> str:
    """The expression as a caller writes it: `;` and `either`, parentheses of what is in another."""
    if isinstance(tree, str):
        return tree
    kind, parts = tree
    sign = ";" if kind == "and" else either
    text = sign.join(written(part, either, inside=True) for part in parts)
    return f"({text})" if inside else text


def holds(tree: Any, leaf: Any) -> bool:
    """The expression with the truth of its leaves."""
    if isinstance(tree, str):
        return bool(leaf(tree))
    kind, parts = tree
    return (all if kind == "and" else any)(holds(part, leaf) for part in parts)


def naive_scope(pattern: str, held: list[str]) -> bool:
    """`+` stands for one level, `/#` at the end for any below, its own too."""
    wanted = pattern.strip("/").split("/")
    for scope in held:
        levels = scope.strip("/").split("/")
        below = wanted[-1] == "#"
        parts = wanted[:-1] if below else wanted
        fits = len(levels) >= len(parts) if below else len(levels) == len(parts)
        if fits and all(p in ("+", x) for p, x in zip(parts, levels, strict=False)):
            return True
    return False


@tried
@given(trees(patterns), st.lists(scopes, max_size=3, unique=True))
def test_scopes(tree: Any, held: list[str]) -> None:
    """An entity is within a scope expression when its scopes say so one by one."""
    document = {"id": "urn:x:1", "type": "T", **({"scope": held} if held else {})}
    asked = Selection(tenant=1, scope=parse_scope(written(tree)))
    expected = holds(tree, lambda pattern: naive_scope(pattern, held))
    assert expected == matches(document, asked, None)


@tried
@given(trees(st.sampled_from(["A", "B", "C"])), st.lists(st.sampled_from("ABC"), min_size=1))
def test_types(tree: Any, held: list[str]) -> None:
    """An entity is of a type expression when its types make it true."""
    document = {"id": "urn:x:1", "type": sorted(set(held))}
    asked = Selection(tenant=1, types=parse_types(written(tree), CORE))
    assert holds(tree, held.__contains__) == matches(document, asked, None)


# --- q (4.9), as it is written -----------------------------------------------------------------
@tried
@given(
    trees(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["p", "q", "r"]),
            st.sampled_from(["==", "!=", ">", "<", ">=", "<="]),
            st.integers(-2, 2),
        )
        | st.sampled_from(["p", "!q", "r"])
    ),
    st.dictionaries(st.sampled_from(["p", "q", "r"]), st.integers(-2, 2)),
)
def test_q(tree: Any, held: dict[str, int]) -> None:
    """The words of q mean what each says; an attribute that is not there meets no comparison."""

    def leaf(text: str) -> bool:
        for operator in ("==", "!=", ">=", "<=", ">", "<"):
            name, found, value = text.partition(operator)
            if found:
                if name not in held:
                    return False
                one, other = held[name], int(value)
                return {
                    "==": one == other, "!=": one != other, ">=": one >= other,
                    "<=": one <= other, ">": one > other, "<": one < other,
                }[operator]  # fmt: skip
        return text[1:] not in held if text.startswith("!") else text in held

    attributes = {name: {"type": "Property", "value": value} for name, value in held.items()}
    document = {"id": "urn:x:1", "type": "T", **attributes}
    asked = Selection(tenant=1, q=parse_q(written(tree, "|"), CORE))
    assert holds(tree, leaf) == matches(document, asked, None)


# --- places (4.10), on a grid where every answer is plain ----------------------------------------
corners = st.tuples(st.integers(0, 4), st.integers(0, 4))


@st.composite
def boxes(draw: st.DrawFn) -> dict[str, Any]:
    """A rectangle with whole corners."""
    (x, y), (w, h) = draw(corners), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    ring = [[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def naive_geo(relation: str, held: Any, asked: Any) -> bool:
    """Relations of rectangles and points by the cells of a fine grid inside and on their edges."""
    if relation == "disjoint":
        return not naive_geo("intersects", held, asked)
    if relation == "intersects":
        grid = [Point(x / 2, y / 2) for x, y in product(range(16), repeat=2)]
        return any(bool(held.intersects(at) and asked.intersects(at)) for at in grid)
    if relation == "equals":
        return bool(held.bounds == asked.bounds and held.geom_type == asked.geom_type)
    inner, outer = (held, asked) if relation == "within" else (asked, held)
    (x1, y1, x2, y2), (a1, b1, a2, b2) = inner.bounds, outer.bounds
    inside: bool = a1 <= x1 and b1 <= y1 and x2 <= a2 and y2 <= b2
    if inner.geom_type == "Point" and outer.geom_type == "Polygon":
        return bool(a1 < x1 < a2 and b1 < y1 < b2)  # a point on the edge is not within
    if outer.geom_type == "Point":
        return bool(inner.bounds == outer.bounds)
    return inside


@tried
@given(
    st.sampled_from(["within", "contains", "intersects", "equals", "disjoint"]),
    boxes() | corners.map(lambda at: {"type": "Point", "coordinates": list(at)}),
    boxes() | corners.map(lambda at: {"type": "Point", "coordinates": list(at)}),
)
def test_places(relation: str, held: dict[str, Any], asked: dict[str, Any]) -> None:
    """Rectangles and points stand to each other as their corners say."""
    document = {
        "id": "urn:x:1", "type": "T", "location": {"type": "GeoProperty", "value": held},
    }  # fmt: skip
    geo = parse_geo(relation, asked["type"], str(asked["coordinates"]), None, CORE)
    expected = naive_geo(relation, shape(held), shape(asked))
    assert expected == matches(document, Selection(tenant=1, geo=geo), None)
