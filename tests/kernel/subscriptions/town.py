"""A small town whose notifications go to ears in memory: real store, tables, matcher, composer."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pintu.kernel.access import WHOLE, Act, Actor, Projection
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.context import write
from pintu.kernel.context.record import Record
from pintu.kernel.egress import Egress
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed
from pintu.kernel.jsonld import CORE, ContextLibrary
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Op, Store
from pintu.kernel.subscriptions.channel import Heard, UnderWay
from pintu.kernel.subscriptions.composing import Composer
from pintu.kernel.subscriptions.delivering import Delivery
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.rebuilding import Rebuilder
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from pintu.kernel.subscriptions.telling import Sender
from pintu.kernel.subscriptions.words import Asker, Endpoint, Hit, Message, Subscription
from pintu.kernel.tables import open_tables

Document = dict[str, Any]
Behave = Callable[[Document], Awaitable[Outcome]]
BEGAN_US = 1_700_000_000_000_000
SPEED = 500.0
"""City seconds a second: pauses of the city are moments of a test."""


class Ear:
    """Every endpoint of the town: `heard` are the messages it took, by address."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Document]] = defaultdict(list)
        self.asked: dict[str, int] = defaultdict(int)
        self.behave: dict[str, Behave] = {}

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Take it, unless the address behaves otherwise."""
        uri = endpoint.uri
        self.asked[uri] += 1
        document = msgspec.json.decode(message.body)
        behave = self.behave.get(uri)
        outcome = TAKEN if behave is None else await behave(document)
        if outcome.taken:
            self.heard[uri].append(document)
        return outcome

    def begin(self, endpoint: Endpoint, message: Message, done: Heard) -> asyncio.Task[None]:
        """The same without anybody who waits for it."""

        async def through() -> None:
            done(await self.send(endpoint, message))

        return asyncio.create_task(through())

    async def close(self) -> None:
        """Nothing is kept."""

    def entities(self, uri: str) -> list[Document]:
        """All entities an address took, in order."""
        return [one for message in self.heard[uri] for one in message["data"]]


class Ways:
    """The town's ways out, with a gate whose answer a test sets."""

    def __init__(self, store: Store, composer: Composer) -> None:
        self.ear = Ear()
        self.gate = self
        self.answer: Projection | PintuError = WHOLE
        self.written: list[Message] = []
        self.at_once = True
        self._rebuilder, self._composer = Rebuilder(store), composer

    def decide(self, actor: Actor, act: Act) -> Projection:
        """What the test said."""
        if isinstance(self.answer, PintuError):
            raise self.answer
        return self.answer

    async def compose(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The real one."""
        return await self._composer.compose(subscription, hits, projection)

    def compose_now(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The real one."""
        return self._composer.compose_now(subscription, hits, projection)

    def free(self, endpoint: Endpoint) -> bool:
        """Always, when messages go out without tasks."""
        return self.at_once

    def begin(self, endpoint: Endpoint, message: Message, done: Heard) -> UnderWay | None:
        """To the ear."""
        return self.ear.begin(endpoint, message, done)

    async def compose_entities(
        self, subscription: Subscription, records: Sequence[Record], projection: Projection
    ) -> Message | None:
        """The real one."""
        return await self._composer.compose_entities(subscription, records, projection)

    def forget(self, subscription: Subscription) -> None:
        """The real one."""
        self._composer.forget(subscription.key)

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, message: Message
    ) -> object:
        """Kept for the test."""
        self.written.append(message)
        return None

    async def rebuild(self, change: Change) -> Change:
        """The real one."""
        return await self._rebuilder.rebuild(change)

    def sender(self, endpoint: Endpoint) -> Sender:
        """The ear."""
        return self.ear

    async def close(self) -> None:
        """Nothing is kept."""


class Town:
    """One life of a town; `again` begins the next one on the same folder."""

    def __init__(self, folder: Path, address: str, clock: Clock) -> None:
        self.folder, self.address, self.clock = folder, address, clock

    async def open(self) -> Town:
        """Open every room and begin to tell."""
        clock = self.clock
        self.tables = open_tables(self.folder, self.address)
        self.store = await open_store(self.address, self.folder, clock=clock)
        library = ContextLibrary(self.folder / "contexts", egress=Egress(), clock=clock)
        self.subscriptions = Subscriptions(self.tables, self.store, clock)
        self.feed = Feed(self.store)
        self.ways = Ways(self.store, Composer(self.store.retrieve, library, clock))
        self.ear = self.ways.ear
        self.delivery = Delivery(self.subscriptions, self.store, self.feed, clock, self.ways)
        await self.delivery.start()
        return self

    async def close(self) -> None:
        """End this life in order."""
        await self.delivery.stop()
        await self._let_go()

    async def kill(self) -> None:
        """End this life as a kill does: nothing more is written down."""
        delivery = self.delivery

        async def nothing() -> None: ...

        delivery.save = nothing  # type: ignore[method-assign]
        await delivery.stop()
        await self._let_go()

    async def _let_go(self) -> None:
        await self.store.close()
        self.tables.close()

    async def subscribe(self, id: str, uri: str = "http://ear.example/", **more: Any) -> str:
        """Add a subscription to lamps; returns where it is told."""
        endpoint = {"uri": uri + id, **more.pop("endpoint", {})}
        sent = {"type": "Subscription", "entities": [{"type": "Lamp"}], **more}
        sent["notification"] = {"endpoint": endpoint, **sent.get("notification", {})}
        now_us = self.clock.now_us()
        document = read_document(sent, CORE, now_us)
        filed = Filed(
            id=f"urn:ngsi-ld:Subscription:{id}",
            tenant=1,
            tenant_name="",
            asker=Asker(id="token:1", grants=frozenset({"*"})),
            created_us=now_us,
            modified_us=now_us,
        )
        await self.subscriptions.add(build(document, filed))
        return str(endpoint["uri"])

    def subscription(self, id: str) -> Subscription:
        """One that was added."""
        return self.subscriptions.get(1, f"urn:ngsi-ld:Subscription:{id}")

    async def change(self, lamp: int, value: int) -> None:
        """A lamp comes, or shines with another power."""
        id = f"urn:ngsi-ld:Lamp:{lamp}"
        entity = {"id": id, "type": "Lamp", "power": {"type": "Property", "value": value}}
        outcomes = await self.store.submit([Op(1, id, write.upsert_replace(entity))])
        assert outcomes[0].error is None


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.002)


def fast() -> CityClock:
    """A clock on which a minute is a tenth of a second."""
    return CityClock(BEGAN_US, time.time_ns() // 1000, SPEED)
