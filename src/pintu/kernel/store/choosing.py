"""What every store asks itself before it looks for a selection: which kinds may hold a match, what
an index proves, which cells of the grid to read. Pure; the statements are each store's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Any

from pintu.kernel.context.match.distance import EARTH_RADIUS_M, Box
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
from pintu.kernel.store.rows import COLUMNS, PER_DEGREE, cell_ranges

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

WIDEST_M = 15_000.0
"""Of circles that `circle` tells; the box around it is no taller than `MOST_ROWS`."""

NARROWEST_M = 0.001
MOST_LATITUDE = 85.0
_CELL = 1.0 / PER_DEGREE
_HAIR = 1e-9
"""Degrees: more than rounding moves the edge of a cell, a tenth of a millimetre."""


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


Circle = tuple[float, float, float, float, float, float]
"""Latitude, longitude, then two ways to weigh squares of degrees: see `circle`."""


def circle(lon: float, lat: float, metres: float) -> Circle | None:
    """How to tell without a sine what is certainly within metres of a place, and what is not.

    With x and y the degrees east and north of it, `y*y + more*x*x <= inside` is certainly within
    and `y*y + less*x*x > outside` certainly not; (lat, lon, more, inside, less, outside). Only what
    lies in the thin ring between has its distance taken. True of points up to one cell of the grid
    outside of the box around the circle. None near a pole, for a large circle or next to none, or
    for a box that is read as one band.
    """
    angle = metres / EARTH_RADIUS_M
    if not NARROWEST_M <= metres <= WIDEST_M:
        return None
    cell = 1.0 / PER_DEGREE
    south, north = lat - degrees(angle) - cell, lat + degrees(angle) + cell
    if south < -MOST_LATITUDE or north > MOST_LATITUDE:
        return None
    here, far = cos(radians(lat)), cos(radians(max(abs(south), abs(north))))
    close = 1.0 if south < 0 < north else cos(radians(min(abs(south), abs(north))))
    # 4 sin(x/2)^2 lies between x^2 (1 - x^2/12) and x^2
    widest = asin(sin(angle) / far) + radians(cell) * 2
    limit = 4 * degrees(degrees(sin(angle / 2) ** 2))
    slack = 1e-9 + 4e-15 / angle  # degrees are rounded, which shows in millimetres
    outside = limit * (1 + slack) / (1 - widest * widest / 12)
    return lat, lon, here * close, limit * (1 - slack), here * far, outside


def cells_across(box: Box) -> list[tuple[int, int]]:
    """First and last cell of each row of the grid that a box touches, the middle row first: a page
    is mostly full after that one.
    """
    first_row, last_row, first_column, last_column = cell_ranges(box)
    count = last_row - first_row + 1
    if count > MOST_ROWS:
        return [(first_row * COLUMNS, (last_row + 1) * COLUMNS - 1)]
    first, last = first_row * COLUMNS + first_column, first_row * COLUMNS + last_column
    return [(first + row, last + row) for row in _from_the_middle(count)]


def cells_around(box: Box, told: Circle) -> Iterator[tuple[int, int]]:
    """The same of a circle in that box: of each row no more than the circle is wide there."""
    lat, lon, _, _, less, outside = told
    first_row, last_row, first_column, last_column = cell_ranges(box)
    # asked for every page near a place: written out, without `max`, `min` and `column_of`
    from_west = lon + 180.0
    for further in _from_the_middle(last_row - first_row + 1):
        row = first_row + further // COLUMNS
        south = row / PER_DEGREE - 90.0
        off = south - lat if south > lat else lat - south - _CELL
        half = outside
        if off > _HAIR:
            off -= _HAIR
            half -= off * off
        wide = sqrt(half / less) + _HAIR if half > 0 else _HAIR
        first, last = int((from_west - wide) * PER_DEGREE), int((from_west + wide) * PER_DEGREE)
        yield (
            row * COLUMNS + (first if first > first_column else first_column),
            row * COLUMNS + (last if last < last_column else last_column),
        )


@lru_cache(maxsize=MOST_ROWS)
def _from_the_middle(count: int) -> tuple[int, ...]:
    """How many cells further each of some rows begins, the middle row first."""
    middle = (count - 1) / 2
    return tuple(row * COLUMNS for row in sorted(range(count), key=lambda row: abs(row - middle)))
