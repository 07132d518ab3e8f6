"""Changes for who looks on: a subscription that lives as long as a connection, on the same matcher,
bounded, and resumed where the reader was."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import msgspec

from pintu.kernel.errors import TooManyRequests, Unavailable
from pintu.kernel.store.port import settled
from pintu.kernel.subscriptions.channel import Paused, together
from pintu.kernel.subscriptions.delivering import Delivery
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.words import Hit, Message, Subscription

MOST_STREAMS: Final = 500
MOST_WAITING: Final = 1_000
"""Hits that wait for a reader; more and it is told to load again."""

REPLAY: Final = 5_000
"""Rows of the log that are read again for a reader who comes back."""

PAGE: Final = 200
HEARTBEAT_S: Final = 15.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event: a message and where it is in the feed; or why the stream ends or was cut."""

    position: int
    message: Message | None = None
    resync: str = ""  # what was missed cannot be told: load again
    ended: str = ""  # the gate says no more


class Streams:
    """Every open stream of a city."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._open: set[_Stream] = set()
        self._closing = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self) -> None:
        """Refuse one stream too many with TooManyRequests, before anything was answered."""
        if self._closing or not self._delivery.started:
            raise Unavailable("The city is stopping")
        if len(self._open) >= MOST_STREAMS:
            raise TooManyRequests("Too many open event streams", retryAfter=5)

    async def stream(
        self, subscription: Subscription, after: int | None
    ) -> AsyncGenerator[Told | None, None]:
        """What a subscription is told, from now on or after a position; None is a sign of life.

        Ends when the gate refuses, the reader is too slow, or the city stops.
        """
        opened = _Stream(self._delivery, subscription)
        self._open.add(opened)
        try:
            async for told in opened.tell(after):
                yield told
        finally:
            self._open.discard(opened)
            opened.close()

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        for one in list(self._open):
            one.close()


class _Stream:
    def __init__(self, delivery: Delivery, subscription: Subscription) -> None:
        self._delivery, self._subscription = delivery, subscription
        self._hits: deque[Hit] = deque()
        self._wake = asyncio.Event()
        self._closed = self._slow = False
        self._joined = delivery.listen(subscription, self._take)

    def close(self) -> None:
        """Listen no more."""
        if not self._closed:
            self._closed = True
            self._delivery.unlisten(self._subscription)
            self._wake.set()

    def _take(self, hit: Hit) -> None:
        if len(self._hits) >= MOST_WAITING:
            self._slow = True
            self._hits.clear()
        if not self._slow:
            self._hits.append(hit)
        self._wake.set()

    async def tell(self, after: int | None) -> AsyncIterator[Told | None]:
        """The missed, then what happens."""
        if after is not None and after < self._joined:
            async for told in self._missed(after):
                yield told
        else:
            yield Told(position=self._joined)
        while not self._closed:
            if self._slow:
                yield Told(position=self._delivery.position, resync="slow")
                return
            if self._hits:
                hits = together(self._hits)
                for _ in hits:
                    self._hits.popleft()
                news = await self._told(hits)
                if news is not None:
                    yield news
                    if news.ended:
                        return
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                yield None

    async def _missed(self, after: int) -> AsyncIterator[Told]:
        """What the log has between where the reader was and where the stream joined."""
        if self._joined - after > REPLAY:
            yield Told(position=self._joined, resync="gap")
            return
        matcher = Matcher()
        matcher.add(self._subscription)
        at = after
        while at < self._joined and not self._closed:
            rows = await settled(self._delivery.store.changes(at, PAGE))
            if not rows or rows[0].position > at + 1:
                yield Told(position=self._joined, resync="gap")
                return
            for row in rows:
                if row.position > self._joined:
                    break
                for hit in await self._delivery.follower.concerned(row, matcher):
                    told = await self._told([hit])
                    if told is not None:
                        yield told
                        if told.ended:
                            self.close()
                            return
            at = rows[-1].position
        yield Told(position=self._joined)

    async def _told(self, hits: list[Hit]) -> Told | None:
        position = hits[-1].change.position
        made = await self._delivery.teller.made(self._subscription, hits)
        if isinstance(made, Paused):
            return Told(position=position, ended=made.why)
        return None if made is None else Told(position=position, message=made)
