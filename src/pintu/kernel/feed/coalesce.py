"""Many changes, few pictures: the latest state of each entity, handed out once a tick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection

from pintu.kernel.context.record import PAST_VERBS, Verb
from pintu.kernel.feed.stream import Feed
from pintu.kernel.store.port import Change

TICK_S = 0.25
MOST_ENTITIES = 50_000
"""Entities a watcher may be behind by before it is told to look at everything anew."""


class Coalescer:
    """One timer for all watchers; nothing runs while nothing changes."""

    def __init__(self, feed: Feed, *, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._watches: list[Watch] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stop = feed.listen(self._take)
        self.ticks = 0

    def watch(
        self, *, types: Collection[str] | None = None, tenants: Collection[int] | None = None
    ) -> Watch:
        """Begin to watch some types and tenants (None: all)."""
        made = Watch(self._watches.remove, types=types, tenants=tenants)
        self._watches.append(made)
        return made

    def close(self) -> None:
        """End every watch."""
        self._stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watch in list(self._watches):
            watch.close()

    def _take(self, changes: list[Change]) -> None:
        for watch in self._watches:
            watch.take(changes)
        if self._watches and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.ticks += 1
        for watch in self._watches:
            watch.tick()


class Watch:
    """What one screen waits for: `async for changes in watch`, at most one list a tick.

    `overrun` true with an empty list says that too much happened: ask for the whole picture again.
    """

    def __init__(
        self,
        leave: Callable[[Watch], None],
        *,
        types: Collection[str] | None,
        tenants: Collection[int] | None,
    ) -> None:
        self._leave = leave
        self._types = None if types is None else frozenset(types)
        self._tenants = None if tenants is None else frozenset(tenants)
        self._pending: dict[tuple[int, str], Change] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self.overrun = False
        self.merged = 0

    def take(self, changes: list[Change]) -> None:
        """Keep the latest of each entity."""
        pending = self._pending
        for change in changes:
            if self._tenants is not None and change.tenant not in self._tenants:
                continue
            if self._types is not None and self._types.isdisjoint(change.types):
                continue
            if change.verb in PAST_VERBS:
                continue
            key = (change.tenant, change.id)
            earlier = pending.get(key)
            if earlier is not None:
                self.merged += 1
            pending[key] = change if earlier is None else merged(earlier, change)
        if len(pending) > MOST_ENTITIES:
            pending.clear()
            self.overrun = True

    def tick(self) -> None:
        """Hand out what there is."""
        if self._pending or self.overrun:
            self._wake.set()

    def close(self) -> None:
        """Stop watching."""
        if not self._closed:
            self._closed = True
            self._leave(self)
            self._wake.set()

    async def __aiter__(self) -> AsyncIterator[list[Change]]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._closed:
                return
            changes = list(self._pending.values())
            self._pending.clear()
            yield changes
            self.overrun = False


def merged(earlier: Change, later: Change) -> Change:
    """Two changes of one entity as one: the later state, everything that was written."""
    verb: Verb = later.verb
    if earlier.verb == "created" and later.verb != "deleted":
        verb = "created"
    elif (earlier.verb == "deleted" and later.verb == "created") or (
        earlier.verb == "replaced" and later.verb == "updated"
    ):
        verb = "replaced"
    changed = None
    if earlier.changed is not None and later.changed is not None:
        changed = tuple(dict.fromkeys((*earlier.changed, *later.changed)))
    return Change(
        later.position,
        later.tenant,
        later.id,
        later.types,
        verb,
        later.at_us,
        later.source,
        changed,
        later.payload,
        earlier.previous,
        later.body,
        earlier.before,
        later.created_us,
        later.times,
    )
