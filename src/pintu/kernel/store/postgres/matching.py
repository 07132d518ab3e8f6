"""Which of the rows that were read match: on the loop, a few milliseconds at a time.

What a relationship leads to is not at hand as it is with SQLite. A row that asks for it stays
undecided, what it asked for is read for all of them at once, then it is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import orjson

from pintu.kernel.context.match import compile_order, compile_selection, linked_depth
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.kinds import KindRow
from pintu.kernel.store.postgres.plan import Plan

SLICE = 64
"""Rows looked at before the clock is."""

TURN_S = 0.003
"""The loop serves others after so long."""

Doc = dict[str, Any]
LookUp = Callable[[list[str]], Awaitable[Mapping[str, Doc]]]
"""The stored documents of these ids, as far as they exist."""


def record_of(row: Sequence[Any], kinds: Mapping[int, KindRow]) -> Record:
    """The record of a row with all columns of an entity (`asking.RECORD`)."""
    _, n, id, kind, body, created, modified, times, last, _ = row
    return Record(n, id, kinds[kind].types, body, created, modified, times, last)


class Matching:
    """One selection's page, filled from rows in the order of its plan."""

    def __init__(
        self, selection: Selection, plan: Plan, kinds: Mapping[int, KindRow], look_up: LookUp
    ) -> None:
        self._selection = selection
        self._plan = plan
        self._kinds = kinds
        self._look_up = look_up
        self._test = compile_selection(selection)
        self._key = compile_order(selection.order) if selection.order else None
        self._follows = linked_depth(selection.q) > 0
        self._seen: set[int] | None = set() if plan.distinct else None
        self._known: dict[str, Doc | None] = {}
        self._missing: list[str] = []
        self._best: list[tuple[Any, int, Record]] = []
        self._records: list[Record] = []
        self._turn = perf_counter()
        self._last = selection.offset + selection.limit
        self.counting = selection.count and plan.count is None
        self.found = 0
        self.examined = 0

    @property
    def full(self) -> bool:
        """Nothing that comes can change the page."""
        return self._key is None and not self.counting and self.found >= self._last

    async def take(self, rows: Sequence[Sequence[Any]], sort_rows: int) -> None:
        """Look at more rows; TooComplex when more than `sort_rows` are to be ordered."""
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            if self._follows:
                await self._following(part)
            else:
                self._plainly(part)
            if len(self._best) > 2 * self._last + 1_000:
                self._cut()
            if self._key is not None and self.found > sort_rows:
                raise TooComplex(f"An ordered query may look at {sort_rows} entities: narrow it")
            if self.full:
                return
            if perf_counter() - self._turn > TURN_S:
                await asyncio.sleep(0)
                self._turn = perf_counter()

    def _plainly(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of a query that follows nothing, until the page is full."""
        for row in rows:
            self.examined += 1
            one = self._candidate(row)
            if one is not None and one[2]:
                self._keep(((one[0], one[1]),))
                if self.full:
                    return

    async def _following(self, rows: Sequence[Sequence[Any]]) -> None:
        self.examined += len(rows)
        candidates = [one for row in rows if (one := self._candidate(row)) is not None]
        undecided = [one for one in candidates if one[2] is None]
        while undecided:
            missing = list(dict.fromkeys(self._missing))
            self._missing.clear()
            self.examined += len(missing)
            found = await self._look_up(missing)
            for id in missing:
                self._known[id] = found.get(id)
            for one in undecided:
                one[2] = self._verdict(one[1], one[0])
            undecided = [one for one in undecided if one[2] is None]
        self._known.clear()
        self._keep([(record, doc) for record, doc, verdict in candidates if verdict])

    def _candidate(self, row: Sequence[Any]) -> list[Any] | None:
        """[record, document, does it match (None: not known yet)]; None for one seen before."""
        seen = self._seen
        if seen is not None:
            if row[1] in seen:
                return None
            seen.add(row[1])
        record = record_of(row, self._kinds)
        if self._plan.exact and not row[-1] and self._key is None:
            return [record, None, True]
        doc: Doc = orjson.loads(record.body)
        return [record, doc, (self._plan.exact and not row[-1]) or self._verdict(doc, record)]

    def _verdict(self, doc: Doc, record: Record) -> bool | None:
        before = len(self._missing)
        try:
            verdict = self._test(doc, record, self._find)
        except TooComplex:
            if len(self._missing) == before:
                raise
            return None
        return None if len(self._missing) > before else verdict

    def _find(self, id: str) -> Doc | None:
        if id not in self._known:
            self._missing.append(id)
            return None
        return self._known[id]

    def _cut(self) -> None:
        """Of what is ordered keep what a page may show."""
        self._best.sort(key=lambda one: one[:2])
        del self._best[self._last :]

    def _keep(self, matched: Sequence[tuple[Record, Doc]]) -> None:
        if self._key is not None:
            key = self._key
            self.found += len(matched)
            self._best += [(key(record, doc), record.number, record) for record, doc in matched]
            return
        first = self._selection.offset
        for record, _ in matched:
            if first <= self.found < self._last:
                self._records.append(record)
            self.found += 1

    def page(self) -> tuple[list[Record], int | None]:
        """The page and the count, if that was asked for."""
        records = self._records
        if self._key is not None:
            self._cut()
            records = [record for _, _, record in self._best[self._selection.offset :]]
        if not self._selection.count:
            return records, None
        known = self._plan.count
        return records, self.found if self.counting or known is None else known
