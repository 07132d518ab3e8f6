"""The broker's side of change subscriptions: what there is, then what changes, as fast as it is
taken.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from pintu.kernel.context.record import PAST_VERBS, PresentVerb, Record
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import Unavailable
from pintu.kernel.intake.wire import Line, News
from pintu.kernel.store.port import Change, Store, settled

RECENT, RECENT_BYTES = 2_000, 8_000_000
"""So many of the newest changes are kept for who follows closely, up to twice as many before the
oldest half is let go; bytes of all they hold. Who is further behind reads the log."""

FRAME_LINES, FRAME_BYTES = 500, 2_000_000
PAGE = 500
WINDOW = 4  # frames sent and not taken
SKIPPED = 1_000  # tell where we are after so many changes that were not asked for
AWAY_S = 1.0  # a store that is away is asked again so often

T = TypeVar("T")


async def patiently(ask: Callable[[], T | Awaitable[T]]) -> T:
    """What the store answers, asked until it is there: a follower has nobody to send an error."""
    while True:
        try:
            return await settled(ask())
        except Unavailable:
            await asyncio.sleep(AWAY_S)


class Recent:
    """The newest changes with their bodies, kept once for everybody who follows closely."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ring: list[Change] = []
        self._bytes = 0
        self._from = store.head()  # the ring holds everything after this position
        self._waiters: list[Waiter] = []
        store.on_commit(self._committed)

    def _committed(self, changes: list[Change]) -> None:
        self._ring.extend(changes)
        self._bytes += sum(map(_held, changes))
        if len(self._ring) > 2 * RECENT or self._bytes > RECENT_BYTES:
            cut = max(len(self._ring) - RECENT, len(self._ring) // 2)
            self._from = self._ring[cut - 1].position
            self._bytes -= sum(map(_held, self._ring[:cut]))
            del self._ring[:cut]
        if self._waiters:
            kinds, head = {change.types for change in changes}, changes[-1].position
            self._waiters = [one for one in self._waiters if not one.woken(kinds, head)]

    async def after(
        self, position: int, types: frozenset[str] = frozenset(), until: int = 0
    ) -> list[Change]:
        """What came after a position, from the ring or the log; while there is nothing it waits,
        for something of these types (none: of any) or for position `until`: waking up for what
        others want costs more than passing over it later.
        """
        while True:
            if position >= self._from:
                start = bisect_right(self._ring, position, key=lambda change: change.position)
                found = self._ring[start : start + FRAME_LINES]
            else:
                found = await patiently(partial(self._store.changes, position, FRAME_LINES))
            if found:
                return found
            waiter = Waiter(types, until)
            self._waiters.append(waiter)
            await waiter.news

    @property
    def head(self) -> int:
        """The newest position."""
        return self._store.head()


def _held(change: Change) -> int:
    return len(change.payload) + len(change.body or b"") + len(change.before or b"")


class Waiter:
    """Somebody who has seen everything, and what has to happen before that changes."""

    __slots__ = ("news", "types", "until")

    def __init__(self, types: frozenset[str], until: int) -> None:
        self.types, self.until = types, until
        self.news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def woken(self, kinds: set[tuple[str, ...]], head: int) -> bool:
        """A commit of these sets of types came, up to a position: is it waited for no more?"""
        if self.types and head < self.until and all(map(self.types.isdisjoint, kinds)):
            return self.news.done()
        if not self.news.done():
            self.news.set_result(None)
        return True


class Follower:
    """One subscription of one connection; `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        recent: Recent,
        *,
        number: int,
        types: list[str],
        tenant: str,
        send: Callable[[News], None],
    ) -> None:
        self._store, self._recent = store, recent
        self._number, self._types, self._tenant = number, frozenset(types), tenant
        self._send = send
        self._untaken: deque[int | None] = deque()
        self._at = recent.head
        self._taken = asyncio.Event()

    def taken(self) -> None:
        """One frame was consumed."""
        if self._untaken:
            self._at = self._untaken.popleft() or self._at
        self._taken.set()

    @property
    def lag(self) -> int:
        """How many log positions are newer than what was consumed, while anything is under way."""
        return max(0, self._recent.head - self._at) if self._untaken else 0

    async def _frame(self, lines: list[Line], position: int | None) -> None:
        while len(self._untaken) >= WINDOW:
            self._taken.clear()
            await self._taken.wait()
        self._untaken.append(position)
        self._send(News(self._number, lines, position))

    async def run(self, after: int | None) -> None:
        """Tell what there is when `after` is None, then what changes, for ever."""
        if after is None:
            after = self._recent.head
            async for lines in self._everything():
                await self._frame(lines, None)
            await self._frame([], after)
        told = after
        while True:
            changes = await self._recent.after(after, self._types, told + SKIPPED)
            tenant = self._store.tenant(self._tenant)
            lines = []
            size = 0
            for change in changes:
                after = change.position
                if (
                    change.tenant == tenant
                    and self._wants(change.types)
                    and change.verb not in PAST_VERBS
                ):
                    lines.append(await self._line(change))
                    size += len(lines[-1].body or b"")
                    if size > FRAME_BYTES:
                        break
            if lines or after - told >= SKIPPED:
                await self._frame(lines, after)
                told = after

    def _wants(self, types: tuple[str, ...]) -> bool:
        return not self._types or not self._types.isdisjoint(types)

    async def _line(self, change: Change) -> Line:
        body = change.body
        if body is None and change.verb != "deleted":
            record = await patiently(partial(self._store.retrieve, change.tenant, change.id))
            body = None if record is None else record.body
        return Line(
            change.position,
            change.id,
            change.types,
            cast("PresentVerb", change.verb),
            change.at_us,
            change.source,
            change.changed,
            body,
        )

    async def _everything(self) -> AsyncIterator[list[Line]]:
        tenant = self._store.tenant(self._tenant)
        if tenant is None:
            return
        types = TypeSelection(tuple(frozenset({name}) for name in sorted(self._types)))
        offset = 0
        while True:
            selection = Selection(
                tenant=tenant, types=types if self._types else None, limit=PAGE, offset=offset
            )
            page = await patiently(partial(self._store.select, selection))
            lines: list[Line] = []
            size = 0
            for record in page.records:
                lines.append(_told(record))
                size += len(record.body)
                if size > FRAME_BYTES:
                    yield lines
                    lines, size = [], 0
            if lines:
                yield lines
            if len(page.records) < PAGE:
                return
            offset += PAGE


def _told(record: Record) -> Line:
    return Line(0, record.id, record.types, "created", record.modified_us, "", None, record.body)
