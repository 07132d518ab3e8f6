"""One message from decision to answer: the gate decides at this moment, what must be written down
is written down, then it is sent once. Where nothing of that has to be waited for, no task is made:
decided, composed and written to a connection in one go."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from pintu.kernel.access import Act, Actor, Gate, Projection
from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError, Refused, TooManyRequests
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.channel import NOTHING, Heard, Paused, Told, UnderWay
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.places import Places
from pintu.kernel.subscriptions.states import Outcome
from pintu.kernel.subscriptions.words import Asker, Endpoint, Hit, Key, Message, Subscription

T = TypeVar("T")
Compose = Callable[[Subscription, Sequence[T], Projection], Awaitable[Message | None]]

QUICK: Final = 400
"""Messages under way to endpoints that did well."""

SLOW: Final = 64
"""The same to those that failed last time or took long: a dead one keeps nobody else waiting."""

LONG_S: Final = 1.0
"""Who took longer for the last message is slow."""

ONE_HOST: Final = 64
"""Of the places for those that do well, so many go to one host; who has them all is slow."""

_REMEMBERED: Final = 20_000


class Sender(Protocol):
    """A way to an endpoint."""

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Send one message once; every way it can end is an Outcome."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Ways(Protocol):
    """What is needed to tell somebody something."""

    gate: Gate

    async def compose(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The notification of some changes as it may be seen; None when nothing of it may."""
        ...

    def compose_now(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """`compose` where nothing has to be waited for; None also where something has."""
        ...

    def free(self, endpoint: Endpoint) -> bool:
        """Whether `begin` would find a connection to an endpoint now."""
        ...

    def begin(self, endpoint: Endpoint, message: Message, done: Heard) -> UnderWay | None:
        """Send over a connection that is free now, `done` hears how it ended; None: there is
        none."""
        ...

    async def compose_entities(
        self, subscription: Subscription, records: Sequence[Record], projection: Projection
    ) -> Message | None:
        """The same of entities as they are."""
        ...

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, message: Message
    ) -> object:
        """Enter what is about to be told into the log; Unavailable when that cannot be."""
        ...

    async def rebuild(self, change: Change) -> Change:
        """A row of the log with the documents before and after it."""
        ...

    def sender(self, endpoint: Endpoint) -> Sender:
        """The way to an endpoint, by its scheme."""
        ...

    def forget(self, subscription: Subscription) -> None:
        """A subscription is gone or another one: what was remembered of it is let go."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class _Sent:
    """A message under way without a task; its place is given back once."""

    __slots__ = ("_began", "_done", "_host", "_key", "_teller", "under")

    def __init__(self, teller: Teller, host: str, key: Key, done: Heard) -> None:
        self._teller, self._host, self._key, self._done = teller, host, key, done
        self._began = time.monotonic()
        self.under: UnderWay | None = None

    def heard(self, outcome: Outcome) -> None:
        """It ended."""
        self._teller.left(self._host)
        self._teller.took(self._key, self._began)
        self._done(outcome)

    def cancel(self) -> None:
        """Nobody wants to hear how it ends."""
        assert self.under is not None
        self.under.cancel()
        self._teller.left(self._host)


class Teller:
    """Sends what the gate lets be seen; few at once, and fewer to those that failed or are slow."""

    def __init__(self, subscriptions: Subscriptions, ways: Ways) -> None:
        self._subscriptions, self.ways = subscriptions, ways
        self._quick, self._slow = Places(QUICK), Places(SLOW)
        self._acts: dict[Key, tuple[Asker, Act]] = {}
        self._hosts: dict[str, str] = {}  # of endpoints
        self._at: dict[str, int] = {}  # messages under way to a host, of those that do well
        self._long: set[Key] = set()  # who took long

    def begin(
        self, subscription: Subscription, hits: Sequence[Hit], done: Heard
    ) -> UnderWay | None:
        """Tell of some changes now, when nothing has to be waited for; `done` hears how it ended.
        None: something has, `changes` tells it."""
        endpoint, key = subscription.endpoint, subscription.key
        if subscription.asker.agreement or key in self._long or not self.ways.free(endpoint):
            return None
        host = self._host(endpoint)
        if self._at.get(host, 0) >= ONE_HOST or not self._quick.take_now():
            return None
        sent = _Sent(self, host, key, done)
        sent.under = self._begun(subscription, hits, sent.heard)
        if sent.under is None:
            self._quick.give()
            return None
        self._at[host] = self._at.get(host, 0) + 1
        return sent

    def _begun(
        self, subscription: Subscription, hits: Sequence[Hit], heard: Heard
    ) -> UnderWay | None:
        try:
            projection = self._asked(subscription)[2]
            most = projection.most_rows
            if projection.recorded or (most and most < len(hits)):
                return None
            message = self.ways.compose_now(subscription, hits, projection)
        except Exception:  # the other way says what becomes of it
            return None
        if message is None:
            return None
        under = self.ways.begin(subscription.endpoint, message, heard)
        if under is not None:
            now_us = self._subscriptions.clock.now_us()
            states.sent(self._subscriptions.state(subscription), now_us)
        return under

    def _host(self, endpoint: Endpoint) -> str:
        host = self._hosts.get(endpoint.uri)
        if host is None:
            if len(self._hosts) >= _REMEMBERED:
                self._hosts.clear()
            try:
                host = urlsplit(endpoint.uri).hostname or ""
            except ValueError:  # whoever calls it says so
                host = ""
            self._hosts[endpoint.uri] = host
        return host

    def left(self, host: str) -> None:
        """A message to a host that does well is through."""
        self._quick.give()
        left = self._at[host] - 1
        if left:
            self._at[host] = left
        else:
            del self._at[host]

    def took(self, key: Key, began: float) -> None:
        """Remember who takes long."""
        if time.monotonic() - began > LONG_S:
            self._long.add(key)
        elif self._long:
            self._long.discard(key)

    async def changes(self, subscription: Subscription, hits: Sequence[Hit]) -> Told:
        """Tell of some changes, one an entity."""
        return await self._tell(subscription, hits, self.ways.compose)

    async def entities(self, subscription: Subscription, records: Sequence[Record]) -> Told:
        """Tell of some entities as they are."""
        return await self._tell(subscription, records, self.ways.compose_entities)

    async def made(
        self, subscription: Subscription, hits: Sequence[Hit]
    ) -> Message | Paused | None:
        """The message of some changes, decided and written down like one that is sent, for who
        looks on; None when nothing of it may be seen."""
        try:
            asked = self._asked(subscription)
            message = await self.ways.compose(subscription, hits, asked[2])
            if message is not None and asked[2].recorded:
                await self.ways.write_down(*asked, message)
        except PintuError as error:
            return Paused(error.detail or error.title)
        return message

    def lets(self, subscription: Subscription) -> str:
        """ "" when the gate would let it be told now, else why not."""
        try:
            self._asked(subscription)
        except Refused as error:
            return error.detail or error.title
        return ""

    def _asked(self, subscription: Subscription) -> tuple[Actor, Act, Projection]:
        """The decision; raises Refused."""
        asker = subscription.asker
        actor = self._subscriptions.standing(asker)
        if actor is None:
            raise Refused("The account of who subscribed has ended")
        known = self._acts.get(subscription.key)
        if known is None or known[0] is not asker:
            known = self._acts[subscription.key] = (asker, asker.act(subscription.tenant_name))
        return actor, known[1], self.ways.gate.decide(actor, known[1])

    def forget(self, subscription: Subscription) -> None:
        """A subscription is gone or another one."""
        self._acts.pop(subscription.key, None)
        self._long.discard(subscription.key)
        self.ways.forget(subscription)

    async def _tell(
        self, subscription: Subscription, items: Sequence[T], compose: Compose[T]
    ) -> Told:
        host = self._host(subscription.endpoint)
        failed = self._subscriptions.state(subscription).attempts
        if failed or subscription.key in self._long or self._at.get(host, 0) >= ONE_HOST:
            await self._slow.take()
            try:
                return await self._through(subscription, items, compose)
            finally:
                self._slow.give()
        await self._quick.take()
        self._at[host] = self._at.get(host, 0) + 1
        try:
            return await self._through(subscription, items, compose)
        finally:
            self.left(host)

    async def _through(
        self, subscription: Subscription, items: Sequence[T], compose: Compose[T]
    ) -> Told:
        try:
            asked = self._asked(subscription)
            most = asked[2].most_rows or len(items) or 1
            told = NOTHING
            for at in range(0, len(items), most):
                message = await compose(subscription, items[at : at + most], asked[2])
                if message is not None:
                    told = await self._send(subscription, message, asked)
                    if not told.taken:
                        break
            return told
        except TooManyRequests as error:
            return _held(error)
        except Refused as error:
            return Paused(error.detail or error.title)
        except PintuError as error:
            return _held(error)

    async def _send(
        self, subscription: Subscription, message: Message, asked: tuple[Actor, Act, Projection]
    ) -> Outcome:
        if asked[2].recorded:
            await self.ways.write_down(*asked, message)
        endpoint = subscription.endpoint
        states.sent(self._subscriptions.state(subscription), self._subscriptions.clock.now_us())
        began = time.monotonic()
        try:
            return await self.ways.sender(endpoint).send(endpoint, message)
        finally:
            self.took(subscription.key, began)


def _held(error: PintuError) -> Outcome:
    return Outcome(why="held", detail=error.detail, retry_after_s=error.retry_after_s or 1)
