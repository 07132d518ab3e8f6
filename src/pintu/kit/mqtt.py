"""An MQTT connector any piece can use: every broker, users and TLS by settings, acknowledged only
after commit."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError, Unavailable
from pintu.kernel.intake.words import Envelope
from pintu.kit.piece import Received

LARGEST_PAYLOAD = 1_000_000
PUBLISH_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAddress:
    """Where a broker is and how to be let in."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None


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
    is
    dealt with. What is not acknowledged when the connection breaks is sent again by the broker
    (QoS 1,
    a lasting session), and intake knows it by its key.
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
    ) -> None:
        self.name, self.expected_interval_s = name, expected_interval_s
        self._address, self._topics, self._clock = address, list(topics), clock
        self._client_id, self._sender, self._inspect = client_id, sender, inspect
        self._client: aiomqtt.Client | None = None

    @property
    def connected(self) -> bool:
        """True while the broker is there and has taken the subscription."""
        return self._client is not None

    async def receive(self) -> AsyncIterator[Received]:
        """Connect, subscribe, and hand out messages; raises aiomqtt.MqttError when the connection
        is lost."""
        address = self._address
        client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=self._client_id or None,
            # A broker keeps a session only for a name it knows again.
            clean_session=not self._client_id,
            keepalive=30,
            timeout=10,
            tls_context=_tls(address) if address.tls else None,
        )
        # aiomqtt offers no manual acknowledgement; the paho client inside of it does.
        paho: Any = client._client
        paho.manual_ack_set(True)
        async with client:
            for topic in self._topics:
                await client.subscribe(topic, qos=1)
            self._client = client
            try:
                async for message in client.messages:
                    received = self._received(paho, message)
                    if received is not None:
                        yield received
            finally:
                self._client = None

    def _received(self, paho: Any, message: aiomqtt.Message) -> Received | None:
        topic = str(message.topic)
        payload = message.payload
        mid, qos = message.mid, message.qos
        if self._inspect(topic, payload):
            paho.ack(mid, qos)
            return None
        digest = hashlib.blake2b(payload, digest_size=16).hexdigest()
        meta = {"topic": topic[:500], "sender": self._sender(topic)[:200]}
        if message.retain:
            meta["retained"] = "true"
        if len(payload) > LARGEST_PAYLOAD:
            meta["cut"] = f"{len(payload)} bytes cut to {LARGEST_PAYLOAD}"
            payload = payload[:LARGEST_PAYLOAD]
        envelope = Envelope(
            self.name, f"{topic[:200]} {digest}", self._clock.now_us(), payload, meta
        )

        async def acknowledge() -> None:
            paho.ack(mid, qos)

        return Received(envelope, acknowledge)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1; returns when the broker has it. Unavailable while there is no
        connection."""
        client = self._client
        if client is None:
            raise Unavailable(f"Connector {self.name} has no connection to its broker now")
        try:
            await asyncio.wait_for(client.publish(topic, payload, qos=1), PUBLISH_WITHIN_S)
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise Unavailable(f"Connector {self.name} cannot publish now: {error}") from error


def _tls(address: MqttAddress) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=address.ca_file)
