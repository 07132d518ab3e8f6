"""Rows of the indexes beside an entity: its points by grid cell, its areas, its learned values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import apsw

from pintu.kernel.context.match import index_values, points, shapes
from pintu.kernel.context.match.distance import Box
from pintu.kernel.context.selection import Path
from pintu.kernel.store.sqlite.names import KindRow, Names, Shape

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


class IndexRows:
    """Writes those rows; one instance, used by the writer thread inside its transaction."""

    def __init__(self, connection: apsw.Connection, names: Names) -> None:
        self._run = connection.cursor().execute
        self._db = connection
        self._names = names

    def add(self, shape: Shape, n: int, doc: Doc) -> None:
        """A new document: write all its rows."""
        kind = shape.kind
        for name in shape.geo:
            places, areas = geo_rows(name, doc[name])
            for lon, lat in places:
                self._add_point(kind, n, (name, lon, lat))
            for area in areas:
                self._add_area(kind, n, area)
        if kind.learned:
            for row in value_rows(kind, n, doc):
                self._add_value(row)

    def remove(self, shape: Shape, n: int, doc: Doc) -> None:
        """A document goes: delete all its rows."""
        kind = shape.kind
        for name in shape.geo:
            places, areas = geo_rows(name, doc[name])
            for lon, lat in places:
                self._remove_point(kind, n, (name, lon, lat))
            if areas:
                self._remove_areas(n)
        if kind.learned:
            for row in value_rows(kind, n, doc):
                self._remove_value(row)

    def move(self, old_shape: Shape, shape: Shape, n: int, docs: tuple[Doc, Doc]) -> None:
        """A document changed: touch only the rows that differ."""
        old, new = docs
        if old_shape.kind is not shape.kind:
            self.remove(old_shape, n, old)
            self.add(shape, n, new)
            return
        kind = shape.kind
        names = shape.geo if shape.geo == old_shape.geo else {*shape.geo, *old_shape.geo}
        had_areas: list[Area] = []
        has_areas: list[Area] = []
        for name in names:
            if old.get(name) != new.get(name):
                before, had = geo_rows(name, old.get(name))
                after, has = geo_rows(name, new.get(name))
                for lon, lat in before - after:
                    self._remove_point(kind, n, (name, lon, lat))
                for lon, lat in after - before:
                    self._add_point(kind, n, (name, lon, lat))
                had_areas += had
                has_areas += has
        if had_areas != has_areas:
            self._remove_areas(n)
            for area in shapes(new):
                self._add_area(kind, n, area)
        if kind.learned:
            had_values, has_values = value_rows(kind, n, old), value_rows(kind, n, new)
            for row in had_values - has_values:
                self._remove_value(row)
            for row in has_values - had_values:
                self._add_value(row)

    def _add_point(self, kind: KindRow, n: int, point: tuple[str, float, float]) -> None:
        name, lon, lat = point
        path = kind.geo.get(("point", name)) or self._names.path(kind, "point", name)
        self._run(
            "INSERT OR IGNORE INTO point(path, cell, n, lon, lat) VALUES(?,?,?,?,?)",
            (path.n, cell_of(lon, lat), n, lon, lat),
        )

    def _remove_point(self, kind: KindRow, n: int, point: tuple[str, float, float]) -> None:
        name, lon, lat = point
        path = kind.geo.get(("point", name))
        if path is not None:
            self._run(
                "DELETE FROM point WHERE path=? AND cell=? AND n=? AND lon=? AND lat=?",
                (path.n, cell_of(lon, lat), n, lon, lat),
            )

    def _add_area(self, kind: KindRow, n: int, area: Area) -> None:
        name, west, south, east, north = area
        path = self._names.path(kind, "area", name)
        self._run("INSERT INTO area(n, path) VALUES(?,?)", (n, path.n))
        self._run(
            "INSERT INTO box(a, west, east, south, north) VALUES(?,?,?,?,?)",
            (self._db.last_insert_rowid(), west, east, south, north),
        )

    def _remove_areas(self, n: int) -> None:
        for (a,) in self._run("SELECT a FROM area WHERE n=?", (n,)).fetchall():
            self._run("DELETE FROM box WHERE a=?", (a,))
            self._run("DELETE FROM area WHERE a=?", (a,))

    def _add_value(self, row: Value) -> None:
        self._run("INSERT OR REPLACE INTO value(path, value, n, loose) VALUES(?,?,?,?)", row)

    def _remove_value(self, row: Value) -> None:
        self._run("DELETE FROM value WHERE path=? AND value=? AND n=?", row[:3])


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
