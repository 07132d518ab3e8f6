"""The ways out of a city: who composes, who decides, who carries, as one value for the delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pintu.kernel.access import Act, Actor, Gate, Projection
from pintu.kernel.calling import Caller
from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Record
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Unavailable
from pintu.kernel.feed import Feed
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.store.port import Change, Store
from pintu.kernel.subscriptions.channel import Heard, UnderWay
from pintu.kernel.subscriptions.composing import Composer
from pintu.kernel.subscriptions.delivering import Delivery
from pintu.kernel.subscriptions.http import HttpSender
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.rebuilding import Rebuilder
from pintu.kernel.subscriptions.telling import Sender
from pintu.kernel.subscriptions.words import Endpoint, Hit, Message, Subscription

if TYPE_CHECKING:
    from pintu.kernel.subscriptions.mqtt import MqttSender

Rebuild = Callable[[Change], Awaitable[Change]]
WriteDown = Callable[[Actor, Act, Projection, Message], Awaitable[object]]


class CityWays:
    """Composes with SUBS' composer, carries over HTTP and MQTT."""

    def __init__(
        self, composer: Composer, gate: Gate, carriers: tuple[Caller, Egress], *, rebuild: Rebuild,
        write_down: WriteDown | None = None,
    ) -> None:  # fmt: skip
        self.gate, self.composer = gate, composer
        self._rebuild, self._write_down = rebuild, write_down or _nowhere
        self._http, self._egress = HttpSender(carriers[0]), carriers[1]
        self._mqtt: MqttSender | None = None

    async def compose(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The notification of some changes as it may be seen; None when nothing of it may."""
        return await self.composer.compose(subscription, hits, projection)

    def compose_now(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The same where nothing has to be waited for; None also where something has."""
        return self.composer.compose_now(subscription, hits, projection)

    def free(self, endpoint: Endpoint) -> bool:
        """Whether `begin` would find a connection to an endpoint now."""
        return not endpoint.mqtt and self._http.free(endpoint)

    def begin(self, endpoint: Endpoint, message: Message, done: Heard) -> UnderWay | None:
        """Send over a connection that is free now; None: there is none."""
        return self._http.begin(endpoint, message, done)

    async def compose_entities(
        self, subscription: Subscription, records: Sequence[Record], projection: Projection
    ) -> Message | None:
        """The same of entities as they are."""
        return await self.composer.compose_entities(subscription, records, projection)

    def forget(self, subscription: Subscription) -> None:
        """A subscription is gone or another one."""
        self.composer.forget(subscription.key)

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, message: Message
    ) -> object:
        """Enter what is about to be told into the log."""
        return await self._write_down(actor, act, projection, message)

    async def rebuild(self, change: Change) -> Change:
        """A row of the log with the documents before and after it."""
        return await self._rebuild(change)

    def sender(self, endpoint: Endpoint) -> Sender:
        """The way to an endpoint, by its scheme."""
        return self._over_mqtt() if endpoint.mqtt else self._http

    def _over_mqtt(self) -> MqttSender:
        if self._mqtt is None:
            from pintu.kernel.subscriptions.mqtt import MqttSender  # with its library

            self._mqtt = MqttSender(self._egress)
        return self._mqtt

    async def close(self) -> None:
        """Let go of connections."""
        if self._mqtt is not None:
            await self._mqtt.close()


async def _nowhere(actor: Actor, act: Act, projection: Projection, message: Message) -> object:
    """A city without a log: what must be written down is not told."""
    raise Unavailable("The log is not there: what must be written down is not told")


class Wired(Protocol):
    """What a delivery needs of a city's rooms."""

    store: Store
    feed: Feed
    clock: Clock
    library: ContextLibrary
    egress: Egress
    caller: Caller | None
    gate: Gate


def open_delivery(
    subscriptions: Subscriptions, rooms: Wired, write_down: WriteDown | None = None
) -> Delivery:
    """The delivery of a city's notifications; starts nothing."""
    store, clock = rooms.store, rooms.clock
    composer = Composer(store.retrieve, rooms.library, clock)

    carriers = (rooms.caller or Caller(rooms.egress), rooms.egress)
    ways = CityWays(
        composer, rooms.gate, carriers, rebuild=Rebuilder(store).rebuild, write_down=write_down
    )
    return Delivery(subscriptions, store, rooms.feed, clock, ways)
