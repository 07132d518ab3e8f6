"""Lanes: what goes to one endpoint waits for that endpoint alone.

Each endpoint has a lane with a few attempts under way at once; the worst message goes first. One
that hangs fills its own lane and nobody else's.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Final

AT_ONCE: Final = 4
Attempt = Callable[[str], Awaitable[None]]
Place = tuple[int, int, str]
"""(rank of the severity, when it was due, id)."""


class Lanes:
    """Runs attempts, lane by lane."""

    def __init__(self, attempt: Attempt) -> None:
        """`attempt` never raises but to be cancelled; it is called with the id that was put."""
        self._attempt = attempt
        self._waiting: dict[str, list[Place]] = {}
        self._running: dict[str, set[asyncio.Task[None]]] = {}
        self._closed = False

    def put(self, lane: str, place: Place) -> None:
        """Have something attempted when its lane has room."""
        if self._closed:
            return
        heapq.heappush(self._waiting.setdefault(lane, []), place)
        running = self._running.setdefault(lane, set())
        if len(running) < AT_ONCE:
            task = asyncio.create_task(self._drain(lane), name=f"lane {lane}")
            running.add(task)
            task.add_done_callback(lambda done: self._left(lane, done))

    async def stop(self) -> None:
        """Cut off what is under way: it is attempted again in the next life."""
        self._closed = True
        tasks = [one for tasks in self._running.values() for one in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def busy(self) -> dict[str, int]:
        """Lane → how many wait or are under way, for the page of channels."""
        names = {*self._waiting, *self._running}
        return {
            one: len(self._waiting.get(one, ())) + len(self._running.get(one, ()))
            for one in sorted(names)
        }

    async def _drain(self, lane: str) -> None:
        waiting = self._waiting.setdefault(lane, [])
        while waiting:
            await self._attempt(heapq.heappop(waiting)[2])

    def _left(self, lane: str, task: asyncio.Task[None]) -> None:
        running = self._running.get(lane, set())
        running.discard(task)
        if not running and not self._waiting.get(lane):
            self._running.pop(lane, None)
            self._waiting.pop(lane, None)
