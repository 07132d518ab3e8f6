"""Points of new entities, kept in memory until there are enough to write them into the grid in
order.

New lamps lie anywhere, so each would dirty a page of the point table of its own: half of what a
create costs. A few thousand sorted by cell share pages. Nothing is lost by a fault: an entity
whose number is above the watermark in `meta` has its point read from its document again at the
start.

An entity that moves or goes while its point waits is settled first: its point is written after
all.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any

import apsw
import orjson

from pintu.kernel.context.match import distance_m
from pintu.kernel.context.match.distance import Box
from pintu.kernel.store.kinds import IndexPath
from pintu.kernel.store.rows import (
    COLUMNS,
    PER_DEGREE,
    cell_of,
    cell_ranges,
    cells_of,
    geo_rows,
)
from pintu.kernel.store.sqlite.blocks import block_of
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.written import Written

MOST = 4_000
"""Points that wait before they are written."""

SLICE = 125
"""Points written with a group of others' writes, at least: half a millisecond."""

QUIET_SLICE = 500
"""Points written in one transaction when nobody writes."""

FEW_CELLS = 256
"""Cells looked up one by one; for a larger box all points that wait are looked at."""

STRIPS = 180 * PER_DEGREE + 1
"""Rows of the grid."""

Row = tuple[int, int, int, float, float]  # path, cell, n, lon, lat
INSERT = "INSERT OR IGNORE INTO point(path, cell, n, lon, lat) VALUES(?,?,?,?,?)"


class Entry:
    """The point of one new entity; `settled` when it was written and may no longer be true."""

    __slots__ = ("row", "settled")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.settled = False


