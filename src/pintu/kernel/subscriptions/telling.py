"""One message from decision to answer: the gate decides at this moment, what must be written down
is written down, then it is sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from pintu.kernel.access import Act, Actor, Gate, Projection
from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError, Refused, TooManyRequests
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.channel import NOTHING, Paused, Told
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.states import Outcome
from pintu.kernel.subscriptions.words import Asker, Endpoint, Hit, Key, Message, Subscription

T = TypeVar("T")
Compose = Callable[[Subscription, Sequence[T], Projection], Awaitable[Message | None]]

QUICK: Final = 400
"""Messages under way to endpoints that did well."""

SLOW: Final = 64
"""The same to those that failed last time: a dead one keeps nobody else waiting."""


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


class Teller:
    """Sends what the gate lets be seen; few at once, and fewer to those that failed."""

    def __init__(self, subscriptions: Subscriptions, ways: Ways) -> None:
        self._subscriptions, self.ways = subscriptions, ways
        self._quick, self._slow = asyncio.Semaphore(QUICK), asyncio.Semaphore(SLOW)
        self._acts: dict[Key, tuple[Asker, Act]] = {}

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
        self.ways.forget(subscription)

    async def _tell(
        self, subscription: Subscription, items: Sequence[T], compose: Compose[T]
    ) -> Told:
        failed = self._subscriptions.state(subscription).attempts
        async with self._slow if failed else self._quick:
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
        return await self.ways.sender(endpoint).send(endpoint, message)


def _held(error: PintuError) -> Outcome:
    return Outcome(why="held", detail=error.detail, retry_after_s=error.retry_after_s or 1)
