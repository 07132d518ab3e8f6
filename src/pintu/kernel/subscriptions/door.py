"""Messages of other rooms, delivered with the same care: in order a key, tried again, bounded.

Kept in memory alone: what must survive a restart is kept by whoever asks, who is told how each
attempt ended.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.states import Outcome
from pintu.kernel.subscriptions.words import Endpoint, Message

MOST_WAITING: Final = 200
"""Messages that wait for one key; the oldest gives way and is told as lost."""

MOST_ATTEMPTS: Final = 20
"""Of one message, before the next has its turn: about an hour."""

LOST: Final = Outcome(why="held", detail="Too many wait already: the oldest was dropped")
Told = Callable[[Outcome], None]


class Sender(Protocol):
    """A way to an endpoint."""

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Send one message once; every way it can end is an Outcome."""
        ...


class Waiting(msgspec.Struct):
    """One message on its way."""

    endpoint: Endpoint
    message: Message
    told: Told


class Door:
    """`deliver(key, endpoint, message, told)`: one line a key; lives on the loop."""

    def __init__(self, sender: Callable[[Endpoint], Sender], clock: Clock) -> None:
        self._sender, self._clock = sender, clock
        self._lines: dict[str, deque[Waiting]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def deliver(self, key: str, endpoint: Endpoint, message: Message, told: Told) -> None:
        """Send a message after those of the same key; `told` hears how each attempt ended."""
        line = self._lines.setdefault(key, deque())
        if len(line) >= MOST_WAITING:
            # the head is under way: the oldest that only waits gives way
            lost = line[1]
            del line[1]
            lost.told(LOST)
        line.append(Waiting(endpoint, message, told))
        if key not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._run(key, line))
            self._tasks[key] = task

    def drop(self, key: str) -> None:
        """Send nothing more of a key."""
        self._lines.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Send nothing more."""
        tasks = list(self._tasks.values())
        for key in list(self._tasks):
            self.drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, line: deque[Waiting]) -> None:
        while line:
            await self._through(line[0])
            line.popleft()
        self._lines.pop(key, None)
        self._tasks.pop(key, None)

    async def _through(self, one: Waiting) -> None:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            outcome = await self._sender(one.endpoint).send(one.endpoint, one.message)
            one.told(outcome)
            if outcome.taken or outcome.why == "gone":
                return
            if attempt < MOST_ATTEMPTS:
                pause_s = states.pause_s(attempt, one.endpoint, outcome, random.random())
                await asyncio.sleep(pause_s / self._clock.rate)