class PendingPoints:
    """Changed by the writer thread only; others look things up before they read the table.

    What was written is forgotten when the loop's reads see it: `_done` brings that back.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        names: Names,
        publish: Callable[[Callable[[], None]], None],
        moved: Written,
    ) -> None:
        self._db = connection
        self._publish = publish
        self.moved = moved
        self._entries: dict[int, Entry] = {}
        self._cells: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}
        self._done: deque[int] = deque()
        self._strips: list[list[Row]] = []  # of this round, the first last; in no order inside
        self._round: list[Row] = []  # in the order of the grid, what comes next
        self._round_ends_at = 0
        self._slice = SLICE
        self._added: list[int] = []
        self._settled: list[int] = []
        self.quiet = False  # nobody writes: use the time
        self.next_n: Callable[[], int] = _zero
        self._recover(names)

    def __len__(self) -> int:
        return len(self._entries)

    def _recover(self, names: Names) -> None:
        """Write the points above the watermark, from the documents."""
        run = self._db.execute
        mark: Any = run("SELECT value FROM meta WHERE key='points_n'").get
        sql = "SELECT n, shape, body FROM entity WHERE n > ?"
        found: list[Any] = [] if mark is None else run(sql, (mark,)).fetchall()
        with self._db:
            for n, shape_n, body in found:
                shape = names.shapes[shape_n]
                doc = orjson.loads(body) if shape.geo else {}
                for name in shape.geo:
                    path = shape.kind.geo.get(("point", name))
                    for lon, lat in geo_rows(name, doc.get(name))[0] if path is not None else ():
                        assert path is not None
                        run(INSERT, (path.n, cell_of(lon, lat), n, lon, lat))
            if found or mark is None:
                run("REPLACE INTO meta SELECT 'points_n', coalesce(max(n), 0) FROM entity")

    # --- looking up ------------------------------------------------------------------------------
    def find(self, path: IndexPath, box: Box, near: tuple[float, float, float] | None) -> list[int]:
        """Numbers of entities that came with a point in the box (and within metres of a place)."""
        west, south, east, north = box
        found: list[int] = []
        for n, (lon, lat) in self._in_cells(path, box) if self._entries else ():
            if not (west <= lon <= east and south <= lat <= north):
                continue
            if near is None or distance_m(near[0], near[1], lon, lat) <= near[2]:
                found.append(n)
        return found

    def _in_cells(self, path: IndexPath, box: Box) -> list[tuple[int, tuple[float, float]]]:
        first_row, last_row, first_column, last_column = cell_ranges(box)
        if (last_row - first_row + 1) * (last_column - first_column + 1) > FEW_CELLS:
            return [
                (n, place)
                for (number, _), inside in list(self._cells.items())
                if number == path.n
                for n, place in list(inside.items())
            ]
        found: list[tuple[int, tuple[float, float]]] = []
        for cell in cells_of(box):
            inside = self._cells.get((path.n, cell))
            if inside:
                found += list(inside.items())
        return found

    # --- the writer's side, inside a transaction -------------------------------------------------
    def add(self, path: IndexPath, n: int, lon: float, lat: float) -> None:
        """A new entity has one point."""
        cell = cell_of(lon, lat)
        self._entries[n] = Entry((path.n, cell, n, lon, lat))
        self._added.append(n)
        inside = self._cells.get((path.n, cell))
        if inside is None:
            inside = self._cells[path.n, cell] = {}
        inside[n] = (lon, lat)

    def settle(self, n: int) -> None:
        """The entity will be changed: write its point now, if it waits."""
        entry = self._entries.get(n)
        if entry is not None and not entry.settled:
            self._db.execute(INSERT, entry.row)
            self.moved.touch(block_of(entry.row[0], entry.row[1]))
            entry.settled = True
            self._settled.append(n)

    def commit(self) -> None:
        """The transaction is durable."""
        self._added = []
        if self._settled:
            self._publish(partial(self._done.extend, self._settled))
            self._settled = []
        while self._done:
            self._forget(self._done.popleft())

    def rollback(self) -> None:
        """The transaction is gone: so are its points; what it settled waits again."""
        for n in self._added:
            self._forget(n)
        self._added = []
        for n in self._settled:
            entry = self._entries.get(n)
            if entry is not None:
                entry.settled = False
        self._settled = []

    def _forget(self, n: int) -> None:
        entry = self._entries.pop(n, None)
        if entry is not None:
            key = entry.row[:2]
            inside = self._cells[key]
            del inside[n]
            if not inside:
                del self._cells[key]

    # --- between groups --------------------------------------------------------------------------
    def pending(self) -> bool:
        """Are there enough to be written, or is there time?"""
        if self._done and self.quiet:
            self.commit()
        waiting = len(self._entries)
        if self._round or self._strips or waiting >= MOST:
            return True
        return self.quiet and waiting > len(self._done)

    def idle(self) -> None:
        """Nobody writes."""
        self.quiet = True

    def step(self) -> Callable[[], None]:
        """Write a slice of them in the order of the grid."""
        if not self._round and not self._strips:
            self._begin_round()
        rows = self._next(QUIET_SLICE if self.quiet else self._slice)
        alive = [row for row in rows if self._still(row[2])]
        self._db.executemany(INSERT, alive)
        for row in alive:
            self.moved.touch(block_of(row[0], row[1]))
        if len(rows) == len(self._round) and not self._strips:
            self._db.execute("REPLACE INTO meta VALUES('points_n', ?)", (self._round_ends_at,))

        def after() -> None:
            self._round = self._round[len(rows) :]
            self.quiet = self.quiet and bool(self._round or self._strips)
            self._publish(partial(self._done.extend, [row[2] for row in alive]))

        return after

    def _begin_round(self) -> None:
        """All that wait, in strips of the grid: putting thousands in order at once would keep one
        group waiting for milliseconds.
        """
        strips: defaultdict[int, list[Row]] = defaultdict(list)
        for entry in self._entries.values():
            if not entry.settled:
                row = entry.row
                strips[row[0] * STRIPS + row[1] // COLUMNS].append(row)
        self._strips = [strips[strip] for strip in sorted(strips, reverse=True)]
        self._slice = max(SLICE, sum(map(len, self._strips)) // 32)
        self._round_ends_at = self.next_n() - 1

    def _next(self, count: int) -> list[Row]:
        """The next rows of the round in the order of the grid."""
        while self._strips and len(self._round) < count:
            self._round += sorted(self._strips.pop())
        return self._round[:count]

    def _still(self, n: int) -> bool:
        entry = self._entries.get(n)
        return entry is not None and not entry.settled

    def failed(self) -> None:
        """The slice was rolled back: it is tried again when there are more, or time."""
        self._round, self._strips = [], []
        self.quiet = False


def _zero() -> int:
    return 0
