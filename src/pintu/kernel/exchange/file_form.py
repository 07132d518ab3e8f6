"""Rows of a table data set in SQLite: one file, columns without a type, so that a value keeps its
kind by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection

from pintu.kernel.exchange import forms
from pintu.kernel.exchange.asking import Asked, quoted
from pintu.kernel.exchange.conditions import cut
from pintu.kernel.exchange.file_asking import statement
from pintu.kernel.exchange.forms import Brought, Lines, TableFacts, too_long
from pintu.kernel.tables import untyped

if TYPE_CHECKING:
    from alembic.operations import Operations

T = TypeVar("T")

CHECK_EVERY: Final = 20_000
"""Steps of SQLite's machine between two looks at the time."""

CACHE_KIB: Final = 65_536
"""Of the file's pages kept in memory: the index of ten million keys no longer fits, its upper
levels do."""

AT_ONCE: Final = 100
"""Rows of one statement: SQLite lets go of Python's lock at each, and while the next chunk is read
and mapped every taking back waits up to 5 ms."""

MOST_BINDINGS: Final = 32_000  # of one statement; SQLite takes 32,766


class FileForm:
    """Implements `Form`."""

    def make(self, operations: Operations) -> None:
        """See Form. The columns themselves come by ALTER TABLE, after the data set's own list."""
        operations.execute(
            "CREATE TABLE rows (_number INTEGER PRIMARY KEY, _key TEXT UNIQUE, _source INTEGER, "
            "_first INTEGER NOT NULL, _changed INTEGER NOT NULL, _removed INTEGER)"
        )
        operations.execute(
            "CREATE TABLE loaded (number INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, "
            "position TEXT NOT NULL, at INTEGER NOT NULL)"
        )
        # chunks of rows without a key, which nothing else would tell apart when they come again
        operations.execute(
            "CREATE TABLE chunks (source INTEGER NOT NULL, chunk TEXT NOT NULL, "
            "PRIMARY KEY (source, chunk)) WITHOUT ROWID"
        )
        operations.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY)")

    def add_columns(self, connection: Connection, names: Sequence[str]) -> None:
        """See Form."""
        untyped.add_columns(connection, names)

    # --- asking -------------------------------------------------------------------------------
    def answer(self, connection: Connection, asked: Asked) -> tuple[Lines, int | None]:
        """See Form."""
        question = asked.question
        with _deadline(connection, asked.zone) as raw:
            made = statement(asked, _columns_there(raw))
            total = None
            if question.count:
                total = raw.execute(made.counting, made.bindings).fetchone()[0]
            page = [*made.bindings, question.limit, question.offset]
            return raw.execute(made.sql, page).fetchall(), total

    def facts(self, connection: Connection) -> TableFacts:
        """See Form."""
        with _deadline(connection, "UTC") as raw:
            rows, removed, changed = raw.execute(
                "SELECT count(*) - count(_removed), count(_removed), max(_changed) FROM rows"
            ).fetchone()
        return TableFacts(rows=rows, removed=removed, changed_us=changed or 0)

    # --- landing ------------------------------------------------------------------------------
    def place(self, connection: Connection, source: str, position: str, now_us: int) -> int:
        """See Form."""
        raw = _raw(connection)
        raw.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        raw.execute(
            "INSERT INTO loaded (source, position, at) VALUES (?, ?, ?) ON CONFLICT "
            "(source) DO UPDATE SET position = excluded.position, at = excluded.at",
            (source, position, now_us),
        )
        return self.number(connection, source)

    def number(self, connection: Connection, source: str) -> int:
        """See Form."""
        asked = _raw(connection).execute("SELECT number FROM loaded WHERE source = ?", (source,))
        row = asked.fetchone()
        return row[0] if row else 0

    def position(self, connection: Connection, source: str) -> str:
        """See Form."""
        asked = _raw(connection).execute("SELECT position FROM loaded WHERE source = ?", (source,))
        row = asked.fetchone()
        return str(row[0]) if row else ""

    def first_time(self, connection: Connection, number: int, chunk: str) -> bool:
        """See Form."""
        sql = "INSERT OR IGNORE INTO chunks (source, chunk) VALUES (?, ?)"
        return bool(_raw(connection).execute(sql, (number, chunk)).rowcount)

    def put(self, connection: Connection, brought: Brought) -> int:
        """See Form."""
        raw = _raw(connection)
        head = (brought.source, brought.at_us, brought.at_us)
        keys: Sequence[str | None] = brought.keys or [None] * len(brought.lines)
        lines = [(key, *head, *line) for key, line in zip(keys, brought.lines, strict=True)]
        at_once = max(1, min(AT_ONCE, MOST_BINDINGS // (len(brought.names) + 4)))
        many, one = _upsert(brought.names, at_once), _upsert(brought.names, 1)
        before = raw.total_changes
        for part in _parts(lines, at_once):
            if len(part) == at_once:
                raw.execute(many, [*chain.from_iterable(part)])
            else:
                raw.executemany(one, part)
        written = int(raw.total_changes - before)
        for some in _parts(brought.keys, AT_ONCE) if brought.seen else ():
            marks = ", ".join("?" * len(some))
            raw.execute(
                f"INSERT OR IGNORE INTO seen SELECT _number FROM rows WHERE _key IN ({marks})",
                some,
            )
        return written

    def others(
        self, connection: Connection, number: int, keys: Sequence[str], names: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """See Form."""
        listed = ", ".join(["_key", "_source", *map(quoted, names)])
        found: list[tuple[Any, ...]] = []
        for some in _parts(keys, AT_ONCE):
            marks = ", ".join("?" * len(some))
            found += _raw(connection).execute(
                f"SELECT {listed} FROM rows WHERE _key IN ({marks}) AND _source <> ? "
                "AND _removed IS NULL",
                [*some, number],
            )
        return found

    def remove(self, connection: Connection, number: int, keys: Sequence[str], at_us: int) -> int:
        """See Form."""
        raw = _raw(connection)
        before = raw.total_changes
        raw.executemany(
            "UPDATE rows SET _removed = ?, _changed = ? WHERE _key = ? AND _source = ? "
            "AND _removed IS NULL",
            [(at_us, at_us, one, number) for one in keys],
        )
        return int(raw.total_changes - before)

    def finish(self, connection: Connection, number: int, at_us: int, *, whole: bool) -> int:
        """See Form."""
        raw, gone = _raw(connection), 0
        if whole:
            gone = raw.execute(
                "UPDATE rows SET _removed = ?, _changed = ? WHERE _removed IS NULL "
                "AND _source = ? AND _key IS NOT NULL "
                "AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.number = rows._number)",
                (at_us, at_us, number),
            ).rowcount
        raw.execute(
            "DELETE FROM seen WHERE number IN (SELECT _number FROM rows WHERE _source = ?)",
            (number,),
        )
        return int(gone)


def _raw(connection: Connection) -> Any:
    """SQLite's own connection."""
    return connection.connection.driver_connection


def _columns_there(raw: Any) -> list[str]:
    return [row[1] for row in raw.execute("PRAGMA table_info(rows)")]


@contextmanager
def _deadline(connection: Connection, zone: str) -> Iterator[Any]:
    """SQLite's own connection, which gives up after `DEADLINE_S` and knows `cut`."""
    raw = _raw(connection)
    raw.create_function("cut", 2, lambda text, step: cut(text, step, zone), deterministic=True)
    end = monotonic() + forms.DEADLINE_S
    raw.set_progress_handler(lambda: monotonic() > end, CHECK_EVERY)
    try:
        yield raw
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        raise too_long() from error
    finally:
        raw.set_progress_handler(None, 0)


def _parts(told: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (told[at : at + size] for at in range(0, len(told), size))


def _upsert(columns: Sequence[str], rows: int) -> str:
    named = [quoted(one) for one in columns]
    listed = ", ".join(["_key", "_source", "_first", "_changed", *named])
    line = f"({', '.join('?' * (len(columns) + 4))})"
    marks = ", ".join([line] * rows)
    update = ", ".join(f"{one} = excluded.{one}" for one in named)
    differs = " OR ".join(f"rows.{one} IS NOT excluded.{one}" for one in named)
    return (
        f"INSERT INTO rows ({listed}) VALUES {marks} ON CONFLICT (_key) DO UPDATE SET {update}, "
        "_source = excluded._source, _changed = excluded._changed, _removed = NULL "
        f"WHERE _removed IS NOT NULL OR {differs}"
    )
