"""Keeps the rows of the indexes beside an entity true: points, areas, learned values."""

from __future__ import annotations

from typing import Any

import apsw

from pintu.kernel.context.match import shapes
from pintu.kernel.store.kinds import KindRow, Shape
from pintu.kernel.store.rows import Area, Value, cell_of, geo_rows, rows_of_path, value_rows
from pintu.kernel.store.sqlite.blocks import block_of
from pintu.kernel.store.sqlite.bulk import Bulk
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints

Doc = dict[str, Any]
_VALUE = "INSERT OR REPLACE INTO value(path, value, n, loose)"
_ONE_VALUE = f"{_VALUE} VALUES(?,?,?,?)"


class IndexRows:
    """Writes those rows; one instance, used by the writer thread inside its transaction."""

    def __init__(self, connection: apsw.Connection, names: Names, pending: PendingPoints) -> None:
        self._run = connection.cursor().execute
        self._db = connection
        self._names = names
        self.pending = pending
        self._values = Bulk(connection, _VALUE, 4)

    def flush(self) -> None:
        """Write what was only gathered."""
        if self._values.rows:
            self._values.flush()

    def rollback(self) -> None:
        """The transaction is gone."""
        self._values.rows = []

    def add_new(self, shape: Shape, n: int, doc: Doc) -> None:
        """A new entity: its point may wait in memory, the other rows are written."""
        kind = shape.kind
        if len(shape.geo) == 1:
            name = shape.geo[0]
            places, areas = geo_rows(name, doc[name])
            if len(places) == 1 and not areas:
                [(lon, lat)] = places
                path = kind.geo.get(("point", name)) or self._names.path(kind, "point", name)
                self.pending.add(path, n, lon, lat)
                if kind.learned:
                    self._values.rows += value_rows(kind, n, doc)
                return
        self.add(shape, n, doc)

    def add(self, shape: Shape, n: int, doc: Doc) -> None:
        """A document: write all its rows."""
        kind = shape.kind
        for name in shape.geo:
            places, areas = geo_rows(name, doc[name])
            if len(places) > 1:
                self._names.see("several")
            for lon, lat in places:
                self._add_point(kind, n, (name, lon, lat))
            for area in areas:
                self._add_area(kind, n, area)
        if kind.learned:
            for row in value_rows(kind, n, doc):
                self._add_value(row)

    def remove(self, shape: Shape, n: int, doc: Doc) -> None:
        """A document goes: delete all its rows."""
        self.flush()
        self.pending.settle(n)
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
        self.flush()
        kind = shape.kind
        names = shape.geo if shape.geo == old_shape.geo else {*shape.geo, *old_shape.geo}
        self.pending.settle(n)
        had_areas: list[Area] = []
        has_areas: list[Area] = []
        for name in names:
            if old.get(name) != new.get(name):
                before, had = geo_rows(name, old.get(name))
                after, has = geo_rows(name, new.get(name))
                if len(after) > 1:
                    self._names.see("several")
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
        for path, index in kind.learned.items():
            gone, come = rows_of_path(index.n, path, n, old), rows_of_path(index.n, path, n, new)
            if gone != come:
                self._move_values(gone, come)

    def _move_values(self, gone: list[Value], come: list[Value]) -> None:
        """The rows of one learned index; what it holds of several values has no order."""
        if len(gone) > 1 or len(come) > 1:
            had, has = set(gone), set(come)
            gone, come = list(had - has), list(has - had)
        for row in gone:
            self._remove_value(row)
        for row in come:
            self._add_value(row)

    def _add_point(self, kind: KindRow, n: int, point: tuple[str, float, float]) -> None:
        name, lon, lat = point
        path = kind.geo.get(("point", name)) or self._names.path(kind, "point", name)
        cell = cell_of(lon, lat)
        self._run(
            "INSERT OR IGNORE INTO point(path, cell, n, lon, lat) VALUES(?,?,?,?,?)",
            (path.n, cell, n, lon, lat),
        )
        self.pending.moved.touch(block_of(path.n, cell))

    def _remove_point(self, kind: KindRow, n: int, point: tuple[str, float, float]) -> None:
        name, lon, lat = point
        path = kind.geo.get(("point", name))
        if path is not None:
            cell = cell_of(lon, lat)
            self._run(
                "DELETE FROM point WHERE path=? AND cell=? AND n=? AND lon=? AND lat=?",
                (path.n, cell, n, lon, lat),
            )
            self.pending.moved.touch(block_of(path.n, cell))

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
        self._run(_ONE_VALUE, row)

    def _remove_value(self, row: Value) -> None:
        self._run("DELETE FROM value WHERE path=? AND value=? AND n=?", row[:3])
