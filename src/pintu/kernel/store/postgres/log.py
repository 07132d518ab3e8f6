"""The one log on PostgreSQL: read forward it is the change feed, backward along `previous` an
entity's history; its weeks are made ahead and dropped whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.store.port import Change
from pintu.kernel.store.postgres.line import is_lost
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.schema import AHEAD, WEEK, partition, week_of

TRIM_SLICE = 2_000
DAY_US = 86_400_000_000
PATIENCE_MS = 1_000
"""A change of the log's weeks waits so long for whoever reads it."""

log = logging.getLogger("pintu.store")

_COLUMNS = "position, kind, id, verb, at, source, previous, changed, payload, previous_at"
_CHANGES = f"SELECT {_COLUMNS} FROM log WHERE position > $1 ORDER BY position LIMIT $2"
_LAST = (
    "SELECT last, last_at FROM entity WHERE tenant = $1 AND id = $2 UNION ALL "
    "SELECT last, last_at FROM tombstone WHERE tenant = $1 AND id = $2"
)
_BEFORE = (
    "SELECT l.previous, l.previous_at FROM log l JOIN kind k ON k.n = l.kind "
    "WHERE l.position = $3 AND l.id = $2 AND k.tenant = $1"
)
_CHAIN = (
    f"WITH RECURSIVE chain AS (SELECT {_COLUMNS} FROM log WHERE position = $1 AND at = $2 "
    f"UNION ALL SELECT {', '.join('l.' + name for name in _COLUMNS.split(', '))} FROM chain c "
    "JOIN log l ON l.position = c.previous AND l.at = c.previous_at) "
    f"SELECT {_COLUMNS} FROM chain WHERE position < $3 LIMIT $4"
)
_IDS = (
    "SELECT id FROM (SELECT id FROM entity WHERE tenant = $1 AND id > $2 {0} ORDER BY id LIMIT $3) "
    "e UNION SELECT id FROM (SELECT id FROM tombstone WHERE tenant = $1 AND id > $2 {1} "
    "ORDER BY id LIMIT $3) t ORDER BY 1 LIMIT $3"
)
_WEEKS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'log'::regclass AND c.relname <> 'log_rest' ORDER BY c.relname"
)
_NOTES = "SELECT number, body FROM note WHERE number > $1 ORDER BY number LIMIT $2"
_TRIM = (
    "DELETE FROM log WHERE (position, at) IN (SELECT position, at FROM log "
    "WHERE position <= $1 AND at < $2 ORDER BY position LIMIT $3)"
)
Task = Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]
Read = Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]


