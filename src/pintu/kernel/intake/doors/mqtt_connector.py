"""One subscription to an MQTT broker; acknowledged only after commit."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import aiomqtt

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.kernel.intake.doors.device import Received
from pintu.kernel.intake.words import Envelope

log = logging.getLogger("pintu.intake")

LARGEST_PAYLOAD: Final = 1_000_000
ANEW_S: Final = 1.0  # before answers are listened for again
PUBLISH_WITHIN_S: Final = 5.0
PUBLISHING: Final = 200  # at once: a busy broker answers each late, and all in time
WAITING: Final = 20_000  # messages of QoS 0 not yet read; more are dropped, as QoS 0 allows
SESSION_S: Final = 86_400  # how long a broker of MQTT 5 keeps our session while we are away
Keys = Literal["content", "delivery"]
"""What makes two messages one. content: the same topic and bytes. delivery: also the same packet,
for devices that say the same value again and mean it."""
MOST_TOPICS: Final = 20_000  # whose newest message is known, so that a kept one is no news


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAddress:
    """Where a broker is and how to be let in."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    ca_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttManner:
    """How to subscribe; the defaults are those of a piece's own gateways."""

    client_id: str = ""
    qos: int = 1
    version: Literal["3.1.1", "5"] = "3.1.1"
    retained: bool = True
    keys: Keys = "content"


