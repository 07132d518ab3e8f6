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

Point = tuple[IndexPath, float, float]
Values = tuple[dict[Any, int], dict[Any, int]]
NOTHING: Values = ({}, {})
NOWHERE: tuple[set[Point], Rows] = (set(), [])


class Side:
    """An entity before or after the group: its number, its shape, its document."""

    __slots__ = ("doc", "n", "shape")

    def __init__(self, n: int, shape: Shape, doc: Doc) -> None:
        self.n = n
        self.shape = shape
        self.doc = doc

    def values(self) -> Values:
        """Its rows of `number` and `words`."""
        kind = self.shape.kind
        return index_rows(kind, self.n, self.doc) if kind.learned else NOTHING


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
            self.buried.append((*key, -work.last, work.last_at, work.kind))
            return
        if work.indexed:
            self._index(work)
        if start is None:
            self.inserts.append((key, work))
            if work.dead:
                self.unburied.append((*key, None, None, None))
        elif not work.indexed:
            self.narrows.append((key, work))
        elif start.record.number == row.record.number:
            self.wides.append((key, work))
        else:
            self.anews.append((key, work))

    def _index(self, work: Work) -> None:
        """Its points, areas and learned values: only the rows that differ are touched."""
        start, row = work.start, work.row
        if start is None:
            if row is not None and work.doc is not None:
                self._new(Side(row.record.number, row.shape, work.doc))
            return
        shape = start.shape
        now = None if row is None else row.shape
        if not (shape.geo or shape.kind.learned or (now and (now.geo or now.kind.learned))):
            return
        was = Side(start.record.number, shape, orjson.loads(start.record.body))
        if row is None or work.doc is None:
            self._move(was, None)
        else:
            self._move(was, Side(row.record.number, row.shape, work.doc))

    def _new(self, side: Side) -> None:
        """A new entity: all its rows."""
        if side.shape.geo:
            points, areas = self._places(side)
            self.points += [(path, lon, lat, side.n) for path, lon, lat in points]
            self.areas += [(side.n, *area) for area in areas]
        if side.shape.kind.learned:
            for rows, come in zip(side.values(), self.values, strict=True):
                come += [(*key, loose) for key, loose in rows.items()]

    def _move(self, was: Side, now: Side | None) -> None:
        """An entity that was there before."""
        before, had = self._places(was)
        after, has = self._places(now) if now is not None else NOWHERE
        moved = now is None or was.n != now.n or was.shape.kind is not now.shape.kind
        gone, come = (before, after) if moved else (before - after, after - before)
        new_n = 0 if now is None else now.n
        self.no_points += [(path, lon, lat, was.n) for path, lon, lat in gone]
        self.points += [(path, lon, lat, new_n) for path, lon, lat in come]
        if had and (moved or had != has):
            self.no_areas.append(was.n)
        if moved or had != has:
            self.areas += [(new_n, *area) for area in has]
        values = NOTHING if now is None else now.values()
        both = zip(was.values(), values, self.values, self.no_values, strict=True)
        for old, new, added, removed in both:
            removed += [(*key, None) for key in old if key not in new]
            added += [(*key, loose) for key, loose in new.items() if old.get(key) != loose]

    def _places(self, side: Side) -> tuple[set[Point], Rows]:
        """Points and areas of a document, each with its path."""
        points: set[Point] = set()
        areas: Rows = []
        kind = side.shape.kind
        for name in side.shape.geo:
            found, boxes = geo_rows(name, side.doc[name])
            if found:
                path = kind.geo.get(("point", name)) or self._names.path(kind, "point", name)
                points.update((path, lon, lat) for lon, lat in found)
            if boxes:
                path = self._names.path(kind, "area", name)
                areas += [(path, *box[1:]) for box in boxes]
        return points, areas

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
            "bury": ([(*row, 0 if kind is None else kind.n) for *row, kind in self.buried],),
            "unbury": (self.unburied,),
            "count": ([n for n, _ in count], [by for _, by in count]),
            "no_point": ([_point(*one) for one in self.no_points],),
            "point": ([_point(*one) for one in self.points],),
            "no_area": (self.no_areas,),
            "no_number": (self.no_values[0],),
            "number": (self.values[0],),
            "note": ([(n, body) for n, (body, _) in enumerate(group.notes, 1)],),
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
