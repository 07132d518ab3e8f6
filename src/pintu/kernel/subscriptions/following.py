"""Reading the feed for everybody who subscribed: one follower of what happens now, one reader of
the log for those who are behind, whoever they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed, cursor_of
from pintu.kernel.feed import Subscription as Stream
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.subscriptions.channel import Channel
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.words import Hit, Key

log = logging.getLogger("pintu.subscriptions")

PAGE: Final = 200
"""Rows of the log read at once for those who are behind."""

AT_ONCE: Final = 50
"""Changes matched, and subscribers of one change told, before others get their turn."""

AWAY_S: Final = 1.0
Rebuild = Callable[[Change], Awaitable[Change]]
Take = Callable[[list[Hit]], None]


class Follower:
    """Matches what happens, in order; `position` is where it is."""

    def __init__(self, rooms: tuple[Store, Feed, Matcher], rebuild: Rebuild, take: Take) -> None:
        self._store, self._feed, self._matcher = rooms
        self._rebuild, self._take = rebuild, take
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None
        self._reached = 0
        self.offered = 0
        """Who is concerned by changes up to here is told of them just now, or was."""

    @property
    def running(self) -> bool:
        """Whether it follows."""
        return self._stream is not None

    @property
    def position(self) -> int:
        """Everything up to here was matched."""
        return max(self._reached, self._stream.position if self._stream is not None else 0)

    def start(self, position: int) -> None:
        """Follow from a position."""
        self._reached = self.offered = position
        self._stream = self._feed.subscribe(after=cursor_of(position))
        self._stream.taker = self._take_now
        self._task = asyncio.get_running_loop().create_task(self._run(self._stream))

    async def stop(self) -> None:
        """Follow no more."""
        if self._stream is not None:
            self._reached = self.position
            self._stream.close()
            self._stream = None
        task, self._task = self._task, None  # somebody may start it again meanwhile
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, stream: Stream) -> None:
        async for batch in stream.batches(AT_ONCE):
            for change in batch:
                await self._match(change)
                self._reached = change.position

    async def _match(self, change: Change) -> None:
        while True:
            try:
                hits = await self.concerned(change)
                break
            except PintuError as error:  # the store is away: what happened waits for it
                log.warning("Change %d cannot be matched now: %s", change.position, error)
                await asyncio.sleep(AWAY_S)
            except Exception:  # a loop's edge: one change that breaks stops nobody's notifications
                log.exception("Change %d concerns nobody: it cannot be matched", change.position)
                return
        self.offered = change.position
        for at in range(0, len(hits), AT_ONCE):
            if at:
                await asyncio.sleep(0)
            self._take(hits[at : at + AT_ONCE])

    def _take_now(self, changes: list[Change]) -> int:
        """Match and tell what has just been committed, before anybody else has the turn: how many
        changes; those after them need to be waited for, or others theirs."""
        matcher, spent = self._matcher, 0
        for number, change in enumerate(changes):
            if spent > AT_ONCE:
                return number
            if change.verb not in PAST_VERBS and matcher.any(change.tenant):
                if not whole(change):
                    return number
                if matcher.linked(change.tenant):
                    return number
                try:
                    hits = matcher.concerned(change)
                except Exception:  # a loop's edge: `_match` says what is wrong with it
                    return number
                spent += 1 + len(hits)
                if len(hits) > AT_ONCE:
                    return number
                self.offered = change.position
                self._take(hits)
            self._reached = change.position
        return len(changes)

    async def concerned(self, change: Change, matcher: Matcher | None = None) -> list[Hit]:
        """Whom a change concerns; one that comes from the log is made whole first."""
        matcher = matcher or self._matcher
        if change.verb in PAST_VERBS or not matcher.any(change.tenant):
            return []
        if not whole(change):
            if not matcher.may_concern(change):
                return []
            change = await self._rebuild(change)
        if matcher.linked(change.tenant):
            return await matcher.concerned_linked(change, self._store.retrieve)
        return matcher.concerned(change)


class Reader:
    """Reads the log once for all who are behind and have room; ends when nobody is."""

    def __init__(self, store: Store, follower: Follower, channels: Callable[[], Iterable[Channel]]):
        self._store, self._follower, self._channels = store, follower, channels
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Somebody is behind and has room."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        try:
            while behind := [one for one in self._channels() if one.has_room]:
                behind.sort(key=lambda one: one.seen)
                await self._page(behind[0].seen, behind)
                await asyncio.sleep(0)
                if behind[-1].has_room:  # who is nearly here does not wait for who is far behind
                    await self._page(behind[-1].seen, behind)
                    await asyncio.sleep(0)
        finally:
            self._task = None

    async def _page(self, after: int, behind: list[Channel]) -> None:
        """Read on from a position for those who are there or near."""
        near = [one for one in behind if after <= one.seen <= after + PAGE and one.has_room]
        readers = _Readers(near)
        try:
            rows = await settled(self._store.changes(after, PAGE))
            readers.look()
            if rows and rows[0].position > after + 1:
                readers.trimmed(rows[0].position - 1)
            for row in rows:
                await self._row(row, readers)
        except PintuError as error:
            log.warning("The log cannot be read now: %s", error)
            await asyncio.sleep(AWAY_S)
            return
        follower = self._follower
        if not rows or rows[-1].position >= max(follower.position, follower.offered):
            for one in readers.there.values():
                one.behind = False  # from here on the follower tells it
                if not rows:
                    one.seen = max(one.seen, follower.position)
        for one in near:  # also those that had no room for all of it
            one.stir()

    async def _row(self, row: Change, readers: _Readers) -> None:
        there = readers.there
        if not any(one.seen < row.position for one in there.values()):
            return
        hits = await self._follower.concerned(row)
        readers.look()
        for hit in hits:
            key = hit.subscription.key
            one = there.get(key)
            if one is not None and (one.closed or not one.behind or not one.fill(hit)):
                del there[key]
        readers.look()
        readers.read(row.position)


class _Readers:
    """Who is read for on one page; `there` by subscription. Whoever gave up what was read for it
    meanwhile (its endpoint failed, somebody parked it) begins again from where it is."""

    def __init__(self, near: Iterable[Channel]) -> None:
        self.there: dict[Key, Channel] = {one.subscription.key: one for one in near}
        self._seen = {key: one.seen for key, one in self.there.items()}

    def look(self) -> None:
        """After waiting: leave out who was moved back by somebody else."""
        for key, seen in self._seen.items():
            one = self.there.get(key)
            if one is not None and one.seen != seen:
                del self.there[key]

    def read(self, position: int) -> None:
        """All that concerned them up to here is theirs."""
        for key, one in self.there.items():
            self._seen[key] = one.seen = max(one.seen, position)

    def trimmed(self, oldest: int) -> None:
        """Some rows are gone: those who waited for them hear of it on their page."""
        for key, one in self.there.items():
            if one.seen < oldest:
                told = f"Changes {one.seen + 1} to {oldest} had left the log before they were told"
                log.warning("Subscription %s: %s", one.subscription.id, told)
                one.state.last_error = told
                self._seen[key] = one.seen = oldest


def whole(change: Change) -> bool:
    """Does it carry what was before and after it? A row of the log does not; one that another
    broker wrote has the document as it is by now, which later changes may have made."""
    if change.body is None and change.before is None:
        return False
    return change.created_us > 0 or change.verb == "deleted"
