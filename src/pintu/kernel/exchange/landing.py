"""Where rows of a load land: a table data set's file, exactly once, unchanged rows untouched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.exchange import disagreeing
from pintu.kernel.exchange.asking import quoted
from pintu.kernel.exchange.tables import TableFiles, columns_there
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.intake.loading_words import Landed
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.intake.mapping.words import BadRecord, Row

T = TypeVar("T")

CACHE_KIB: Final = 65_536
"""Of the file's pages kept in memory: the index of ten million keys no longer fits, its upper
levels do."""

AT_ONCE: Final = 100
"""Rows of one statement: SQLite lets go of Python's lock at each, and while the next chunk is read
and mapped every taking back waits up to 5 ms."""

MOST_BINDINGS: Final = 32_000  # of one statement; SQLite takes 32,766
LARGEST_WHOLE: Final = 2**63 - 1
GEOMETRIES: Final = frozenset(("point", "shape"))


def open_landing(
    tables: CityTables, clock: Clock, data_set: DataSet, *, source: str, zone: str = "UTC"
) -> TableLanding:
    """The landing of one source in a table data set; its file is made when it is not there."""
    return TableLanding(TableFiles(tables, clock, zone), data_set, clock, source=source)


class TableLanding:
    """Implements `Landing`. Rows with a key replace the row of that key, and only when a value
    differs; rows without one are appended, a chunk of them that comes again is passed over.

    Several sources may fill one data set; each has its own position. A row belongs to the source
    that wrote it last.
    """

    def __init__(self, files: TableFiles, data_set: DataSet, clock: Clock, *, source: str) -> None:
        self._clock, self._source = clock, source
        self._columns = [one.name for one in data_set.columns]
        kinds = {one.name: one.kind for one in data_set.columns}
        self._geometries = [n for n, one in enumerate(self._columns) if kinds[one] in GEOMETRIES]
        self._file = files.open(data_set)
        self._file.run_now(self._prepare)
        self._upserts = {1: _upsert(self._columns, 1)}
        self._at_once = max(1, min(AT_ONCE, MOST_BINDINGS // (len(self._columns) + 4)))
        self._upserts[self._at_once] = _upsert(self._columns, self._at_once)

    async def position(self) -> str:
        """Behind the last chunk that is durable; empty when there was none."""
        sql = "SELECT position FROM loaded WHERE source = ?"
        found = await self._file.read(lambda c: c.exec_driver_sql(sql, (self._source,)).scalar())
        return str(found or "")

    async def land(
        self, chunk_key: str, position: str, items: Sequence[Row], bad: Sequence[BadRecord]
    ) -> Landed:
        """Keep a chunk with its position in one transaction; the same chunk again changes
        nothing. Without a `chunk_key` its caller knows repeats by the position, and never calls
        `finish`: then nothing is kept to know either by."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> Landed:
            raw: Any = connection.connection.driver_connection
            raw.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            number = self._placed(raw, position, now_us)
            keyed = [one for one in items if one.key]
            disagreeing.note(connection, keyed, self._columns, number, now_us)
            written = self._write(raw, keyed, number, now_us) if keyed else 0
            if keyed and chunk_key:
                _note_seen(raw, keyed)
            if len(keyed) < len(items) and (not chunk_key or _first_time(raw, number, chunk_key)):
                loose = [one for one in items if not one.key]
                written += self._write(raw, loose, number, now_us)
            return Landed(landed=written, unchanged=len(items) - written, bad=len(bad))

        return await self._file.run(work)

    async def remove(self, keys: Sequence[str]) -> Landed:
        """Mark rows as removed that the source says it deleted; once more changes nothing."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            raw: Any = connection.connection.driver_connection
            number, before = self._number(raw), raw.total_changes
            raw.executemany(
                "UPDATE rows SET _removed = ?, _changed = ? WHERE _key = ? AND _source = ? "
                "AND _removed IS NULL",
                [(now_us, now_us, one, number) for one in keys],
            )
            disagreeing.withdraw(connection, keys, number)
            return int(raw.total_changes - before)

        return Landed(landed=await self._file.run(work))

    async def finish(self, *, whole: bool = True) -> Landed:
        """Mark what a whole load did not bring as removed; it stays in the file, out of answers.

        A load that was not `whole`, because some records could not be read, marks nothing: a row
        whose record is unreadable today is not gone.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            raw: Any = connection.connection.driver_connection
            number = self._number(raw)
            gone = _mark_gone(raw, number, now_us) if whole else 0
            raw.execute(
                "DELETE FROM seen WHERE number IN (SELECT _number FROM rows WHERE _source = ?)",
                (number,),
            )
            return int(gone)

        gone = await self._file.run(work)
        if not gone:
            return Landed(landed=0)
        said = {
            "zh": f"{gone} 行已不在来源中，标为已移除",
            "en": f"{gone} rows are no longer in the source and were marked as removed",
        }
        return Landed(landed=gone, messages=[said])

    # --- one transaction ----------------------------------------------------------------------
    def _prepare(self, connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        there = {one.casefold() for one in columns_there(raw)}
        for name in self._columns:
            if name.casefold() not in there:
                raw.execute(f"ALTER TABLE rows ADD COLUMN {quoted(name)}")

    def _placed(self, raw: Any, position: str, now_us: int) -> int:
        raw.execute(
            "INSERT INTO loaded (source, position, at) VALUES (?, ?, ?) ON CONFLICT "
            "(source) DO UPDATE SET position = excluded.position, at = excluded.at",
            (self._source, position, now_us),
        )
        return self._number(raw)

    def _number(self, raw: Any) -> int:
        row = raw.execute("SELECT number FROM loaded WHERE source = ?", (self._source,)).fetchone()
        return row[0] if row else 0

    def _write(self, raw: Any, rows: Sequence[Row], number: int, now_us: int) -> int:
        """Returns how many rows are new or differ."""
        names = self._columns
        head = (number, now_us, now_us)
        lines = [(one.key or None, *head, *map(one.values.get, names)) for one in rows]
        if self._geometries:
            lines = [self._with_geometry(line) for line in lines]
        raw.execute("SAVEPOINT chunk")
        before = raw.total_changes
        try:
            self._put(raw, lines)
        except (OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            raw.execute("ROLLBACK TO chunk")
            before = raw.total_changes
            self._put(raw, [_plain(line) for line in lines])
        written = raw.total_changes - before
        raw.execute("RELEASE chunk")
        return int(written)

    def _put(self, raw: Any, lines: Sequence[tuple[Any, ...]]) -> None:
        for part in _parts(lines, self._at_once):
            if len(part) == self._at_once:
                raw.execute(self._upserts[self._at_once], [*chain.from_iterable(part)])
            else:
                raw.executemany(self._upserts[1], part)

    def _with_geometry(self, line: tuple[Any, ...]) -> tuple[Any, ...]:
        found = list(line)
        for n in self._geometries:
            if found[n + 4] is not None:
                found[n + 4] = orjson.dumps(found[n + 4]).decode()
        return tuple(found)


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


def _note_seen(raw: Any, rows: Sequence[Row]) -> None:
    for keys in _parts([one.key for one in rows], AT_ONCE):
        marks = ", ".join("?" * len(keys))
        raw.execute(
            f"INSERT OR IGNORE INTO seen SELECT _number FROM rows WHERE _key IN ({marks})", keys
        )


def _first_time(raw: Any, number: int, chunk: str) -> bool:
    sql = "INSERT OR IGNORE INTO chunks (source, chunk) VALUES (?, ?)"
    return bool(raw.execute(sql, (number, chunk)).rowcount)


def _plain(line: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values of kinds SQLite does not know as text."""
    return tuple(map(_known, line))


def _known(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_WHOLE:
        return str(value)
    if isinstance(value, dict | list | tuple):
        return orjson.dumps(value, default=str).decode()
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    return str(value)


def _mark_gone(raw: Any, number: int, now_us: int) -> int:
    """Rows of one source that its load did not show; how many there were."""
    done = raw.execute(
        "UPDATE rows SET _removed = ?, _changed = ? WHERE _removed IS NULL "
        "AND _source = ? AND _key IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.number = rows._number)",
        (now_us, now_us, number),
    )
    return int(done.rowcount)
