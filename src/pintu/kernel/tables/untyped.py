"""Columns of no kind, whose values keep their own: one without a type in SQLite, two on
PostgreSQL, a number in the first or a text in the second.

Only a table called `rows` has any. On PostgreSQL the two are called by a number (`n1`, `t1`),
because names may be longer than it takes; `_columns` says whose they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

TABLE: Final = "rows"
NAMES: Final = "_columns"


def make_names(connection: Connection) -> None:
    """The table of names, where the store needs one and it is not there."""
    if _on_server(connection):
        made = "(number int PRIMARY KEY, name text NOT NULL UNIQUE)"
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {NAMES} {made}")


def numbers_of(connection: Connection) -> dict[str, int]:
    """Name → number of each such column of this schema, in their order."""
    raw: Any = connection.connection.driver_connection
    asked = "SELECT to_regclass(quote_ident(current_schema()) || %s)"
    if raw.execute(asked, (f".{NAMES}",)).fetchone()[0] is None:
        return {}
    return dict(raw.execute(f"SELECT name, number FROM {NAMES} ORDER BY number").fetchall())


def add_columns(connection: Connection, names: Sequence[str]) -> None:
    """Make those that are lacking; upper and lower case are one."""
    raw: Any = connection.connection.driver_connection
    on_server = _on_server(connection)
    if on_server:
        known = numbers_of(connection)
        there = {one.casefold() for one in known}
    else:
        there = {row[1].casefold() for row in raw.execute(f"PRAGMA table_info({TABLE})")}
    number = max(known.values(), default=0) if on_server else 0
    for name in names:
        if name.casefold() in there:
            continue
        there.add(name.casefold())
        number += 1
        if on_server:
            raw.execute(f"INSERT INTO {NAMES} VALUES (%s, %s)", (number, name))
            pair = f'ADD COLUMN n{number} numeric, ADD COLUMN t{number} text COLLATE "C"'
            raw.execute(f"ALTER TABLE {TABLE} {pair}".encode())
        else:
            quoted = name.replace('"', '""')
            raw.execute(f'ALTER TABLE {TABLE} ADD COLUMN "{quoted}"')


def number_text(value: Any) -> str | None:
    """A number as PostgreSQL reads it: whole without a point, any other with one, so that each
    comes back as what it was and all compare exactly. None for one that is none (NaN), as SQLite
    keeps it."""
    if value.__class__ is not float:
        return str(int(value))
    told = repr(value)
    if "n" in told:
        return None if value != value else "Infinity" if value > 0 else "-Infinity"
    if "e" not in told:
        return told
    return f"{int(value)}.0" if value.is_integer() else format(Decimal(told), "f")


def number_of(told: bytes) -> int | float:
    """A number as it was, from what PostgreSQL writes."""
    try:
        return float(told) if b"." in told else int(told)
    except ValueError:
        return float(told)  # Infinity


def pair_of(value: Any) -> tuple[str | None, str | None]:
    """The number and the text of a value, as PostgreSQL reads them."""
    if isinstance(value, int | float):
        return number_text(value), None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return None, None if value is None else str(value).replace("\0", "")


def _on_server(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
