"""Telling everybody who subscribed, at least once and in order an entity: the room around channels.

The follower matches what happens; each subscription that is owed something has a channel. What is
written down, at most once a second: how those do that are owed something or fail, then how far the
follower is; mere counters some seconds later. So a kill repeats a second's notifications and loses
none. A notification is a
read: the gate decides when it is sent, and what it wants written down is written down first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed
from pintu.kernel.store.port import Store
from pintu.kernel.subscriptions.channel import Begin, Channel, Tell
from pintu.kernel.subscriptions.door import Door
from pintu.kernel.subscriptions.following import Follower, Reader
from pintu.kernel.subscriptions.keeping import Deed, Subscriptions
from pintu.kernel.subscriptions.periodic import Periodic
from pintu.kernel.subscriptions.telling import Teller, Ways
from pintu.kernel.subscriptions.words import Hit, Key, Subscription

log = logging.getLogger("pintu.subscriptions")

FOLLOWED: Final = "notifications"
OWED: Final = "notifications owed"
"""Durable cursors of the feed: how far all is matched; and what the log must keep for those who are
owed older changes."""

SAVE_S: Final = 1.0
COUNTERS_S: Final = 10.0
"""Counters of those that do well: rows for them each second would cost what notifications cost."""

MOST_SAVED: Final = 2_000
"""Counters written down at once; who is owed something is always written down."""

LOOK_AGAIN_S: Final = 300.0
"""City seconds after which somebody who was refused is asked about again."""


class Delivery:
    """Implements channels' Desk; lives on the loop."""

    def __init__(
        self, subscriptions: Subscriptions, store: Store, feed: Feed, clock: Clock, ways: Ways
    ) -> None:
        self.subscriptions, self.clock = subscriptions, clock
        self.store, self._ways = store, ways
        self.channels: dict[Key, Channel] = {}
        self.ears: dict[Key, Callable[[Hit], None]] = {}
        matcher = subscriptions.matcher
        self.follower = Follower((store, feed, matcher), ways.rebuild, self._take)
        self._reader = Reader(store, self.follower, lambda: list(self.channels.values()))
        self._dirty: dict[Key, Subscription] = {}
        self._counted: dict[Key, Subscription] = {}
        self._counters_due = 0.0
        self.teller = Teller(subscriptions, ways)
        self.tell: Tell = self.teller.changes
        self.begin: Begin = self.teller.begin
        self.door = Door(ways.sender, clock)
        self._periodic = Periodic(subscriptions, store, clock, self.teller)
        self._saver: asyncio.Task[None] | None = None
        self._saved = self._owed = 0
        self._looked_us = 0
        self.started = False
        subscriptions.listen(self._registered)
        subscriptions.prepare = self._prepare

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Go on where the city stopped; read again what somebody is still owed."""
        self.started = True
        cursors = self.store.cursors()
        position = cursors.get(FOLLOWED)
        self._owed = cursors.get(OWED, 0)
        if not self.subscriptions.count():
            await self._forget()
            return
        self._saved = position or 0
        for subscription in self.subscriptions.every():
            self._periodic.put(subscription)
            state = self.subscriptions.states.get(subscription.key)
            if state is not None and state.owing:
                channel = self._channel(subscription)
                channel.behind = True
        self._follow(self.store.head() if position is None else position)
        self._reader.wake()

    async def stop(self) -> None:
        """Stop telling; what is under way is cut off and told again after the next start."""
        self.started = False
        await self.door.close()
        await self._periodic.stop()
        await self._reader.stop()
        await self.follower.stop()
        if self._saver is not None:
            self._saver.cancel()
            await asyncio.gather(self._saver, return_exceptions=True)
            self._saver = None
        for channel in self.channels.values():
            channel.close()
        if self.subscriptions.count():
            self._counters_due = 0.0
            with contextlib.suppress(PintuError):
                await self.save()
        await self._ways.close()

    async def _prepare(self) -> None:
        """Before the first subscription is on the disk, the place is from which it is told: who
        subscribed and is killed with the city is told of every change after that."""
        if self.started and FOLLOWED not in self.store.cursors():
            await self.store.save_cursor(FOLLOWED, self.store.head())

    def _follow(self, position: int) -> None:
        if not self.follower.running:
            self.follower.start(position)
        if self._saver is None:
            self._saver = asyncio.get_running_loop().create_task(self._save_on())

    async def _forget(self) -> None:
        """Nobody subscribes: the log is kept for nobody. Whoever subscribes in this moment is
        followed for, and its place is written down anew."""
        await self.follower.stop()
        self._saved = self._owed = 0
        async with self.subscriptions.turn:  # nobody is added in between
            for name in (FOLLOWED, OWED):
                if name in self.store.cursors() and not self.subscriptions.count():
                    await self.store.save_cursor(name, None)

    # --- what happens -----------------------------------------------------------------------------
    def _take(self, hits: list[Hit]) -> None:
        for hit in hits:
            key = hit.subscription.key
            ear = self.ears.get(key)
            if ear is not None:
                ear(hit)
                continue
            channel = self.channels.get(key)
            if channel is None:  # it may have gone since it was found to be concerned
                subscription = self.subscriptions.find(*key)
                channel = None if subscription is None else self._channel(subscription)
            if channel is not None:
                channel.offer(hit)

    def _channel(self, subscription: Subscription) -> Channel:
        state = self.subscriptions.state(subscription)
        # tables of a backup may be a moment newer than its log
        seen = min(state.cursor, self.store.head())
        made = Channel(subscription, state, self, seen)
        self.channels[subscription.key] = made
        return made

    def _registered(self, deed: Deed, subscription: Subscription) -> None:
        """A subscription came, changed or went."""
        if not self.started:
            return
        key = subscription.key
        head = self.store.head()
        self.teller.forget(subscription)
        if deed == "removed":
            self._periodic.drop(key)
            self._dirty.pop(key, None)
            self._counted.pop(key, None)
            channel = self.channels.pop(key, None)
            if channel is not None:
                channel.close()
            return
        self._periodic.put(subscription)
        self._follow(head)
        channel = self.channels.get(key) or self._channel(subscription)
        channel.subscription = subscription
        if deed == "added":
            channel.drop(head)  # what happened before is no business of it
        else:
            channel.state.paused = channel.state.parked = ""
            channel.state.attempts = 0
            if not subscription.live(self.clock.now_us()):
                channel.drop(head)
            channel.go_on()
        self.changed(channel)

    # --- who looks on -----------------------------------------------------------------------------
    def listen(self, subscription: Subscription, ear: Callable[[Hit], None]) -> int:
        """Call `ear` with what concerns a subscription that is kept nowhere; returns the position
        after which it hears everything."""
        if not self.follower.running:
            self._follow(self.store.head())
        self.subscriptions.matcher.add(subscription)
        self.ears[subscription.key] = ear
        return self.follower.position

    def unlisten(self, subscription: Subscription) -> None:
        """Call it no more."""
        if self.ears.pop(subscription.key, None) is not None:
            self.subscriptions.matcher.remove(subscription)
            self.teller.forget(subscription)

    @property
    def position(self) -> int:
        """Up to where what happened is matched."""
        return self.follower.position

    # --- channels' desk ---------------------------------------------------------------------------
    def changed(self, channel: Channel) -> None:
        """Its state is to be saved."""
        self._dirty[channel.subscription.key] = channel.subscription

    def counted(self, channel: Channel) -> None:
        """Nothing but its counters changed: they are saved some time."""
        self._counted[channel.subscription.key] = channel.subscription

    def hungry(self, channel: Channel) -> None:
        """It is behind and has room: read the log for it."""
        self._reader.wake()

    async def settled(self, subscription: Subscription, wait_s: float = 0.1) -> None:
        """Wait a moment for the message under way, so that its counters tell of it."""
        channel = self.channels.get(subscription.key)
        if channel is not None:
            await channel.settled(wait_s)

    # --- what people do ---------------------------------------------------------------------------
    def retry(self, subscription: Subscription) -> None:
        """Go on telling one that is parked, paused or resting, at once."""
        channel = self.channels.get(subscription.key) or self._channel(subscription)
        state = channel.state
        if state.paused:
            channel.drop(self.store.head())
        state.parked = state.paused = ""
        state.attempts = 0
        channel.go_on()
        self.changed(channel)

    def park(self, subscription: Subscription, why: str) -> None:
        """Tell it nothing until somebody says so; what happens meanwhile is kept for it as long as
        the log is."""
        channel = self.channels.get(subscription.key) or self._channel(subscription)
        channel.park(why)
        self.changed(channel)

    def lag(self, subscription: Subscription) -> int:
        """Positions of the log between what it was told of and now."""
        channel = self.channels.get(subscription.key)
        head = self.store.head()
        if channel is None or not self.follower.running:
            return 0
        return max(0, head - channel.cursor(self.follower.position)) if channel.owing else 0

    # --- writing down -----------------------------------------------------------------------------
    async def save(self) -> None:
        """Write down how subscriptions do, then how far all is matched."""
        followed = self.follower.position
        self._dirty.update((one.key, one) for one in self._periodic.saves)
        self._periodic.saves.clear()
        now = time.monotonic()
        if now >= self._counters_due:
            self._counters_due = now + COUNTERS_S
            self._dirty.update(self._counted)
            self._counted.clear()
        owed, owing = 0, []
        for key, channel in list(self.channels.items()):
            state, cursor = channel.state, channel.cursor(followed)
            if channel.owing:
                if not state.owing or key in self._dirty:
                    owing.append(channel.subscription)
                if not channel.stopped:
                    owed = min(owed or cursor, cursor)
            elif state.owing:
                self._dirty[key] = channel.subscription
            state.cursor, state.owing = cursor, channel.owing
            kept = channel.stopped or key in self._dirty or key in self._counted
            if channel.idle and not kept:
                del self.channels[key]
        for one in owing:
            self._dirty.pop(one.key, None)
        rest = list(self._dirty.values())[:MOST_SAVED]
        for one in rest:
            del self._dirty[one.key]
        await self._save_states([*owing, *rest])
        if owed != self._owed:
            await self.store.save_cursor(OWED, owed or None)
            self._owed = owed
        if followed != self._saved and self.subscriptions.count():
            await self.store.save_cursor(FOLLOWED, followed)
            self._saved = followed

    async def _save_states(self, some: list[Subscription]) -> None:
        if not some:
            return
        try:
            await self.subscriptions.save_states(some)
        except PintuError:
            self._dirty.update((one.key, one) for one in some)
            raise

    async def _save_on(self) -> None:
        while True:
            began = time.perf_counter()
            try:
                if self.subscriptions.count():
                    await self.save()
                elif not self.ears:
                    await self._forget()
                    if not self.follower.running:  # nobody came in that moment
                        self._saver = None
                        return
                self._look_again()
            except PintuError as error:
                log.warning("How subscriptions do cannot be written down now: %s", error)
            spent_s = time.perf_counter() - began
            await asyncio.sleep(max(SAVE_S, 10 * spent_s))

    def _look_again(self) -> None:
        """Those who were refused: somebody may have given them a right since."""
        now_us = self.clock.now_us()
        if 0 <= now_us - self._looked_us < LOOK_AGAIN_S * 1e6:
            return
        self._looked_us = now_us
        for channel in list(self.channels.values()):
            if channel.state.paused and not self.teller.lets(channel.subscription):
                self.retry(channel.subscription)
