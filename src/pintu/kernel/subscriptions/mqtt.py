"""Notifications published to MQTT 3.1.1 and 5 brokers (clause 7) over kept connections.

An address is `mqtt[s]://[user[:password]@]host[:port]/topic[/topic]*`. A broker's name is looked up
when a connection is opened, checked, and the connection goes to the checked address.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import OrderedDict
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec

from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, Unavailable
from pintu.kernel.subscriptions.states import TAKEN, Outcome, timeout_s
from pintu.kernel.subscriptions.words import Endpoint, Message

CONNECT_S: Final = 5.0
MOST_KEPT: Final = 100
"""Connections to brokers; the one that was used longest ago is let go for another."""

Version = Literal["mqtt3.1.1", "mqtt5.0"]
_VERSIONS: Final[dict[Version, aiomqtt.ProtocolVersion]] = {
    "mqtt3.1.1": aiomqtt.ProtocolVersion.V311,
    "mqtt5.0": aiomqtt.ProtocolVersion.V5,
}


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message is published, and how the connection there is made."""

    tls: bool
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    version: Version = "mqtt3.1.1"


def broker_of(endpoint: Endpoint) -> tuple[Broker, str]:
    """(broker, topic) of an endpoint; BadRequestData when its address is none (7.2)."""
    uri = endpoint.uri
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise BadRequestData(f"{uri[:200]} is not an address: {error}") from error
    topic = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not topic:
        raise BadRequestData(f"{uri[:200]} is not mqtt[s]://HOST[:PORT]/TOPIC")
    if any(sign in topic for sign in "+#\x00") or len(topic) > 1000:
        raise BadRequestData(f"{topic[:200]!r} is not a topic to publish to")
    tls = parts.scheme == "mqtts"
    version = endpoint.notifier("MQTT-Version") or "mqtt3.1.1"
    if version not in _VERSIONS:
        raise BadRequestData(f"MQTT-Version {version[:40]!r} is none of {', '.join(_VERSIONS)}")
    found = Broker(
        tls=tls,
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        version=version,
    )
    return found, topic


def qos_of(endpoint: Endpoint) -> int:
    """0, 1 or 2; BadRequestData for another."""
    told = endpoint.notifier("MQTT-QoS") or "0"
    if told not in ("0", "1", "2"):
        raise BadRequestData(f"MQTT-QoS {told[:40]!r} is none of 0, 1, 2")
    return int(told)


def payload_of(message: Message) -> bytes:
    """The notification with its headers beside it: `{"metadata": …, "body": …}` (7.2)."""
    metadata = {"Content-Type": message.content_type, **dict(message.headers)}
    return b'{"metadata":%b,"body":%b}' % (msgspec.json.encode(metadata), message.body)


