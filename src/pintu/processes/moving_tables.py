"""The private tables of a city on their way: rooms, pieces (absent ones too), table data sets.

Each set is made equal while the city goes on; those that were written to since are made equal once
more at the end, while nobody writes.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import AlreadyExists, PintuError, Unavailable
from pintu.kernel.store.address import is_postgres
from pintu.kernel.store.moving import Figure, Told
from pintu.kernel.tables import open_tables
from pintu.kernel.tables.copying import TableSum, checksums, make_equal
from pintu.kernel.tables.copying_shape import read_shapes
from pintu.kernel.tables.door import OpenTables, Place
from pintu.processes.moving_holds import Hold, hold_of

IN_THE_WAY = (AlreadyExists, sqlite3.IntegrityError)
"""What a row meets that breaks a unique or foreign key, on either store."""


@dataclass(slots=True)
class _Set:
    """One set of tables on both sides; `version` is the source's before it was read."""

    source: OpenTables
    target: OpenTables
    version: int = -1
    sums: tuple[dict[str, TableSum], dict[str, TableSum]] = field(default_factory=lambda: ({}, {}))

    @property
    def changed(self) -> bool:
        """Was something written since it was read?"""
        return self.source.data_version() != self.version


class TablesMove:
    """Private tables of the city in `data`, from the store at `here` to the one at `there`; one
    in files grows in `stage`. Everything blocks: call it on a thread.
    """

    def __init__(self, data: Path, here: str, there: str, stage: Path) -> None:
        self.data = data
        self._here, self._there = here, there
        self._source = open_tables(data, here)
        self._target = open_tables(stage if not is_postgres(there) else data, there)
        self._sets: dict[tuple[Place, str], _Set] = {}
        self._hold: Hold | None = None
        self._held: set[tuple[Place, str]] = set()

    @property
    def figures(self) -> list[Figure]:
        """Every table, as it was compared."""
        found = []
        for (place, name), one in sorted(self._sets.items()):
            here, there = one.sums
            for table in sorted({*here, *there}):
                figure = Figure(f"{place}/{name}: {table}")
                for side, sums in ((figure.source, here), (figure.target, there)):
                    if table in sums:
                        side.rows, side.sum = sums[table].rows, int(sums[table].digest[:16], 16)
                found.append(figure)
        return found

    def check(self, *, goes_on: bool) -> None:
        """PintuError when the target holds tables and no move of ours brought them."""
        there = self._target.list_places()
        if there and not goes_on:
            place, name = there[0]
            raise PintuError(f"The target is not empty: it holds {place}/{name}")

    def bring(self, told: Told) -> None:
        """Make every set equal that was written to since it was last."""
        for place, name in self._source.list_places():
            one = self._set(place, name)
            if not one.changed:
                continue
            try:
                self._equal(one, one.source.data_version(), told)
            except IN_THE_WAY:
                self._empty(one)  # the next round, or the pause, does it again

    def _set(self, place: Place, name: str) -> _Set:
        one = self._sets.get((place, name))
        if one is None:
            source, target = (side.open(place, name) for side in (self._source, self._target))
            one = self._sets[place, name] = _Set(source, target)
        return one

    def _empty(self, one: _Set) -> None:
        """Rows changed places: a unique or foreign key met the new one before the old one went.
        Among none there is nothing to meet."""
        shapes = one.target.read_now(read_shapes)

        def work(connection: Connection) -> None:
            for shape in reversed(shapes):
                connection.execute(sa.delete(sa.table(shape.name)))

        one.target.run_now(work)
        one.version, one.sums = -1, ({}, {})

    def _equal(self, one: _Set, number: int, told: Told) -> None:
        """`number` was the source's before any of it is read."""
        make_equal(one.source, one.target, lambda table, looked, _: told("tables", looked, 0))
        one.sums = (checksums(one.source), checksums(one.target))
        one.version = number

    def hold(self) -> bool:
        """Let nobody write to any of them until `close` or the end of this process; False when all
        that are there were held already."""
        if self._hold is None:
            self._hold = hold_of(self.data, self._here)
        fresh = [one for one in self._source.list_places() if one not in self._held]
        for place, name in fresh:
            self._hold.take(place, name)
            self._held.add((place, name))
        return bool(fresh)

    def still_held(self) -> None:
        """Raises Unavailable when a lock is lost, or when tables were made since that have none."""
        assert self._hold is not None
        self._hold.still()
        fresh = [one for one in self._source.list_places() if one not in self._held]
        if fresh:
            place, name = fresh[0]
            raise Unavailable(f"The tables {place}/{name} were made at the end: move again")

    def end(self, told: Told) -> None:
        """Nobody writes any more: make equal what changed last; what the source no longer has and
        what it lacks on the other side would show in `figures`. Tables made during the pause are
        held before they are copied."""
        assert self._hold is not None
        new = True
        while new:
            for place, name in self._source.list_places():
                one = self._set(place, name)
                number = self._hold.commits(place, name, one.source)
                if number == one.version:
                    continue
                try:
                    self._equal(one, number, told)
                except IN_THE_WAY:
                    self._empty(one)
                    self._equal(one, number, told)
            new = self.hold()
        here, there = self._source.list_places(), self._target.list_places()
        if here != there:
            odd = sorted({*here} ^ {*there})
            raise PintuError(f"The tables {odd[0][0]}/{odd[0][1]} are on one side only")

    def release(self) -> None:
        """Let go of the target: the city will open it."""
        for one in self._sets.values():
            one.target.close()
        self._target.close()

    def close(self) -> None:
        """Let go of everything; the locks go with it."""
        for one in self._sets.values():
            with contextlib.suppress(PintuError):
                one.source.close()
        self._source.close()
        self.release()
        if self._hold is not None:
            self._hold.close()
