"""What is told to the listeners, whoever wrote it: every change once, in the order of positions.

Positions are given out without gaps and become visible in order, so that one number says what was
told. What we wrote ourselves is told at once when it is next; when others wrote before it, their
changes are read from the log first. A notification is only a hint to look now: the log is looked
at from time to time whether one came or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.port import Change
from pintu.kernel.store.postgres.connection import Connections
from pintu.kernel.store.postgres.line import FAILED, Line

READ = 500
"""Rows of the log read at once."""

LOOK_S = (0.25, 2.0)
"""How often the log is looked at: without hints (a standby gives none), and with them."""

_DEAF: tuple[type[BaseException], ...] = (Unavailable, *FAILED)

log = logging.getLogger("pintu.store")
Read = Callable[[int, int], Awaitable[list[Change]]]
Deliver = Callable[[list[Change]], None]


def channel(address: StoreAddress) -> str:
    """The channel on which whoever writes to a city says the newest position."""
    return f"pintu_{address.schema}"


class Follow:
    """The order of what is told; `own` is the writer's side, the log the others'."""

    def __init__(self, position: int, *, read: Read, deliver: Deliver) -> None:
        """`read(after, limit)` reads the log; `deliver` tells changes of others and of ourselves,
        synchronously, each list in order.
        """
        self.position = position  # what was told
        self.read_rows = 0  # changes that were read from the log instead of being ours
        self._read, self._deliver = read, deliver
        self._ours: dict[int, list[Change]] = {}  # by first position, waiting for earlier ones
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._once: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._begun = False
        self._hinted = False

    def start(self, connections: Connections) -> None:
        """Begin to look at the log, and to listen for hints."""
        self._tasks = [
            asyncio.create_task(self._keep_looking(), name="pintu-store-follow"),
            asyncio.create_task(self._keep_listening(connections), name="pintu-store-hints"),
        ]

    async def close(self) -> None:
        """Stop looking."""
        tasks = [*self._tasks, *([self._once] if self._once is not None else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._line is not None:
            await self._line.close()

    def own(self, changes: list[Change]) -> None:
        """We committed these, which have positions one after another."""
        first = changes[0].position
        if first > self.position + 1:
            self._ours[first] = changes
            self._soon()
        elif changes[-1].position > self.position:
            self._tell(changes)
            self._tell_ours()

    def untold(self, position: int) -> None:
        """We committed up to here, and there is nobody to be told."""
        self.position = max(self.position, position)

    def arrived(self, position: int) -> None:
        """The server's log goes up to here: where we begin, or what to look for after it was away.

        What a commit under way left there is told too, by the log or by `own`, once.
        """
        if self._begun:
            self.hint(position)
        else:
            self._begun = True
            self.position = position

    def hint(self, position: int) -> None:
        """Somebody says that there is a change at a position."""
        if position > self.position:
            self._soon()

    def _tell(self, changes: list[Change]) -> None:
        """Those of a list in order that were not told yet."""
        if changes[0].position <= self.position:
            changes = [one for one in changes if one.position > self.position]
        self.position = changes[-1].position
        self._deliver(changes)

    def _tell_ours(self) -> None:
        """What we wrote and what is next now, or was read from the log meanwhile."""
        for first in sorted(self._ours):
            if first > self.position + 1:
                return
            changes = self._ours.pop(first)
            if changes[-1].position > self.position:
                self._tell(changes)

    def _soon(self) -> None:
        """Look at the log now; without `start` this once."""
        self._look.set()
        if not self._tasks and self._once is None:
            self._once = asyncio.get_running_loop().create_task(self._look_once())

    async def _look_once(self) -> None:
        try:
            while self._look.is_set():
                self._look.clear()
                await self._try()
        finally:
            self._once = None

    async def _try(self) -> None:
        """Catch up; when that fails, a little later again."""
        try:
            await self.catch_up()
        except Unavailable:
            await asyncio.sleep(LOOK_S[0])
            self._look.set()
        except Exception:  # the loop's edge: it looks again
            log.exception("The log cannot be followed")
            await asyncio.sleep(LOOK_S[1])
            self._look.set()

    async def catch_up(self) -> None:
        """Tell all that is in the log and was not told yet."""
        while True:
            rows = await self._read(self.position, READ)
            # while we waited, our own may have been told
            rows = [one for one in rows if one.position > self.position]
            self._between(rows)
            self._tell_ours()
            if len(rows) < READ:
                return

    def _between(self, rows: list[Change]) -> None:
        """Tell rows of the log, but from our own copy those that we wrote: it has the bodies."""
        mine = sorted(self._ours)
        told: list[Change] = []
        for row in rows:
            while mine and mine[0] <= row.position:
                if told:
                    self._tell(told)
                    self.read_rows += len(told)
                    told = []
                changes = self._ours.pop(mine.pop(0))
                if changes[-1].position > self.position:
                    self._tell(changes)
            if row.position > self.position:
                told.append(row)
        if told:
            self._tell(told)
            self.read_rows += len(told)

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S[self._hinted]):
                    await self._look.wait()
            self._look.clear()
            await self._try()

    async def _keep_listening(self, connections: Connections) -> None:
        """Hold a connection that hears hints, where the server gives any."""
        presence = connections.presence
        while True:
            if presence.here.is_set() and not presence.standby:
                try:
                    await self._listen(connections)
                except _DEAF as error:
                    log.info("Hints of other writers cannot be heard: %s", error)
                self._hinted = False
            await asyncio.sleep(LOOK_S[1])

    async def _listen(self, connections: Connections) -> None:
        line = self._line = await connections.apart("hints")
        ended = asyncio.Event()
        line.connection.add_termination_listener(lambda _: ended.set())

        def heard(_connection: Any, _pid: int, _channel: str, text: object) -> None:
            told = str(text)
            if told.isdecimal():
                self.hint(int(told))

        try:
            await line.connection.add_listener(channel(connections.address), heard)
            self._hinted = True
            self._look.set()
            await ended.wait()
        finally:
            line.terminate()
            self._line = None
