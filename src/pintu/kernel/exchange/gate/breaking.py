"""Agreements whose limits are gone over again and again: suspended by the city itself, and nothing
passes under them from the moment that is decided."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from pintu.kernel.errors import PintuError, StateConflict

if TYPE_CHECKING:
    from pintu.kernel.exchange.gate.limits import Limiter
    from pintu.kernel.exchange.gate.words import Agreements, Compiled

log = logging.getLogger("pintu.gate")

AGAIN_S: Final = 2.0
LAST_S: Final = 3.0
"""How long closing waits for a suspension under way."""


class Breaker:
    """Suspends; who is told, and who lets it pass again, is the room of agreements' to know."""

    def __init__(self, limits: Limiter) -> None:
        self._limits = limits
        self._agreements: Agreements | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.broken: set[str] = set()
        """Names of agreements that are not suspended in the tables yet."""
        limits.breached = self._breached

    def use(self, agreements: Agreements) -> None:
        """The room that suspends."""
        self._agreements = agreements

    def _breached(self, found: Compiled, times: int, limit: str) -> None:
        agreements = self._agreements
        if agreements is None or found.name in self.broken or times < agreements.breaks_a_day:
            return
        why = f"It lets {limit}: that was gone over in {times} minutes of one day"
        log.warning("Agreement %s is suspended. %s", found.name, why)
        self.broken.add(found.name)
        try:
            task = asyncio.get_running_loop().create_task(self._suspend(agreements, found, why))
        except RuntimeError:  # no loop runs: a command of the line, which answers nobody else
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _suspend(self, agreements: Agreements, found: Compiled, why: str) -> None:
        """Until it is durable, or the version is not in force any more for another reason."""
        while (now := agreements.active(found.id)) is not None and now.version == found.version:
            try:
                await agreements.suspend_for(found.name, why)
            except StateConflict as error:  # somebody decides on it at this moment
                log.info("Agreement %s: %s", found.name, error.detail)
            except PintuError as error:
                log.warning("Agreement %s cannot be suspended now: %s", found.name, error.detail)
            else:
                break
            await asyncio.sleep(AGAIN_S)
        self._limits.forgive(found.id)
        self.broken.discard(found.name)

    async def close(self) -> None:
        """Wait for what is under way, not for ever: who goes on is suspended after the start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
