"""Pages of rows read and written as the two stores do it fastest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from pintu.kernel.tables import untyped
from pintu.kernel.tables.copying_shape import Shape

Row = tuple[Any, ...]


def page(connection: Connection, shape: Shape, after: Row | None, limit: int) -> list[Row]:
    """Rows in primary key order behind a key, at most `limit`."""
    where, values = "", []
    if after is not None:
        where, values = f" WHERE {_past(connection, shape)}", list(after)
    tail = f"{where} ORDER BY {_order(connection, shape)} LIMIT {int(limit)}"
    return _read(connection, shape, tail, values)


def between(connection: Connection, shape: Shape, after: Row | None, last: Row) -> list[Row]:
    """Rows behind one key and not behind another, in order."""
    wheres, values = [_past(connection, shape, "<=")], list(last)
    if after is not None:
        wheres.append(_past(connection, shape))
        values += after
    tail = f" WHERE {' AND '.join(wheres)} ORDER BY {_order(connection, shape)}"
    return _read(connection, shape, tail, values)


def put(connection: Connection, shape: Shape, rows: Sequence[Row], *, fresh: bool) -> None:
    """Write rows; unless they are all `fresh`, each takes the place of the one with its key."""
    names = _physical(connection, shape)
    columns = ", ".join(names)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql" and fresh:
        with (
            raw.cursor() as cursor,
            cursor.copy(f"COPY {_quoted(shape.name)} ({columns}) FROM STDIN") as copy,
        ):
            for row in _apart(connection, shape, _truths(shape, rows)):
                copy.write_row(row)
        return
    marks = ", ".join([_mark(connection)] * len(names))
    keys = {_quoted(one) for one in shape.key}
    others = [one for one in names if one not in keys]
    taken = ", ".join(f"{one} = excluded.{one}" for one in others)
    key = ", ".join(_quoted(one) for one in shape.key)
    rule = f"({key}) DO UPDATE SET {taken}" if others else f"({key}) DO NOTHING"
    sql = f"INSERT INTO {_quoted(shape.name)} ({columns}) VALUES ({marks}) ON CONFLICT {rule}"
    with _cursor(raw) as cursor:
        cursor.executemany(sql, _apart(connection, shape, _truths(shape, rows)))


def remove(connection: Connection, shape: Shape, keys: Sequence[Row]) -> None:
    """Delete rows by their keys."""
    mark = _mark(connection)
    same = " AND ".join(f"{_quoted(one)} = {mark}" for one in shape.key)
    raw: Any = connection.connection.driver_connection
    with _cursor(raw) as cursor:
        cursor.executemany(f"DELETE FROM {_quoted(shape.name)} WHERE {same}", keys)


def numbers(connection: Connection, shape: Shape) -> int:
    """The highest number that a table ever gave to a row, as far as it remembers."""
    if shape.numbered is None:
        return 0
    top = f"SELECT max({_quoted(shape.numbered)}) FROM {_quoted(shape.name)}"
    highest = int(connection.exec_driver_sql(top).scalar() or 0)
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, shape)
        told = connection.exec_driver_sql(
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"
        ).scalar()
    elif _remembers(connection):
        told = connection.exec_driver_sql(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (shape.name,)
        ).scalar()
    else:
        told = 0
    return max(highest, int(told or 0))


def keep_numbers(connection: Connection, shape: Shape, highest: int) -> None:
    """The next row that a table numbers gets a higher one than this."""
    if shape.numbered is None or highest < 1:
        return
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, shape)
        connection.exec_driver_sql(f"SELECT setval('{sequence}', {int(highest)})")
    elif _remembers(connection):
        told = (highest, shape.name)
        sql = "UPDATE sqlite_sequence SET seq = ? WHERE name = ?"
        if not connection.exec_driver_sql(sql, told).rowcount:
            sql = "INSERT INTO sqlite_sequence(seq, name) VALUES (?, ?)"
            connection.exec_driver_sql(sql, told)


def _remembers(connection: Connection) -> bool:
    """SQLite keeps the last number only of tables that were made to never use one twice."""
    asked = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
    return connection.exec_driver_sql(asked).scalar() is not None


def _sequence(connection: Connection, shape: Shape) -> str:
    asked = "SELECT pg_get_serial_sequence(%s, %s)"
    found = connection.exec_driver_sql(asked, (_quoted(shape.name), shape.numbered)).scalar_one()
    return str(found)


def _read(connection: Connection, shape: Shape, tail: str, values: Sequence[Any]) -> list[Row]:
    columns = ", ".join(_physical(connection, shape, reading=True))
    raw: Any = connection.connection.driver_connection
    sql = f"SELECT {columns} FROM {_quoted(shape.name)}{tail}"
    with _cursor(raw) as cursor:
        cursor.execute(sql, values)
        rows: list[Row] = _together(connection, shape, cursor.fetchall())
    places = [n for n, one in enumerate(shape.columns) if one in shape.truths]
    return _turned(rows, places, int) if places else rows


def _physical(connection: Connection, shape: Shape, *, reading: bool = False) -> list[str]:
    """The columns as the store has them: of no kind, on PostgreSQL, each is two."""
    if not _in_pairs(connection, shape):
        return [_quoted(one) for one in shape.columns]
    found = []
    for one in shape.columns:
        number = shape.untyped.get(one)
        if number is None:
            found.append(_quoted(one))
        else:
            found += [f"n{number}::text" if reading else f"n{number}", f"t{number}"]
    return found


def _in_pairs(connection: Connection, shape: Shape) -> bool:
    return bool(shape.untyped) and connection.dialect.name == "postgresql"


def _apart(connection: Connection, shape: Shape, rows: Iterable[Row]) -> Iterable[Row]:
    if not _in_pairs(connection, shape):
        return rows
    free = [one in shape.untyped for one in shape.columns]
    return [
        tuple(
            part
            for two, value in zip(free, row, strict=True)
            for part in (untyped.pair_of(value) if two else (value,))
        )
        for row in rows
    ]


def _together(connection: Connection, shape: Shape, rows: list[Row]) -> list[Row]:
    if not _in_pairs(connection, shape):
        return rows
    free = [one in shape.untyped for one in shape.columns]
    found = []
    for row in rows:
        parts = iter(row)
        values = []
        for two in free:
            value = next(parts)
            if two:
                text = next(parts)
                value = text if value is None else untyped.number_of(value.encode())
            values.append(value)
        found.append(tuple(values))
    return found


def _truths(shape: Shape, rows: Sequence[Row]) -> Iterable[Row]:
    places = [n for n, one in enumerate(shape.columns) if one in shape.truths]
    return _turned(rows, places, bool) if places else rows


def _turned(rows: Sequence[Row], places: Sequence[int], into: type) -> list[Row]:
    turned = []
    for row in rows:
        values = list(row)
        for place in places:
            values[place] = None if values[place] is None else into(values[place])
        turned.append(tuple(values))
    return turned


def _past(connection: Connection, shape: Shape, sign: str = ">") -> str:
    marks = ", ".join([_mark(connection)] * len(shape.key))
    return f"({_order(connection, shape)}) {sign} ({marks})"


def _order(connection: Connection, shape: Shape) -> str:
    """The key's columns, texts by code point on either store."""
    return ", ".join(
        f'{_quoted(one)} COLLATE "C"' if _loose(connection, shape, one) else _quoted(one)
        for one in shape.key
    )


def _loose(connection: Connection, shape: Shape, name: str) -> bool:
    """Whether a text column of PostgreSQL was made with an order of its own."""
    kind: Any = shape.table.columns[name].type
    return (
        connection.dialect.name == "postgresql"
        and hasattr(kind, "collation")
        and kind.collation != "C"
    )


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cursor(raw: Any) -> Any:
    """A cursor that is closed, on both drivers."""
    from contextlib import closing

    return closing(raw.cursor())
