"""Indexes the store gives itself: paths that queries ask for, built beside the work, within a
budget.

As on SQLite a path is learned for a kind when q asked for it `learn_after` times or one scan
looked at `learn_rows` rows. From that moment writes keep its rows; what was there before is read
in slices, each in a transaction of the writer between two groups, so that no write comes between a
slice's reading and its rows. Until it is ready, queries scan. Over the budget the least recently
used one goes.

What a slice changes in memory it changes after its commit: a transaction that is lost leaves
memory behind the tables, never ahead of them, and the slice is done again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import monotonic
from typing import Any

import orjson
from asyncpg import Connection

from pintu.kernel.context.selection import Path
from pintu.kernel.store.choosing import SMALL_KIND
from pintu.kernel.store.kinds import IndexPath, KindRow, path_text
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.plan import Plan
from pintu.kernel.store.postgres.schema import Tuning
from pintu.kernel.store.postgres.statements import LOCK
from pintu.kernel.store.rows import rows_of_path, value_rows

ENTRY_BYTES = 100
"""What one row of `number` or `words` takes on disk with its index, about."""

SLICE = 250
"""Entities read into an index at once: some 5 ms of the writer's time."""

WINDOW_S = 600.0
"""Asks are counted over this long."""

GIVEN_UP_S = 30.0
"""Longer than a read may take (`deadline_s` of the address, some seconds)."""

PAUSE_S = 5.0
"""After a slice that failed."""

ASKED_PATHS = 1_000
"""Paths whose asks are counted at once; hostile queries must not fill the memory."""

Doc = dict[str, Any]
Submit = Callable[[Callable[[Connection], Awaitable[Any]]], Awaitable[Any]]
Rows = dict[tuple[int, Any, int], int]
"""(path, value, n) → loose: the rows of `number` or of `words`."""

log = logging.getLogger("pintu.store")

_BEGIN = """
INSERT INTO path(kind, form, path, state, built, entries, used)
VALUES($1, 'value', $2, 'building', 0, 0, 0)
ON CONFLICT DO NOTHING RETURNING n
"""
_BEGIN_AGAIN = """
UPDATE path SET state = 'building', built = 0, entries = 0
WHERE kind = $1 AND form = 'value' AND path = $2 RETURNING n
"""
_SLICE = "SELECT n, body FROM entity WHERE kind = $1 AND n > $2 ORDER BY n LIMIT $3"
_KEEP = """
WITH numbers AS (
  INSERT INTO number(path, value, n, loose)
  SELECT $1, * FROM unnest($2::float8[], $3::bigint[], $4::smallint[])
  ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose),
texts AS (
  INSERT INTO words(path, value, n, loose)
  SELECT $1, * FROM unnest($5::bytea[], $6::bigint[], $7::smallint[])
  ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose)
UPDATE path SET built = $8, entries = entries + $9, state = $10, used = $11 WHERE n = $1
"""
_DROP = """
WITH numbers AS (
  DELETE FROM number WHERE ctid = ANY(ARRAY(SELECT ctid FROM number WHERE path = $1 LIMIT $2))
  RETURNING 1),
texts AS (
  DELETE FROM words WHERE ctid = ANY(ARRAY(SELECT ctid FROM words WHERE path = $1 LIMIT $2))
  RETURNING 1)
SELECT (SELECT count(*) FROM numbers) + (SELECT count(*) FROM texts)
"""


