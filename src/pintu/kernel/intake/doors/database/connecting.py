"""One connection to somebody's database: to a checked address, read-only, with time limits, on a
thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.kernel.intake.doors.database.drivers import CONNECT, Way
from pintu.kernel.intake.doors.database.failures import translated
from pintu.kernel.intake.doors.database.systems import old_version
from pintu.kernel.intake.doors.database.told import Told
from pintu.kernel.intake.doors.files import safe_folder
from pintu.kernel.intake.doors.words import Around

T = TypeVar("T")
CONNECT_TIMEOUT_S: Final = 5.0


class Database:
    """An opened database. `run` does work on its only connection, in a transaction that may only
    read; foreign errors come out as ours."""

    def __init__(self, told: Told, engine: Engine, keep: contextlib.ExitStack) -> None:
        self.told = told
        self.engine = engine
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"database-{told.source}")

    async def run(self, work: Callable[[Connection], T], doing: str) -> T:
        """Do `work` on the database's thread. `doing` finishes the sentence "went away while …"."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.run_now, work, doing)

    def run_now(self, work: Callable[[Connection], T], doing: str) -> T:
        """The same, on the caller's thread."""
        try:
            with self.engine.connect() as connection:
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise translated(error, self.told, doing) from error
        except Forbidden:
            raise
        except Exception as error:  # a driver's own, from before SQLAlchemy sees it
            if isinstance(error, self.engine.dialect.loaded_dbapi.Error):
                raise translated(error, self.told, doing) from error
            raise

    async def close(self) -> None:
        """Let go of the connection; waits for what runs on it."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self.engine.dispose)
        self._thread.shutdown(wait=False)
        self._keep.close()


async def open_database(told: Told, around: Around) -> Database:
    """A database whose address may be reached; connects at its first `run`.

    Forbidden: the address or file may not be read from here. ConfigurationError: no driver.
    """
    driver = told.system.driver()
    keep = contextlib.ExitStack()
    if told.system.network:
        address = await around.egress.reach(told.host, told.port)
        ca = _ca_file(told, keep)
        way = Way(
            told=told,
            secret=around.secret,
            address=address,
            ca_file=ca,
            timeout_s=CONNECT_TIMEOUT_S,
        )
        connect = CONNECT[told.system.family]

        def creator() -> Any:
            return connect(driver, way)

    else:
        file = _sqlite_file(told, around)

        def creator() -> Any:
            return _open_sqlite(file, told)

    engine = create_engine(
        f"{told.system.dialect}://",
        creator=creator,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=5,
    )
    if told.system.name == "kingbase":
        vars(engine.dialect)["_get_server_version_info"] = old_version
    return Database(told, engine, keep)


def _ca_file(told: Told, keep: contextlib.ExitStack) -> str:
    """libpq wants the certificate authority as a file."""
    if not told.ca:
        return ""
    folder = Path(keep.enter_context(tempfile.TemporaryDirectory(prefix="pintu-ca-")))
    file = folder / "ca.pem"
    file.write_text(told.ca + "\n", "utf-8")
    return str(file)


# --- SQLite ---------------------------------------------------------------------------------------
def _sqlite_file(told: Told, around: Around) -> Path:
    """The file, when it lies where sources may read: below inbox/ or a folder of inbox_allow."""
    inbox = around.data / "inbox"
    path = Path(told.database)
    real = (path if path.is_absolute() else inbox / path).resolve()
    safe_folder(str(real.parent), inbox, around.folders)
    if not real.is_file():
        raise ResourceNotFound(f"There is no file {told.database}")
    return real


def _open_sqlite(file: Path, told: Told) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.as_uri()}?mode=ro", uri=True, timeout=CONNECT_TIMEOUT_S, check_same_thread=False
    )
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    limit = _TimeLimit(told.statement_timeout_s)
    connection.set_progress_handler(limit.is_over, 20_000)
    connection.set_trace_callback(limit.begin)
    return connection


class _TimeLimit:
    """SQLite has no statement time-out of its own."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s, self._end = limit_s, float("inf")

    def begin(self, _statement: str) -> None:
        self._end = time.monotonic() + self._limit_s

    def is_over(self) -> int:
        return int(time.monotonic() > self._end)
