"""Holds every row against the tree, at the start and once a day: what was changed below is found by
the city itself, before a stranger finds it.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from sqlalchemy import Connection

from pintu.kernel.audit.sealing import Sealer, tiles_in
from pintu.kernel.audit.tree import HASH, WIDTH, leaf_hash
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import OpenTables

EVERY_S: Final = 86_400.0
TILES: Final = 4
"""Tiles compared at once: some 2 ms of the store's reader."""

PAUSE_S: Final = 0.005
log = logging.getLogger("pintu.audit")


class Checker:
    """Compares in the background; the sealer is told what does not fit."""

    def __init__(self, store: Store, tables: OpenTables, sealer: Sealer) -> None:
        self._store = store
        self._tables = tables
        self._sealer = sealer
        self.checked = 0  # rows that were compared since the start

    async def run(self) -> None:
        """Again and again, until it is cancelled."""
        while True:
            try:
                await self.compare_all()
            except PintuError as error:
                log.warning("The log is not compared now: %s", error.detail)
            except Exception:  # what cannot be compared today is compared again tomorrow
                log.exception("The log could not be compared")
            await asyncio.sleep(EVERY_S)

    async def compare_all(self, pause_s: float = PAUSE_S) -> int:
        """Every sealed row against its leaf; how many were compared. What does not fit is said by
        the sealer, which then seals no more.
        """
        head = self._sealer.head
        done, size = 0, 0 if head is None else head.size
        while done < size and not self._sealer.trouble:
            rows = await settled(self._store.notes(done, min(TILES * WIDTH, size - done)))
            wrong = await self._tables.read(partial(self._compare, rows=rows, done=done, size=size))
            if wrong:
                await self._sealer.doubt(wrong)
                break
            done += len(rows)
            self.checked += len(rows)
            await asyncio.sleep(pause_s)
        return done

    def _compare(
        self, connection: Connection, *, rows: list[tuple[int, bytes]], done: int, size: int
    ) -> str:
        """What is wrong with these rows; "" when nothing is."""
        tile = tiles_in(connection, self._sealer.era)
        if not rows:
            return f"Row {done + 1} of the log is missing"
        for place, (number, body) in enumerate(rows, done):
            if number != place + 1:
                return f"Row {place + 1} of the log is missing"
            at = place % WIDTH * HASH
            if tile(0, place // WIDTH)[at : at + HASH] != leaf_hash(body):
                return f"Row {number} of the log is not the one that was sealed"
        return ""
