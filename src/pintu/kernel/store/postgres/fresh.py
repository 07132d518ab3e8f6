"""Knowing what other brokers numbered and counted: looked at before it is needed, once for all who
ask in one turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pintu.kernel.store.postgres.names import SEEN, Names

Read = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[None]]
Asked = tuple[asyncio.Future[None], bool]


class Fresh:
    """Whoever asked before a look began knows, when it is over, all that was numbered until he
    asked; lives on the store's loop.
    """

    def __init__(self, names: Names, read: Read) -> None:
        """`read` lends a reading connection (`Connections.read`)."""
        self._names, self._read = names, read
        self._waiting: list[Asked] = []
        self._running: asyncio.Task[None] | None = None
        self.looks = 0
        self.loads = 0  # looks that found something new

    def ask(self, *, counts: bool) -> asyncio.Future[None]:
        """Done when everything others numbered (and, with `counts`, counted) before is known."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((future, counts))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._once(waiting)
        finally:
            self._running = None

    async def _once(self, waiting: list[Asked]) -> None:
        counts = any(wanted for _, wanted in waiting)
        error: Exception | None = None
        try:
            await self._read(partial(self._look, counts))
        except Exception as broken:  # the loop's edge: each caller gets it
            error = broken
        for future, _ in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    async def _look(self, counts: bool, connection: Any) -> None:
        self.looks += 1
        if tuple(await connection.fetchrow(SEEN)) != self._names.seen:
            self.loads += 1
            await self._names.load(connection)
        elif counts:
            await self._names.recount(connection)

    async def close(self) -> None:
        """Whoever waits still gets his answer."""
        if self._running is not None:
            await asyncio.wait([self._running])
