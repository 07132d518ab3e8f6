"""Put a row in, or else replace or leave what has the same key: equal on every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Table

Row = Mapping[str, Any]

AS_IT_IS: Final = (sa.String, sa.Integer, sa.LargeBinary, sa.Float, sa.Boolean)
"""Types whose values both drivers take as they are."""


def put_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, key: Iterable[str] = ()
) -> None:
    """Insert `rows`, which all tell the same columns; one with a key that is there already takes
    that row's place, so that columns it does not tell have their defaults. `key` names the columns
    of a unique rule; without it the primary key. A number that the table gave to a row stays with
    it.
    """
    if rows:
        names = tuple(key) or tuple(column.name for column in table.primary_key)
        _write(connection, table, rows, names)


def add_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`; one that breaks a unique rule of the table is passed over."""
    if rows:
        _write(connection, table, rows, None)


def _write(
    connection: Connection, table: Table, rows: Sequence[Row], key: tuple[str, ...] | None
) -> None:
    """SQLAlchemy reads every row anew, which costs more than the database does with it; a server
    takes columns better than rows, for which it plans and logs one by one.
    """
    dialect, told = connection.dialect, tuple(rows[0])
    if len(rows) == 1 or len(told) == 1 or not _plain(table, told):
        connection.execute(_statement(dialect, table, key), list(rows))
    elif dialect.positional:
        words, names = _words(dialect, table, key, told)
        connection.exec_driver_sql(words, list(map(itemgetter(*names), rows)))
    else:
        last = rows if key is None else {itemgetter(*key)(row): row for row in rows}.values()
        columns = {name: [row[name] for row in last] for name in told}
        connection.exec_driver_sql(_columns(dialect, table, key, told), columns)


@lru_cache(maxsize=256)
def _plain(table: Table, told: tuple[str, ...]) -> bool:
    """Whether what is told goes to the driver as it is, and the database knows the rest."""
    return all(
        isinstance(column.type, AS_IT_IS) and not isinstance(column.type, sa.Enum)
        if column.name in told
        else column.default is None
        for column in table.columns
    )


@lru_cache(maxsize=256)
def _words(
    dialect: Dialect, table: Table, key: tuple[str, ...] | None, told: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver reads it, and the columns in the order of its places."""
    made = _statement(dialect, table, key).compile(dialect=dialect, column_keys=list(told))
    return str(made), tuple(made.positiontup or ())


@lru_cache(maxsize=256)
def _columns(
    dialect: Dialect, table: Table, key: tuple[str, ...] | None, told: tuple[str, ...]
) -> str:
    """The statement that takes a list a column; the lists are sent in binary form."""
    lists = (f"%({name})b::{table.c[name].type.compile(dialect)}[]" for name in told)
    rows = sa.select(sa.text("*")).select_from(sa.text("THE_ROWS"))
    made = _statement(dialect, table, key).from_select(told, rows).compile(dialect=dialect)
    return str(made).replace("THE_ROWS", f"unnest({', '.join(lists)})")


@lru_cache(maxsize=256)
def _statement(dialect: Dialect, table: Table, key: tuple[str, ...] | None) -> Any:
    """An insert that replaces the row of an equal key; or, without one, leaves it."""
    insert = _insert(dialect, table)
    if key is None:
        return insert.on_conflict_do_nothing()
    kept = {*key, *(column.name for column in table.primary_key)}
    values = {one.name: insert.excluded[one.name] for one in table.columns if one.name not in kept}
    if values:
        return insert.on_conflict_do_update(index_elements=key, set_=values)
    return insert.on_conflict_do_nothing(index_elements=key)


def _insert(dialect: Dialect, table: Table) -> Any:
    # The dialects' own inserts know ON CONFLICT, SQLAlchemy's neutral one does not; a city needs
    # one of them.
    if dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as insert_there

    return insert_there(table)
