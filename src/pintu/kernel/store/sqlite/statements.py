"""Questions that are asked again and again with another number or another place: planned once, then
read with one statement.

A statement finds what `select` finds, in the same order, as long as an index proves every row;
where it does not, the statement declines and `select` is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from pintu.kernel.context.match.distance import Box, boxes_around
from pintu.kernel.context.selection import Compare, Selection
from pintu.kernel.store.choosing import Circle, around, cells_around, circle
from pintu.kernel.store.kinds import IndexPath
from pintu.kernel.store.port import Blank, Joined, Statement
from pintu.kernel.store.sqlite.blocks import Blocks
from pintu.kernel.store.sqlite.documents import Documents
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints
from pintu.kernel.store.sqlite.plan import NEAR, Plan, Probe, plan
from pintu.kernel.store.sqlite.read import LOOP_COUNT, LOOP_PAGE

_LARGEST = 2**63 - 1
_NUMBERS_NEAR = f"SELECT p.n FROM point p WHERE {NEAR} LIMIT ?"
_COUNT_NEAR = f"SELECT count(*) FROM (SELECT 1 FROM point p WHERE {NEAR} LIMIT ?)"

_FEW_ROWS = 12
"""Rows of cells, 6 km from south to north, up to which blocks of them are read to be kept."""


class Statements:
    """Prepares statements over the loop's own reads."""

    def __init__(
        self,
        connection: apsw.Connection,
        names: Names,
        pending: PendingPoints,
        documents: Documents,
        blocks: Blocks,
        *,
        probe: Probe,
        see: Callable[[], None],
        used: Callable[[list[IndexPath]], None],
    ) -> None:
        """`see` holds what the loop reads; `used` is told which indexes an answer came from."""
        self.run = connection.cursor().execute
        self.names = names
        self.pending = pending
        self.documents = documents
        self.blocks = blocks
        self.see = see
        self.used = used
        self._probe = probe

    def prepare(self, selection: Selection) -> Statement | None:
        """A statement for selections like this one; None when none can ever serve them."""
        if selection.order or selection.offset or not selection.bodies or selection.ids:
            return None
        if selection.limit > LOOP_PAGE:
            return None
        if around_alone(selection) is not None:
            return _ByPlace(self, selection)
        return _ByValue(self, selection) if isinstance(selection.q, Compare) else None

    def plan(self, selection: Selection) -> Plan:
        """How `select` would go about it now."""
        return plan(self.names, selection, self._probe, self.pending)


def around_alone(selection: Selection) -> tuple[float, float, float] | None:
    """The place of a selection that asks for what is near it and nothing else but types."""
    geo = selection.geo
    if geo is None or selection.q or selection.scope or selection.id_pattern:
        return None
    return None if selection.attributes else around(geo)


def several(found: Any) -> list[int]:
    """The numbers that apsw's `get` found: none, one, or a list of them."""
    if found.__class__ is list:
        return found
    return [] if found is None else [found]


class _Kept:
    """A statement for as long as the names are what they were when it was planned."""

    def __init__(self, room: Statements, selection: Selection) -> None:
        self._room = room
        self._selection = selection
        self._most = selection.limit  # one more than are shown
        self._version = -1
        self._used: list[IndexPath] = []

    def page(self, blank: Blank | None) -> Joined | None:
        """The page for another number or place; None when `select` must be asked."""
        version = self._room.names.version
        if version != self._version:
            self._used = []
            self._plan()
            self._version = version
        if not self._used:
            return None
        self._room.see()
        found = self._read(blank)
        if found is not None:
            self._room.used(self._used)
        return found

    def _plan(self) -> None:
        """Set what is used; nothing when one statement cannot serve."""
        raise NotImplementedError

    def _read(self, blank: Blank | None) -> Joined | None:
        raise NotImplementedError

    def _joined(self, numbers: list[int], count: int | None) -> Joined | None:
        """The page of these rows; one more than are shown was looked for."""
        full = len(numbers) == self._most > 0
        if full:
            numbers.pop()
        more = full if count is None else count > len(numbers)
        bodies = self._room.documents.of(numbers)
        return None if bodies is None else Joined(b",".join(bodies), more, count)


