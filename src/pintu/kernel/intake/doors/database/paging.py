"""Pages of a table in the order of its key: each one statement, short, and gone on with by any
process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy import ColumnElement, Connection, Select
from sqlalchemy.types import NullType

from pintu.kernel.intake.doors.database.schema import Table
from pintu.kernel.intake.doors.database.systems import Family

Line = Sequence[Any]
"""One row as the driver gave it, in the order of the columns asked for."""

_ROW_VALUES = ("postgresql", "sqlite")
"""Databases that use an index for (a, b) > (x, y)."""


class Pages:
    """The statements that read some columns of one table."""

    def __init__(self, table: Table, names: Sequence[str], family: Family) -> None:
        self.names = tuple(names)
        self._family = family
        self._columns: dict[str, Any] = {one.name: sql.column(one.name) for one in table.columns}
        self._table = sql.table(table.name, *self._columns.values(), schema=table.schema)

    def page(
        self,
        connection: Connection,
        order: Sequence[str],
        *,
        after: Sequence[Any] = (),
        at_least: Any = None,
        limit: int,
    ) -> list[Line]:
        """At most `limit` rows behind `after` in the order of the columns `order`; with
        `at_least`, only rows whose first column of the order is that or more, and not empty."""
        statement = (
            self._select()
            .order_by(*(self._columns[one] for one in order))
            .limit(sql.literal_column(str(int(limit))))
        )
        values: dict[str, Any] = {}
        if after:
            statement = statement.where(self._behind(order, len(after)))
            values |= {f"k{number}": value for number, value in enumerate(after)}
        elif at_least is not None:
            statement = statement.where(self._columns[order[0]] >= _told("least"))
            values["least"] = at_least
        return list(connection.execute(statement, values))

    def newest(self, connection: Connection, order: Sequence[str], skip: int = 0) -> Any:
        """Some columns of the last row in their order but `skip`; None where there is none."""
        columns = [self._columns[one] for one in order]
        statement = (
            sql.select(*columns)
            .select_from(self._table)
            .where(columns[0].is_not(None))
            .order_by(*(one.desc() for one in columns))
            .limit(sql.literal_column("1"))
            .offset(sql.literal_column(str(skip)))
        )
        return connection.execute(statement).first()

    def all_rows(self, connection: Connection, size: int) -> Any:
        """A table without a key: one statement, read piece by piece where the driver can."""
        told = connection.execution_options(stream_results=True, yield_per=size)
        return told.execute(self._select()).partitions(size)

    def by_keys(
        self, connection: Connection, key: Sequence[str], wanted: Sequence[Sequence[Any]]
    ) -> list[Line]:
        """The rows of these keys, those that are there."""
        found: list[Line] = []
        for one in wanted:
            statement = self._select().where(
                *(self._columns[name] == _told(f"k{n}") for n, name in enumerate(key))
            )
            values = {f"k{n}": value for n, value in enumerate(one)}
            found += connection.execute(statement, values).all()
        return found

    def _select(self) -> Select[Any]:
        return sql.select(*(self._columns[one] for one in self.names)).select_from(self._table)

    def _behind(self, order: Sequence[str], count: int) -> ColumnElement[bool]:
        columns = [self._columns[one] for one in order[:count]]
        told = [_told(f"k{number}") for number in range(count)]
        if count == 1:
            return sql.and_(columns[0] > told[0])
        if self._family in _ROW_VALUES:
            return sql.and_(sql.tuple_(*columns) > sql.tuple_(*told))
        steps = [
            sql.and_(
                *(columns[n] == told[n] for n in range(number)), columns[number] > told[number]
            )
            for number in range(count)
        ]
        return sql.and_(columns[0] >= told[0], sql.or_(*steps))


def _told(name: str) -> sql.BindParameter[Any]:
    """A value without a type: the database compares it as the column's own."""
    return sql.bindparam(name, type_=NullType())
