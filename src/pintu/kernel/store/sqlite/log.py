"""Reading the one log: forward it is the change feed, backward along `previous` an entity's
history.
"""

from __future__ import annotations

from typing import Any

import apsw

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.store.port import Change
from pintu.kernel.store.sqlite.names import Names

_COLUMNS = "position, kind, id, verb, at, source, previous, changed, payload"
RARE = 8
"""Kinds with fewer than one of so many entities are looked up by kind and put in order."""
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


def past_ids(
    connection: apsw.Connection, names: Names, key: tuple[int, str], types: TypeSelection | None,
    limit: int,
) -> list[str]:  # fmt: skip
    """Ids after `key`, (tenant, id), of what is present, deleted or known to history only."""
    present, gone = "", "AND kind > 0"
    by_id = "INDEXED BY entity_id"
    if types is not None:
        kinds = names.kinds_for(key[0], types)
        listed = ",".join(str(kind.n) for kind in kinds)
        present = gone = f"AND kind IN ({listed or 'NULL'})"
        if RARE * sum(kind.count for kind in kinds) < sum(k.count for k in names.kinds.values()):
            by_id = "INDEXED BY entity_kind"
    where = "WHERE tenant=? AND id>? {} ORDER BY id LIMIT ?"
    sql = (
        f"SELECT id FROM (SELECT id FROM entity {by_id} {where.format(present)}) UNION "
        f"SELECT id FROM (SELECT id FROM tombstone {where.format(gone)}) ORDER BY 1 LIMIT ?"
    )
    bindings = (*key, limit, *key, limit, limit)
    return [str(id) for (id,) in connection.execute(sql, bindings).fetchall()]


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
