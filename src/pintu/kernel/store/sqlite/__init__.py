"""The default store: apsw, one file, write-ahead log, synchronous FULL."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pintu.kernel.clock import Clock
from pintu.kernel.store.sqlite.schema import Tuning
from pintu.kernel.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "Tuning", "open_sqlite"]


def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    loop: asyncio.AbstractEventLoop | None = None,
    vfs: str | None = None,
    tuning: Tuning | None = None,
) -> SqliteStore:
    """Open (or make) city.db and bring it to the newest version.

    Without a loop, the first `submit` binds the store to the running one. Raises Unavailable when
    another process has it or it cannot be opened, ConfigurationError when it is of a newer Pintu.
    """
    return SqliteStore(path, clock=clock, loop=loop, vfs=vfs, tuning=tuning or Tuning())
