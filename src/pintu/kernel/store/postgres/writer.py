"""The one writer: a task of the loop that gathers what is waiting into one group after another.

A group is one statement and one flush. Calls wait while the server is away, in the order they came
and not longer than the address says; a group whose commit was under way when the connection broke
is looked up by its mark in `head`, then answered or done again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from pintu.kernel.clock import Clock, Onward
from pintu.kernel.counting import count, count_s, group_times
from pintu.kernel.errors import DiskFull, PintuError, Unavailable
from pintu.kernel.store.port import MARKED, Change, Mark, Op
from pintu.kernel.store.postgres.connection import Connections
from pintu.kernel.store.postgres.follow import Follow
from pintu.kernel.store.postgres.group import Attempt, Call, Done, GivenUp, State, Task
from pintu.kernel.store.postgres.line import FAILED, LOST, is_lost
from pintu.kernel.store.postgres.schema import Tuning
from pintu.kernel.store.room import check_room

TRIES = 20
"""How often a group is done again because others were faster."""

DOUBT_GROUPS = 64
"""After an insert met an id that exists, so many groups look before they insert."""

TURN_S = 0.5
"""While a group's fate is unknown, calls that waited too long are told so this often."""

_FASTER = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Somebody made what we wanted to make, or holds what we wait for: the group is done again."""

_BROKEN: tuple[type[BaseException], ...] = (PintuError, *FAILED)

log = logging.getLogger("pintu.store")
Listener = Callable[[list[Change]], None]


class Writer:
    """Owns the queue and the order of everything that is written."""

    def __init__(
        self, connections: Connections, state: State, *, clock: Clock, tuning: Tuning
    ) -> None:
        self._connections = connections
        self.state = state
        self.clock = Onward(clock)
        self._tuning = tuning
        self._queue: deque[Call] = deque()
        self._running: asyncio.Task[None] | None = None
        self._ticking = False
        self._doubt = 0
        self.upkeep: Callable[[Any, int], Awaitable[None]] = _nothing
        self.follow: Follow  # tells what was written, in order, whoever wrote it
        self.listeners: list[Listener] = []
        self.waiting = 0  # operations handed over and not answered
        self.groups = 0
        self.grouped_ops = 0
        self.times = group_times()
        self.again = 0
        self.disk_errors = 0
        self.last_error = ""
        self.closed = False

    # --- handing over ----------------------------------------------------------------------------
    def submit(
        self, ops: Sequence[Op], source: str, *, mark: Mark | None = None
    ) -> asyncio.Future[Any]:
        """Hand a call over; the future resolves when it is durable."""
        if self.closed:
            raise Unavailable("The store is closed")
        check_room(self.waiting, len(ops), self._tuning.queue_ops)
        call = Call(ops, source, asyncio.get_running_loop().create_future())
        if mark is not None:
            call.cursor, call.mark = (MARKED + mark.name, mark.number), mark
        return self._hand_over(call)

    def task(self, task: Task) -> asyncio.Future[Any]:
        """Run something with the writing connection in a transaction, between groups.

        When its connection breaks it is not done again: Unavailable.
        """
        if self.closed:
            raise Unavailable("The store is closed")
        call = Call((), "", asyncio.get_running_loop().create_future())
        call.task = task
        return self._hand_over(call)

    def cursor(self, name: str, position: int | None) -> asyncio.Future[Any]:
        """Keep a cursor with the next group."""
        if self.closed:
            raise Unavailable("The store is closed")
        call = Call((), "", asyncio.get_running_loop().create_future())
        call.cursor = (name, position)
        return self._hand_over(call)

    def _hand_over(self, call: Call) -> asyncio.Future[Any]:
        self.waiting += len(call.ops)
        self._queue.append(call)
        if self._running is None:
            # it begins in the loop's next turn: all that this turn hands over is one group
            loop = asyncio.get_running_loop()
            self._running = loop.create_task(self._run())
            if not self._ticking:
                self._ticking = True
                loop.call_later(TURN_S, self._tick)
        return call.future

    async def close(self) -> None:
        """Finish what is queued."""
        self.closed = True
        while self._running is not None:
            await asyncio.wait([self._running])

    def _tick(self) -> None:
        """However long something is under way, who waits behind it is told in time."""
        self._tell_the_late()
        self._ticking = self._running is not None
        if self._ticking:
            asyncio.get_running_loop().call_later(TURN_S, self._tick)

    # --- groups ----------------------------------------------------------------------------------
    async def _run(self) -> None:
        try:
            while self._queue:
                await self._next()
        finally:
            self._running = None

    async def _next(self) -> None:
        calls = self._gather()
        try:
            await (self._alone(calls[0]) if calls[0].task else self._group(calls))
        except Exception as error:  # the loop's edge: whatever it is, the writer goes on
            log.exception("A group of writes broke")
            self._fail(calls, PintuError(f"The store broke: {type(error).__name__}: {error}"))

    def _gather(self) -> list[Call]:
        """What is waiting, up to the cap; a task is alone."""
        queue = self._queue
        calls = [queue.popleft()]
        size = len(calls[0].ops) + 1
        while calls[0].task is None and queue and size < self._tuning.group_ops:
            if queue[0].task is not None:
                break
            calls.append(queue.popleft())
            size += len(calls[-1].ops) + 1
        return calls

    async def _connection(self, calls: list[Call]) -> Any:
        """The writing connection, as long as the oldest call may wait."""
        while (found := self._connections.writer_now) is None:
            asked = time.monotonic()
            left = self._connections.address.wait_s - (asked - calls[0].born)
            try:
                return await self._connections.writer(max(min(left, TURN_S), 0))
            except Unavailable:
                refused = time.monotonic() - asked < TURN_S / 2  # it is no use to wait
                if left <= TURN_S or self.closed or refused:
                    raise
                self._tell_the_late()
        return found

    async def _alone(self, call: Call) -> None:
        """A task in its own transaction."""
        assert call.task is not None
        connection = None
        try:
            connection = await self._connection([call])
            async with connection.transaction():
                call.outcomes = await call.task(connection)
        except Exception as error:  # the loop's edge: its caller gets it
            self._fail([call], self._translated(connection, error))
            return
        self._resolve(call)

    async def _group(self, calls: list[Call]) -> None:
        """Everything the calls ask for as one statement, until it is durable or cannot be."""
        contended = 0
        while True:
            connection, done = None, None
            attempt = Attempt(self.state, calls, self.clock, careful=self._doubt > 0)
            try:
                connection = await self._connection(calls)
                await self.upkeep(connection, self.clock.now_us())
                began = time.perf_counter()
                done = await attempt.run(connection)
                count_s(self.times["commit_us"], began, time.perf_counter())
                self._answer(calls, done)
                return
            except GivenUp as given_up:
                given_up.call.error = given_up.error
            except _FASTER as error:
                self._doubt = DOUBT_GROUPS
                contended += 1
                if contended == TRIES:
                    self._fail(calls, Unavailable(f"Others are faster: {error}", retry_after=1))
                    return
            except _BROKEN as error:
                if connection is None or not is_lost(error):
                    await self._broken(calls, self._translated(connection, error))
                    return
                self._connections.lost(connection, error)
                if attempt.in_doubt and (found := await self._fate(attempt)) is not None:
                    self._answer(calls, found)
                    return
                if self._late(calls[0]):
                    self._fail(calls, self._connections.presence.unavailable())
                    return
            except Exception as error:  # a mistake of ours with one call fails no other
                log.exception("A group of writes broke")
                broken = PintuError(f"The store broke: {type(error).__name__}: {error}")
                if done is None and not attempt.in_doubt:
                    await self._broken(calls, broken)
                else:  # it may be durable: never again
                    self._fail(calls, broken)
                return
            self.again += 1

    def _late(self, call: Call) -> bool:
        """Has it waited as long as the address allows?"""
        return time.monotonic() - call.born > self._connections.address.wait_s

    async def _fate(self, attempt: Attempt) -> Done | None:
        """What became of a commit that was under way: done, or (None) surely not."""
        while True:
            try:
                connection = await self._connections.writer(TURN_S)
                return await attempt.fate(connection)
            except Unavailable:
                self._tell_the_late()
                if self.closed and self._connections.writer_now is None:
                    raise
            except LOST as error:
                if not is_lost(error):
                    raise
                self._connections.lost(connection, error)

    def _tell_the_late(self) -> None:
        """Calls in the queue that waited long enough are answered; nothing of them is stored."""
        while self._queue and self._late(self._queue[0]):
            self._fail([self._queue.popleft()], self._connections.presence.unavailable())

    async def _broken(self, calls: list[Call], error: PintuError) -> None:
        """The group cannot be written: one of several may be the reason, each is tried alone."""
        if type(error) is not PintuError or len(calls) == 1:
            self._fail(calls, error)
            return
        for call in calls:
            await self._group([call])

    # --- answers ---------------------------------------------------------------------------------
    def _answer(self, calls: list[Call], done: Done) -> None:
        """The group is durable."""
        self._doubt = max(self._doubt - 1, 0)
        self.groups += 1
        size = sum(len(call.ops) for call in calls)
        self.grouped_ops += size
        count(self.times["operations"], size)
        follow = self.follow
        wanted = bool(self.listeners) or not self.state.alone
        changes = done.settle(wanted=wanted)
        if not wanted:
            follow.untold(self.state.position)
        for call in calls:
            if call.cursor is not None and call.error is None:
                self.state.keep_cursor(*call.cursor)
            self._resolve(call)
        if changes:
            follow.own(changes)

    def regained(self) -> None:
        """There is a connection to write with, the first or a new one."""
        self._doubt = 0
        self.follow.arrived(self.state.position)

    def tell(self, changes: list[Change]) -> None:
        """Let every listener hear of changes, in order."""
        for listener in self.listeners if changes else ():
            try:
                listener(changes)
            except Exception:  # one listener's mistake keeps no change from the others
                log.exception("A listener to the changes of the store broke")

    def _resolve(self, call: Call) -> None:
        if call.answered:
            return
        call.answered = True
        self.waiting -= len(call.ops)
        if not call.future.done():
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.outcomes)

    def _fail(self, calls: list[Call], error: PintuError) -> None:
        self.last_error = str(error)
        for call in calls:
            call.error = call.error or _same(error)
            self._resolve(call)

    def _translated(self, connection: Any, error: BaseException) -> PintuError:
        """What the server said, in our words."""
        if isinstance(error, PintuError):
            return error
        if connection is not None and is_lost(error):
            self._connections.lost(connection, error)
            return self._connections.presence.unavailable()
        if isinstance(error, asyncpg.DiskFullError | asyncpg.PostgresIOError):
            self.disk_errors += 1
            return DiskFull(f"The server cannot write, nothing of this was stored: {error}")
        if isinstance(error, asyncpg.InsufficientResourcesError | asyncpg.OperatorInterventionError
                      | asyncpg.LockNotAvailableError | asyncpg.ObjectInUseError):  # fmt: skip
            return Unavailable(f"The server is short of something: {error}", retry_after=1)
        return PintuError(f"The store cannot write this: {type(error).__name__}: {error}")


async def _nothing(connection: Any, now: int) -> None:
    return None


def _same(failure: PintuError) -> PintuError:
    """A fresh instance for each call, so that tracebacks do not mix."""
    return type(failure)(failure.detail, **failure.extra)
