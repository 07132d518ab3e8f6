"""What every store asks itself before it looks for a selection: which kinds may hold a match, what
an index proves, which cells of the grid to read. Pure; the statements are each store's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pintu.kernel.context.match.distance import Box
from pintu.kernel.context.match.hints import Hint
from pintu.kernel.context.selection import (
    And,
    Compare,
    GeoSelection,
    OneOf,
    Path,
    Q,
    Range,
    Selection,
)
from pintu.kernel.store.kinds import KindRow, Shape
from pintu.kernel.store.rows import COLUMNS, cell_ranges

SHORT_TEXT = 20
"""Texts shorter than this are no date-times: what an index holds of them is the text itself."""

SMALL_KIND = 500
"""Entities of a kind up to which looking at all of them is as good as an index."""

MANY = 5_000
"""Entities among which a rare attribute is not looked for on the loop."""

PROBE = 200
"""Rows counted to tell the better of two indexes."""

MOST_ROWS = 64
"""Rows of grid cells read one by one; a taller box is read as one band of the grid."""


# --- kinds and shapes -----------------------------------------------------------------------------
def wanted(kind: KindRow, selection: Selection) -> bool:
    """May an entity of this kind satisfy the selection's types and attributes?"""
    if not of_types(kind, selection):
        return False
    if not selection.attributes:
        return kind.count > 0
    return any(
        shape.count and has(shape.by_name, selection) for shape in list(kind.shapes.values())
    )


def of_types(kind: KindRow, selection: Selection) -> bool:
    """Are entities of this kind of the types asked for?"""
    types = selection.types
    return types is None or any(one <= kind.types_set for one in types.any_of)


def has(by_name: dict[str, str], selection: Selection) -> bool:
    """Does a shape have one of the attributes asked for?"""
    return any(name in by_name for name in selection.attributes)


def good_shapes(kind: KindRow, selection: Selection) -> tuple[list[Shape], bool]:
    """The shapes of a kind with one of the attributes asked for, and whether those are all."""
    shapes = [shape for shape in list(kind.shapes.values()) if shape.count]
    good = [shape for shape in shapes if has(shape.by_name, selection)]
    return good, len(good) == len(shapes)


def counted(kinds: Iterable[KindRow], selection: Selection) -> int:
    """How many entities of these kinds have one of the attributes asked for."""
    return sum(
        shape.count
        for kind in kinds
        for shape in list(kind.shapes.values())
        if not selection.attributes or has(shape.by_name, selection)
    )


def remaining(selection: Selection) -> set[str]:
    """What an index over types and shapes does not prove."""
    left = {
        "q": selection.q,
        "geo": selection.geo,
        "scope": selection.scope,
        "id_pattern": selection.id_pattern,
    }
    return {name for name, value in left.items() if value}


# --- values ---------------------------------------------------------------------------------------
def proves(q: Q | None, hint: Hint) -> bool:
    """Is an entry without `loose` that lies in the hint's range a match of the whole q?

    Only for one comparison of an attribute's own value with numbers (any order) or short texts
    (equality).
    """
    if isinstance(q, And) and len(q.parts) == 1:
        return proves(q.parts[0], hint)
    if not isinstance(q, Compare) or q.path != hint[0] or q.op != hint[1]:
        return False
    return not q.path.subs and not q.path.trail and _plain(q.value, q.op)


def _plain(value: Any, op: str) -> bool:
    if isinstance(value, OneOf):
        return all(_plain(one, op) for one in value.values)
    if isinstance(value, Range):
        return all(type(end) in (int, float) for end in (value.low, value.high))
    if type(value) in (int, float):
        return True
    return type(value) is str and op == "==" and len(value) < SHORT_TEXT


def shown(path: Path) -> str:
    """A value path as a plan names it."""
    trail = f"[{'.'.join(path.trail)}]" if path.trail else ""
    return ".".join((path.attribute, *path.subs)) + trail


# --- places ---------------------------------------------------------------------------------------
def around(geo: GeoSelection) -> tuple[float, float, float] | None:
    """(longitude, latitude, metres) when one point's neighbourhood is asked for, else None."""
    if geo.relation != "near" or geo.geometry.get("type") != "Point" or geo.max_distance_m is None:
        return None
    if geo.min_distance_m is not None:
        return None
    lon, lat = geo.geometry["coordinates"][:2]
    return lon, lat, geo.max_distance_m


def cells_across(box: Box) -> list[tuple[int, int]]:
    """First and last cell of each row of the grid that a box touches, the middle row first: a page
    is mostly full after that one.
    """
    first_row, last_row, first_column, last_column = cell_ranges(box)
    rows = range(first_row, last_row + 1)
    if len(rows) > MOST_ROWS:
        return [(first_row * COLUMNS, (last_row + 1) * COLUMNS - 1)]
    middle = (first_row + last_row) / 2
    ordered = sorted(rows, key=lambda row: abs(row - middle))
    return [(row * COLUMNS + first_column, row * COLUMNS + last_column) for row in ordered]
