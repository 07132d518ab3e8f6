"""What a broker looks at from time to time: the files of hosted tenants, and how things stand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import PintuError
from pintu.web.metrics import machine
from pintu.web.metrics.freed import Freed
from pintu.web.metrics.meter import TICK_S

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

LOOK_S: Final = 1.0
log = logging.getLogger("pintu.metrics")


class Watch:
    """One task of the application; `start` and `stop` are its hooks."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._rooms.meter.more = more
        self._tick()
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        rounds, freed = 0, Freed(machine.resident_bytes(), machine.own_cpu_s())
        while True:
            await asyncio.sleep(LOOK_S)
            rounds += 1
            try:
                self.look()
                if rounds % int(TICK_S / LOOK_S) == 0:
                    self._tick()
                if freed.due(machine.resident_bytes(), machine.own_cpu_s()):
                    took_s = await asyncio.to_thread(machine.give_back)
                    freed.given(machine.resident_bytes())
                    log.info("Freed memory was given back in %.1f ms", took_s * 1000)
            except (PintuError, OSError) as error:  # the next look may find it well again
                log.warning("What limits and figures stand on cannot be looked at: %s", error)

    def look(self) -> None:
        """Follow the files of hosted tenants."""
        limits = self._rooms.limits
        if limits is None:
            return
        limits.look()
        limits.holdings.tick()

    def _tick(self) -> None:
        rooms = self._rooms
        rooms.meter.hosted(
            rooms.limits.tenants if rooms.limits is not None else (), rooms.settings.demo_tenant
        )
        rooms.meter.tick()


def more() -> dict[str, Any]:
    """What is remembered of the machine at each tick: CPU of processes and of our threads."""
    found: dict[str, float] = {}
    for one in machine.city_processes():
        found[one.name] = found.get(one.name, 0.0) + one.cpu_s
    return {"processes": found, "threads": machine.thread_cpu_s()}
