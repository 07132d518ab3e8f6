"""One stream of changes a subscriber: first what the log holds after its cursor, then live, no
gap, no double.

The log is the buffer. A subscriber that falls behind its live buffer goes back to reading the log
from where it is, so that a slow one costs memory for a bounded number of changes and never slows
a writer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Protocol

from pintu.kernel.errors import StateConflict
from pintu.kernel.feed.cursor import cursor_of, position_of
from pintu.kernel.store.port import Change

READ = 500
"""Rows of the log read at once on the way to live."""

log = logging.getLogger("pintu.feed")
Listener = Callable[[list[Change]], None]


class Source(Protocol):
    """What the feed needs of a store."""

    def changes(self, after: int, limit: int) -> list[Change]:
        """The log after a position."""
        ...

    def head(self) -> int:
        """The newest position."""
        ...

    def on_commit(self, listener: Listener) -> None:
        """Call with the changes of each commit."""
        ...

    def cursors(self) -> dict[str, int]:
        """Durable cursors by name."""
        ...

    def save_cursor(self, name: str, position: int | None) -> Any:
        """Keep or forget a durable cursor; awaitable."""
        ...


class Feed:
    """The doors to the changes of one store; lives on the store's loop."""

    def __init__(self, store: Source, *, buffer: int = 10_000) -> None:
        self._store = store
        self._buffer = buffer
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Listener] = []
        self.live_changes = 0
        store.on_commit(self._fan_out)

    def subscribe(
        self,
        name: str = "",
        *,
        types: Collection[str] | None = None,
        tenants: Collection[int] | None = None,
        after: str | None = None,
        buffer: int | None = None,
    ) -> Subscription:
        """Open a stream, optionally of some types and tenants only.

        It begins at the durable cursor `name` when there is one, else at the cursor `after`, else
        now. Raises StateConflict when a stream of that name is open, BadRequestData for a foreign
        cursor.
        """
        if name and any(one.name == name for one in self._subscriptions):
            raise StateConflict(f"The feed's reader {name} is connected already")
        saved = self._store.cursors().get(name) if name else None
        if saved is None:
            saved = self._store.head() if after is None else position_of(after)
        made = Subscription(
            self, name, saved, types=types, tenants=tenants, buffer=buffer or self._buffer
        )
        self._subscriptions.append(made)
        return made

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the changes of every commit from now on; returns what ends it."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def cursor(self) -> str:
        """The cursor of somebody who has seen everything until now."""
        return cursor_of(self._store.head())

    async def forget(self, name: str) -> None:
        """Drop a durable cursor, so that the log may be trimmed past it."""
        await self._store.save_cursor(name, None)

    def lag(self) -> dict[str, int]:
        """Positions each named stream is behind the newest change."""
        head = self._store.head()
        lags = {name: head - position for name, position in self._store.cursors().items()}
        lags.update((one.name, one.lag) for one in self._subscriptions if one.name)
        return lags

    def _fan_out(self, changes: list[Change]) -> None:
        self.live_changes += len(changes)
        for subscription in self._subscriptions:
            subscription.offer(changes)
        for listener in list(self._listeners):
            self._tell(listener, changes)

    def _tell(self, listener: Listener, changes: list[Change]) -> None:
        """One listener's mistake is logged and keeps no change from the others."""
        try:
            listener(changes)
        except Exception:
            log.exception("A listener to the feed broke")

    # what subscriptions use
    def read(self, after: int) -> list[Change]:
        """The next rows of the log."""
        return self._store.changes(after, READ)

    def head(self) -> int:
        """The newest position."""
        return self._store.head()

    def save(self, name: str, position: int) -> Any:
        """Keep a durable cursor."""
        return self._store.save_cursor(name, position)

    def leave(self, subscription: Subscription) -> None:
        """A stream is closed."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)


class Subscription:
    """An open stream: iterate over changes, or over `batches()`; `await save()` makes progress
    durable.
    """

    def __init__(
        self,
        feed: Feed,
        name: str,
        position: int,
        *,
        types: Collection[str] | None,
        tenants: Collection[int] | None,
        buffer: int,
    ) -> None:
        self.name = name
        self.position = position  # everything up to here was handed out or is not wanted
        self.gap: tuple[int, int] | None = (
            None  # (asked after, oldest there is) when rows were trimmed
        )
        self.fallen_back = 0  # times the live buffer was over its bound
        self._feed = feed
        self._types = None if types is None else frozenset(types)
        self._tenants = None if tenants is None else frozenset(tenants)
        self._bound = buffer
        self._live = False
        self._pending: deque[Change] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    @property
    def cursor(self) -> str:
        """The opaque cursor of what was handed out."""
        return cursor_of(self.position)

    @property
    def lag(self) -> int:
        """Positions behind the newest change."""
        return max(self._feed.head() - self.position, 0)

    async def save(self) -> None:
        """Make the cursor durable; a named stream goes on from here after a restart."""
        if not self.name:
            raise StateConflict("A stream without a name has no durable cursor")
        await self._feed.save(self.name, self.position)

    def close(self) -> None:
        """End the stream; iteration stops."""
        self._closed = True
        self._feed.leave(self)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        async for batch in self.batches():
            for change in batch:
                self.position = change.position
                yield change

    async def batches(self, most: int = READ) -> AsyncIterator[list[Change]]:
        """Changes in order, up to `most` at once; the position follows when the next is asked
        for.
        """
        while not self._closed:
            end, batch = self._next(most)
            if batch:
                yield batch
            if end:
                self.position = max(self.position, end)
                await asyncio.sleep(0)
                continue
            self._wake.clear()
            await self._wake.wait()

    def _next(self, most: int) -> tuple[int, list[Change]]:
        """(position reached, changes that are wanted); position 0 when there is nothing new."""
        if not self._live:
            rows = self._feed.read(self.position)
            if rows and rows[0].position > self.position + 1 and self.gap is None:
                self.gap = (self.position, rows[0].position)
            if len(rows) < READ:
                # no await since the read: whatever commits later is offered to the live buffer
                self._live = True
                self._pending.clear()
            return (rows[-1].position if rows else 0), [one for one in rows if self._wanted(one)]
        batch: list[Change] = []
        end = 0
        while self._pending and len(batch) < most:
            change = self._pending.popleft()
            if change.position > self.position:
                batch.append(change)
                end = change.position
        return end, batch

    def offer(self, changes: list[Change]) -> None:
        """A commit happened: keep what is wanted, or fall back to the log when that is too much."""
        if not self._live:
            self._wake.set()
            return
        wanted = [one for one in changes if one.position > self.position and self._wanted(one)]
        if len(self._pending) + len(wanted) > self._bound:
            self._pending.clear()
            self._live = False
            self.fallen_back += 1
        else:
            self._pending.extend(wanted)
            if not self._pending:
                self.position = max(self.position, changes[-1].position)
        self._wake.set()

    def _wanted(self, change: Change) -> bool:
        if self._tenants is not None and change.tenant not in self._tenants:
            return False
        return self._types is None or not self._types.isdisjoint(change.types)
