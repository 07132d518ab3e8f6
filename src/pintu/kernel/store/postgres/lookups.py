"""Point reads: what one turn of the loop asks for goes to the server in one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pintu.kernel.context.record import Record
from pintu.kernel.store.postgres.apply import storable
from pintu.kernel.store.postgres.cache import Key, Row, RowCache
from pintu.kernel.store.postgres.names import Names

MOST = 500
"""Entities asked for in one statement."""

_ASK = (
    "SELECT u.o, e.n, e.kind, e.shape, e.body, e.created, e.modified, e.times, e.last, e.last_at, "
    "e.expires FROM unnest($1::int[], $2::text[]) WITH ORDINALITY u(tenant, id, o) "
    "JOIN entity e ON e.tenant = u.tenant AND e.id = u.id"
)
Fetch = Callable[..., Awaitable[list[Any]]]
Waiting = list[asyncio.Future[Record | None]]


class Lookups:
    """Gathers keys until the end of the turn; rows that come back are kept in the cache unless a
    commit touched them meanwhile.
    """

    def __init__(
        self, fetch: Fetch, reload: Callable[[], Awaitable[None]], names: Names, cache: RowCache
    ) -> None:
        self._fetch = fetch
        self._reload = reload  # names, when a row has one that is not known
        self._names = names
        self._cache = cache
        self._wanted: dict[Key, Waiting] = {}
        self._asked: dict[Key, Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.caching = True
        self.statements = 0
        self.keys = 0

    def ask(self, key: Key) -> asyncio.Future[Record | None]:
        """The record, soon; None when there is none."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Record | None] = loop.create_future()
        if not storable(key[1]):
            future.set_result(None)
            return future
        waiting = self._wanted.get(key) or self._asked.get(key)
        if waiting is None:
            if not self._wanted:
                loop.call_soon(self._go)
            waiting = self._wanted[key] = []
        waiting.append(future)
        return future

    def touched(self, key: Key) -> None:
        """A commit changed it: what is being read may be older, and the next read asks anew."""
        self._asked.pop(key, None)

    def touched_all(self) -> None:
        """Everything may have changed."""
        self._asked.clear()

    def _go(self) -> None:
        wanted = list(self._wanted.items())
        self._wanted = {}
        for start in range(0, len(wanted), MOST):
            part = dict(wanted[start : start + MOST])
            self._asked.update(part)
            task = asyncio.get_running_loop().create_task(self._read(part))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read(self, part: dict[Key, Waiting]) -> None:
        keys = list(part)
        self.statements += 1
        self.keys += len(keys)
        try:
            rows = await self._fetch(_ASK, [key[0] for key in keys], [key[1] for key in keys])
            if any(row[2] not in self._names.kinds or row[3] not in self._names.shapes
                   for row in rows):  # fmt: skip
                await self._reload()
            found = {keys[row[0] - 1]: self.row(row, keys[row[0] - 1][1]) for row in rows}
        except Exception as error:  # the loop's edge: each caller gets it
            for key, waiting in part.items():
                self._let_go(key, waiting)
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
            return
        for key, waiting in part.items():
            row = found.get(key)
            if self._let_go(key, waiting) and row is not None and self.caching:
                self._cache.keep(key, row)
            for future in waiting:
                if not future.done():
                    future.set_result(None if row is None else row.record)

    def _let_go(self, key: Key, waiting: Waiting) -> bool:
        """Nobody joins this read any more; False when a commit touched the key meanwhile."""
        if self._asked.get(key) is not waiting:
            return False
        del self._asked[key]
        return True

    def row(self, found: Any, id: str) -> Row:
        """A row of the server (`_ASK`'s columns) as the cache holds it."""
        _, n, kind, shape, body, created, modified, times, last, last_at, expires = found
        names = self._names
        types = names.kinds[kind].types
        record = Record(n, id, types, body, created, modified, times, last)
        return Row(record, names.shapes[shape], expires, last_at)
