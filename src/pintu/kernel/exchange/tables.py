"""Table data sets: one SQLite file each, rows laid in with the position they came from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import Connection, MetaData

from pintu.kernel.clock import Clock
from pintu.kernel.errors import DeadlineExceeded
from pintu.kernel.exchange.asking import statement
from pintu.kernel.exchange.conditions import cut
from pintu.kernel.exchange.words import Column, DataSet, Question, Rows
from pintu.kernel.tables import CityTables, OpenTables, PrivateTables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.operations import Operations

DEADLINE_S: Final = 5.0
"""How long one question may keep a file's reader; a table of millions answers a count in that."""

CHECK_EVERY: Final = 20_000
"""Steps of SQLite's machine between two looks at the time."""


def _first(operations: Operations) -> None:
    # the columns themselves come by ALTER TABLE, after the data set's own list; they have no
    # declared type, so that a column whose kind changes keeps what it is given
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a file holds, without a row of it."""

    rows: int
    removed: int
    changed_us: int


class TableFiles:
    """The files of one data folder, opened when first asked for."""

    def __init__(self, tables: CityTables, clock: Clock, zone: str) -> None:
        self._tables, self._clock, self.zone = tables, clock, zone

    def exists(self, data_set: DataSet) -> bool:
        """Whether anything was ever laid into it."""
        return (self._tables.data / "datasets" / f"{file_name(data_set.name)}.db").exists()

    def open(self, data_set: DataSet) -> OpenTables:
        """The file of a data set, made when it is not there."""
        return self._tables.register(private_tables(file_name(data_set.name)))

    async def ask(self, data_set: DataSet, question: Question) -> Rows:
        """Rows that nobody removed; DeadlineExceeded when the question costs too much."""
        now_us = self._clock.now_us()
        if not self.exists(data_set):
            empty = statement(question, data_set.columns, (), self.zone)
            return Rows(columns=empty.columns, rows=[], total=0, as_of_us=now_us)

        def work(connection: Connection) -> Rows:
            with deadline(connection, self.zone) as raw:
                asked = statement(question, data_set.columns, columns_there(raw), self.zone)
                total = None
                if question.count:
                    total = raw.execute(asked.counting, asked.bindings).fetchone()[0]
                found = raw.execute(asked.sql, [*asked.bindings, question.limit, question.offset])
                rows = shown(found, asked.columns)
            return Rows(columns=asked.columns, rows=rows, total=total, as_of_us=now_us)

        return await self.open(data_set).read(work)

    async def facts(self, data_set: DataSet) -> TableFacts:
        """How many rows, how many gone from their source, and when one last changed."""
        if not self.exists(data_set):
            return TableFacts(rows=0, removed=0, changed_us=0)

        def work(connection: Connection) -> TableFacts:
            with deadline(connection, self.zone) as raw:
                rows, removed, changed = raw.execute(
                    "SELECT count(*) - count(_removed), count(_removed), max(_changed) FROM rows"
                ).fetchone()
            return TableFacts(rows=rows, removed=removed, changed_us=changed or 0)

        return await self.open(data_set).read(work)


@cache
def private_tables(name: str) -> PrivateTables:
    """The one declaration of a file, whoever opens it: the register knows it by identity."""
    return PrivateTables(name=name, metadata=MetaData(), migrations=(_first,), place="datasets")


def file_name(data_set: str) -> str:
    """What the file of a data set is called; a piece's `lamps.groups` is `lamps__groups`."""
    return data_set.replace(".", "__").lower()


@contextmanager
def deadline(connection: Connection, zone: str) -> Iterator[Any]:
    """SQLite's own connection, which gives up after `DEADLINE_S` and knows `cut`."""
    raw: Any = connection.connection.driver_connection
    raw.create_function("cut", 2, lambda text, step: cut(text, step, zone), deterministic=True)
    end = monotonic() + DEADLINE_S
    raw.set_progress_handler(lambda: monotonic() > end, CHECK_EVERY)
    try:
        yield raw
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        raise DeadlineExceeded(
            f"The question took longer than {DEADLINE_S:.0f} s; narrow it with a condition"
        ) from error
    finally:
        raw.set_progress_handler(None, 0)


def columns_there(raw: Any) -> list[str]:
    """The columns a file has by now."""
    return [row[1] for row in raw.execute("PRAGMA table_info(rows)")]


def shown(found: Iterable[Sequence[Any]], columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Rows by column name; truth, points and shapes in their own form again."""
    names = [one.name for one in columns]
    turned = [(n, _OUT[one.kind]) for n, one in enumerate(columns) if one.kind in _OUT]
    rows = []
    for row in found:
        values = list(row)
        for n, turn in turned:
            if values[n] is not None:
                values[n] = turn(values[n])
        rows.append(dict(zip(names, values, strict=True)))
    return rows


def _geometry(text: Any) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        return None


_OUT: Final[dict[str, Callable[[Any], Any]]] = {
    "yes_no": bool,
    "point": _geometry,
    "shape": _geometry,
}
