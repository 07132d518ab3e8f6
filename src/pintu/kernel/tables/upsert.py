"""Put a row in, or else replace or leave what has the same key: equal on every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

Row = Mapping[str, Any]


def put_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, key: Iterable[str] = ()
) -> None:
    """Insert `rows`, which all tell the same columns; one with a key that is there already takes
    that row's place, so that columns it does not tell have their defaults. `key` names the columns
    of a unique rule; without it the primary key. A number that the table gave to a row stays with
    it.
    """
    if not rows:
        return
    names = tuple(key) or tuple(column.name for column in table.primary_key)
    kept = {*names, *(column.name for column in table.primary_key)}
    insert = _insert(connection, table)
    values = {one.name: insert.excluded[one.name] for one in table.columns if one.name not in kept}
    if values:
        statement = insert.on_conflict_do_update(index_elements=names, set_=values)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=names)
    connection.execute(statement, list(rows))


def add_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`; one that breaks a unique rule of the table is passed over."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def _insert(connection: Connection, table: Table) -> Any:
    # The dialects' own inserts know ON CONFLICT, SQLAlchemy's neutral one does not; a city needs
    # one of them.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as insert_there

    return insert_there(table)
