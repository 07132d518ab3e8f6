"""What the indexes of the new store hold for an entity: made anew from its document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pintu.kernel.store.kinds import IndexPath, KindRow, Shape
from pintu.kernel.store.moving.rows import BODY, KIND, SHAPE, Derived, N, Row
from pintu.kernel.store.rows import cell_of, geo_rows, value_rows

OWN_PATHS = 1_000_000
"""Paths that the source does not number and the target needs are numbered from here on."""


class Deriver:
    """Knows the names of the source; `refresh` when something is not known."""

    def __init__(self) -> None:
        self.kinds: dict[int, KindRow] = {}
        self.shapes: dict[int, Shape] = {}
        self.paths: dict[int, IndexPath] = {}
        self.made: list[IndexPath] = []  # of our own, not written yet

    def refresh(self, small: dict[str, list[Row]], learned: frozenset[int]) -> None:
        """Take in tenants, kinds, shapes and paths; `learned`: paths whose values are made here."""
        for n, tenant, types in small["kind"]:
            if n not in self.kinds:
                self.kinds[n] = KindRow(n, tenant, tuple(orjson.loads(types)))
        for n, kind, attributes, count in small["shape"]:
            if n not in self.shapes:
                pairs = tuple((name, form) for name, form in orjson.loads(attributes))
                self.shapes[n] = Shape(n, self.kinds[kind], pairs, count)
        for n, kind, form, text, *_ in small["path"]:
            if n not in self.paths and (form != "value" or n in learned):
                self._keep(IndexPath(n, self.kinds[kind], form, text))

    def _keep(self, path: IndexPath) -> None:
        self.paths[path.n] = path
        if path.form == "value":
            path.kind.learned = {**path.kind.learned, path.path: path}
        else:
            path.kind.geo[path.form, path.text] = path

    def forget(self, n: int) -> None:
        """A path of values is no longer kept."""
        path = self.paths.pop(n, None)
        if path is not None:
            kept = {key: one for key, one in path.kind.learned.items() if one is not path}
            path.kind.learned = kept

    def tenant_of(self, kind: int) -> int:
        """The tenant of a kind."""
        return self.kinds[kind].tenant

    def knows(self, rows: Sequence[Row]) -> bool:
        """Are kinds and shapes of these entities known?"""
        return all(row[SHAPE] in self.shapes and row[KIND] in self.kinds for row in rows)

    def derive(self, rows: Sequence[Row]) -> Derived:
        """What the indexes hold for entities."""
        found = Derived()
        for row in rows:
            shape = self.shapes[row[SHAPE]]
            kind = shape.kind
            if not shape.geo and not kind.learned:
                continue
            doc, n = orjson.loads(row[BODY]), row[N]
            for name in shape.geo:
                self._geo(found, kind, (n, name), doc.get(name))
            if kind.learned:
                found.values.extend(value_rows(kind, n, doc))
        return found

    def _geo(self, found: Derived, kind: KindRow, key: tuple[int, str], attribute: Any) -> None:
        n, name = key
        places, areas = geo_rows(name, attribute)
        if places:
            path = self._path(kind, "point", name)
            found.points.extend((path, cell_of(lon, lat), n, lon, lat) for lon, lat in places)
        if areas:
            path = self._path(kind, "area", name)
            found.areas.extend((path, n, area[1:]) for area in areas)

    def _path(self, kind: KindRow, form: str, name: str) -> int:
        path = kind.geo.get((form, name))
        if path is None:
            path = IndexPath(max(OWN_PATHS, *self.paths, 0) + 1, kind, form, name)
            self._keep(path)
            self.made.append(path)
        return path.n

    def take_made(self) -> list[Row]:
        """Paths of our own that are to be written."""
        made, self.made = self.made, []
        return [(one.n, one.kind.n, one.form, one.text, "ready", 0, 0, 0) for one in made]