class Learned:
    """Counts what is asked for; builds and drops as long as there is something to do."""

    def __init__(self, names: Names, tuning: Tuning, task: Submit, *, alone: bool = True) -> None:
        """`task` runs something with the writing connection in a transaction, between groups.

        Not `alone`, one broker learns (`lead`) and the others keep the rows: who writes knows every
        index by `head.paths`, which is read and moved under the lock of `head`.
        """
        self._names = names
        self._tuning = tuning
        self._task = task
        self._alone = self._leads = alone
        self._given_up: dict[int, float] = {}  # since when others are told not to use an index
        self._asks: dict[tuple[int, Path], int] = {}
        self._window = monotonic()
        self._requested: dict[tuple[int, Path], KindRow] = {}
        self._work: list[IndexPath] = []
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._told = logging.WARNING
        self.built = 0
        self.dropped = 0
        self._tick = 0

    def lead(self, *, leads: bool) -> None:
        """Of several brokers this one builds and drops from now on, or no more."""
        self._leads = leads
        if leads:
            self.resume()

    def resume(self) -> None:
        """Names were read and can be written: go on with what is not finished."""
        self._tick = max((path.used for path in self._names.paths.values()), default=self._tick)
        self._work = [
            path
            for path in self._names.paths.values()
            if path.form == "value" and path.state != "ready"
        ]
        self._requested.clear()
        self._go_on()

    # --- what is asked ---------------------------------------------------------------------------
    def asked(self, chosen: Plan) -> None:
        """A plan was made: count what it lacked, note what it used."""
        if chosen.used:
            self._tick += 1
            for index in chosen.used:
                index.used = self._tick
        for kind, path in chosen.asked:
            key = (kind.n, path)
            count = self._asks.get(key, 0) + 1
            if len(self._asks) >= ASKED_PATHS or monotonic() - self._window > WINDOW_S:
                self._asks.clear()
                self._window = monotonic()
            self._asks[key] = count
            if count >= self._tuning.learn_after:
                self._request(kind, path)

    def examined(self, chosen: Plan, rows: int) -> None:
        """A scan looked at so many rows."""
        if rows >= self._tuning.learn_rows:
            for kind, path in chosen.asked:
                self._request(kind, path)

    def _request(self, kind: KindRow, path: Path) -> None:
        key = (kind.n, path)
        if key in self._requested or path in kind.learned or kind.count <= SMALL_KIND:
            return
        if not self._leads:
            return
        self._requested[key] = kind
        self._go_on()

    def learning(self) -> int:
        """Indexes that are not ready yet."""
        building = [path for path in self._names.paths.values() if path.state != "ready"]
        return len(building) + len(self._requested)

    def shown(self) -> list[dict[str, Any]]:
        """Every learned index, for the system page."""
        return [
            {
                "types": path.kind.types,
                "tenant": path.kind.tenant,
                "state": path.state,
                "path": ".".join((path.path.attribute, *path.path.subs)),
                "trail": ".".join(path.path.trail),
                "entries": path.entries,
                "bytes": path.entries * ENTRY_BYTES,
                "built": path.built,
            }
            for path in self._names.paths.values()
            if path.form == "value"
        ]

    # --- between groups --------------------------------------------------------------------------
    def _go_on(self) -> None:
        idle = self._running is None and not self._closed and self._leads
        if idle and (self._work or self._requested):
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while not self._closed and self._leads and (self._work or self._requested):
                try:
                    await self._let_others_read()
                    (await self._task(self._step))()
                except Exception as error:  # the loop's edge: without an index queries scan
                    log.log(self._told, "A path cannot be learned now: %s", error)
                    self._told = logging.DEBUG  # a standby would say so all day
                    self._requested.clear()
                    await asyncio.sleep(PAUSE_S)
        finally:
            self._running = None

    async def _let_others_read(self) -> None:
        """An index that is given up is still read by whoever planned with it: its rows stay until
        no statement can be under way that old."""
        if self._alone or self._requested or not self._work:
            return
        index = self._work[0]
        if index.state == "dropping":
            since = self._given_up.setdefault(index.n, monotonic())
            await asyncio.sleep(max(0.0, since + GIVEN_UP_S - monotonic()))

    async def close(self) -> None:
        """Leave what is not finished to the next start."""
        self._closed = True
        running = self._running
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def _step(self, connection: Connection) -> Callable[[], None]:
        """One slice of the work, in a transaction; what it answers is called after the commit."""
        if not self._alone:  # as between two groups, whoever writes them
            await connection.execute(LOCK)
        if self._requested:
            return await self._begin(connection)
        if not self._work:
            return _nothing
        index = self._work[0]
        if self._names.paths.get(index.n) is not index:
            return partial(self._work.remove, index)
        if index.state == "dropping":
            return await self._drop_slice(connection, index)
        over = self._over_budget(index)
        if over is not None:
            await connection.execute("UPDATE path SET state = 'dropping' WHERE n = $1", over.n)
            await self._tell(connection)
            return partial(self._to_drop, over)
        return await self._build_slice(connection, index)

    async def _begin(self, connection: Connection) -> Callable[[], None]:
        """Number a path, to be kept from now on."""
        key, kind = next(iter(self._requested.items()))
        text = path_text(key[1])
        row = None
        if key[1] not in kind.learned:
            row = await connection.fetchrow(_BEGIN, kind.n, text)
            if row is None:
                row = await connection.fetchrow(_BEGIN_AGAIN, kind.n, text)
            await self._tell(connection)

        def after() -> None:
            self._requested.pop(key, None)
            self._asks.pop(key, None)
            known = kind.learned.get(key[1])
            if row is not None and known is not None and known not in self._work:
                self._work.append(known)  # it was met in the tables meanwhile
            if row is not None and known is None:
                self._tick += 1
                index = IndexPath(row[0], kind, "value", text)
                index.state, index.used = "building", self._tick
                self._names.keep_path(index)
                self._work.append(index)

        return after

    async def _build_slice(self, connection: Connection, index: IndexPath) -> Callable[[], None]:
        rows = await connection.fetch(_SLICE, index.kind.n, index.built, SLICE)
        numbers: Rows = {}
        texts: Rows = {}
        for n, body in rows:
            found = rows_of_path(index.n, index.path, n, orjson.loads(body))
            _split(found, numbers, texts)
        built = rows[-1][0] if rows else index.built
        state = "building" if len(rows) == SLICE else "ready"
        entries = len(numbers) + len(texts)
        columns = (*_columns(numbers), *_columns(texts))
        await connection.execute(_KEEP, index.n, *columns, built, entries, state, index.used)
        if state == "ready":
            await self._tell(connection)

        def after() -> None:
            index.built, index.entries = built, index.entries + entries
            if state == "ready":
                self._work.remove(index)
                self.built += 1
                self._names.ready(index)

        return after

    async def _drop_slice(self, connection: Connection, index: IndexPath) -> Callable[[], None]:
        if await connection.fetchval(_DROP, index.n, SLICE * 4):
            return _nothing
        await connection.execute("DELETE FROM path WHERE n = $1", index.n)
        await self._tell(connection)

        def after() -> None:
            self._names.drop_path(index)
            self._work.remove(index)
            self.dropped += 1

        return after

    async def _tell(self, connection: Connection) -> None:
        """Others are to know of it: whoever reads before his next plan, whoever writes before his
        next group."""
        if not self._alone:
            await connection.execute("UPDATE head SET names = names + 1, paths = paths + 1")

    def _to_drop(self, index: IndexPath) -> None:
        index.state = "dropping"
        self._names.unlearn(index)
        if index not in self._work:
            self._work.append(index)

    def _over_budget(self, keep: IndexPath) -> IndexPath | None:
        """The least recently used index when there are too many or too large ones."""
        paths = [
            one
            for one in self._names.paths.values()
            if one.form == "value" and one.state != "dropping"
        ]
        size = sum(one.entries for one in paths) * ENTRY_BYTES
        if len(paths) <= self._tuning.learned_paths and size <= self._tuning.learned_bytes:
            return None
        others = [one for one in paths if one is not keep]
        return min(others, key=lambda one: one.used) if others else None


def index_rows(kind: KindRow, n: int, doc: Doc) -> tuple[Rows, Rows]:
    """The rows of `number` and of `words` that a document has in the learned indexes of its
    kind.
    """
    numbers: Rows = {}
    texts: Rows = {}
    _split(value_rows(kind, n, doc), numbers, texts)
    return numbers, texts


def _split(found: Iterable[tuple[int, Any, int, int]], numbers: Rows, texts: Rows) -> None:
    """Numbers become `double precision`, texts the bytes of their UTF-8; of entries that become
    one, it is loose when one of them is.
    """
    for path, value, n, loose in found:
        is_text = type(value) is str
        rows = texts if is_text else numbers
        held: Any = value.encode("utf-8", "surrogatepass") if is_text else float(value)
        key = (path, held, n)
        rows[key] = max(loose, rows.get(key, 0))


def _columns(rows: Rows) -> tuple[list[Any], list[int], list[int]]:
    """Value, n and loose of each row."""
    return [key[1] for key in rows], [key[2] for key in rows], list(rows.values())


def _nothing() -> None:
    return None
