"""Holding private tables still: nobody writes to them until the hold ends, or its process."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.tables import open_tables
from pintu.kernel.tables.door import OpenTables, Place

HOLD_S = 20.0
"""How long a write that is under way is waited for."""


class Hold(Protocol):
    """Locks on sets of private tables. Everything blocks."""

    def take(self, place: Place, name: str) -> None:
        """Hold one more set; Unavailable when it is written without a pause."""
        ...

    def commits(self, place: Place, name: str, opened: OpenTables) -> int:
        """How often a set was written to, asked of the store itself."""
        ...

    def still(self) -> None:
        """Raises Unavailable when what was taken is lost."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def hold_of(data: Path, address: str) -> Hold:
    """A hold on tables of the store at `address`; nothing is held yet."""
    return ServerHold(address) if is_postgres(address) else FileHold(data)


class FileHold:
    """The writer's lock of each file."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._locks = contextlib.ExitStack()

    def take(self, place: Place, name: str) -> None:
        """Lock one file."""
        path = self._data / place / f"{name}.db"
        connection = sqlite3.connect(
            path, timeout=HOLD_S, isolation_level=None, check_same_thread=False
        )
        self._locks.callback(connection.close)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"The tables of {name} are written without a pause") from error

    def commits(self, place: Place, name: str, opened: OpenTables) -> int:
        """SQLite's own number."""
        return opened.data_version()

    def still(self) -> None:
        """A lock of this process is lost with the process alone."""

    def close(self) -> None:
        """Let go."""
        self._locks.close()


class ServerHold:
    """One connection with the advisory lock of each schema's writers."""

    def __init__(self, address: str) -> None:
        # a city in files imports no driver
        import psycopg

        from pintu.kernel.store.moving.postgres_open import UNHURRIED

        self._lost = psycopg.Error
        self._city = parse_address(address).schema
        arguments = parse_address(address).for_sqlalchemy()[1]
        try:
            self._connection = psycopg.connect(**arguments, autocommit=True)
            self._connection.execute(f"SET lock_timeout = '{HOLD_S:.0f}s'".encode())
            self._connection.execute(UNHURRIED.encode())
        except psycopg.Error as error:
            raise Unavailable(f"The tables cannot be held still: {error}") from error

    def take(self, place: Place, name: str) -> None:
        """Lock one schema's writers out."""
        from pintu.kernel.tables.schema import writers_lock
        from pintu.kernel.tables.server import schema_name

        number = writers_lock(schema_name(self._city, place, name))
        try:
            self._connection.execute("SELECT pg_advisory_lock(%s)", (number,))
        except self._lost as error:
            raise Unavailable(f"The tables of {name} cannot be held still: {error}") from error

    def commits(self, place: Place, name: str, opened: OpenTables | None = None) -> int:
        """The number in the schema: what others told may be late."""
        from pintu.kernel.tables.door import VERSIONS
        from pintu.kernel.tables.server import quoted, schema_name

        schema = quoted(schema_name(self._city, place, name))
        try:
            asked = f"SELECT commits FROM {schema}.{VERSIONS}"
            row = self._connection.execute(asked.encode()).fetchone()
        except self._lost as error:
            raise Unavailable(f"The tables of {name} do not answer: {error}") from error
        return 0 if row is None else int(row[0])

    def still(self) -> None:
        """Ask the connection that has the locks."""
        try:
            self._connection.execute("SELECT 1")
        except self._lost as error:
            raise Unavailable(f"The locks of the tables were lost: {error}") from error

    def close(self) -> None:
        """Let go."""
        self._connection.close()


@contextlib.contextmanager
def held_server(data: Path, address: str) -> Iterator[dict[tuple[Place, str], int]]:
    """Hold every set of tables at a server; how often each was written to until now."""
    tables = open_tables(data, address)
    try:
        places = tables.list_places()
    finally:
        tables.close()
    hold = ServerHold(address)
    try:
        for place, name in places:
            hold.take(place, name)
        yield {(place, name): hold.commits(place, name) for place, name in places}
    finally:
        hold.close()