def read_address(
    url: str, *, password: str | None = None, ca_file: str | None = None
) -> MqttAddress:
    """`mqtt://[user[:password]@]HOST[:PORT]` or `mqtts://…`; ConfigurationError when it is
    neither."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError([f"Broker {url!r} is not an address: {error}"]) from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigurationError([f"Broker {url!r} is not mqtt://HOST:PORT or mqtts://HOST:PORT"])
    tls = parts.scheme == "mqtts"
    return MqttAddress(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=password or (unquote(parts.password) if parts.password else None),
        ca_file=ca_file or None,
    )


def sender_of_topic(topic: str) -> str:
    """The first two levels: `lamps/GW001` of `lamps/GW001/telemetry`."""
    return "/".join(topic.split("/", 2)[:2])


class MqttConnector:
    """One subscription to a broker.

    `inspect` sees every message first and may keep it (an answer to a command): True means that it
    is dealt with. What is not acknowledged when the connection breaks is sent again by the broker
    (QoS 1 and 2, a lasting session), and intake knows it by its key. A message that a broker kept
    for newcomers (retained) is told as such, and passed over when it is what its topic said last.

    Messages wait for their commit, so what somebody waits for must not stand in line behind them:
    topics of `answers` come over a connection of their own, without a session, go to `inspect`
    alone and are acknowledged at once; `publish` uses that connection, too.
    """

    def __init__(
        self,
        name: str,
        address: MqttAddress,
        topics: Sequence[str],
        clock: Clock,
        *,
        client_id: str = "",
        expected_interval_s: float = 0.0,
        sender: Callable[[str], str] = sender_of_topic,
        inspect: Callable[[str, bytes], bool] = lambda _topic, _payload: False,
        manner: MqttManner | None = None,
        egress: Egress | None = None,
        answers: Sequence[str] = (),
    ) -> None:
        """With an `egress` the broker's address is asked of it before each connection."""
        self.name, self.expected_interval_s = name, expected_interval_s
        self._address, self._topics, self._clock = address, list(topics), clock
        self._manner = manner or MqttManner(client_id=client_id)
        self._sender, self._inspect, self._egress = sender, inspect, egress
        self._answers = list(answers)
        self._client: aiomqtt.Client | None = None  # what is published goes over it
        self._subscribed = False
        self._publishing = asyncio.Semaphore(PUBLISHING)
        self._numbers = itertools.count()
        self._newest: OrderedDict[str, str] = OrderedDict()

    @property
    def connected(self) -> bool:
        """True while the broker is there and has taken the subscription."""
        return self._subscribed

    async def receive(self) -> AsyncIterator[Received]:
        """Connect, subscribe, and hand out messages; raises aiomqtt.MqttError when the connection
        is lost."""
        client = await self._new_client(self._manner.client_id)
        # aiomqtt offers no manual acknowledgement; the paho client inside of it does.
        paho: Any = client._client
        paho.manual_ack_set(True)
        _answer_after_commit(paho)
        async with client:
            for topic in self._topics:
                await client.subscribe(topic, qos=self._manner.qos)
            self._subscribed = True
            if not self._answers:
                self._client = client
            listening = asyncio.create_task(self._listen()) if self._answers else None
            try:
                async for message in client.messages:
                    received = self._received(paho, message)
                    if received is not None:
                        yield received
            finally:
                self._client, self._subscribed = None, False
                if listening is not None:
                    listening.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await listening

    async def _listen(self) -> None:
        """Answers, until cancelled; a connection that breaks is made anew."""
        while True:
            try:
                async with await self._new_client("") as client:
                    for topic in self._answers:
                        await client.subscribe(topic, qos=1)
                    self._client = client
                    async for message in client.messages:
                        self._inspect(str(message.topic), message.payload)
            except (aiomqtt.MqttError, PintuError) as error:
                log.info("Connector %s hears no answers now: %s", self.name, error)
            finally:
                self._client = None
            await asyncio.sleep(ANEW_S)

    async def _new_client(self, client_id: str) -> aiomqtt.Client:
        address, manner = self._address, self._manner
        host = address.host
        if self._egress is not None:
            checked = await self._egress.reach(host, address.port)
            host = host if address.tls else checked  # a certificate is of the name
        more: dict[str, Any] = {}
        if manner.version == "5":
            more["protocol"] = aiomqtt.ProtocolVersion.V5
            more["clean_start"] = not client_id
            more["properties"] = _session(SESSION_S if client_id else 0)
        else:
            # A broker keeps a session only for a name it knows again.
            more["clean_session"] = not client_id
        client = aiomqtt.Client(
            host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=client_id or None,
            keepalive=30,
            timeout=10,
            max_queued_incoming_messages=WAITING,
            max_inflight_messages=PUBLISHING,
            tls_context=_tls(address) if address.tls else None,
            **more,
        )
        client.pending_calls_threshold = PUBLISHING
        for known in (client._connected, client._disconnected):
            known.add_done_callback(_heard)
        return client

    def _received(self, paho: Any, message: aiomqtt.Message) -> Received | None:
        topic = str(message.topic)
        payload = message.payload
        mid, qos = message.mid, message.qos
        digest = hashlib.blake2b(payload, digest_size=16).hexdigest()
        news = self._is_news(topic, digest, retained=message.retain)
        if self._inspect(topic, payload) or not news:
            paho.ack(mid, qos)
            return None
        now_us = self._clock.now_us()
        key = f"{topic[:200]} {digest}"
        if self._manner.keys == "delivery":
            # A broker that sends again sends under the packet's old number; QoS 0 is never sent
            # again, so each is its own.
            key += f" p{mid}" if qos else f" {now_us} {next(self._numbers)}"
        meta = {"topic": topic[:500], "sender": self._sender(topic)[:200]}
        if message.retain:
            meta["retained"] = "true"
        if len(payload) > LARGEST_PAYLOAD:
            meta["cut"] = f"{len(payload)} bytes cut to {LARGEST_PAYLOAD}"
            payload = payload[:LARGEST_PAYLOAD]

        async def acknowledge() -> None:
            paho.ack(mid, qos)

        return Received(Envelope(self.name, key, now_us, payload, meta), acknowledge)

    def _is_news(self, topic: str, digest: str, *, retained: bool) -> bool:
        """A message kept for newcomers comes at every connection, though it was heard before."""
        known, self._newest[topic] = self._newest.get(topic), digest
        self._newest.move_to_end(topic)
        if len(self._newest) > MOST_TOPICS:
            self._newest.popitem(last=False)
        return not retained or (self._manner.retained and known != digest)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1; returns when the broker has it. Unavailable while there is no
        connection."""
        async with self._publishing:  # thousands at once wait here, not for the broker's patience
            client = self._client
            if client is None:
                raise Unavailable(f"Connector {self.name} has no connection to its broker now")
            await self._published(client, topic, payload)

    async def _published(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        try:
            await asyncio.wait_for(client.publish(topic, payload, qos=1), PUBLISH_WITHIN_S)
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise Unavailable(f"Connector {self.name} cannot publish now: {error}") from error


def _heard(known: asyncio.Future[None]) -> None:
    """A line that broke while nobody waited for it, or that was being left: who waits hears of it,
    and where nobody does the loop need not complain."""
    if not known.cancelled():
        known.exception()


def _answer_after_commit(paho: Any) -> None:
    """Make QoS 2 what it promises: PUBREC, by which a message becomes ours, after it is kept.

    The paho client answers PUBREC at once, keeps the message in memory and hands it on at PUBREL: a
    process killed in between has lost it, for the broker never sends it again. The standard allows
    another order (MQTT 3.1.1, 4.3.3, method B): a message is handed on as it comes, PUBREC is its
    acknowledgement, and PUBREL, after which the broker forgets it, is answered at once.
    """
    handle_publish, handle_pubrel = paho._handle_publish, paho._handle_pubrel
    send_pubrec, ack = paho._send_pubrec, paho.ack

    def publish() -> Any:
        answer = handle_publish()
        while paho._in_messages:
            paho._handle_on_message(paho._in_messages.popitem()[1])
        return answer

    def pubrel() -> Any:
        paho.manual_ack_set(False)
        try:
            return handle_pubrel()
        finally:
            paho.manual_ack_set(True)

    paho._handle_publish, paho._handle_pubrel = publish, pubrel
    paho._send_pubrec = lambda _mid: 0
    paho.ack = lambda mid, qos: send_pubrec(mid) if qos == 2 else ack(mid, qos)


def _tls(address: MqttAddress) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=address.ca_file, cadata=address.ca_text)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            [f"The broker's CA certificate cannot be read: {error}"]
        ) from error


def _session(seconds: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = seconds
    return properties
