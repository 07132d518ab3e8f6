"""One opened schema of private tables on PostgreSQL: the same door as a file of SQLite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pintu.kernel.errors import Unavailable
from pintu.kernel.tables.door import VERSIONS, Place
from pintu.kernel.tables.failures import RETRY_S, lost, translated
from pintu.kernel.tables.server import (
    CHANNEL,
    TableServer,
    driver,
    quoted,
    schema_name,
)

T = TypeVar("T")
Raw = psycopg.Connection[Any]


class TableSchema:
    """One schema. Writing transactions of it wait for each other across every process, reading
    ones see one moment and wait for nobody.

    `run` and `later` wait for a server that is away, as long as its address says; what is asked
    here and now, and what only reads, is refused at once.
    """

    def __init__(self, name: str, place: Place, server: TableServer) -> None:
        self.name, self.place = name, place
        self.schema = schema_name(server.city, place, name)
        self._server = server
        path = f"SET LOCAL search_path TO {quoted(self.schema)}, public"
        lock = f"SELECT pg_advisory_xact_lock({writers_lock(self.schema)})"
        self._writing = f"BEGIN; {path}; {lock}"
        self._reading = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {path}"
        # No transaction number: the work wrote nothing, and nobody need look again.
        self._noting = (
            f"UPDATE {quoted(self.schema)}.{VERSIONS} SET commits = commits + 1"
            " WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
            " RETURNING commits, pg_current_xact_id()::text,"
            f" pg_notify('{CHANNEL}', '{self.schema} ' || commits)"
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"tables-{name}")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction on the schema's thread; resolves after commit."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._patient, work)

    def later(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue `work` behind what is queued; for what nobody waits for."""
        return self._thread.submit(self._patient, work)

    def _patient(self, work: Callable[[Connection], T]) -> T:
        return self._write(work, self._server.address.wait_s)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction on the caller's thread."""
        return self._write(work, 0.0)

    def _write(self, work: Callable[[Connection], T], wait_s: float) -> T:
        connection = self._server.begin(self.name, self._writing, wait_s)
        noted: tuple[int, str] | None = None
        try:
            result = work(connection)
            noted = self._noted(driver(connection))
            self._commit(driver(connection), noted)
        except (DBAPIError, psycopg.Error) as error:
            raise self._failed(error) from error
        finally:
            _let_go(connection)
        if noted is not None:
            self._server.committed(self.schema, noted[0])
        return result

    def _noted(self, raw: Raw) -> tuple[int, str] | None:
        """(number of this commit, of its transaction); None when nothing was written."""
        row = raw.execute(self._noting.encode()).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def _commit(self, raw: Raw, noted: tuple[int, str] | None) -> None:
        try:
            raw.commit()
        except psycopg.Error as error:
            if noted is None or not lost(error):
                raise
            # The answer to COMMIT was lost: whether it was done must be asked, not guessed.
            if not self._server.settle(self.name, self.schema, *noted):
                raise Unavailable(
                    f"The tables of {self.name} went away while writing: nothing was kept",
                    retry_after=RETRY_S,
                ) from error

    def _failed(self, error: DBAPIError | psycopg.Error) -> Exception:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if lost(cause):
            self._server.engine.dispose()
        return translated(self.name, cause) or error

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it waits for nobody's write."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.read_now, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `run_now`, for work that only reads: it waits for nobody's write."""
        connection = self._server.begin(self.name, self._reading)
        try:
            return work(connection)
        except (DBAPIError, psycopg.Error) as error:
            # Asked to read only, it is the work that wrote; elsewhere the server became a standby.
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction):
                raise
            raise self._failed(error) from error
        finally:
            _let_go(connection)

    def version(self) -> int:
        """The number of the newest migration applied; a schema that is not there yet is made."""
        found = self.read_now(self._known)
        if found is None:
            self.prepare()
            return 0
        return found

    def version_in(self, connection: Connection) -> int:
        """`version` inside a transaction."""
        return self._known(connection) or 0

    def _known(self, connection: Connection) -> int | None:
        raw = driver(connection)
        asked = f"SELECT to_regclass('{quoted(self.schema)}.{VERSIONS}')"
        if raw.execute(asked.encode()).fetchone()[0] is None:
            return None
        query = f"SELECT version FROM {quoted(self.schema)}.{VERSIONS}"
        row = raw.execute(query.encode()).fetchone()
        # A name is looked up in the catalogue of now, a row in the moment the transaction began:
        # another process may have made the table in between.
        return 0 if row is None else int(row[0])

    def prepare(self) -> None:
        """Make the schema, with nothing in it but whose it is."""

        def work(connection: Connection) -> None:
            raw, schema = driver(connection), quoted(self.schema)
            asked = f"SELECT to_regclass('{schema}.{VERSIONS}'), to_regnamespace('{schema}')"
            known, there = raw.execute(asked.encode()).fetchone()
            if known is not None:  # another process was quicker
                return
            made = (
                f"CREATE TABLE {schema}.{VERSIONS}"
                "(one boolean PRIMARY KEY DEFAULT true CHECK (one), place text NOT NULL,"
                " name text NOT NULL, version int NOT NULL, commits bigint NOT NULL)"
                f"; INSERT INTO {schema}.{VERSIONS}(place, name, version, commits)"
                f" VALUES ('{self.place}', '{self.name}', 0, 0)"
            )
            before = "" if there is not None else f"CREATE SCHEMA {schema}; "
            raw.execute((before + made).encode())

        self.run_now(work)

    def keep_version(self, connection: Connection, number: int) -> None:
        """Write down that migration `number` was applied, in the same transaction."""
        change = f"UPDATE {quoted(self.schema)}.{VERSIONS} SET version = {int(number)}"
        driver(connection).execute(change.encode())

    def data_version(self) -> int:
        """How often anybody committed a change, as far as the server told; costs microseconds."""
        return self._server.commits(self.schema)

    def backup(self, target: Path) -> None:
        """A consistent copy as one SQLite file, synced before it returns."""
        from pintu.kernel.tables.copying import copy_to_file

        copy_to_file(self, target)

    def close(self) -> None:
        """Finish what is queued."""
        self._thread.shutdown(wait=True)


def _let_go(connection: Connection) -> None:
    """Back into the pool, rolled back unless it was committed; a broken one goes away."""
    with contextlib.suppress(SQLAlchemyError, psycopg.Error):
        if driver(connection).closed:
            connection.invalidate()
    with contextlib.suppress(SQLAlchemyError, psycopg.Error):
        connection.close()


def writers_lock(schema: str) -> int:
    """The advisory lock of a schema's writers; locks are shared by the whole database."""
    digest = blake2b(f"pintu tables {schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
