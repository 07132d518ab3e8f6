"""What a group changes in the end, as rows for the arms of its statement.

However often a group touched an entity, its row is written once: as it was before against as it
is after. The same holds for its points, areas and learned values.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from pintu.kernel.store.kinds import IndexPath, Shape
from pintu.kernel.store.port import VERB_NUMBER
from pintu.kernel.store.postgres.apply import Entry, Group, Work
from pintu.kernel.store.postgres.cache import Key
from pintu.kernel.store.postgres.learned import index_rows
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.statements import Arms
from pintu.kernel.store.rows import cell_of, geo_rows

Doc = dict[str, Any]
Rows = list[tuple[Any, ...]]
SLICE = 100
"""Entities looked at before the loop has its turn."""

NONE: tuple[dict[Any, int], dict[Any, int]] = ({}, {})
Point = tuple[IndexPath, float, float]


class Net:
    """Rows for each arm; paths that are new are met here and numbered before `arms`."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.inserts: Rows = []
        self.narrows: Rows = []
        self.wides: Rows = []
        self.anews: Rows = []
        self.deletes: list[int] = []
        self.buried: Rows = []
        self.unburied: Rows = []
        self.points: Rows = []
        self.no_points: Rows = []
        self.areas: Rows = []
        self.no_areas: list[int] = []
        self.values: tuple[Rows, Rows] = ([], [])  # numbers and words
        self.no_values: tuple[Rows, Rows] = ([], [])

    # --- one entity ------------------------------------------------------------------------------
    def add(self, key: Key, work: Work) -> None:
        """An entity that the group touched."""
        start, row = work.start, work.row
        if row is None:
            assert work.last is not None
            if start is not None:
                self.deletes.append(start.record.number)
                self._index(work)
            self.buried.append((*key, -work.last, work.last_at))
            return
        if work.indexed:
            self._index(work)
        if start is None:
            self.inserts.append((key, work))
            if work.dead:
                self.unburied.append((*key, None, None))
        elif not work.indexed:
            self.narrows.append((key, work))
        elif start.record.number == row.record.number:
            self.wides.append((key, work))
        else:
            self.anews.append((key, work))

    def _index(self, work: Work) -> None:
        start, row = work.start, work.row
        was = start.shape if start is not None else None
        now = row.shape if row is not None else None
        old_n = start.record.number if start is not None else 0
        new_n = row.record.number if row is not None else 0
        if was is None and now is not None and work.doc is not None:
            self._new(now, work.doc, new_n)
            return
        had = was is not None and bool(was.geo or was.kind.learned)
        has = now is not None and bool(now.geo or now.kind.learned)
        if not had and not has:
            return
        old: Doc = orjson.loads(start.record.body) if start is not None and had else {}
        new: Doc = work.doc if work.doc is not None and has else {}
        moved = old_n != new_n or was is None or now is None or was.kind is not now.kind
        self._points(was, old, old_n, now, new, new_n, moved)
        if (was is not None and was.kind.learned) or (now is not None and now.kind.learned):
            self._values(was, old, old_n, now, new, new_n)

    def _new(self, shape: Shape, doc: Doc, n: int) -> None:
        """A new entity: all its rows."""
        if shape.geo:
            points, areas = self._places(shape, doc)
            self.points += [(path, lon, lat, n) for path, lon, lat in points]
            self.areas += [(n, *area) for area in areas]
        if shape.kind.learned:
            for rows, come in zip(index_rows(shape.kind, n, doc), self.values, strict=True):
                come += [(*key, loose) for key, loose in rows.items()]

    def _points(
        self,
        was: Shape | None,
        old: Doc,
        old_n: int,
        now: Shape | None,
        new: Doc,
        new_n: int,
        moved: bool,
    ) -> None:
        before, had = self._places(was, old)
        after, has = self._places(now, new)
        gone, come = (before, after) if moved else (before - after, after - before)
        self.no_points += [(path, lon, lat, old_n) for path, lon, lat in gone]
        self.points += [(path, lon, lat, new_n) for path, lon, lat in come]
        if moved or had != has:
            if had:
                self.no_areas.append(old_n)
            self.areas += [(new_n, *area) for area in has]

    def _places(self, shape: Shape | None, doc: Doc) -> tuple[set[Point], Rows]:
        """Points and areas of a document, each with its path."""
        points: set[Point] = set()
        areas: Rows = []
        for name in shape.geo if shape is not None else ():
            assert shape is not None
            found, boxes = geo_rows(name, doc[name])
            if found:
                path = self._names.path(shape.kind, "point", name)
                points.update((path, lon, lat) for lon, lat in found)
            if boxes:
                path = self._names.path(shape.kind, "area", name)
                areas += [(path, *box[1:]) for box in boxes]
        return points, areas

    def _values(
        self, was: Shape | None, old: Doc, old_n: int, now: Shape | None, new: Doc, new_n: int
    ) -> None:
        before = index_rows(was.kind, old_n, old) if was is not None and was.kind.learned else NONE
        after = index_rows(now.kind, new_n, new) if now is not None and now.kind.learned else NONE
        for had, has, come, gone in zip(before, after, self.values, self.no_values, strict=True):
            gone += [(*key, None) for key in had if key not in has]
            come += [(*key, loose) for key, loose in has.items() if had.get(key) != loose]

    # --- all of them -----------------------------------------------------------------------------
    def arms(self, group: Group) -> Arms:
        """The arms that have rows; everything has its number now."""
        count = sorted((shape.n, by) for shape, by in group.deltas().items())
        arms: dict[str, tuple[list[Any], ...]] = {
            "insert": ([_entity(*one) for one in self.inserts],),
            "narrow": ([_narrow(*one) for one in self.narrows],),
            "wide": ([_entity(*one) for one in self.wides],),
            "anew": (
                [work.start.record.number for _, work in self.anews if work.start is not None],
                [_entity(*one) for one in self.anews],
            ),
            "delete": (self.deletes,),
            "bury": (self.buried,),
            "unbury": (self.unburied,),
            "count": ([n for n, _ in count], [by for _, by in count]),
            "no_point": ([_point(*one) for one in self.no_points],),
            "point": ([_point(*one) for one in self.points],),
            "no_area": (self.no_areas,),
            "no_number": (self.no_values[0],),
            "number": (self.values[0],),
            "no_words": (self.no_values[1],),
            "words": (self.values[1],),
        }
        if self.areas:
            rows = [(n, path.n, *box) for n, path, *box in self.areas]
            arms["area"] = tuple(map(list, zip(*rows, strict=True)))
        entries = group.entries
        unread = any(entry.previous is None for entry in entries)
        sources = self._names.sources
        arms["log_unread" if unread else "log"] = (
            [_log(n, one, sources) for n, one in enumerate(entries, 1)],
        )
        return {arm: rows for arm, rows in arms.items() if rows[0]}


