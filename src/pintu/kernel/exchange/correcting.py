"""One value of a table data set corrected: the row keeps its source, what it was is kept beside it,
and a load that brings the old value again does not win until the source itself has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.exchange.forms import Brought
from pintu.kernel.tables import row_number

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.exchange.tables import TableProvider
    from pintu.kernel.exchange.words import Column, DataSet
    from pintu.kernel.intake.mapping.words import Row

AT_ONCE: Final = 400
STEP: Final = 5_000
NOBODY: Final = -1  # a number no source has: `Form.others` then tells every row
LONGEST: Final = 10_000

METADATA: Final = sa.MetaData()


def columns() -> list[sa.Column[Any]]:
    """The columns of the table, for a migration too."""
    return [
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),  # of the column
        sa.Column("was", sa.Text, nullable=False),  # JSON
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Text, nullable=False),  # JSON: by, objection, reason
        sa.Column("ended_us", sa.BigInteger, nullable=False),  # 0: it holds
    ]


CORRECTED: Final = sa.Table(
    "corrected", METADATA, *columns(), sa.Index("corrected_key", "key", "ended_us")
)
ROWS: Final = sa.table(
    "rows", *map(sa.column, ("_number", "_key", "_source", "_changed", "_removed"))
)
LOADED: Final = sa.table("loaded", sa.column("number"), sa.column("source"))


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One value as a row has it now, and how it is known."""

    value: Any
    source: str
    at_us: int
    corrected: bool


class Correcting:
    """Reads rows of table data sets by key and corrects single values; asks no gate."""

    def __init__(self, tables: TableProvider, get: Callable[[str], DataSet], clock: Clock) -> None:
        self._tables, self._get, self._clock = tables, get, clock

    def owner(self, data_set: str) -> str:
        """The organisation a data set belongs to; ResourceNotFound."""
        return self._get(data_set).owner

    async def rows(
        self, data_set: str, columns: Sequence[str]
    ) -> AsyncIterator[list[tuple[str, Mapping[str, Any]]]]:
        """Every row with a key that nobody removed, (key, values), some thousands at a time."""
        found = self._table(data_set)
        if not await asyncio.to_thread(self._tables.exists, found):
            return
        opened = await asyncio.to_thread(self._tables.open, found)
        names, last = _there(found, columns), 0
        while True:
            query = (
                sa.select(ROWS.c._number, ROWS.c._key)
                .where(ROWS.c._number > last, ROWS.c._removed.is_(None), ROWS.c._key.is_not(None))
                .order_by(ROWS.c._number)
                .limit(STEP)
            )

            def work(connection: Connection, query: Any = query) -> tuple[int, list[Any]]:
                keys = connection.execute(query).all()
                told = self._tables.form.others(connection, NOBODY, [key for _, key in keys], names)
                return keys[-1][0] if keys else 0, told

            last, told = await opened.read(work)
            if not last:
                return
            yield [(key, dict(zip(names, values, strict=True))) for key, _, *values in told]

    async def told(self, data_set: str, keys: Sequence[str], column: str) -> dict[str, Told]:
        """One column of some rows, by key; what is not there or empty is not told."""
        found = self._table(data_set)
        if not keys or not await asyncio.to_thread(self._tables.exists, found):
            return {}
        name = _there(found, [column])[0]
        opened = await asyncio.to_thread(self._tables.open, found)
        return await opened.read(lambda c: self._told(c, keys, name))

    def _told(self, connection: Connection, keys: Sequence[str], name: str) -> dict[str, Told]:
        loaded = connection.execute(sa.select(LOADED.c.number, LOADED.c.source))
        sources = {number: source for number, source in loaded}
        found: dict[str, Told] = {}
        for at in range(0, len(keys), AT_ONCE):
            part = keys[at : at + AT_ONCE]
            query = sa.select(ROWS.c._key, ROWS.c._changed).where(ROWS.c._key.in_(part))
            changed = {key: at_us for key, at_us in connection.execute(query)}
            held = sa.select(CORRECTED.c.key).where(*_holding(part), CORRECTED.c.name == name)
            corrected = set(connection.execute(held).scalars())
            for key, number, value in self._tables.form.others(connection, NOBODY, part, [name]):
                if value is not None and value != "":
                    found[key] = Told(
                        value=value, source=sources.get(number, ""),
                        at_us=int(changed.get(key, 0)), corrected=key in corrected,
                    )  # fmt: skip
        return found

    async def correct(
        self, place: tuple[str, str, str], value: Any, why: Mapping[str, str]
    ) -> Told:
        """Write one value of (data set, key, column); tells what it was. ResourceNotFound for a row
        or column that is not there, BadRequestData for a value of another kind."""
        data_set, key, column = place
        found = self._table(data_set)
        if not await asyncio.to_thread(self._tables.exists, found):
            raise ResourceNotFound(f"Data set {data_set!r} has no rows")
        name = _there(found, [column])[0]
        kept = fitting(next(one for one in found.columns if one.name == name), value)
        opened = await asyncio.to_thread(self._tables.open, found)
        now_us = self._clock.now_us()

        def work(connection: Connection) -> Told:
            rows = self._tables.form.others(connection, NOBODY, [key], [name])
            if not rows:
                raise ResourceNotFound(f"Data set {data_set!r} has no row {key!r}")
            _, number, was = rows[0]
            before = self._told(connection, [key], name).get(
                key, Told(value=None, source="", at_us=0, corrected=False)
            )
            told = _source_says(connection, key, name, was)
            connection.execute(
                CORRECTED.update().where(*_holding([key]), CORRECTED.c.name == name)
                .values(ended_us=now_us)
            )  # fmt: skip
            row = {
                "key": key, "name": name, "was": _json(told), "value": _json(kept),
                "at_us": now_us, "why": _json(dict(why)), "ended_us": 0,
            }  # fmt: skip
            if told != kept:  # put back to what the source says, nothing has to be held
                connection.execute(CORRECTED.insert(), row)
            self._tables.form.put(connection, Brought(
                source=number, at_us=now_us, names=[name], keys=[key], lines=[(kept,)], seen=False,
            ))  # fmt: skip
            return before

        return await opened.run(work)

    def _table(self, data_set: str) -> DataSet:
        found = self._get(data_set)
        if found.provider != "table":
            raise BadRequestData(f"Data set {data_set!r} is no table: its rows have no key")
        return found


