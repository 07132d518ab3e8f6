"""The room of history: what looks after packs, files and roll-ups while the city runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import Final

from pintu.kernel.analytics.aggregating import aggregate
from pintu.kernel.analytics.filing import Filing
from pintu.kernel.analytics.moments import DEADLINE_S, Moment
from pintu.kernel.analytics.packing import DAY_US, Packing, mark
from pintu.kernel.analytics.past import WholePast
from pintu.kernel.analytics.rolling import roll_up
from pintu.kernel.analytics.schema import BEGINS, TABLES
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Store
from pintu.kernel.tables import CityTables

LOOK_S: Final = 20.0
"""How often somebody looks whether there is enough to pack, in real seconds."""
HOUR_US: Final = 3_600_000_000
REFRESH_US: Final = 10_000_000
MANY: Final = 50_000
"""So many rows of the log are packed before an hour has passed."""
MOST: Final = 1_000_000
"""The log keeps a day, and no more rows than this of what is an hour old."""

log = logging.getLogger("pintu.history")


class History:
    """Packs the log as it grows, sums it up, moves old days out; `past` reads all of it."""

    def __init__(
        self, store: Store, tables: CityTables, clock: Clock, address: str = "sqlite:"
    ) -> None:
        self.store = store
        self.log = store.history  # the log's rows alone, wherever the store's name leads later
        self._clock = clock
        self.opened = tables.register(TABLES)
        self.packing = Packing(store, self.opened, roll_up)
        self.filing = Filing(self.opened, tables.data, address)
        self.past = WholePast(store, self.opened, self.packing, self.filing.folder)
        self.past.sums = partial(aggregate, self)
        self._task: asyncio.Task[None] | None = None
        self._packed_us = clock.now_us()

    async def start(self) -> None:
        """Look after the log from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave it as it is; the next life goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except PintuError as error:
                log.warning("History waits: %s", error)

    async def look(self) -> None:
        """Pack when there is an hour of rows or many, then let the log go of what is old."""
        now = self._clock.now_us()
        late = not 0 <= now - self._packed_us < HOUR_US  # a clock that was set back is no reason
        waiting = self.packing.waiting
        if not waiting or (waiting < MANY and not late):
            return
        await self.pack()
        await self.packing.trim(now - DAY_US)

    async def pack(self) -> int:
        """Pack everything the log holds now; how many rows."""
        packed = 0
        while rows := await self.packing.round():
            packed += rows
        self._packed_us = self._clock.now_us()
        return packed

    async def begins_us(self) -> int:
        """The first moment that can be told: what was before it was let go of; 0: all of it."""
        return await self.opened.read(lambda c: mark(c, BEGINS))

    async def moment(self, at_us: int, *, deadline_s: float = DEADLINE_S) -> Moment:
        """The city as of a moment; what waits to be packed is packed first, but not at each ask."""
        now = self._clock.now_us()
        if self.packing.waiting and not 0 <= now - self._packed_us < REFRESH_US:
            await self.pack()
        return Moment(self, at_us, deadline_s=deadline_s)

    async def night(self) -> int:
        """Move the days that are over to files; how many rows."""
        await self.pack()
        return await self.filing.night(self._clock.now_us())
