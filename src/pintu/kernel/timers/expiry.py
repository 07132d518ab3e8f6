"""Entities whose end has passed are deleted (4.22): soon after, whoever looks or not."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import orjson

from pintu.kernel.clock import Clock, iso
from pintu.kernel.context.record import Effect, Keep, Record, Remove
from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Op, Store, settled

log = logging.getLogger("pintu.timers")

EVERY_S: Final = 1.0
TOGETHER: Final = 500
SOURCE: Final = "expiry"
"""Who the log says deleted them."""


class Expiry:
    """Looks once a second; reads do not show what is over in between."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                while await self.sweep() == TOGETHER:
                    await asyncio.sleep(0)
            except Unavailable as error:
                log.warning("entities that are over stay until the store is back: %s", error)

    async def sweep(self) -> int:
        """Delete some that are over; returns how many were found."""
        now_us = self._clock.now_us()
        found = await settled(self._store.expired(now_us, TOGETHER))
        if found:
            ops = [Op(tenant, id, _over) for tenant, id in found]
            await self._store.submit(ops, SOURCE)
        return len(found)


def _over(record: Record | None, now_us: int) -> Effect:
    """Deleted, unless somebody gave it another end meanwhile."""
    if record is None:
        return Keep()
    end = orjson.loads(record.body).get("expiresAt")
    return Remove() if end is not None and is_over(end, now_us) else Keep()


def is_over(end: str, now_us: int) -> bool:
    """Whether a time as it is stored has passed."""
    return end.rstrip("Z") <= iso(now_us).rstrip("Z")
