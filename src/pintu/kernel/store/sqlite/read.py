"""Reading: a plan stepped row by row until the page is full, on the loop while it is cheap, else
on a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import apsw
import orjson

from pintu.kernel.context.match import compile_order, compile_selection
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import DeadlineExceeded, TooComplex
from pintu.kernel.store.port import Page
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.plan import ENTITY, Plan

LOOP_ROWS = 400
"""Rows a selection may look at on the loop before a reader thread takes it over."""

LOOP_PAGE = 1_000
"""Rows of a page (offset and limit) that the loop reads itself when nothing needs matching."""


class OverBudget(Exception):
    """More rows than the loop may look at."""


class Reading:
    """One selection on one connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        names: Names,
        selection: Selection,
        chosen: Plan,
        *,
        budget: int | None = None,
    ) -> None:
        self._db = connection
        self._kinds = names.kinds
        self._selection = selection
        self._plan = chosen
        self._budget = budget
        self.examined = 0

    def page(self, sort_rows: int) -> Page:
        """The page, exact; OverBudget when there is a budget and it is spent."""
        selection = self._selection
        plan = self._plan
        if (
            not selection.order
            and plan.exact
            and not plan.distinct
            and (plan.count is not None or not selection.count)
        ):
            records, count = self._straight()
        elif selection.order:
            records, count = self._ordered(sort_rows)
        else:
            records, count = self._in_plan_order()
        return Page(records, count if selection.count else None, self._plan.name)

    def _straight(self) -> tuple[list[Record], int | None]:
        """Every row is a match: SQLite cuts the page out itself."""
        selection, kinds = self._selection, self._kinds
        skip, wanted = selection.offset, selection.limit
        records: list[Record] = []
        run = self._db.execute
        for step in self._plan.steps:
            if len(records) == wanted:
                break
            sql = f"SELECT {ENTITY} {step.tail} LIMIT ? OFFSET ?"
            rows: list[Any] = run(sql, (*step.bindings, wanted - len(records), skip)).fetchall()
            records += [
                Record(n, id, kinds[kind].types, body, created, modified, times, last)
                for n, id, kind, body, created, modified, times, last in rows
            ]
            if skip and not rows:
                skip -= min(skip, run(f"SELECT count(*) {step.tail}", step.bindings).get)
            elif rows:
                skip = 0
        return records, self._plan.count

    def _in_plan_order(self) -> tuple[list[Record], int | None]:
        selection = self._selection
        first, last = selection.offset, selection.offset + selection.limit
        counting = selection.count and self._plan.count is None
        records: list[Record] = []
        found = 0
        if last > first or counting:
            for record in self._matching():
                if first <= found < last:
                    records.append(record)
                found += 1
                if found >= last and not counting:
                    break
        return records, found if counting else self._plan.count

    def _ordered(self, sort_rows: int) -> tuple[list[Record], int]:
        selection = self._selection
        key = compile_order(selection.order)
        keyed: list[tuple[Any, int, Record]] = []
        for record in self._matching():
            if len(keyed) >= sort_rows:
                raise TooComplex(f"An ordered query may look at {sort_rows} entities: narrow it")
            keyed.append((key(record, orjson.loads(record.body)), record.number, record))
        keyed.sort(key=lambda one: one[:2])
        page = keyed[selection.offset : selection.offset + selection.limit]
        return [record for _, _, record in page], len(keyed)

    def _matching(self) -> Iterator[Record]:
        exact = self._plan.exact
        test = compile_selection(self._selection)
        seen: set[int] | None = set() if self._plan.distinct else None
        kinds = self._kinds
        for row in self._rows():
            n, id, kind, body, created, modified, times, last, loose = row
            if seen is not None:
                if n in seen:
                    continue
                seen.add(n)
            record = Record(n, id, kinds[kind].types, body, created, modified, times, last)
            if (exact and not loose) or test(orjson.loads(body), record, self._find):
                yield record

    def _find(self, id: str) -> dict[str, Any] | None:
        """The stored document a relationship leads to."""
        self.examined += 1
        cursor = self._db.cursor()
        key = (self._selection.tenant, id)
        body = cursor.execute("SELECT body FROM entity WHERE tenant=? AND id=?", key).get
        return None if body is None else orjson.loads(body)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the plan's steps, one at a time."""
        budget = self._budget
        for step in self._plan.steps:
            cursor = self._db.cursor()
            try:
                cursor.execute(f"SELECT {ENTITY}, {step.loose} {step.tail}", step.bindings)
                for row in cursor:
                    self.examined += 1
                    if budget is not None and self.examined > budget:
                        raise OverBudget
                    yield row
            finally:
                cursor.close()


class Readers:
    """Two threads with a connection each, and a deadline for what they do."""

    def __init__(
        self, connect: Callable[[], apsw.Connection], threads: int, deadline_s: float
    ) -> None:
        self._connect = connect
        self._deadline_s = deadline_s
        self._here = threading.local()
        self._open: list[apsw.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pintu-reader")
        self.reads = 0
        self.late = 0

    async def run(self, read: Callable[[apsw.Connection], Any]) -> Any:
        """Run a read on one of the threads; DeadlineExceeded when it takes too long."""
        self.reads += 1
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._one, read)

    def _one(self, read: Callable[[apsw.Connection], Any]) -> Any:
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = self._connect()
            self._open.append(connection)
        until = monotonic() + self._deadline_s
        connection.set_progress_handler(lambda: monotonic() > until, 20_000)
        try:
            # one snapshot for all statements of a plan
            connection.execute("BEGIN")
            connection.execute("SELECT n FROM tenant LIMIT 1").fetchall()
            return read(connection)
        except apsw.InterruptError as error:
            self.late += 1
            raise DeadlineExceeded(
                f"The query took longer than {self._deadline_s:g} s: narrow it by type, id or place"
            ) from error
        finally:
            connection.set_progress_handler(None)
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Wait for what runs, then close the connections."""
        self._pool.shutdown(wait=True)
        for connection in self._open:
            connection.close()
        self._open.clear()
