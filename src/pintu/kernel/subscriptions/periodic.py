"""Subscriptions told by the clock: at each `timeInterval` all entities they mean, as they are
(5.8.6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.port import Store, settled
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.channel import NOTHING, Paused
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.states import Outcome
from pintu.kernel.subscriptions.telling import Teller
from pintu.kernel.subscriptions.words import Key, Selector, Subscription

log = logging.getLogger("pintu.subscriptions")

TOGETHER: Final = 100
"""Entities of one message."""

MOST: Final = 10_000
"""Entities of one selector that are told at one time."""

SHORTEST_S: Final = 0.02
"""Real seconds: no clock is so fast that a subscription takes a city's breath."""


class Periodic:
    """A timer a subscription; at most one round of each is under way."""

    def __init__(
        self, subscriptions: Subscriptions, store: Store, clock: Clock, teller: Teller
    ) -> None:
        self._subscriptions, self._store = subscriptions, store
        self._clock, self._teller = clock, teller
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._rounds: dict[Key, asyncio.Task[None]] = {}
        self.saves: list[Subscription] = []  # whose counters changed

    def put(self, subscription: Subscription) -> None:
        """Tell it by the clock from now on, if it asks for that."""
        self.drop(subscription.key)
        if subscription.interval_s:
            self._later(subscription, self._first_s(subscription, subscription.interval_s))

    def drop(self, key: Key) -> None:
        """Tell it no more; a round under way is cut off."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        task = self._rounds.pop(key, None)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """Tell nobody any more."""
        tasks = list(self._rounds.values())
        for key in [*self._timers, *self._rounds]:
            self.drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _first_s(self, subscription: Subscription, interval_s: float) -> float:
        """City seconds to the first round: what is left of the interval since the last one. A
        clock that was set back makes nobody wait longer than one interval."""
        state = self._subscriptions.state(subscription)
        since_us = state.last_notification_us or subscription.modified_us
        since_s = (self._clock.now_us() - since_us) / 1e6
        return interval_s if since_s < 0 else max(0.0, interval_s - since_s)

    def _later(self, subscription: Subscription, city_s: float) -> None:
        real_s = max(SHORTEST_S, city_s / self._clock.rate)
        loop = asyncio.get_running_loop()
        self._timers[subscription.key] = loop.call_later(real_s, self._due, subscription)

    def _due(self, subscription: Subscription) -> None:
        assert subscription.interval_s is not None
        if subscription.expired(self._clock.now_us()):
            del self._timers[subscription.key]
            return
        self._later(subscription, subscription.interval_s)
        key = subscription.key
        if key not in self._rounds and subscription.active:
            task = asyncio.get_running_loop().create_task(self._round(subscription))
            self._rounds[key] = task
            task.add_done_callback(lambda done: self._done(key, done))

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._rounds.get(key) is task:
            del self._rounds[key]

    async def _round(self, subscription: Subscription) -> None:
        state = self._subscriptions.state(subscription)
        if state.parked or state.paused:
            return
        try:
            async for records in self._entities(subscription):
                told = await self._teller.entities(subscription, records)
                if isinstance(told, Paused):
                    state.paused = told.why
                    break
                if told is not NOTHING and told.why != "held":
                    states.answered(state, told, self._clock.now_us())
                if not told.taken:
                    if states.parks(state.attempts, told):
                        state.parked = told.detail or "It failed too often"
                    break
        except Exception as error:  # a loop's edge: the next round is another one
            log.exception("Subscription %s cannot be told", subscription.id)
            failed = Outcome(why="unreached", detail=f"{type(error).__name__}: {error}")
            states.answered(state, failed, self._clock.now_us())
        self.saves.append(subscription)

    async def _entities(self, subscription: Subscription) -> AsyncIterator[list[Record]]:
        """All entities it means, some at a time, each once."""
        known: set[str] = set()
        for selector in subscription.selectors:
            for offset in range(0, MOST, TOGETHER):
                page = await settled(self._store.select(_selection(subscription, selector, offset)))
                records = [one for one in page.records if one.id not in known]
                known.update(one.id for one in records)
                if records:
                    yield records
                if len(page.records) < TOGETHER:
                    break


def _selection(subscription: Subscription, selector: Selector, offset: int) -> Selection:
    watched = subscription.watched or subscription.telling.attributes
    return Selection(
        tenant=subscription.tenant,
        ids=tuple(sorted(selector.ids)),
        id_pattern=None if selector.ids else selector.id_pattern,
        types=selector.types,
        attributes=tuple(sorted(watched or ())),
        q=subscription.q,
        geo=subscription.geo,
        scope=subscription.scope,
        limit=TOGETHER,
        offset=offset,
    )
