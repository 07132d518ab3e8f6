"""Requests of many callers that wait in the same turn, read with one statement.

Two lanes read at a time; what arrives meanwhile is gathered, so that the busier the city is, the
less a page costs. A request that takes too long in company is asked again alone.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

import asyncpg
from asyncpg import Connection

from pintu.kernel.errors import DeadlineExceeded
from pintu.kernel.store.postgres.asking import READING, Asked, Key, bindings, text_of

COMPANY = 32
"""Requests in one statement, at most."""

COMPANY_ROWS = 2_000
"""Rows that the requests of one statement may bring together; a larger one goes alone."""

Row = Sequence[Any]
Read = Callable[[Callable[[Connection], Awaitable[Any]]], Awaitable[Any]]
"""Lends a reading connection to a function and answers what that answers."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one request found. `count` and `loose` (was something only a candidate?) if counted."""

    rows: Sequence[Row]
    count: int = 0
    loose: bool = False


class Prepared:
    """Connections that were told how these statements are to be planned."""

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._told: WeakSet[Connection] = WeakSet()
        self._settings = "; ".join(f"SET {name} = {value}" for name, value in READING.items())

    async def ready(self, connection: Connection) -> Connection:
        """The connection, told."""
        if connection not in self._told:
            await connection.execute(self._settings)
            self._told.add(connection)
        return connection

    def late(self) -> DeadlineExceeded:
        """The error of a read that took too long."""
        return DeadlineExceeded(
            f"The query took longer than {self.deadline_s:g} s: narrow it by type, id or place"
        )


class Pages:
    """Asks of one sort: quick ones share lanes with quick ones, others with others."""

    def __init__(self, read: Read, prepared: Prepared, *, lanes: int) -> None:
        self._read = read
        self._prepared = prepared
        self._lanes = lanes
        self._busy = 0
        self._soon = False
        self._waiting: dict[Key, list[tuple[Asked, Future[Found]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.statements = 0
        self.requests = 0

    def ask(self, key: Key, asked: Asked) -> Future[Found]:
        """What a request finds, read with whatever else waits."""
        loop = asyncio.get_running_loop()
        future: Future[Found] = loop.create_future()
        self._waiting.setdefault(key, []).append((asked, future))
        if not self._soon and self._busy < self._lanes:
            self._soon = True
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        self._soon = False
        while self._waiting and self._busy < min(self._lanes, self._busy + len(self._waiting)):
            self._busy += 1
            task = asyncio.get_running_loop().create_task(self._lane(self._take()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> tuple[Key, list[tuple[Asked, Future[Found]]]]:
        """Those of one statement that wait longest, as many as go together."""
        key = next(iter(self._waiting))
        waiting = self._waiting.pop(key)
        most = 1 if key.shapes else COMPANY
        rows = number = 0
        for asked, _ in waiting[:most]:
            rows += COMPANY_ROWS if asked.limit is None else asked.limit + asked.offset
            if number and rows > COMPANY_ROWS:
                break
            number += 1
        if number < len(waiting):
            self._waiting[key] = waiting[number:]  # behind the others
        return key, waiting[:number]

    async def _lane(self, first: tuple[Key, list[tuple[Asked, Future[Found]]]]) -> None:
        try:
            batch = first
            while True:
                await self._serve(*batch)
                if not self._waiting:
                    return
                batch = self._take()
        finally:
            self._busy -= 1

    async def _serve(self, key: Key, waiting: list[tuple[Asked, Future[Found]]]) -> None:
        waiting = [one for one in waiting if not one[1].done()]
        if not waiting:
            return
        try:
            found = await self._read(partial(self._ask, key, [asked for asked, _ in waiting]))
        except DeadlineExceeded as error:
            if len(waiting) == 1:
                _fail(waiting, error)
            else:
                for one in waiting:
                    await self._serve(key, [one])
        except Exception as error:  # the loop's edge: each caller gets it
            _fail(waiting, error)
        else:
            for (_, future), one in zip(waiting, found, strict=True):
                if not future.done():
                    future.set_result(one)
        finally:
            for _, future in waiting:
                future.cancel()  # nobody else will answer: the loop ends

    async def _ask(self, key: Key, asked: list[Asked], connection: Connection) -> list[Found]:
        await self._prepared.ready(connection)
        self.statements += 1
        self.requests += len(asked)
        try:
            rows: list[Any] = await connection.fetch(text_of(key), *bindings(key, asked))
        except asyncpg.QueryCanceledError as error:
            raise self._prepared.late() from error
        if len(asked) == 1 and not key.count:
            return [Found(rows)]
        return sorted_out(rows, len(asked))

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))


def sorted_out(rows: Sequence[Row], requests: int) -> list[Found]:
    """Each request's rows and count."""
    each: list[list[Row]] = [[] for _ in range(requests)]
    counts: dict[int, tuple[int, bool]] = {}
    for row in rows:
        number = row[0]
        if number > 0:
            each[number - 1].append(row)
        else:
            counts[-number - 1] = (row[1], bool(row[-1]))
    return [Found(found, *counts.get(number, (0, False))) for number, found in enumerate(each)]


def _fail(waiting: list[tuple[Asked, Future[Found]]], error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
