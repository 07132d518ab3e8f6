"""city.db: its tables, its numbered migrations, and how a connection to it is opened."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw

from pintu.kernel.errors import ConfigurationError, Unavailable

PAGE_BYTES = 4096

FIRST = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE tenant(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE source(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE kind(n INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, types TEXT NOT NULL,
                  UNIQUE(tenant, types));
CREATE TABLE shape(n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, attributes TEXT NOT NULL,
                   count INTEGER NOT NULL, UNIQUE(kind, attributes));
CREATE TABLE entity(n INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, id TEXT NOT NULL,
                    kind INTEGER NOT NULL, shape INTEGER NOT NULL, created INTEGER NOT NULL,
                    modified INTEGER NOT NULL, last INTEGER NOT NULL, expires INTEGER,
                    times BLOB, body BLOB NOT NULL);
CREATE UNIQUE INDEX entity_id ON entity(tenant, id);
CREATE INDEX entity_kind ON entity(kind);
CREATE INDEX entity_expires ON entity(expires) WHERE expires IS NOT NULL;
CREATE TABLE tombstone(tenant INTEGER NOT NULL, id TEXT NOT NULL, last INTEGER NOT NULL,
                       PRIMARY KEY(tenant, id)) WITHOUT ROWID;
CREATE TABLE log(position INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id TEXT NOT NULL,
                 verb INTEGER NOT NULL, at INTEGER NOT NULL, source INTEGER NOT NULL,
                 previous INTEGER NOT NULL, changed TEXT, payload BLOB);
CREATE TABLE cursor(name TEXT PRIMARY KEY, position INTEGER NOT NULL, at INTEGER NOT NULL)
                 WITHOUT ROWID;
CREATE TABLE path(n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, form TEXT NOT NULL,
                  path TEXT NOT NULL, state TEXT NOT NULL, built INTEGER NOT NULL,
                  entries INTEGER NOT NULL, used INTEGER NOT NULL, UNIQUE(kind, form, path));
CREATE TABLE point(path INTEGER NOT NULL, cell INTEGER NOT NULL, n INTEGER NOT NULL,
                   lon REAL NOT NULL, lat REAL NOT NULL,
                   PRIMARY KEY(path, cell, n, lon, lat)) WITHOUT ROWID;
CREATE TABLE area(a INTEGER PRIMARY KEY, n INTEGER NOT NULL, path INTEGER NOT NULL);
CREATE INDEX area_n ON area(n);
CREATE VIRTUAL TABLE box USING rtree(a, west, east, south, north);
CREATE TABLE value(path INTEGER NOT NULL, value NOT NULL, n INTEGER NOT NULL,
                   loose INTEGER NOT NULL, PRIMARY KEY(path, value, n)) WITHOUT ROWID;
INSERT INTO tenant(n, name) VALUES(1, '');
"""

NOTES = "CREATE TABLE note(number INTEGER PRIMARY KEY, body BLOB NOT NULL);"
"""What is written down for good: only ever added to."""

GONE = """
ALTER TABLE tombstone ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
UPDATE tombstone SET kind = coalesce((SELECT kind FROM log WHERE position = last), 0);
CREATE INDEX tombstone_kind ON tombstone(kind);
"""
"""What is not present has the kind it had last, so that its past is found by type; 0: not found."""

ROOM = "ALTER TABLE entity ADD COLUMN room BLOB;"
"""Bytes beside a new entity that its first change takes away: what it says of times is as long, so
that the row stays as long as it was and no full page has to be split (docs/decisions/0025)."""

ROOM_BYTES = 56

NEVER = """
DELETE FROM meta WHERE key IN ('never scope', 'never several');
INSERT INTO meta SELECT 'never scope', 1 WHERE NOT EXISTS (
    SELECT 1 FROM entity WHERE instr(body, CAST('"scope"' AS BLOB)));
INSERT INTO meta SELECT 'never several', 1 WHERE NOT EXISTS (
    SELECT 1 FROM point GROUP BY path, n HAVING count(*) > 1);
"""
"""What no document here ever had: a scope, or several points under one path. A row goes with the
first that has one, in its transaction, and never comes back."""

Migration = str | Callable[[apsw.Connection], None]

MIGRATIONS: tuple[Migration, ...] = (FIRST, NOTES, GONE, ROOM, NEVER)
"""MIGRATIONS[i] leads from version i to version i + 1; a released one is never edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Knobs that a measurement may turn; the defaults are what `bench/store_ops.py` found."""

    writer_cache_kib: int = 32 * 1024
    reader_cache_kib: int = 8 * 1024
    loop_cache_kib: int = 8 * 1024
    documents_bytes: int = 56 * 1024 * 1024  # kept on the loop, with what keeping them takes
    group_ops: int = 256  # a group stops taking calls in at this size
    queue_ops: int = 20_000  # operations waiting before Unavailable
    readers: int = 2
    deadline_s: float = 5.0  # of one scanning read
    checkpoint_pages: int = 12_000  # WAL pages (48 MB) at which a checkpoint begins
    wal_limit_pages: int = 32_000  # WAL pages at which the writer waits for readers to let go
    learned_paths: int = 48
    learned_bytes: int = 48 * 1024 * 1024
    learn_after: int = 3  # asks of one path, or one scan over `learn_rows` rows
    learn_rows: int = 1_000
    sort_rows: int = 50_000  # entities an ordered query may look at


def connect(path: Path, *, vfs: str | None, cache_kib: int, read_only: bool) -> apsw.Connection:
    """Open one connection with the settings every one has; raises Unavailable when it cannot be."""
    flags = (
        apsw.SQLITE_OPEN_READONLY
        if read_only
        else (apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    )
    try:
        connection = apsw.Connection(
            str(path), flags=flags | apsw.SQLITE_OPEN_NOMUTEX, vfs=vfs, statementcachesize=200
        )
        connection.set_busy_timeout(2_000)
        connection.pragma("cache_size", -cache_kib)
        connection.pragma("temp_store", 2)
        connection.wal_autocheckpoint(0)
        # without it SQLite plans anew whenever a bound value changes: 15 µs a statement
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        if not read_only:
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", 2)
            connection.pragma("journal_size_limit", 64 * 1024 * 1024)
    except apsw.Error as error:
        raise Unavailable(f"The store {path} cannot be opened: {error}") from error
    return connection


def migrate(
    connection: apsw.Connection, migrations: tuple[Migration, ...] = MIGRATIONS
) -> tuple[int, int]:
    """Bring city.db to the newest version, each step in one transaction; (version before, after).

    Raises ConfigurationError when the file is newer than this Pintu.
    """
    before = int(connection.pragma("user_version"))
    if before > len(migrations):
        raise ConfigurationError(
            [f"city.db has version {before}, newer than this Pintu's {len(migrations)}"]
        )
    for version in range(before, len(migrations)):
        step = migrations[version]
        with connection:
            if isinstance(step, str):
                connection.execute(step)
            else:
                step(connection)
            connection.pragma("user_version", version + 1)
    return before, len(migrations)


class Claim:
    """The right to write one city.db; a second process that asks for it is told who has it."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(f"{path}-owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"The store {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise Unavailable(
                f"The store {path} is open in another process ({owner or 'unknown'})"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._file)
