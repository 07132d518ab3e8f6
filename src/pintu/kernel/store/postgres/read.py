"""Reading: a page in one statement where an index proves it, else rows matched here, in chunks.

Nobody's page is read on behalf of earlier writes only: a statement is sent after it was asked for,
and the server shows it everything that was answered before.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

import asyncpg
import orjson
from asyncpg import Connection

from pintu.kernel.context.selection import Selection
from pintu.kernel.store.choosing import PROBE
from pintu.kernel.store.port import Page
from pintu.kernel.store.postgres.asking import (
    BODY,
    RECORD,
    Asked,
    Key,
    bindings,
    counts_of,
    key_of,
    text_of,
)
from pintu.kernel.store.postgres.learned import Learned
from pintu.kernel.store.postgres.matching import Doc, Matching, record_of
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.pages import Found, Pages, Prepared, Read
from pintu.kernel.store.postgres.plan import Plan, Step
from pintu.kernel.store.postgres.plans import Plans

FEW = 400
"""Rows a selection looks at, at most, before a cursor is opened for it."""

FIRST = 64
"""Rows of a kind looked at first, at least; an index finds hardly more than what matches."""

LONG_PAGE = 1_000
"""Rows, skipped or given, from which on a page does not share a lane with quick ones."""

CHUNK = (64, 1_000)
"""Rows of a cursor read at once: first, and at most."""

CHUNK_BYTES = 1_000_000
"""Documents of a chunk together, about: what a caller may make this process hold."""

LANES = (2, 2)
"""Connections that read at a time: quick pages, others. Scans share the others' number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """How far a read may go, and what it does about a row whose names are not known here."""

    deadline_s: float  # of one statement, or of one scan
    sort_rows: int  # entities an ordered query may look at
    reload: Callable[[], Awaitable[None]]  # reads names anew: another writer made some


