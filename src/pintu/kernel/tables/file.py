"""One opened file of private tables: transactions on its own thread, an online copy, a clean
end.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError, OperationalError

from pintu.kernel.errors import AlreadyExists, BadRequestData, DiskFull, PintuError, Unavailable

T = TypeVar("T")
BUSY_TIMEOUT_S = 10.0
LOOK_AGAIN_S = 0.01


class TableFile:
    """One `NAME.db`. Work is a plain function of a Connection, run inside one transaction.

    `run` does it on the file's own thread so that the caller's loop never waits for a disk;
    `run_now`
    does it here and now, for starting up and for command-line tools. What returns is durable; what
    raises is rolled back. SQLite's own errors come out as Unavailable, DiskFull or AlreadyExists.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.engine: Engine = _engine(path)
        self._reading = self.engine.execution_options(reads=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"tables-{name}")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction on the file's thread; resolves after commit."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, work)

    def later(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue `work` behind what is queued; for what nobody waits for, such as a coarse last-used
        time.
        """
        return self._thread.submit(self.run_now, work)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction on the caller's thread."""
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except (OperationalError, IntegrityError) as error:
            raise translated(self.name, error.orig) from error
        except OverflowError as error:
            raise _too_large(self.name) from error

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it waits for nobody's write."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.read_now, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `run_now`, for work that only reads: it waits for nobody's write."""
        try:
            with self._reading.begin() as connection:
                return work(connection)
        except OperationalError as error:
            raise translated(self.name, error.orig) from error
        except OverflowError as error:
            raise _too_large(self.name) from error

    def version(self) -> int:
        """The number of the newest migration applied."""
        return self.read_now(self.version_in)

    def version_in(self, connection: Connection) -> int:
        """`version` inside a transaction."""
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def keep_version(self, connection: Connection, number: int) -> None:
        """Write down that migration `number` was applied, in the same transaction."""
        connection.exec_driver_sql(f"PRAGMA user_version = {int(number)}")

    def data_version(self) -> int:
        """Grows whenever another connection or process commits to the file; costs microseconds."""
        return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    @property
    def _watch(self) -> sqlite3.Connection:
        watching: sqlite3.Connection | None = getattr(self, "_watching", None)
        if watching is None:
            watching = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            self._watching = watching
        return watching

    def backup(self, target: Path) -> None:
        """A consistent copy while writing goes on (SQLite's online backup), synced before it
        returns.
        """
        copy_file(self.path, target)

    def close(self) -> None:
        """Finish what is queued, then let go of the file."""
        self._thread.shutdown(wait=True)
        if getattr(self, "_watching", None) is not None:
            self._watching.close()
        self.engine.dispose()


def copy_file(source: Path, target: Path) -> None:
    """Copy one SQLite file online; the target appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(partial)) as there:
            here.isolation_level = None
            here.execute("BEGIN")  # one moment: else every write of the city begins the copy anew
            here.execute("SELECT count(*) FROM sqlite_master").fetchall()
            here.backup(there, pages=512, sleep=0.002)
            here.execute("COMMIT")
            there.execute("PRAGMA journal_mode=DELETE")
        sync_file(partial)
        partial.replace(target)
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise translated(source.stem, error) from error


def sync_file(path: Path) -> None:
    """What was written to a file survives a power cut from here on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_large(name: str) -> PintuError:
    return BadRequestData(f"A number asked of the tables of {name} has more than 64 bits")


def translated(name: str, error: BaseException | None) -> PintuError:
    """A foreign database error as one of ours, saying which file and what to do."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return AlreadyExists(f"A row of {name} breaks a rule of its table: {text}")
    if "disk" in text or "readonly" in text:
        return DiskFull(f"The tables of {name} cannot be written: {text}")
    return Unavailable(f"The tables of {name} are not available: {text}")


def _log_ahead(connection: Any) -> None:
    """Turn on the write-ahead log. SQLite asks no busy handler for that: of two processes that
    start at once one is told "locked" immediately, and waits here instead."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(LOOK_AGAIN_S)


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # sqlite3 would commit behind our back before DDL; we begin and commit ourselves instead.
        connection.isolation_level = None
        _log_ahead(connection)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later must not fail at its first
        # write.
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