class Log:
    """Reads through `read`, which lends a connection; changes through `task`, the writer's."""

    def __init__(
        self, names: Names, read: Read, task: Task, reload: Callable[[], Awaitable[None]]
    ) -> None:
        self._names = names
        self._read = read
        self._task = task
        self._reload = reload  # names, when a row has one that is not known
        self._look_at_us = 0

    # --- reading ---------------------------------------------------------------------------------
    async def changes(self, after: int, limit: int) -> list[Change]:
        """Rows after a position, in commit order."""
        return await self._told(await self._read(lambda c: c.fetch(_CHANGES, after, limit)))

    async def history(self, tenant: int, id: str, before: int | None, limit: int) -> list[Change]:
        """An entity's changes before a position (None: all), newest first."""

        async def ask(connection: Any) -> list[Any]:
            start, most = None, 2**62
            if before is not None:
                start = await connection.fetchrow(_BEFORE, tenant, id, before)
            if start is None:
                start = await connection.fetchrow(_LAST, tenant, id)
                most = most if before is None else before
            if start is None:
                return []
            found: list[Any] = await connection.fetch(_CHAIN, *start, most, limit)
            return found

        return await self._told(await self._read(ask))

    async def past_ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str]:
        """Ids of what is present, deleted or known to history only, in order."""
        if types is None:
            sql = _IDS.format("", "AND kind > 0")
        else:
            kinds = [str(kind.n) for kind in self._names.kinds_for(tenant, types)]
            named = f"AND kind IN ({', '.join(kinds) or 'NULL'})"
            sql = _IDS.format(named, named)
        rows = await self._read(lambda c: c.fetch(sql, tenant, after, limit))
        return [id for (id,) in rows]

    async def notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """(number, bytes) of notes after a number, in order."""
        rows = await self._read(lambda c: c.fetch(_NOTES, after, limit))
        return [tuple(row) for row in rows]

    async def _told(self, rows: list[Any]) -> list[Change]:
        names = self._names
        if any(row[1] not in names.kinds or row[5] not in names.source_names for row in rows):
            await self._reload()
        return [names.change(row[:-1]) for row in rows]

    # --- weeks -----------------------------------------------------------------------------------
    async def make_ahead(self, connection: Any, now: int) -> None:
        """See to it that there are partitions for this week and some after; looks once a day.

        When they cannot be made now (somebody copies the log), rows wait in `log_rest` and it is
        tried again in an hour.
        """
        if now < self._look_at_us:
            return
        wanted = [week_of(now) + ahead * WEEK for ahead in range(AHEAD + 1)]
        try:
            if not {partition(one)[0] for one in wanted} <= set(await _weeks(connection)):
                async with connection.transaction():
                    await _make_all(connection, wanted)
            self._look_at_us = now + DAY_US
        except asyncpg.PostgresError as error:
            if is_lost(error):
                raise
            log.warning("Weeks of the log cannot be made ahead now: %s", error)
            self._look_at_us = now + DAY_US // 24

    async def trim(self, before_us: int, up_to: int, lowest: Callable[[], int | None]) -> int:
        """Drop rows older than `before_us` up to a position and up to the lowest cursor: whole
        weeks at once, of the week in which the boundary lies a slice after another.
        """
        dropped = 0
        for name in await self._read(_weeks):
            if _end_us(name) <= before_us:
                dropped += await self._drop(name, up_to, lowest)
        while True:
            last = _lower(up_to, lowest())

            async def slice_of_it(connection: Any, last: int = last) -> str:
                done: str = await connection.execute(_TRIM, last, before_us, TRIM_SLICE)
                return done

            count = int((await self._task(slice_of_it)).split()[-1])
            dropped += count
            if count < TRIM_SLICE:
                return dropped
            await asyncio.sleep(0)

    async def _drop(self, name: str, up_to: int, lowest: Callable[[], int | None]) -> int:
        """Drop one week when every row of it may go; how many it had."""
        sql = f'SELECT count(*), max(position) FROM "{name}"'
        count, newest = await self._read(lambda c: c.fetchrow(sql))
        if newest is not None and newest > _lower(up_to, lowest()):
            return 0

        async def drop(connection: Any) -> bool:
            if newest is not None and newest > _lower(up_to, lowest()):
                return False
            try:
                await connection.execute(
                    f'SET LOCAL lock_timeout = {PATIENCE_MS}; DROP TABLE "{name}"'
                )
            except asyncpg.LockNotAvailableError:
                return False  # somebody reads it: next time
            return True

        return int(count) if await self._task(drop) else 0


def _lower(up_to: int, lowest: int | None) -> int:
    return up_to if lowest is None else min(up_to, lowest)


async def _weeks(connection: Any) -> list[str]:
    return [row[0] for row in await connection.fetch(_WEEKS)]


def _end_us(name: str) -> int:
    """The first moment after the week of a partition."""
    monday = datetime.strptime(name, "log_%Y%m%d").replace(tzinfo=UTC)
    return int((monday + timedelta(weeks=1)).timestamp()) * 1_000_000


async def _make_all(connection: Any, wanted: list[datetime]) -> None:
    """Make the weeks that are missing; raises soon when somebody is in the way."""
    await connection.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
    await connection.execute("SELECT pg_advisory_xact_lock('log'::regclass::bigint)")
    there = await _weeks(connection)
    for one in wanted:
        if partition(one)[0] not in there:
            await _make(connection, one)


async def _make(connection: Any, monday: datetime) -> None:
    """Make one week; rows of it that came before are taken out of `log_rest`."""
    name, made = partition(monday)
    last = _end_us(name)
    first = last - 7 * DAY_US
    early = "SELECT EXISTS(SELECT FROM log_rest WHERE at >= $1 AND at < $2)"
    if not await connection.fetchval(early, first, last):
        await connection.execute(made)
        return
    await connection.execute(
        f'CREATE TABLE "{name}" (LIKE log INCLUDING ALL);'
        f"WITH gone AS (DELETE FROM log_rest WHERE at >= {first} AND at < {last} "
        f'RETURNING *) INSERT INTO "{name}" SELECT * FROM gone;'
        f'ALTER TABLE log ATTACH PARTITION "{name}" FOR VALUES FROM ({first}) TO ({last})'
    )
