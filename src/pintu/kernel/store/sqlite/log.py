"""Reading the one log: forward it is the change feed, backward along `previous` an entity's
history.
"""

from __future__ import annotations

from typing import Any

import apsw

from pintu.kernel.store.port import Change
from pintu.kernel.store.sqlite.names import Names

_COLUMNS = "position, kind, id, verb, at, source, previous, changed, payload"
_NOTES = "SELECT number, body FROM note WHERE number > ? ORDER BY number LIMIT ?"
_LAST = (
    "SELECT coalesce((SELECT last FROM entity WHERE tenant=?1 AND id=?2), "
    "(SELECT last FROM tombstone WHERE tenant=?1 AND id=?2), 0)"
)
_CHAIN = (
    f"WITH RECURSIVE chain({_COLUMNS}) AS ("
    f"SELECT {_COLUMNS} FROM log WHERE position = ? UNION ALL "
    "SELECT l.position, l.kind, l.id, l.verb, l.at, l.source, l.previous, l.changed, l.payload "
    "FROM chain c CROSS JOIN log l ON l.position = c.previous) "
    f"SELECT {_COLUMNS} FROM chain"
)


def changes(connection: apsw.Connection, names: Names, after: int, limit: int) -> list[Change]:
    """Rows of the log after a position, in commit order."""
    sql = f"SELECT {_COLUMNS} FROM log WHERE position > ? ORDER BY position LIMIT ?"
    return list(map(names.change, connection.execute(sql, (after, limit))))


def notes(connection: apsw.Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """(number, bytes) of notes after a number, in order."""
    rows: list[Any] = connection.execute(_NOTES, (after, limit)).fetchall()
    return rows


def history(
    connection: apsw.Connection, names: Names, key: tuple[int, str], before: int | None, limit: int
) -> list[Change]:
    """An entity's changes before a position (None: all), newest first."""
    start = None
    if before is not None:
        sql = "SELECT previous, kind FROM log WHERE position = ? AND id = ?"
        row = connection.execute(sql, (before, key[1])).fetchone()
        if row is not None and names.kinds[row[1]].tenant == key[0]:
            start = int(row[0])
    skip = before is not None and start is None
    if start is None:
        start = int(connection.execute(_LAST, key).get)
    where, bindings = (" WHERE position < ?", (start, before)) if skip else ("", (start,))
    rows = connection.execute(f"{_CHAIN}{where} LIMIT ?", (*bindings, limit)).fetchall()
    return list(map(names.change, rows))
