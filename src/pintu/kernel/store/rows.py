"""Rows of the indexes beside an entity: its points by grid cell, its areas, its learned values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pintu.kernel.context.match import index_values, points, shapes
from pintu.kernel.context.match.distance import Box
from pintu.kernel.context.selection import Path
from pintu.kernel.store.kinds import KindRow

Doc = dict[str, Any]
Area = tuple[str, float, float, float, float]
"""Geoproperty, smallest longitude and latitude, largest of each."""
Value = tuple[int, Any, int, int]  # path, value, n, loose

PER_DEGREE = 200
"""Grid cells a degree: about 550 m, so that 1 km around a place is some five rows."""

COLUMNS = 360 * PER_DEGREE + 1
"""Cells in one row of the grid, both ends at the antimeridian included."""


def cell_of(lon: float, lat: float) -> int:
    """The grid cell of a point: row times `COLUMNS` plus column."""
    if -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0:  # every point of a fair document
        return int((lon + 180.0) * PER_DEGREE) + COLUMNS * int((lat + 90.0) * PER_DEGREE)
    return column_of(lon) + COLUMNS * row_of(lat)


def row_of(lat: float) -> int:
    """The row of the grid a latitude lies in."""
    return int((min(max(lat, -90.0), 90.0) + 90.0) * PER_DEGREE)


def column_of(lon: float) -> int:
    """The column of the grid a longitude lies in."""
    return int((min(max(lon, -180.0), 180.0) + 180.0) * PER_DEGREE)


def geo_rows(name: str, attribute: Any) -> tuple[set[tuple[float, float]], list[Area]]:
    """(longitude, latitude) of the points of one geoproperty, and the boxes of its other
    geometries.
    """
    if type(attribute) is dict:
        value = attribute.get("value")
        if type(value) is dict and value.get("type") == "Point":
            lon, lat = value["coordinates"][:2]
            return {(float(lon), float(lat))}, []
    elif attribute is None:
        return set(), []
    doc = {name: attribute}
    return {(lon, lat) for _, lon, lat in points(doc)}, shapes(doc)


def value_rows(kind: KindRow, n: int, doc: Doc) -> set[Value]:
    """What the learned indexes of a kind hold for a document.

    `loose` 0 promises that the path holds exactly this one number or text, so that a comparison
    with the entry is the comparison itself.
    """
    found: set[Value] = set()
    for path, index in kind.learned.items():
        found.update(rows_of_path(index.n, path, n, doc))
    return found


def rows_of_path(index: int, path: Path, n: int, doc: Doc) -> list[Value]:
    """The rows of one learned index for a document."""
    attribute = doc.get(path.attribute)
    entries = index_values(doc, path)
    if not entries:
        return []
    if len(entries) == 1 and type(attribute) is dict and not path.subs and not path.trail:
        value = attribute.get("value")
        entry = entries[0]
        exact = (
            attribute.get("type") == "Property" and type(value) is type(entry) and value == entry
        )
        return [(index, entry, n, 0 if exact and type(value) is not bool else 1)]
    return [(index, entry, n, 1) for entry in set(entries)]


def expiry_us(doc: Doc) -> int | None:
    """When the entity goes by itself (its `expiresAt`), µs since 1970 UTC; None: never."""
    text = doc.get("expiresAt")
    if type(text) is not str:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def cell_ranges(box: Box) -> tuple[int, int, int, int]:
    """(first row, last row, first column, last column) of the grid that a box touches."""
    west, south, east, north = box
    return row_of(south), row_of(north), column_of(west), column_of(east)


def cells_of(box: Box) -> list[int]:
    """Every cell that a box touches."""
    first_row, last_row, first_column, last_column = cell_ranges(box)
    return [
        row * COLUMNS + column
        for row in range(first_row, last_row + 1)
        for column in range(first_column, last_column + 1)
    ]
