"""Places: which cells of the grid and which boxes to read, and a distance that no rounding of
another machine's sines decides.

SQL compares the haversine of the angle itself (no root, no arc sine) with two bounds a hair apart:
below both a point is within reach on any machine; between them it is only a candidate, and `match`
decides as it does everywhere.
"""

from __future__ import annotations

from math import cos, pi, radians, sin
from typing import Any

from pintu.kernel.context.match import EARTH_RADIUS_M
from pintu.kernel.context.match.distance import Box
from pintu.kernel.context.selection import GeoSelection
from pintu.kernel.store.choosing import MOST_ROWS, around
from pintu.kernel.store.kinds import IndexPath
from pintu.kernel.store.rows import COLUMNS, cell_ranges

_HAIR = 1e-11
"""Relative: some 0.1 mm at the other side of the Earth's quarter, 5 nm at 1 km."""

Bindings = tuple[Any, ...]


def nearby(geo: GeoSelection) -> Bindings | None:
    """(latitude in radians, its cosine, longitude, sure bound, possible bound) of the haversine
    when one point's neighbourhood is asked for, else None.
    """
    place = around(geo)
    if place is None:
        return None
    lon, lat, metres = place
    angle = metres / (2 * EARTH_RADIUS_M)
    if angle >= pi / 2:
        sure = possible = 2.0
    elif angle < 0:
        sure = possible = -1.0
    else:
        square = sin(angle) ** 2
        sure, possible = square * (1 - _HAIR), square * (1 + _HAIR)
    phi = radians(lat)
    return phi, cos(phi), float(lon), sure, possible


def point_step(index: IndexPath, box: Box, near: Bindings | None) -> Bindings:
    """Bindings of the step that finds points in a box: path, the first cell of the middle row of
    the grid, the number of rows, how far the last cell of a row is from its first; the box; what
    `nearby` says.

    The statement begins with the middle row: a page is mostly full after that one. A tall box is
    one band of the grid.
    """
    first_row, last_row, first_column, last_column = cell_ranges(box)
    rows = last_row - first_row + 1
    if rows > MOST_ROWS:
        cells = (first_row * COLUMNS, 1, rows * COLUMNS - 1)
    else:
        middle = (first_row + last_row) // 2
        cells = (middle * COLUMNS + first_column, rows, last_column - first_column)
    west, south, east, north = box
    return (index.n, *cells, west, east, south, north, *(near or ()))


def area_step(index: IndexPath, box: Box) -> Bindings:
    """Bindings of the step that finds areas whose box touches this one."""
    return (index.n, *box)
