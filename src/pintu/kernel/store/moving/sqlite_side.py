"""One `city.db` as a side of a move: read while a city writes it, or written anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw
import orjson

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.moving.rows import BIG, SMALL, Derived, Key, Row
from pintu.kernel.store.sqlite.schema import connect, migrate

T = TypeVar("T")
CACHE_KIB = 64 * 1024
HOLD_MS = 20_000
"""How long the end of the move waits for a write that is under way."""

_AT = "coalesce((SELECT l.at FROM log l WHERE l.position = {}), 0)"
_ENTITY = ", ".join(f"e.{name}" for name in BIG["entity"]) + ", " + _AT.format("e.last")
_TOMBSTONE = "tenant, id, last, kind, " + _AT.format("t.last")
_LOG = ", ".join(f"g.{name}" for name in BIG["log"]) + ", " + _AT.format("g.previous")
_PUT = {
    table: f"INSERT INTO {table}({', '.join(columns)}) VALUES({','.join('?' * len(columns))})"
    for table, columns in (*SMALL.items(), *BIG.items())
}


class SqliteSide:
    """Work is done on a thread of its own; each read is one short statement."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.place = f"sqlite:{path}"
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="move-sqlite")
        self._db = connect(path, vfs=None, cache_kib=CACHE_KIB, read_only=False)
        if write:
            # a half-written target is never used, and what is whole is synced at its end
            self._db.pragma("synchronous", 1)
            self._db.wal_autocheckpoint(8_000)
            migrate(self._db)
            self._db.execute("CREATE TABLE IF NOT EXISTS moving(name TEXT PRIMARY KEY, value TEXT)")
        self._run = self._db.execute
        self._closed = False

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return await self._do(lambda: self._run(sql, values).fetchall())

    async def _one(self, sql: str) -> Any:
        return await self._do(lambda: self._run(sql).get)

    # --- reading ---------------------------------------------------------------------------------
    async def small(self, table: str) -> list[Row]:
        """Every row of a small table."""
        return await self._rows(f"SELECT {', '.join(SMALL[table])} FROM {table} ORDER BY 1")

    async def head(self) -> int:
        """The newest position ever given."""
        newest = await self._one("SELECT max(position) FROM log")
        kept = await self._one("SELECT value FROM meta WHERE key='head'")
        return max(newest or 0, kept or 0)

    async def reach(self) -> tuple[int, int]:
        """(oldest log row, largest number)."""
        oldest = await self._one("SELECT min(position) FROM log")
        return oldest or 0, await self._one("SELECT max(n) FROM entity") or 0

    async def entities(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Entities by number."""
        sql = f"SELECT {_ENTITY} FROM entity e WHERE e.n > ? AND e.n <= ? ORDER BY e.n LIMIT ?"
        return await self._rows(sql, (after, up_to, limit))

    async def entities_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those that are there."""
        sql = f"SELECT {_ENTITY} FROM entity e WHERE e.tenant=? AND e.id=?"
        return await self._do(lambda: self._each(sql, keys))

    def _each(self, sql: str, keys: Sequence[Key]) -> list[Row]:
        return list(self._db.executemany(sql, keys))

    async def tombstones(self, after: Key, limit: int) -> list[Row]:
        """Tombstones by tenant and id."""
        sql = f"SELECT {_TOMBSTONE} FROM tombstone t WHERE (tenant, id) > (?,?) ORDER BY 1, 2"
        return await self._rows(f"{sql} LIMIT ?", (*after, limit))

    async def tombstones_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those that are there."""
        sql = f"SELECT {_TOMBSTONE} FROM tombstone t WHERE tenant=? AND id=?"
        return await self._do(lambda: self._each(sql, keys))

    async def log(self, after: int, up_to: int, limit: int) -> list[Row]:
        """The log by position."""
        sql = f"SELECT {_LOG} FROM log g WHERE g.position > ? AND g.position <= ? ORDER BY 1"
        return await self._rows(f"{sql} LIMIT ?", (after, up_to, limit))

    async def notes(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Notes by number."""
        sql = "SELECT number, body FROM note WHERE number > ? AND number <= ? ORDER BY 1 LIMIT ?"
        return await self._rows(sql, (after, up_to, limit))

    async def count(self, table: str) -> int:
        """Rows of a table."""
        return int(await self._one(f"SELECT count(*) FROM {table}"))

    async def hold(self) -> None:
        """Take the writer's lock: whoever wants to write waits, or is told that it is taken."""

        def take() -> None:
            self._db.set_busy_timeout(HOLD_MS)
            try:
                self._run("BEGIN IMMEDIATE")
            except apsw.BusyError as error:
                raise Unavailable(f"The store {self.path} is written without a pause") from error

        await self._do(take)

    async def still_held(self) -> None:
        """A lock of this process is lost with the process alone."""

    async def close(self) -> None:
        """Let go."""
        await self.release()
        self._thread.shutdown()

    # --- writing ---------------------------------------------------------------------------------
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All or nothing."""
        await self._do(lambda: self._run("BEGIN IMMEDIATE"))
        try:
            yield
        except BaseException:
            await self._do(lambda: self._run("ROLLBACK"))
            raise
        await self._do(lambda: self._run("COMMIT"))

    async def found(self) -> str:
        """What is there already."""
        entities, rows = await self.count("entity"), await self.count("log")
        notes = await self.count("note")
        if not entities and not rows and not notes and not await self.head():
            return ""
        return f"{entities:,} entities, {rows:,} rows of history and {notes:,} sealed ones"

    async def progress(self) -> dict[str, Any]:
        """What was kept."""
        rows = await self._rows("SELECT name, value FROM moving")
        return {name: orjson.loads(value) for name, value in rows}

    async def keep(self, name: str, value: Any) -> None:
        """Keep how far a move is."""
        if value is None:
            await self._rows("DELETE FROM moving WHERE name=?", (name,))
        else:
            text = orjson.dumps(value).decode()
            await self._rows("REPLACE INTO moving VALUES(?,?)", (name, text))

    async def _many(self, sql: str, rows: Sequence[Any]) -> None:
        if rows:
            await self._do(lambda: self._db.executemany(sql, rows))

    async def put_small(self, table: str, rows: Sequence[Row], *, whole: bool) -> None:
        """Write rows over what is there."""
        if whole:
            await self._rows(f"DELETE FROM {table}")
        await self._many(_PUT[table].replace("INSERT", "REPLACE", 1), rows)

    async def drop_path(self, n: int) -> None:
        """A path goes with its values."""
        await self._rows("DELETE FROM value WHERE path=?", (n,))
        await self._rows("DELETE FROM path WHERE n=?", (n,))

    async def put_entities(self, rows: Sequence[Row], derived: Derived) -> None:
        """New entities with what their indexes hold."""
        await self._many(_PUT["entity"], [row[:11] for row in rows])
        await self._many("INSERT OR IGNORE INTO point VALUES(?,?,?,?,?)", sorted(derived.points))
        await self._many("INSERT OR REPLACE INTO value VALUES(?,?,?,?)", derived.values)
        if derived.areas:
            await self._do(lambda: self._put_areas(derived))

    def _put_areas(self, derived: Derived) -> None:
        for path, n, box in derived.areas:
            self._run("INSERT INTO area(n, path) VALUES(?,?)", (n, path))
            self._run(
                "INSERT INTO box(a, west, south, east, north) VALUES(?,?,?,?,?)",
                (self._db.last_insert_rowid(), *box),
            )

    async def drop_entities(self, numbers: Sequence[int], derived: Derived) -> None:
        """Entities and what their indexes held go."""
        ones = [(n,) for n in numbers]
        await self._many("DELETE FROM entity WHERE n=?", ones)
        await self._many(
            "DELETE FROM point WHERE path=? AND cell=? AND n=? AND lon=? AND lat=?", derived.points
        )
        values = [row[:3] for row in derived.values]
        await self._many("DELETE FROM value WHERE path=? AND value=? AND n=?", values)
        if derived.areas:
            with_areas = sorted({(n,) for _, n, _ in derived.areas})
            sql = "DELETE FROM box WHERE a IN (SELECT a FROM area WHERE n=?)"
            await self._many(sql, with_areas)
            await self._many("DELETE FROM area WHERE n=?", with_areas)

    async def put_tombstones(self, rows: Sequence[Row]) -> None:
        """New tombstones."""
        await self._many(_PUT["tombstone"], [row[:4] for row in rows])

    async def drop_tombstones(self, keys: Sequence[Key]) -> None:
        """Tombstones go."""
        await self._many("DELETE FROM tombstone WHERE tenant=? AND id=?", keys)

    async def put_log(self, rows: Sequence[Row]) -> None:
        """New rows of the log."""
        await self._many(_PUT["log"], [row[:9] for row in rows])

    async def drop_log(self, positions: Sequence[int]) -> None:
        """Rows that the source trimmed go."""
        await self._many("DELETE FROM log WHERE position=?", [(one,) for one in positions])

    async def put_notes(self, rows: Sequence[Row]) -> None:
        """New notes."""
        await self._many(_PUT["note"], rows)

    async def empty(self) -> None:
        """The move begins anew."""
        for table in (*BIG, *SMALL, "point", "area", "box", "value", "moving"):
            await self._rows(f"DELETE FROM {table}")

    async def settle(self) -> None:
        """Fold the write-ahead log back, so that little of it is left for the end."""
        await self._do(lambda: self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))

    async def finish(self, head: int) -> None:
        """The next position and number are known, and everything is on the disk."""

        def end() -> None:
            self._db.pragma("synchronous", 2)
            with self._db:
                self._run("REPLACE INTO meta VALUES('head', ?)", (head,))
                self._run("REPLACE INTO meta SELECT 'points_n', coalesce(max(n), 0) FROM entity")
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

        await self._do(end)

    async def release(self) -> None:
        """Let the city have it: nothing may be left beside the file."""
        if not self._closed:
            self._closed = True
            await self._do(self._db.close)

    async def forget_move(self) -> None:
        """The city has the file: what the move kept in it stays, and nobody reads it."""

    async def reclaim(self) -> None:
        """Files that were placed are the city's."""
        raise Unavailable(f"{self.path} has been handed over")
