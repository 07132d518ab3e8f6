"""Where rows of a load land: a table data set, exactly once, unchanged rows untouched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.exchange import correcting, disagreeing
from pintu.kernel.exchange.forms import Brought
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.intake.loading_words import Landed
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.intake.mapping.words import BadRecord, Row

LONGEST_KEY: Final = 500  # signs: an index of PostgreSQL takes 2,700 bytes
LARGEST_WHOLE: Final = 2**63 - 1
GEOMETRIES: Final = frozenset(("point", "shape"))
PLAIN: Final = frozenset((str, int, float, bool, type(None)))


def open_landing(
    tables: CityTables, clock: Clock, data_set: DataSet, *, source: str, zone: str = "UTC"
) -> TableLanding:
    """The landing of one source in a table data set, which is made when it is not there."""
    return TableLanding(TableProvider(tables, clock, zone), data_set, clock, source=source)


class TableLanding:
    """Implements `Landing`. Rows with a key replace the row of that key, and only when a value
    differs; rows without one are appended, a chunk of them that comes again is passed over.

    Several sources may fill one data set; each has its own position. A row belongs to the source
    that wrote it last.
    """

    def __init__(
        self, tables: TableProvider, data_set: DataSet, clock: Clock, *, source: str
    ) -> None:
        self._clock, self._source, self._form = clock, source, tables.form
        self._columns = [one.name for one in data_set.columns]
        kinds = {one.name: one.kind for one in data_set.columns}
        self._geometries = [n for n, one in enumerate(self._columns) if kinds[one] in GEOMETRIES]
        self._opened = tables.open(data_set)
        self._opened.run_now(lambda c: self._form.add_columns(c, self._columns))

    async def position(self) -> str:
        """Behind the last chunk that is durable; empty when there was none."""
        return await self._opened.read(lambda c: self._form.position(c, self._source))

    async def land(
        self, chunk_key: str, position: str, items: Sequence[Row], bad: Sequence[BadRecord]
    ) -> Landed:
        """Keep a chunk with its position in one transaction; the same chunk again changes
        nothing. Without a `chunk_key` its caller knows repeats by the position, and never calls
        `finish`: then nothing is kept to know either by."""
        now_us, form = self._clock.now_us(), self._form
        keyed = _short([one for one in items if one.key])
        loose = [one for one in items if not one.key] if len(keyed) < len(items) else []

        def work(connection: Connection) -> Landed:
            number = form.place(connection, self._source, position, now_us)
            written = 0
            for rows in (keyed, loose):
                if not rows:
                    continue
                of_keyed = rows is keyed
                if of_keyed:
                    now = (number, now_us)
                    rows = list(correcting.held(connection, rows, now_us))
                    disagreeing.note(connection, form, rows, self._columns, now)
                elif chunk_key and not form.first_time(connection, number, chunk_key):
                    continue
                brought = Brought(
                    source=number,
                    at_us=now_us,
                    names=self._columns,
                    keys=[one.key for one in rows] if of_keyed else (),
                    lines=self._lines(rows),
                    seen=of_keyed and bool(chunk_key),
                )
                written += form.put(connection, brought)
            return Landed(landed=written, unchanged=len(items) - written, bad=len(bad))

        return await self._opened.run(work)

    async def remove(self, keys: Sequence[str]) -> Landed:
        """Mark rows as removed that the source says it deleted; once more changes nothing."""
        now_us = self._clock.now_us()
        keys = [_short_key(one) for one in keys]

        def work(connection: Connection) -> int:
            number = self._form.number(connection, self._source)
            gone = self._form.remove(connection, number, keys, now_us)
            disagreeing.withdraw(connection, keys, number)
            return gone

        return Landed(landed=await self._opened.run(work))

    async def finish(self, *, whole: bool = True) -> Landed:
        """Mark what a whole load did not bring as removed; it stays in the tables, out of answers.

        A load that was not `whole`, because some records could not be read, marks nothing: a row
        whose record is unreadable today is not gone.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            number = self._form.number(connection, self._source)
            return self._form.finish(connection, number, now_us, whole=whole)

        gone = await self._opened.run(work)
        if not gone:
            return Landed(landed=0)
        said = {
            "zh": f"{gone} 行已不在来源中，标为已移除",
            "en": f"{gone} rows are no longer in the source and were marked as removed",
        }
        return Landed(landed=gone, messages=[said])

    def _lines(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """Values in the order of the columns, of kinds that databases know."""
        names = self._columns
        lines = [tuple(map(one.values.get, names)) for one in rows]
        if self._geometries:
            lines = [self._with_geometry(line) for line in lines]
        for n, column in enumerate(zip(*lines, strict=True)):
            kinds = set(map(type, column))
            if not kinds <= PLAIN or (int in kinds and _large(column)):
                lines = [(*line[:n], _known(line[n]), *line[n + 1 :]) for line in lines]
        return lines

    def _with_geometry(self, line: tuple[Any, ...]) -> tuple[Any, ...]:
        found = list(line)
        for n in self._geometries:
            if found[n] is not None:
                found[n] = _written(found[n])
        return tuple(found)


def _short(rows: list[Row]) -> list[Row]:
    if all(len(one.key) <= LONGEST_KEY for one in rows):
        return rows
    return [msgspec.structs.replace(one, key=_short_key(one.key)) for one in rows]


def _short_key(key: str) -> str:
    """A key that every index takes; a longer one by its beginning and the mark of the whole."""
    if len(key) <= LONGEST_KEY:
        return key
    mark = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{key[: LONGEST_KEY - 40]}…{mark}"


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # a number of more than 64 bits in it
        return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))


def _large(column: Sequence[Any]) -> bool:
    return any(type(one) is int and abs(one) > LARGEST_WHOLE for one in column)


def _known(value: Any) -> Any:
    """Values of kinds no database knows as text."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_WHOLE:
        return str(value)
    if isinstance(value, dict | list | tuple):
        return _written(value)
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    return str(value)