async def net_of(group: Group, names: Names) -> Net:
    """What a group changes; the loop has its turns meanwhile."""
    net = Net(names)
    for number, (key, work) in enumerate(group.works.items(), 1):
        if work.last is not None and work.last < 0:
            net.add(key, work)
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return net


def _log(ordinal: int, entry: Entry, sources: dict[str, int]) -> tuple[Any, ...]:
    unread = entry.previous is None
    listed = entry.changed is not None and entry.verb != "updated"
    return (
        ordinal,
        entry.kind.n,
        entry.id,
        VERB_NUMBER[entry.verb],
        entry.at,
        sources[entry.source],
        entry.previous,
        None if unread else entry.previous_at,
        orjson.dumps(entry.changed).decode() if listed else None,
        entry.payload,
    )


def _entity(key: Key, work: Work) -> tuple[Any, ...]:
    row, last = work.row, work.last
    assert row is not None and last is not None
    record = row.record
    return (
        record.number,
        key[0],
        key[1],
        row.kind.n,
        row.shape.n,
        record.created_us,
        record.modified_us,
        -last,
        work.last_at,
        row.expires,
        record.times,
        record.body,
    )


def _narrow(key: Key, work: Work) -> tuple[Any, ...]:
    """Only what a narrow write changes; the others stay as they are."""
    row, last = work.row, work.last
    assert row is not None and last is not None
    record = row.record
    n, modified, at = record.number, record.modified_us, work.last_at
    return n, None, None, None, None, None, modified, -last, at, None, record.times, record.body


def _point(path: IndexPath, lon: float, lat: float, n: int) -> tuple[Any, ...]:
    return path.n, cell_of(lon, lat), n, lon, lat
