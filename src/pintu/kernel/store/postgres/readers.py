"""The reading connections: made when they are needed, lent to one caller at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from asyncpg import Connection

from pintu.kernel.errors import DeadlineExceeded, Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import told_plainly
from pintu.kernel.store.postgres.line import FAILED, LOST, Line, Purpose, connect_any, is_lost
from pintu.kernel.store.postgres.presence import GRACE_S, RETRY_S, Presence

PAUSE_S = 0.05
T = TypeVar("T")


class Readers:
    """A bounded number of connections to the server that is present. Those of an earlier `age` of
    it are not used again.
    """

    def __init__(
        self,
        address: StoreAddress,
        presence: Presence,
        suspect: Callable[[BaseException], None],
        me: str,
    ) -> None:
        self._address, self._presence = address, presence
        self._suspect = suspect
        self._purpose = Purpose(me=me, name="reads", deadline_s=address.deadline_s)
        self._room = asyncio.Semaphore(address.pool)
        self._idle: deque[Line] = deque()
        self._lent: set[Line] = set()
        self._age = 0
        self.answered = 0.0  # when the server last answered a read, by the monotonic clock

    def __len__(self) -> int:
        return len(self._idle) + len(self._lent)

    async def read(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What `ask` gets from a connection; see `Connections.read`."""
        started = time.monotonic()
        while True:
            line = await self._take(started)
            try:
                found = await ask(line.connection)
                self.answered = time.monotonic()
                return found
            except asyncpg.QueryCanceledError as error:
                told = f"The query took longer than {self._address.deadline_s:g} s"
                raise DeadlineExceeded(told, retry_after=RETRY_S) from error
            except asyncpg.SerializationError as error:
                # a standby that must go on replaying ends what reads the rows in its way
                if time.monotonic() - started > self._address.deadline_s:
                    raise Unavailable(told_plainly(error), retry_after=RETRY_S) from error
            except LOST as error:
                if not is_lost(error) or isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                    raise
                if line.age == self._age:
                    self._suspect(error)
                line.age = -1
                if time.monotonic() - started > max(GRACE_S, self._address.deadline_s):
                    raise Unavailable(told_plainly(error), retry_after=RETRY_S) from error
            finally:
                self._give_back(line)

    def adopt(self, line: Line) -> None:
        """Take a connection that somebody else made and does not need."""
        line.age = self._age
        self._idle.append(line)

    def renew(self) -> None:
        """The server is gone or another one: every connection is of the past."""
        self._age += 1
        while self._idle:
            self._idle.popleft().terminate()

    async def close(self) -> None:
        """End them all; what somebody still asks breaks."""
        self._age += 1
        idle, self._idle = list(self._idle), deque()
        await asyncio.gather(*(line.close() for line in idle))
        for line in list(self._lent):
            line.terminate()

    async def _take(self, started: float) -> Line:
        if not self._presence.here.is_set():
            await self._presence.wait_a_moment()
        try:
            if self._room.locked():  # else nothing waits: no timer is needed
                async with asyncio.timeout(self._address.deadline_s):
                    await self._room.acquire()
            else:
                await self._room.acquire()
        except TimeoutError:
            told = f"All {self._address.pool} reading connections of the store are busy"
            raise Unavailable(told, retry_after=1) from None
        try:
            line = self._usable() or await self._made(started)
        except BaseException:
            self._room.release()
            raise
        self._lent.add(line)
        return line

    def _usable(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if line.age == self._age and not line.connection.is_closed():
                return line
            line.terminate()
        return None

    async def _made(self, started: float) -> Line:
        while True:
            age = self._age
            host = self._presence.host
            try:
                line, _ = await connect_any(self._address, self._purpose, first=host, only=True)
            except FAILED as error:
                if self._age == age:
                    self._suspect(error)
                    if time.monotonic() - started > GRACE_S:
                        raise Unavailable(told_plainly(error), retry_after=RETRY_S) from error
                    await asyncio.sleep(PAUSE_S)
                await self._presence.wait_a_moment()
                continue
            line.age = age
            return line

    def _give_back(self, line: Line) -> None:
        self._room.release()
        self._lent.discard(line)
        if line.age == self._age and not line.connection.is_closed():
            self._idle.append(line)
        else:
            line.terminate()
