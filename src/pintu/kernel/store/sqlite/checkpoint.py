"""When the write-ahead log is folded back into city.db, and how little that may keep a writer
waiting.

Folding back thousands of pages takes tens of milliseconds, and the disk has no time for anything
else meanwhile: it is done seldom enough that fewer than one write in a hundred meets it
(docs/decisions/0011). A helper thread with its own connection does the
bulk of it while the writer goes on, then what came meanwhile, until that is little; then the writer
folds the rest and asks the loop to let its read transaction go: with everything folded and nobody
reading the log, the next write starts it anew.

SQLite waits for the disk to have city.db only where the end of the log was reached, which is the
writer's part: the helper waits for all it folded before, or the writer would.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Protocol

import apsw

from pintu.kernel.errors import PintuError
from pintu.kernel.store.sqlite.schema import Tuning

QUIET_S = 0.25
"""A pause in writing after which the log is folded back whatever its size."""

SHORT_WAIT_MS = 20
LONG_WAIT_MS = 2_000
"""How long the writer waits for readers when the log is over its limit, and over four times that.
"""

AGAIN_S = 1.0
"""After one that failed (the disk is full) it is tried again so soon, however little came since:
else the log, which is never shorter than it was, would take what room there is again."""

FEW_PAGES = 250
"""A rest of the log that the writer folds back itself: half a millisecond and a sync."""

PASSES = 4
"""How often the helper goes on with what was committed while it folded: each time that is a tenth
of the time before, unless the disk is slower than those who write."""


class Archive(Protocol):
    """Who keeps what was committed elsewhere (backups): nothing is folded back unseen."""

    def take(self) -> None:
        """Everything committed up to now is yours; called by any thread, must not wait long."""
        ...


class Checkpoints:
    """`after_group` and `when_quiet` are called on the writer thread, between transactions."""

    def __init__(
        self, connection: apsw.Connection, helper: Callable[[], apsw.Connection], tuning: Tuning
    ) -> None:
        self._db = connection
        self._tuning = tuning
        self._connect = helper
        self.release: Callable[[], None] = _nothing  # the loop's readers let the log go
        self.archive: Archive | None = None
        self.pages = 0  # frames the log holds
        self._next_at = tuning.checkpoint_pages
        self._again_s = 0.0  # not before, after one that failed
        self._dirty = False
        self._jobs: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._working = False
        self._done = threading.Event()
        self._file = -1
        self.count = 0
        self.longest_s = 0.0  # that the writer was kept waiting
        self.total_s = 0.0
        self.most_pages = 0
        self.failed = 0
        connection.set_wal_hook(self._committed)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self.pages:
            self._next_at = self._tuning.checkpoint_pages
        self.pages = pages
        self._dirty = True
        return apsw.SQLITE_OK

    def patience(self) -> float | None:
        """How long the writer should wait for a call before `when_quiet`; None: for ever."""
        return QUIET_S if self._dirty or self._working else None

    def after_group(self) -> None:
        """Fold back when the log is over its size."""
        if self._working:
            if self._done.is_set():
                self._finish()
        elif self.pages >= self._next_at and monotonic() >= self._again_s:
            self._begin()

    def when_quiet(self) -> None:
        """Nobody writes: fold everything back."""
        if self._working:
            if self._done.is_set():
                self._finish()
        elif self._dirty and monotonic() >= self._again_s:
            self._begin()

    def close(self) -> None:
        """The store closes: leave an empty log behind, and close the writer's connection."""
        if self._thread is not None:
            self._jobs.put(False)
            self._thread.join()
            self._thread = None
        self._fold(apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._db.close()
        if self._file >= 0:  # last: a process that closes a file has no locks on it any more
            os.close(self._file)
            self._file = -1

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pintu-checkpoint", daemon=True)
            self._thread.start()
        self._done.clear()
        self._working = True
        self._dirty = False
        self._jobs.put(True)

    def _run(self) -> None:
        both: list[apsw.Connection] = []
        while self._jobs.get():
            try:
                if self._file < 0:
                    self._file = os.open(self._db.filename, os.O_RDONLY | os.O_CLOEXEC)
                if not both:
                    both = [self._connect(), self._connect()]
                self._fold_most(*both)
            except (apsw.Error, PintuError, OSError):
                self.failed += 1  # the writer's part fails too, or all is well by then
            self._done.set()
        for connection in both:
            connection.close()

    def _fold_most(self, connection: apsw.Connection, reader: apsw.Connection) -> None:
        """Fold back until little is left of what others write meanwhile: the writer, who has to
        fold the rest, writes nothing as long as that takes.
        """
        before = -1
        for _ in range(PASSES):
            folded = self._fold_beside(connection, reader)
            os.fdatasync(self._file)
            if folded <= before or self.pages - folded <= FEW_PAGES:
                return  # a reader keeps us from going on, or the rest is little
            before = folded

    def _fold_beside(self, connection: apsw.Connection, reader: apsw.Connection) -> int:
        """Fold back while others write; returns how far, in pages of the log. With an archive a
        read transaction is held meanwhile: SQLite folds no further than where it began, and up to
        there the archive took everything.
        """
        archive = self.archive
        if archive is None:
            return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
        reader.execute("BEGIN")
        try:
            reader.execute("SELECT count(*) FROM tenant").fetchall()
            archive.take()
            return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
        finally:
            reader.execute("COMMIT")

    def _finish(self) -> None:
        """The helper is through: fold what came since, and make way for a new log."""
        self._working = False
        self.most_pages = max(self.most_pages, self.pages)
        started = monotonic()
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE
        limit = self._tuning.wal_limit_pages
        if self.pages >= limit:
            mode = apsw.SQLITE_CHECKPOINT_RESTART
            wait = LONG_WAIT_MS if self.pages >= 4 * limit else SHORT_WAIT_MS
            self._db.set_busy_timeout(wait)
        folded = self._fold(mode)
        if self.pages >= self._tuning.checkpoint_pages:
            self.release()
        self._next_at = self.pages + self._tuning.checkpoint_pages
        took = monotonic() - started
        if not folded:
            self._next_at, self._dirty = self.pages, True
            self._again_s = started + took + AGAIN_S
        self.count += 1
        self.total_s += took
        self.longest_s = max(self.longest_s, took)

    def _fold(self, mode: int) -> bool:
        """False when the disk refused; readers that do not let go are waited for at the next."""
        if self.archive is not None:
            self.archive.take()  # we are the writer: nothing is added before it is folded
        try:
            self._db.wal_checkpoint(mode=mode)
        except apsw.Error as error:
            self.failed += 1
            return isinstance(error, apsw.BusyError)
        finally:
            self._db.set_busy_timeout(2_000)
        return True


def _nothing() -> None:
    return None
