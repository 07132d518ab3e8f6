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
from pintu.kernel.store.sqlite.plan import BODY, ENTITY, Plan

LOOP_ROWS = 400
"""Rows a selection may look at on the loop before a reader thread takes it over."""

LOOP_PAGE = 1_000
"""Rows of a page (offset and limit) that the loop reads itself when nothing needs matching."""


LOOP_COUNT = 2_000
"""Rows of an index that the loop counts itself."""


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
        if self._plan.exact and not selection.order:
            straight = self._straight()
            if straight is not None:
                return self._cut(*straight)
        found: tuple[list[Record], int | None]
        found = self._ordered(sort_rows) if selection.order else self._in_plan_order()
        return Page(found[0], found[1] if selection.count else None, self._plan.name)

    def _cut(self, rows: list[Any], count: int | None) -> Page:
        """The page of rows that are matches as they are."""
        if not self._selection.count:
            count = None
        if self._selection.bodies:
            return Page([], count, self._plan.name, [row[1] for row in rows])
        kinds = self._kinds
        records = [
            Record(n, id, kinds[kind].types, body, created, modified, times, last)
            for n, id, kind, body, created, modified, times, last, _ in rows
        ]
        return Page(records, count, self._plan.name)

    def _straight(self) -> tuple[list[Any], int | None] | None:
        """Let SQLite cut the page out, as long as every row is a match; None when one is not."""
        plan, selection = self._plan, self._selection
        count = plan.count
        if selection.count and count is None:
            count = self._counted()
            if count is None:
                return None
        skip = 0 if plan.distinct else selection.offset
        first = selection.offset - skip
        wanted = first + selection.limit
        columns = BODY if selection.bodies else ENTITY
        rows: list[Any] = []
        for step in plan.steps:
            missing = wanted - len(rows)
            if missing <= 0:
                break
            sql = step.select(columns)
            more = self._db.execute(sql, (*step.bindings, missing, skip)).fetchall()
            if skip and not more:
                skip -= min(skip, self._number(f"SELECT count(*) {step.counting}", step.bindings))
            elif more:
                skip = 0
                rows += more
        if plan.distinct and rows and not self._all_once(rows):
            return None
        return rows[first:wanted] if first or len(rows) > wanted else rows, count

    def _all_once(self, rows: list[Any]) -> bool:
        """No row is only a candidate, none comes twice (in one range of one index none does)."""
        numbers, *_, loose = zip(*rows, strict=True)
        if any(loose):
            return False
        plan = self._plan
        return (plan.unique and len(plan.steps) == 1) or len(set(numbers)) == len(rows)

    def _number(self, sql: str, bindings: tuple[Any, ...]) -> int:
        found: Any = self._db.execute(sql, bindings).get
        return int(found)

    def _counted(self) -> int | None:
        """How many rows the steps have, counted by SQLite; None when some are only candidates."""
        plan = self._plan
        most = 2**62 if self._budget is None else LOOP_COUNT
        total = 0
        keys: set[int] = set()
        for step in plan.steps:
            columns = f"{step.loose} AS loose, {step.key} AS k"
            inner = f"SELECT {columns} {step.counting} LIMIT ?"
            bindings = (*step.bindings, most + 1)
            if plan.unique:
                sql = f"SELECT count(*), max(loose) FROM ({inner})"
                row: Any = self._db.execute(sql, bindings).fetchone()
                number, loose = row
                total += number
            else:
                rows: list[Any] = self._db.execute(inner, bindings).fetchall()
                number, loose = len(rows), any(one for one, _ in rows)
                keys.update(k for _, k in rows)
                total = len(keys)
            if loose:
                return None
            if number > most:
                raise OverBudget
        return total

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
