"""Table data sets: rows laid in with the position they came from, asked in SQL; one SQLite file
each, or one schema each on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import Connection, MetaData

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.exchange import correcting, disagreeing
from pintu.kernel.exchange.asking import asking
from pintu.kernel.exchange.disagreeing import Disagreement
from pintu.kernel.exchange.forms import Form, TableFacts
from pintu.kernel.exchange.words import Column, DataSet, Question, Rows
from pintu.kernel.tables import CityTables, OpenTables, PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations


class TableProvider:
    """The table data sets of one city, opened when first asked for."""

    def __init__(self, tables: CityTables, clock: Clock, zone: str) -> None:
        self._tables, self._clock, self.zone = tables, clock, zone
        self.form = form_of(tables.on_server)
        self._lock = threading.Lock()
        self._there: set[str] = set()
        self._looking: dict[str, OpenTables] = {}
        self._known: dict[str, OpenTables] = {}

    def exists(self, data_set: DataSet) -> bool:
        """Whether anything was ever laid into it, by whatever process. A server is asked once for
        each data set and tells by itself when one is made; what is there stays there."""
        name = file_name(data_set.name)
        if name in self._there:
            return True
        if not self._tables.on_server:
            return self._tables.exists("datasets", name)
        with self._lock:
            looking = self._looking.get(name)
            if looking is None:
                try:
                    looking = self._looking[name] = self._tables.open("datasets", name)
                except ConfigurationError:  # a name that no table can have
                    return False
            if looking.data_version():
                self._there.add(name)
                self._looking.pop(name).close()
        return name in self._there

    def open(self, data_set: DataSet) -> OpenTables:
        """The tables of a data set, made when they are not there."""
        with self._lock:
            return self._tables.register(private_tables(file_name(data_set.name)))

    async def ask(self, data_set: DataSet, question: Question) -> Rows:
        """Rows that nobody removed; DeadlineExceeded when the question costs too much."""
        now_us = self._clock.now_us()
        asked = asking(question, data_set.columns, self.zone)
        opened = await self._opened(data_set)
        if opened is None:
            return Rows(columns=asked.columns, rows=[], total=0, as_of_us=now_us)

        def work(connection: Connection) -> Rows:
            found, total = self.form.answer(connection, asked)
            rows = shown(found, asked.columns)
            return Rows(columns=asked.columns, rows=rows, total=total, as_of_us=now_us)

        return await opened.read(work)

    async def facts(self, data_set: DataSet) -> TableFacts:
        """How many rows, how many gone from their source, and when one last changed."""
        opened = await self._opened(data_set)
        if opened is None:
            return TableFacts(rows=0, removed=0, changed_us=0)
        return await opened.read(self.form.facts)

    async def disagreements(
        self, data_set: DataSet, sources: Iterable[str], *, limit: int
    ) -> tuple[int, list[Disagreement]]:
        """How many values others tell differently from these sources, and the newest of them."""
        opened = await self._opened(data_set)
        if opened is None:
            return 0, []
        return await opened.read(lambda c: disagreeing.read(c, data_set, sources, limit))

    async def _opened(self, data_set: DataSet) -> OpenTables | None:
        """None when nothing was ever laid into it; the loop never waits for a server."""
        if not self._tables.on_server:
            return self.open(data_set) if self.exists(data_set) else None
        opened = self._known.get(data_set.name)
        if opened is None and await asyncio.to_thread(self.exists, data_set):
            opened = self._known[data_set.name] = await asyncio.to_thread(self.open, data_set)
        return opened


@cache
def private_tables(name: str) -> PrivateTables:
    """The one declaration of a data set's tables, whoever opens them: the register knows it by
    identity."""
    return PrivateTables(
        name=name, metadata=MetaData(), migrations=(_first, _second, _third), place="datasets"
    )


def _first(operations: Operations) -> None:
    form_of(operations.get_bind().dialect.name == "postgresql").make(operations)


def _second(operations: Operations) -> None:
    operations.create_table("differs", *disagreeing.columns())


def _third(operations: Operations) -> None:
    operations.create_table("corrected", *correcting.columns())
    operations.create_index("corrected_key", "corrected", ["key", "ended_us"])


@cache
def form_of(on_server: bool) -> Form:
    """How the rows lie; a city in files imports no driver of a server."""
    if on_server:
        from pintu.kernel.exchange.server_form import ServerForm

        return ServerForm()
    from pintu.kernel.exchange.file_form import FileForm

    return FileForm()


def file_name(data_set: str) -> str:
    """What the file of a data set is called; a piece's `lamps.groups` is `lamps__groups`."""
    return data_set.replace(".", "__").lower()


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