class _ByValue(_Kept):
    """One comparison of one attribute with a number, from learned indexes."""

    def _plan(self) -> None:
        chosen = self._room.plan(self._selection)
        exact = chosen.exact and chosen.unique and chosen.count is None and not chosen.heavy
        if not exact or not all(step.source == "value v" for step in chosen.steps):
            return
        if any(step.extra or len(step.bindings) != 2 for step in chosen.steps):
            return
        self._used = chosen.used
        self._numbers = [step.bindings[0] for step in chosen.steps]
        where = chosen.steps[0].where
        # one that is only a candidate comes with its number below zero
        self._page = f"SELECT iif(v.loose, -v.n, v.n) FROM value v WHERE {where} LIMIT ?"
        inner = f"SELECT v.loose AS loose FROM value v WHERE {where} LIMIT ?"
        self._count = f"SELECT count(*), max(loose) FROM ({inner})"

    def _read(self, blank: Blank | None) -> Joined | None:
        if blank.__class__ is int and not -_LARGEST <= blank <= _LARGEST:
            return None
        count = None
        if self._selection.count:
            count = self._counted(blank)
            if count is None:
                return None
        run, most = self._room.run, self._most
        found: list[int] = []
        for number in self._numbers if most else ():
            found += several(run(self._page, (number, blank, most - len(found))).get)
            if len(found) == most:
                break
        if found and min(found) < 0:
            return None
        return self._joined(found, count)

    def _counted(self, blank: Blank | None) -> int | None:
        total = 0
        for number in self._numbers:
            row: Any = self._room.run(self._count, (number, blank, LOOP_COUNT + 1)).fetchone()
            total += row[0]
            if row[1] or total > LOOP_COUNT:
                return None
        return total


class _ByPlace(_Kept):
    """What lies near one point, from the grid of points."""

    def _plan(self) -> None:
        selection = self._selection
        near, geo = around_alone(selection), selection.geo
        assert near is not None
        assert geo is not None
        chosen = self._room.plan(selection)
        if not chosen.exact or chosen.heavy or any(one.form != "point" for one in chosen.used):
            return
        self._used = chosen.used
        self._metres = near[2]

    def _read(self, blank: Blank | None) -> Joined | None:
        assert blank.__class__ is tuple
        lon, lat = blank
        metres = self._metres
        told = circle(lon, lat, metres)
        boxes = boxes_around((lon, lat, lon, lat), metres)
        if told is None or len(boxes) != 1:
            return None
        if self._waiting(boxes[0], (lon, lat, metres)):
            return None
        box, tests = boxes[0], (lat, lon, metres, *told[2:])
        count = None
        if self._selection.count:
            count = self._counted(list(cells_around(box, told)), told, tests)
            if count is None:
                return None
        run, most = self._room.run, self._most
        found: list[int] = []
        for index in self._used if most else ():
            for low, high in cells_around(box, told):
                bindings = (index.n, low, high, *tests, most - len(found))
                found += several(run(_NUMBERS_NEAR, bindings).get)
                if len(found) == most:
                    break
            if len(found) == most:
                break
        if len(set(found)) != len(found):
            return None  # one has several points there
        return self._joined(found, count)

    def _waiting(self, box: Box, near: tuple[float, float, float]) -> bool:
        """Do points there wait to be written?"""
        pending = self._room.pending
        if not len(pending):
            return False
        return any(pending.find(index, box, near) for index in self._used)

    def _counted(
        self, cells: list[tuple[int, int]], told: Circle, tests: tuple[float, ...]
    ) -> int | None:
        """How many entities lie there; each has one point in one index unless some has several."""
        run, total = self._room.run, 0
        if "several" not in self._room.names.never:
            numbers: list[int] = []
            for low, high in cells:
                for index in self._used:
                    missing = LOOP_COUNT + 1 - len(numbers)
                    numbers += several(
                        run(_NUMBERS_NEAR, (index.n, low, high, *tests, missing)).get
                    )
                    if len(numbers) > LOOP_COUNT:
                        return None
            return len(set(numbers))
        known = self._room.blocks.count if len(cells) <= _FEW_ROWS else None
        for low, high in cells:
            for index in self._used:
                found: Any = None
                if known is not None:
                    found = known(index.n, low, high, told, tests[2])
                if found is None:
                    bindings = (index.n, low, high, *tests, LOOP_COUNT + 1 - total)
                    found = run(_COUNT_NEAR, bindings).get
                total += found
                if total > LOOP_COUNT:
                    return None
        # one may have come while rows were counted: it is known before it can be read
        return None if "several" not in self._room.names.never else total