def held(connection: Connection, rows: Sequence[Row], now_us: int) -> Sequence[Row]:
    """Rows of a load with the corrected value where they bring the one that was corrected; one that
    brings another has changed at its source, and the correction ends."""
    any_ = sa.select(CORRECTED.c.number).where(CORRECTED.c.ended_us == 0).limit(1)
    if connection.execute(any_).first() is None:
        return rows
    found = list(rows)
    places = {one.key: n for n, one in enumerate(found)}
    keys = list(places)
    for at in range(0, len(keys), AT_ONCE):
        query = CORRECTED.select().where(*_holding(keys[at : at + AT_ONCE]))
        for one in connection.execute(query).mappings().all():
            row = found[places[one["key"]]]
            brought, was = row.values.get(one["name"]), orjson.loads(one["was"])
            if _same(brought, was):
                values = {**row.values, one["name"]: orjson.loads(one["value"])}
                found[places[one["key"]]] = msgspec.structs.replace(row, values=values)
            else:
                over = CORRECTED.update().where(CORRECTED.c.number == one["number"])
                connection.execute(over.values(ended_us=now_us))
    return found


def fitting(column: Column, value: Any) -> Any:
    """A corrected value as its column keeps it; BadRequestData."""
    if value is None or value == "":
        return None
    if isinstance(value, dict | list) or len(str(value)) > LONGEST:
        raise BadRequestData(f"Column {column.name!r} takes one value, not a list or object")
    if column.kind == "yes_no":
        return value in (True, 1, "1", "yes", "true", "是")
    if column.kind in ("number", "whole"):
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise BadRequestData(f"Column {column.name!r} takes a number") from error
        if number != number or abs(number) > 1e300:
            raise BadRequestData(f"Column {column.name!r} takes a number that is one")
        return int(number) if column.kind == "whole" or number.is_integer() else number
    return str(value).strip()


def _source_says(connection: Connection, key: str, name: str, now: Any) -> Any:
    """What the source brought last: of a value that is corrected already, what it was before."""
    query = sa.select(CORRECTED.c.was).where(*_holding([key]), CORRECTED.c.name == name)
    found = connection.execute(query).scalar()
    return now if found is None else orjson.loads(found)


def _same(one: Any, two: Any) -> bool:
    if one is None or one == "":
        return two is None or two == ""
    return str(one).strip() == str(two).strip() or one == two


def _there(found: DataSet, names: Sequence[str]) -> list[str]:
    known = {one.name for one in found.columns}
    for name in names:
        if name not in known:
            raise ResourceNotFound(f"Data set {found.name!r} has no column {name!r}")
    return list(names)


def _holding(keys: Sequence[str]) -> tuple[Any, ...]:
    return CORRECTED.c.key.in_(list(keys)), CORRECTED.c.ended_us == 0


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
