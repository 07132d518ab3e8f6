"""When the write-ahead log is folded back into city.db, and how long that may keep a writer waiting."""

from __future__ import annotations

from time import monotonic

import apsw

from pintu.kernel.store.sqlite.schema import Tuning

QUIET_S = 0.25
"""A pause in writing after which the log is folded back whatever its size."""


class Checkpoints:
    """Run on the writer thread, between transactions."""

    def __init__(self, connection: apsw.Connection, tuning: Tuning) -> None:
        self._db = connection
        self._tuning = tuning
        self._pages = 0  # frames in the log after the last commit
        self._dirty = False
        self.count = 0
        self.longest_s = 0.0
        self.total_s = 0.0
        self.busy_s = 0.0  # time spent in transactions
        self.failed = 0
        connection.set_wal_hook(self._committed)

    @property
    def pages(self) -> int:
        """Frames the log holds."""
        return self._pages

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        self._dirty = True
        return apsw.SQLITE_OK

    def patience(self) -> float | None:
        """How long the writer should wait for a call before it asks `when_quiet`; None: for ever."""
        return QUIET_S if self._dirty else None

    def after_group(self) -> None:
        """Fold back when the log is over its size."""
        if self._pages >= self._tuning.checkpoint_pages:
            over = self._pages >= self._tuning.wal_limit_pages
            self._run(apsw.SQLITE_CHECKPOINT_RESTART if over else apsw.SQLITE_CHECKPOINT_PASSIVE)

    def when_quiet(self) -> None:
        """Nobody writes: fold everything back."""
        if self._dirty:
            self._run(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def at_end(self) -> None:
        """The store closes: leave an empty log behind."""
        self._run(apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _run(self, mode: int) -> None:
        started = monotonic()
        try:
            self._db.wal_checkpoint(mode=mode)
        except apsw.Error:
            self.failed += 1
        self._dirty = False
        took = monotonic() - started
        self.count += 1
        self.total_s += took
        self.longest_s = max(self.longest_s, took)