class _Line:
    """A connection to one broker, made when it is first needed."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.connecting: asyncio.Task[aiomqtt.Client] | None = None
        self._client: aiomqtt.Client | None = None

    @property
    def client(self) -> aiomqtt.Client | None:
        """The connection, while it stands."""
        client = self._client
        if client is not None and _broken(client):
            self._client = client = None
        return client

    async def connect(self, client: aiomqtt.Client) -> aiomqtt.Client:
        """Make the connection; whoever waits for it may stop waiting, it ends by itself."""
        try:
            self._client = await client.__aenter__()
        except OSError as error:
            raise Unavailable(f"The broker {self.broker.host} is away: {error}") from error
        return client

    async def close(self) -> None:
        """Let go."""
        if self.connecting is not None:
            await asyncio.gather(self.connecting, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None and not _broken(client):
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError, OSError):
                await client.__aexit__(None, None, None)


class MqttSender:
    """Publishes messages; keeps a connection a broker, user and version."""

    def __init__(self, egress: Egress, *, tls: ssl.SSLContext | None = None) -> None:
        self._egress, self._tls = egress, tls
        self._lines: OrderedDict[Broker, _Line] = OrderedDict()

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Publish one message; every way it can end is an Outcome. Taken at QoS 0 is: written to
        the connection; at 1 and 2: the broker has it."""
        try:
            broker, topic = broker_of(endpoint)
            qos = qos_of(endpoint)
        except BadRequestData as error:
            return Outcome(why="forbidden", detail=error.detail)
        line = await self._line(broker)
        name = f"{broker.host}:{broker.port}"
        try:
            async with asyncio.timeout(timeout_s(endpoint)):
                client = await self._connected(line)
                await _published(client, topic, payload_of(message), qos)
        except Forbidden as error:
            return Outcome(why="forbidden", detail=error.detail)
        except TimeoutError:
            await line.close()
            told = f"The broker {name} did not take it within {timeout_s(endpoint):g} s"
            return Outcome(why="unreached", detail=told)
        except PintuError as error:
            return Outcome(why="unreached", detail=error.detail)
        except aiomqtt.MqttError as error:
            await line.close()
            return Outcome(why="unreached", detail=f"The broker {name}: {error}")
        return TAKEN

    async def close(self) -> None:
        """Let go of every connection."""
        for line in self._lines.values():
            await line.close()
        self._lines.clear()

    async def _line(self, broker: Broker) -> _Line:
        line = self._lines.get(broker)
        if line is None:
            line = self._lines[broker] = _Line(broker)
            if len(self._lines) > MOST_KEPT:
                _, oldest = self._lines.popitem(last=False)
                await oldest.close()
        self._lines.move_to_end(broker)
        return line

    async def _connected(self, line: _Line) -> aiomqtt.Client:
        if line.client is not None:
            return line.client
        if line.connecting is None:
            client = await self._client(line.broker)
            if line.connecting is None:  # nobody was quicker
                line.connecting = asyncio.create_task(line.connect(client))
                line.connecting.add_done_callback(lambda task: _connected(line, task))
        return await asyncio.shield(line.connecting)

    async def _client(self, broker: Broker) -> aiomqtt.Client:
        address = await self._egress.reach(broker.host, broker.port)
        more: dict[str, Any] = {}
        if broker.version == "mqtt3.1.1":
            more["clean_session"] = True
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            protocol=_VERSIONS[broker.version],
            tls_context=self._believed() if broker.tls else None,
            keepalive=30,
            timeout=10,
            **more,
        )
        # The name stays what a certificate is held against; the connection goes where it was
        # checked. The paho client inside offers no other place for that.
        paho: Any = client._client
        paho._create_socket_connection = lambda: _dialled(address, broker.port)
        paho._ssl_wrap_socket = lambda raw: self._secured(raw, broker.host)
        return client

    def _believed(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _secured(self, raw: socket.socket, host: str) -> ssl.SSLSocket:
        """The handshake, on the thread that connects; one that fails leaves no socket behind."""
        secured = self._believed().wrap_socket(
            raw, server_hostname=host, do_handshake_on_connect=False
        )
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured


def _dialled(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), timeout=CONNECT_S)


def _broken(client: aiomqtt.Client) -> bool:
    """Whether the connection is gone; why it went is nobody's question here."""
    gone = client._disconnected
    if not gone.done():
        return False
    if not gone.cancelled():
        gone.exception()
    return True


async def _published(client: aiomqtt.Client, topic: str, payload: bytes, qos: int) -> None:
    """Publish; a connection that breaks meanwhile is told at once instead of after a time."""
    publishing = asyncio.ensure_future(client.publish(topic, payload, qos=qos))
    try:
        await asyncio.wait({publishing, client._disconnected}, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        publishing.cancel()
        raise
    if not publishing.done():
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        raise aiomqtt.MqttError("the connection broke")
    publishing.result()


def _connected(line: _Line, task: asyncio.Task[aiomqtt.Client]) -> None:
    line.connecting = None
    if not task.cancelled():
        task.exception()  # told to whoever waits; perhaps nobody does any more
