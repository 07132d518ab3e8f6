"""The room of history: what looks after packs, files and roll-ups while the city runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from pintu.kernel.analytics.aggregating import aggregate
from pintu.kernel.analytics.between import Span, strips_between
from pintu.kernel.analytics.engines.asking import Analyst
from pintu.kernel.analytics.filing import Filing
from pintu.kernel.analytics.moments import DEADLINE_S, Moment
from pintu.kernel.analytics.moments import MOST as MOST_ENTITIES
from pintu.kernel.analytics.packing import DAY_US, Packing, mark
from pintu.kernel.analytics.past import WholePast
from pintu.kernel.analytics.replaying import Replaying
from pintu.kernel.analytics.retaining import Retention, nobodys_days, retain
from pintu.kernel.analytics.rolling import roll_up
from pintu.kernel.analytics.schema import BEGINS, TABLES
from pintu.kernel.analytics.strips import Strip
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Firing, Timers

TIMER: Final = "history"
NIGHT: Final = (2, 10)
"""When days are moved, on the city's clock: when little else is done."""
LOOK_S: Final = 20.0
"""How often somebody looks whether there is enough to pack, in real seconds."""
HOUR_US: Final = 3_600_000_000
MANY: Final = 500_000
"""So many rows of the log are packed before an hour has passed: fewer of an entity's rows at once
cost several times as much a row, and a burst of writes has other work (docs/decisions/0025)."""
MOST: Final = 1_000_000
"""The log keeps a day; where that is more rows than this, what is an hour old leaves it."""

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
        self.analyst = Analyst(self, tables.data, address)
        self.retention = Retention()
        self.tenant_days: Callable[[int], int] = nobodys_days
        """Days of raw rows a tenant may have at most; 0: as many as `retention` says."""
        self._task: asyncio.Task[None] | None = None
        self._night: asyncio.Task[None] | None = None
        self._timers: Timers | None = None
        self._zone = "UTC"
        self._packed_us = clock.now_us()

    def each_night(self, timers: Timers, zone: str, retention: Retention) -> None:
        """Have the nightly work done at the city's time, from its start on."""
        self._timers, self._zone, self.retention = timers, zone, retention
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """Look after the log from now on."""
        if self._timers is not None and self._timers.due(TIMER, "night") is None:
            await self._set_night()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave it as it is; the next life goes on."""
        for task in (self._task, self._night):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = self._night = None
        await self.analyst.close()
        if self.packing.elsewhere is not None:
            await self.packing.elsewhere.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except PintuError as error:
                log.warning("History waits: %s", error)
            except Exception:  # a row nobody thought of: the city goes on, and somebody is told
                log.exception("History waits for somebody to look at this")

    async def look(self) -> None:
        """Pack when there is an hour of rows or many, then let the log go of what is old."""
        now = self._clock.now_us()
        late = not 0 <= now - self._packed_us < HOUR_US  # a clock that was set back is no reason
        waiting = self.packing.waiting
        if not waiting or (waiting < MANY and not late):
            if self.packing.elsewhere is not None:
                await self.packing.elsewhere.rest()
            return
        await self.pack()
        await self.packing.trim(now - DAY_US)
        oldest = await settled(self.store.changes(0, 1))
        if oldest and self.store.head() - oldest[0].position > MOST:
            await self.packing.trim(now - HOUR_US)

    async def pack(self) -> int:
        """Pack everything the log holds now; how many rows. What comes meanwhile waits for the
        next time: where much is written there is always something.
        """
        packed, head = 0, self.store.head()
        while self.packing.packed < head and (rows := await self.packing.round()):
            packed += rows
        self._packed_us = self._clock.now_us()
        return packed

    async def begins_us(self) -> int:
        """The first moment that can be told: what was before it was let go of; 0: all of it."""
        return await self.opened.read(lambda c: mark(c, BEGINS))

    def moment(
        self, at_us: int, *, deadline_s: float = DEADLINE_S, most: int = MOST_ENTITIES
    ) -> Moment:
        """The city as of a moment, the rows that wait to be packed included."""
        return Moment(self, at_us, deadline_s=deadline_s, most=most)

    def replay(self, since_us: int, until_us: int, *, tenant: int = 1) -> Replaying:
        """A span of a tenant told as its commits were."""
        return Replaying(self, tenant, since_us=since_us, until_us=until_us)

    def between(
        self, since_us: int, until_us: int, *, tenant: int = 1
    ) -> AsyncIterator[list[Strip]]:
        """Every row that was written in a tenant from a moment to before another, by entity, a
        window of positions at a time: from the log, packs and files; what comes meanwhile is not
        waited for. Raises TooComplex for too much, Unavailable where a file cannot be read.
        """
        return strips_between(self, Span(tenant, since_us, until_us))

    async def night(self) -> int:
        """Move the days that are over to files, let go of what is too old; how many rows moved."""
        await self.pack()
        now_us = self._clock.now_us()
        moved = await self.filing.night(now_us)
        passed = min(self.store.cursors().values(), default=self.packing.packed)
        retention = self.retention.within(self.tenant_days)
        await retain(self.filing, retention, now_us=now_us, passed=passed)
        return moved

    # --- every night -----------------------------------------------------------------------------
    async def _due(self, firing: Firing) -> None:
        """The timer: the work takes longer than a timer's handler may, so it only begins here."""
        await self._set_night()
        if self._night is None or self._night.done():
            self._night = asyncio.create_task(self._try_night())

    async def _try_night(self) -> None:
        try:
            moved = await self.night()
            log.info("%d rows of history moved to files", moved)
        except PintuError as error:
            log.warning("History stays where it is until the next night: %s", error)
        except Exception:
            log.exception("History stays where it is, and somebody must look at this")

    async def _set_night(self) -> None:
        assert self._timers is not None
        at_us = next_night(self._clock.now_us(), self._zone)
        await self._timers.set(TIMER, "night", at_us)


def next_night(now_us: int, zone: str) -> int:
    """The next time it is a little past two in a zone, in µs."""
    now = datetime.fromtimestamp(now_us / 1_000_000, ZoneInfo(zone))
    at = now.replace(hour=NIGHT[0], minute=NIGHT[1], second=0, microsecond=0)
    if at <= now:
        at += timedelta(days=1)
    return int(at.timestamp()) * 1_000_000