class Reads:
    """Every selection of one store; lives on its loop."""

    def __init__(self, names: Names, read: Read, learned: Learned, aims: Aims) -> None:
        """`read` lends a reading connection (`Connections.read`)."""
        self._names = names
        self._read = read
        self._learned = learned
        self._aims = aims
        self._prepared = Prepared(aims.deadline_s)
        self._plans = Plans(names)
        self._quick = Pages(read, self._prepared, lanes=LANES[0])
        self._slow = Pages(read, self._prepared, lanes=LANES[1])
        self._scanning = asyncio.Semaphore(LANES[1])
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scans = 0
        self._late = 0

    # --- asking ----------------------------------------------------------------------------------
    def select(self, selection: Selection) -> Page | Future[Page]:
        """A page of entities, exact; at once when nothing has to be looked at."""
        found = self._plans.find(selection)
        if len(found) > 1:
            return self._later(self._probed(selection, found))
        plan = found[0]
        if plan.used or plan.asked:
            self._learned.asked(plan)
        if not plan.steps:
            return Page([], 0 if selection.count else None, plan.name)
        if selection.limit == 0 and not (selection.count and plan.count is None):
            return Page([], plan.count if selection.count else None, plan.name)
        if selection.order or not (plan.exact and plan.sure):
            return self._later(self._matched(selection, plan))
        return self._straight(selection, plan)

    def _later(self, page: Awaitable[Page]) -> Future[Page]:
        task = asyncio.ensure_future(page)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- straight --------------------------------------------------------------------------------
    def _straight(self, selection: Selection, plan: Plan) -> Future[Page]:
        """Let the server cut the page out, as long as every row is a match."""
        counting = selection.count and plan.count is None
        last = selection.offset + selection.limit
        columns = BODY if selection.bodies else RECORD
        if selection.limit:
            key = key_of(plan, columns=columns, count=counting, skips=selection.offset)
        else:
            key = counts_of(plan)
        # of rows that may come twice or be candidates only, those before the page are seen too
        seen = plan.distinct and not key.deep
        upto, skip = (last, 0) if seen else (selection.limit, selection.offset)
        lane = self._slow if counting or last > LONG_PAGE or plan.long else self._quick
        answer: Future[Page] = asyncio.get_running_loop().create_future()

        def cut(done: Future[Found]) -> None:
            if answer.done() or _broke(answer, done):
                return
            try:
                page = self._cut(selection, plan, done.result(), key)
            except KeyError:  # a name that another writer made: the longer way learns it
                page = None
            if page is not None:
                answer.set_result(page)
            else:
                task = self._later(self._matched(selection, plan))
                task.add_done_callback(partial(_hand_on, answer))

        lane.ask(key, Asked(plan, upto, skip)).add_done_callback(cut)
        return answer

    def _cut(self, selection: Selection, plan: Plan, found: Found, key: Key) -> Page | None:
        """The page of rows that are matches as they are; None when one is not."""
        if not self._plans.holds(selection, plan):
            return None
        rows = found.rows
        count = plan.count
        if key.count:
            if found.loose:
                return None
            count = found.count
        if plan.distinct and rows:
            if any(row[-1] for row in rows):
                return None
            once = plan.unique and len(plan.steps) == 1
            if not once and len({row[1] for row in rows}) != len(rows):
                return None
            if not key.deep:
                rows = rows[selection.offset :]
        if not selection.count:
            count = None
        elif len(rows) < selection.limit and (rows or not selection.offset):
            count = selection.offset + len(rows)  # this page is the last: it has counted itself
        if selection.bodies:
            return Page([], count, plan.name, [row[2] for row in rows])
        kinds = self._names.kinds
        return Page([record_of(row, kinds) for row in rows], count, plan.name)

    # --- matched ---------------------------------------------------------------------------------
    async def _probed(self, selection: Selection, found: list[Plan]) -> Page:
        """Of several plans the one that finds least."""
        asks = [self._quick.ask(key_of(plan, columns=()), Asked(plan, PROBE)) for plan in found]
        rows = [len(one.rows) for one in await asyncio.gather(*asks)]
        plan = found[min(range(len(found)), key=rows.__getitem__)]
        self._learned.asked(plan)
        return await self._matched(selection, plan)

    async def _matched(self, selection: Selection, plan: Plan) -> Page:
        """Rows looked at here, as far as they are needed; planned anew when names changed."""
        for _ in range(5):
            try:
                page = await self._few(selection, plan) or await self._many(selection, plan)
                if self._plans.holds(selection, plan):
                    return page
            except KeyError:
                await self._aims.reload()
            plan = self._plans.find(selection)[0]
        return await self._many(selection, plan)

    async def _few(self, selection: Selection, plan: Plan) -> Page | None:
        """The page, if few rows are enough for it."""
        last = selection.offset + selection.limit
        upto = last + last // 4 + 8 if plan.distinct else max(2 * last, FIRST)
        every = selection.order or (selection.count and plan.count is None)
        if every and plan.shapes is None and (plan.most or 0) > FEW:
            return None
        if not every and upto < FEW:
            page = await self._first(selection, plan, upto)
            if page is not None:
                return page
        return await self._first(selection, plan, FEW)

    async def _first(self, selection: Selection, plan: Plan, upto: int) -> Page | None:
        """The page, if its plan's first rows are enough for it."""
        matching = Matching(selection, plan, self._names.kinds, partial(self._look_up, selection))
        lane = self._slow if plan.long else self._quick
        found = await lane.ask(key_of(plan), Asked(plan, upto))
        await matching.take(found.rows, self._aims.sort_rows)
        if len(found.rows) == upto and not matching.full:
            return None
        return self._told(matching, plan)

    async def _many(self, selection: Selection, plan: Plan) -> Page:
        """The page, from a cursor over all rows of the plan: one snapshot, one deadline."""
        async with self._scanning:
            self._scans += 1
            until = monotonic() + self._aims.deadline_s
            page: Page = await self._read(partial(self._scan, selection, plan, until))
            return page

    async def _scan(
        self, selection: Selection, plan: Plan, until: float, connection: Connection
    ) -> Page:
        await self._prepared.ready(connection)
        look_up = partial(_documents, connection, selection.tenant)
        matching = Matching(selection, plan, self._names.kinds, look_up)
        key = key_of(plan)
        asked = bindings(key, [Asked(plan, None)])
        number, most = CHUNK
        try:
            async with connection.transaction(readonly=True):
                cursor = await connection.cursor(text_of(key), *asked)
                while True:
                    rows: list[Any] = await cursor.fetch(number)
                    await matching.take(rows, self._aims.sort_rows)
                    if len(rows) < number or matching.full:
                        return self._told(matching, plan)
                    if monotonic() > until:
                        self._late += 1
                        raise self._prepared.late()
                    held = sum(len(row[4]) for row in rows) // len(rows)
                    number = min(most, number * 4, max(CHUNK_BYTES // max(held, 1), 8))
        except asyncpg.QueryCanceledError as error:
            self._late += 1
            raise self._prepared.late() from error

    def _told(self, matching: Matching, plan: Plan) -> Page:
        self._learned.examined(plan, matching.examined)
        return Page(*matching.page(), plan.name)

    async def _look_up(self, selection: Selection, ids: list[str]) -> Mapping[str, Doc]:
        """Stored documents, read with whatever else waits."""
        steps = [Step("id", (selection.tenant, id)) for id in ids if "\0" not in id]
        if not steps:
            return {}
        plan = Plan(steps, "id")
        found = await self._quick.ask(key_of(plan), Asked(plan, len(steps)))
        return {row[2]: orjson.loads(row[4]) for row in found.rows}

    # --- how it is -------------------------------------------------------------------------------
    def statistics(self) -> dict[str, Any]:
        """Figures for the system page."""
        both = (self._quick, self._slow)
        return {
            "page_requests": sum(one.requests for one in both),
            "page_statements": sum(one.statements for one in both),
            "reader_reads": self._scans,
            "reader_late": self._late,
        }

    async def close(self) -> None:
        """Wait for what is under way; leave what is being learned to the next start."""
        await self._learned.close()
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._quick.close()
        await self._slow.close()


def _broke(answer: Future[Page], done: Future[Any]) -> bool:
    """Hand on that something ended without a result, if it did."""
    if done.cancelled():
        answer.cancel()
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        return False
    return True


def _hand_on(answer: Future[Page], done: Future[Page]) -> None:
    if not answer.done() and not _broke(answer, done):
        answer.set_result(done.result())


async def _documents(connection: Connection, tenant: int, ids: Sequence[str]) -> Mapping[str, Doc]:
    """Stored documents, read on the connection of a scan."""
    rows = await connection.fetch(
        "SELECT e.id, e.body FROM unnest($2::text[]) u(id) "
        "JOIN entity e ON e.tenant = $1 AND e.id = u.id",
        tenant,
        [id for id in ids if "\0" not in id],
    )
    return {id: orjson.loads(body) for id, body in rows}
