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
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Protocol

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.errors import StateConflict, Unavailable
from pintu.kernel.feed.cursor import cursor_of, position_of
from pintu.kernel.store.port import Change, settled

READ = 500
"""Rows of the log read at once on the way to live."""

AWAY_S = 1.0
"""A stream whose store is away looks again so often."""

log = logging.getLogger("pintu.feed")
Listener = Callable[[list[Change]], None]


class Source(Protocol):
    """What the feed needs of a store."""

    def changes(self, after: int, limit: int) -> list[Change] | Awaitable[list[Change]]:
        """The log after a position, at once or later."""
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
        kinds = {change.types for change in changes}
        for subscription in self._subscriptions:
            subscription.offer(changes, kinds)
        for listener in list(self._listeners):
            self._tell(listener, changes)

    def _tell(self, listener: Listener, changes: list[Change]) -> None:
        """One listener's mistake is logged and keeps no change from the others."""
        try:
            listener(changes)
        except Exception:
            log.exception("A listener to the feed broke")

    # what subscriptions use
    def read(self, after: int) -> list[Change] | Awaitable[list[Change]]:
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
        self._reading = False  # the log is read just now: what commits meanwhile is kept too
        self._pending: deque[Change] = deque()
        self._passed = position  # offered up to here while live
        self._wake = asyncio.Event()
        self._idle = False  # everything was handed out, the next change is waited for
        self._closed = False
        self.taker: Callable[[list[Change]], int] | None = None
        """Takes changes in the turn of their commit, as many of them as it says: the rest is
        iterated over. It must neither raise nor wait."""

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
            live = self._live
            end, batch = self._next(most) if live else await self._catch_up()
            if batch:
                yield batch
            if end:
                self.position = max(self.position, end)
                await asyncio.sleep(0)
            elif live:  # nothing was awaited since `_next` looked: no offer is overheard
                self._wake.clear()
                self._idle = True
                try:
                    await self._wake.wait()
                finally:
                    self._idle = False

    async def _catch_up(self) -> tuple[int, list[Change]]:
        """(position reached, changes that are wanted) from the log; live when that was its end.

        What commits while the log is read is kept, so that the end of the log and the beginning of
        the live changes overlap instead of leaving a gap; `_next` passes over what overlaps.
        """
        self._pending.clear()
        self._reading = True
        try:
            rows = await settled(self._feed.read(self.position))
        except Unavailable as error:
            log.info("The stream %s waits for the log: %s", self.name or "of nobody", error)
            await asyncio.sleep(AWAY_S)
            return 0, []
        finally:
            whole, self._reading = self._reading, False
        if rows and rows[0].position > self.position + 1 and self.gap is None:
            self.gap = (self.position, rows[0].position)
        if len(rows) < READ and whole:
            self._live = True
            self._passed = rows[-1].position if rows else self.position
        return (rows[-1].position if rows else 0), [one for one in rows if self._wanted(one)]

    def _next(self, most: int) -> tuple[int, list[Change]]:
        """(position reached, changes that are wanted); position 0 when there is nothing new."""
        batch: list[Change] = []
        end = 0
        while self._pending and len(batch) < most:
            change = self._pending.popleft()
            if change.position > self.position:
                batch.append(change)
                end = change.position
        if not self._pending and self._passed > self.position:
            end = self._passed
        return end, batch

    def offer(self, changes: list[Change], kinds: set[tuple[str, ...]]) -> None:
        """A commit happened, of these sets of types: keep what is wanted, or fall back to the log
        when that is too much.
        """
        idle = self._idle and not self._wake.is_set()
        if idle and self._types is not None and all(map(self._types.isdisjoint, kinds)):
            # nobody is woken for what is not wanted
            self.position = self._passed = max(self.position, changes[-1].position)
            return
        if idle and self.taker is not None:
            changes = self._handed(changes, self.taker)
            if not changes:
                return
        self._wake.set()
        if not self._live and not self._reading:
            return
        wanted = [one for one in changes if one.position > self.position and self._wanted(one)]
        if len(self._pending) + len(wanted) > self._bound:
            self._pending.clear()
            self._live = self._reading = False
            self.fallen_back += 1
        else:
            self._pending.extend(wanted)
            self._passed = changes[-1].position

    def _handed(self, changes: list[Change], taker: Callable[[list[Change]], int]) -> list[Change]:
        """Hand changes out at once; those that are left."""
        wanted = [one for one in changes if one.position > self.position and self._wanted(one)]
        taken = taker(wanted) if wanted else 0
        if taken == len(wanted):
            self.position = self._passed = max(self.position, changes[-1].position)
            return []
        if taken:
            self.position = self._passed = wanted[taken - 1].position
        return wanted[taken:]

    def _wanted(self, change: Change) -> bool:
        if self._tenants is not None and change.tenant not in self._tenants:
            return False
        if change.verb in PAST_VERBS:  # nothing that is present changed
            return False
        return self._types is None or not self._types.isdisjoint(change.types)
