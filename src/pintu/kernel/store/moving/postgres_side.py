"""A city's schema on PostgreSQL as a side of a move: read while a city writes it, or written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.moving.postgres_open import claimed, connect, prepare
from pintu.kernel.store.moving.rows import BIG, SMALL, Derived, Key, Row
from pintu.kernel.store.postgres.schema import partition, week_of

_MORE = {"entity": "last_at", "tombstone": "last_at", "log": "previous_at"}
_COLUMNS = {table: (*BIG[table], more) for table, more in _MORE.items()}
_LISTED = {table: ", ".join(f"e.{name}" for name in columns) for table, columns in _COLUMNS.items()}
_OF_KEYS = "unnest($1::int[], $2::text[]) k(t, i) JOIN {} e ON e.tenant = k.t AND e.id = k.i"
HOLD_S = 20
"""How long the end of the move waits for a write that is under way."""
LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
WEEKS = 1_000
"""Partitions a log may have: beyond that rows stay in the one for the rest."""

_VALUE = ("path", "value", "n", "loose")
_POINT = "path, cell, n, lon, lat"
_UNNEST_POINT = "unnest($1::int[], $2::bigint[], $3::bigint[], $4::float8[], $5::float8[])"


class PostgresSide:
    """One connection. Reads are short statements; what is written goes by COPY."""

    def __init__(self, address: StoreAddress, connection: asyncpg.Connection[Any]) -> None:
        self.place = address.shown
        self._address = address
        self._db = connection
        self._weeks: set[str] | None = None
        self._holding: Any = None
        self._claim: Any = None
        self._turn = asyncio.Lock()  # a piece is read ahead while other things are asked

    @classmethod
    async def open(cls, address: StoreAddress, *, write: bool = False) -> PostgresSide:
        """Connect to the host that takes writes; with `write` make the schema and take its claim.

        Raises Unavailable when no host takes writes or a city has the schema, ConfigurationError
        when the server is not what a city needs.
        """
        side = cls(address, await connect(address))
        try:
            if write:
                await prepare(address, side._db)
                side._claim = await claimed(address)
        except BaseException:
            await side.close()
            raise
        return side

    async def _rows(self, sql: str, *values: Any) -> list[Row]:
        async with self._turn:
            return [tuple(row) for row in await self._db.fetch(sql, *values)]

    async def _one(self, sql: str) -> Any:
        async with self._turn:
            return await self._db.fetchval(sql)

    # --- reading ---------------------------------------------------------------------------------
    async def small(self, table: str) -> list[Row]:
        """Every row of a small table."""
        return await self._rows(f"SELECT {', '.join(SMALL[table])} FROM {table} ORDER BY 1")

    async def head(self) -> int:
        """The newest position ever given."""
        return int(await self._one("SELECT position FROM head") or 0)

    async def reach(self) -> tuple[int, int]:
        """(oldest log row, largest number)."""
        oldest = await self._one("SELECT min(position) FROM log")
        return oldest or 0, await self._one("SELECT max(n) FROM entity") or 0

    async def entities(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Entities by number."""
        sql = f"SELECT {_LISTED['entity']} FROM entity e WHERE n > $1 AND n <= $2 ORDER BY n"
        return await self._rows(f"{sql} LIMIT $3", after, up_to, limit)

    async def entities_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those that are there."""
        return await self._of("entity", keys)

    async def _of(self, table: str, keys: Sequence[Key]) -> list[Row]:
        sql = f"SELECT {_LISTED[table]} FROM {_OF_KEYS.format(table)}"
        return await self._rows(sql, *_columns(keys, 2))

    async def tombstones(self, after: Key, limit: int) -> list[Row]:
        """Tombstones by tenant and id."""
        sql = f"SELECT {_LISTED['tombstone']} FROM tombstone e WHERE (tenant, id) > ($1, $2)"
        return await self._rows(f"{sql} ORDER BY tenant, id LIMIT $3", *after, limit)

    async def tombstones_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those that are there."""
        return await self._of("tombstone", keys)

    async def log(self, after: int, up_to: int, limit: int) -> list[Row]:
        """The log by position."""
        sql = f"SELECT {_LISTED['log']} FROM log e WHERE position > $1 AND position <= $2"
        return await self._rows(f"{sql} ORDER BY position LIMIT $3", after, up_to, limit)

    async def notes(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Notes by number."""
        sql = "SELECT number, body FROM note WHERE number > $1 AND number <= $2 ORDER BY number"
        return await self._rows(f"{sql} LIMIT $3", after, up_to, limit)

    async def count(self, table: str) -> int:
        """Rows of a table."""
        return int(await self._one(f"SELECT count(*) FROM {table}"))

    async def hold(self) -> None:
        """Lock what a city writes: its writer waits, its readers do not."""
        self._holding = await connect(self._address)
        tables = ", ".join(("head", *SMALL, *BIG))
        try:
            await self._holding.execute(f"SET lock_timeout = '{HOLD_S}s'")
            await self._holding.execute("BEGIN")
            await self._holding.execute(f"LOCK TABLE {tables} IN SHARE MODE")
        except LOST as error:
            raise Unavailable(f"{self.place} cannot be locked for the end: {error}") from error

    async def still_held(self) -> None:
        """Asks the connection that has the lock."""
        try:
            await self._holding.fetchval("SELECT 1")
        except LOST as error:
            raise Unavailable(f"The lock of {self.place} was lost: {error}") from error

    async def close(self) -> None:
        """Let go."""
        for one in (self._holding, self._claim, self._db):
            if one is not None:
                await one.close(timeout=10)

    # --- writing ---------------------------------------------------------------------------------
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All or nothing."""
        async with self._db.transaction():
            yield

    async def found(self) -> str:
        """What is there already."""
        entities, rows = await self.count("entity"), await self.count("log")
        notes = await self.count("note")
        if not entities and not rows and not notes and not await self.head():
            return ""
        return f"{entities:,} entities, {rows:,} rows of history and {notes:,} sealed ones"

    async def progress(self) -> dict[str, Any]:
        """What was kept."""
        await self._db.execute(
            "CREATE TABLE IF NOT EXISTS moving(name text PRIMARY KEY, value text NOT NULL)"
        )
        rows = await self._rows("SELECT name, value FROM moving")
        return {name: orjson.loads(value) for name, value in rows}

    async def keep(self, name: str, value: Any) -> None:
        """Keep how far a move is."""
        if value is None:
            await self._db.execute("DELETE FROM moving WHERE name = $1", name)
            return
        sql = "INSERT INTO moving VALUES($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2"
        await self._db.execute(sql, name, orjson.dumps(value).decode())

    async def put_small(self, table: str, rows: Sequence[Row], *, whole: bool) -> None:
        """Write rows over what is there."""
        if whole:
            await self._db.execute(f"DELETE FROM {table}")
        columns = SMALL[table]
        marks = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        changed = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        await self._db.executemany(
            f"INSERT INTO {table}({', '.join(columns)}) VALUES({marks}) "
            f"ON CONFLICT ({columns[0]}) DO UPDATE SET {changed}",
            rows,
        )

    async def drop_path(self, n: int) -> None:
        """A path goes with its values."""
        for table, column in (("number", "path"), ("words", "path"), ("path", "n")):
            await self._db.execute(f"DELETE FROM {table} WHERE {column} = $1", n)

    async def _copy(self, table: str, rows: Sequence[Row], columns: Sequence[str]) -> None:
        if rows:
            schema = self._address.schema
            await self._db.copy_records_to_table(
                table, records=rows, columns=columns, schema_name=schema
            )

    async def put_entities(self, rows: Sequence[Row], derived: Derived) -> None:
        """New entities with what their indexes hold."""
        await self._copy("entity", rows, _COLUMNS["entity"])
        await self._copy("point", sorted(set(derived.points)), _POINT.split(", "))
        numbers, words = _values(derived)
        await self._copy("number", numbers, _VALUE)
        await self._copy("words", words, _VALUE)
        if derived.areas:
            await self._db.execute(
                "INSERT INTO area(path, n, box) SELECT p, n, ST_MakeEnvelope(w, s, e, o, 4326) "
                "FROM unnest($1::int[], $2::bigint[], $3::float8[], $4::float8[], $5::float8[], "
                "$6::float8[]) u(p, n, w, s, e, o)",
                *_columns([(path, n, *box) for path, n, box in derived.areas], 6),
            )

    async def drop_entities(self, numbers: Sequence[int], derived: Derived) -> None:
        """Entities and what their indexes held go."""
        await self._db.execute("DELETE FROM entity WHERE n = ANY($1::bigint[])", numbers)
        await self._db.execute(
            f"DELETE FROM point WHERE ({_POINT}) IN (SELECT * FROM {_UNNEST_POINT})",
            *_columns(derived.points, 5),
        )
        with_areas = sorted({n for _, n, _ in derived.areas})
        if with_areas:
            await self._db.execute("DELETE FROM area WHERE n = ANY($1::bigint[])", with_areas)
        for table, form, rows in zip(
            ("number", "words"), ("float8", "bytea"), _values(derived), strict=True
        ):
            if rows:
                await self._db.execute(
                    f"DELETE FROM {table} WHERE (path, value, n) IN "
                    f"(SELECT * FROM unnest($1::int[], $2::{form}[], $3::bigint[]))",
                    *_columns(rows, 4)[:3],
                )

    async def put_tombstones(self, rows: Sequence[Row]) -> None:
        """New tombstones."""
        await self._copy("tombstone", rows, _COLUMNS["tombstone"])

    async def drop_tombstones(self, keys: Sequence[Key]) -> None:
        """Tombstones go."""
        await self._db.execute(
            "DELETE FROM tombstone WHERE (tenant, id) IN "
            "(SELECT * FROM unnest($1::int[], $2::text[]))",
            *_columns(keys, 2),
        )

    async def put_log(self, rows: Sequence[Row]) -> None:
        """New rows of the log, in the partitions of their weeks."""
        await self._partitions(rows)
        await self._copy("log", rows, _COLUMNS["log"])

    async def _partitions(self, rows: Sequence[Row]) -> None:
        if self._weeks is None:
            sql = (
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                "WHERE i.inhparent = 'log'::regclass"
            )
            self._weeks = {name for (name,) in await self._rows(sql)}
        for name, made in {partition(week_of(row[4])) for row in rows}:
            if name not in self._weeks and len(self._weeks) < WEEKS:
                await self._db.execute(made)
                self._weeks.add(name)

    async def drop_log(self, positions: Sequence[int]) -> None:
        """Rows that the source trimmed go."""
        await self._db.execute("DELETE FROM log WHERE position = ANY($1::bigint[])", positions)

    async def put_notes(self, rows: Sequence[Row]) -> None:
        """New notes."""
        await self._copy("note", rows, BIG["note"])

    async def empty(self) -> None:
        """The move begins anew."""
        tables = ", ".join((*BIG, *SMALL, "point", "area", "number", "words", "moving"))
        await self._db.execute(f"TRUNCATE {tables}")

    async def settle(self) -> None:
        """Count what is there, so that the city's first queries are planned well."""
        for table in (*BIG, *SMALL, "point", "area", "number", "words"):
            await self._db.execute(f"ANALYZE {table}")

    async def finish(self, head: int) -> None:
        """Numbers go on behind what was brought; everything is on the disk."""
        async with self._db.transaction():
            await self._db.execute("SET LOCAL synchronous_commit = on")
            await self._db.execute(
                "UPDATE head SET position = $1, groups = groups + 1, "
                "notes = (SELECT coalesce(max(number), 0) FROM note)",
                head,
            )
            top = "SELECT setval($1::regclass, greatest(max(n), 1)) FROM "
            await self._db.fetchval(f"{top} entity", "entity_n")
            for table in ("tenant", "source", "kind", "shape", "path"):
                name = await self._db.fetchval("SELECT pg_get_serial_sequence($1, 'n')", table)
                await self._db.fetchval(f"{top} {table}", name)

    async def release(self) -> None:
        """Let the city have it."""
        if self._claim is not None:
            await self._claim.close(timeout=10)
            self._claim = None

    async def forget_move(self) -> None:
        """The city lives there."""
        await self._db.execute("DROP TABLE IF EXISTS moving")

    async def reclaim(self) -> None:
        """Take it back."""
        self._claim = await claimed(self._address)


def _values(derived: Derived) -> tuple[list[Row], list[Row]]:
    """Rows of `number` and of `words`."""
    numbers: dict[Row, int] = {}
    words: dict[Row, int] = {}
    for path, value, n, loose in derived.values:
        if type(value) is str:
            words[path, value.encode(), n] = loose
        else:
            numbers[path, float(value), n] = loose
    return (
        [(*key, loose) for key, loose in numbers.items()],
        [(*key, loose) for key, loose in words.items()],
    )


def _columns(rows: Sequence[Row], width: int) -> list[list[Any]]:
    """Rows as columns, for `unnest`."""
    return [list(one) for one in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
