"""The default store: apsw, one file, write-ahead log, synchronous FULL."""

from __future__ import annotations

import asyncio
import contextlib
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

    The store lives on `loop`, else the running one, else that of the first `submit`. Raises
    Unavailable when another process has it or it cannot be opened, ConfigurationError when it is
    of a newer Pintu.
    """
    if loop is None:
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
    return SqliteStore(path, clock=clock, loop=loop, vfs=vfs, tuning=tuning or Tuning())
