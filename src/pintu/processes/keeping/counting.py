"""What a database holds, told in figures that a restore must reproduce: rows of every table, the
newest position, one digest of all entities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

ENTITIES = "SELECT tenant, id, created, modified, body FROM entity ORDER BY tenant, id"


def opened(path: Path) -> apsw.Connection:
    """A copy that nobody writes, opened without touching anything beside it."""
    uri = path.absolute().as_uri()
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{uri}?mode=ro&immutable=1", flags=flags)


def count_rows(path: Path) -> dict[str, int]:
    """Rows of every table of a copy."""
    with closing(opened(path)) as connection:
        asked = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        names = [str(name) for (name,) in connection.execute(asked).fetchall()]
        quoted = {name: name.replace('"', '""') for name in sorted(names)}
        return {
            name: int(connection.execute(f'SELECT count(*) FROM "{text}"').get)
            for name, text in quoted.items()
        }


def entities_of(path: Path) -> tuple[int, str]:
    """(newest position, SHA-256 of all entities) of a copy of city.db."""
    with closing(opened(path)) as connection:
        position = connection.execute(
            "SELECT max(coalesce((SELECT max(position) FROM log), 0),"
            " coalesce((SELECT value FROM meta WHERE key='head'), 0))"
        ).get
        return int(position), digest_of_rows(connection.execute(ENTITIES))


def digest_of_rows(rows: Iterable[tuple[Any, ...]]) -> str:
    """One digest of (tenant, id, created, modified, body) in order of tenant and id (its bytes):
    the same on every store."""
    whole = hashlib.sha256()
    for tenant, id, created, modified, body in rows:
        whole.update(f"{tenant} {id} {created} {modified} {len(body)}\n".encode())
        whole.update(body)
    return whole.hexdigest()


def problem_of(path: Path) -> str:
    """What SQLite finds wrong with a copy; "" for nothing."""
    try:
        with closing(opened(path)) as connection:
            told = str(connection.execute("PRAGMA integrity_check(1)").get)
    except apsw.Error as error:
        return str(error)
    return "" if told == "ok" else told
