"""MQTT: messages of any broker, by settings alone; and the connector that pieces use too."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import aiomqtt

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, Unavailable
from pintu.kernel.intake.doors.device import Received
from pintu.kernel.intake.doors.payload import FORMS, Payload
from pintu.kernel.intake.doors.seen import Heard, tables_of
from pintu.kernel.intake.doors.told import INSTANCE, Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.words import Envelope

LARGEST_PAYLOAD: Final = 1_000_000
PUBLISH_WITHIN_S: Final = 5.0
WAITING: Final = 20_000  # messages of QoS 0 not yet read; more are dropped, as QoS 0 allows
SESSION_S: Final = 86_400  # how long a broker of MQTT 5 keeps our session while we are away
LOOK_MESSAGES: Final = 5_000
Keys = Literal["content", "delivery"]
"""What makes two messages one. content: the same topic and bytes. delivery: also the same packet,
for devices that say the same value again and mean it."""


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
    (QoS 1, a lasting session), and intake knows it by its key.
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
    ) -> None:
        """With an `egress` the broker's address is asked of it before each connection."""
        self.name, self.expected_interval_s = name, expected_interval_s
        self._address, self._topics, self._clock = address, list(topics), clock
        self._manner = manner or MqttManner(client_id=client_id)
        self._sender, self._inspect, self._egress = sender, inspect, egress
        self._client: aiomqtt.Client | None = None
        self._numbers = itertools.count()

    @property
    def connected(self) -> bool:
        """True while the broker is there and has taken the subscription."""
        return self._client is not None

    async def receive(self) -> AsyncIterator[Received]:
        """Connect, subscribe, and hand out messages; raises aiomqtt.MqttError when the connection
        is lost."""
        client = await self._new_client()
        # aiomqtt offers no manual acknowledgement; the paho client inside of it does.
        paho: Any = client._client
        paho.manual_ack_set(True)
        async with client:
            for topic in self._topics:
                await client.subscribe(topic, qos=self._manner.qos)
            self._client = client
            try:
                async for message in client.messages:
                    received = self._received(paho, message)
                    if received is not None:
                        yield received
            finally:
                self._client = None

    async def _new_client(self) -> aiomqtt.Client:
        address, manner = self._address, self._manner
        host = address.host
        if self._egress is not None:
            checked = await self._egress.reach(host, address.port)
            host = host if address.tls else checked  # a certificate is of the name
        more: dict[str, Any] = {}
        if manner.version == "5":
            more["protocol"] = aiomqtt.ProtocolVersion.V5
            more["clean_start"] = not manner.client_id
            more["properties"] = _session(SESSION_S if manner.client_id else 0)
        else:
            # A broker keeps a session only for a name it knows again.
            more["clean_session"] = not manner.client_id
        return aiomqtt.Client(
            host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=manner.client_id or None,
            keepalive=30,
            timeout=10,
            max_queued_incoming_messages=WAITING,
            tls_context=_tls(address) if address.tls else None,
            **more,
        )

    def _received(self, paho: Any, message: aiomqtt.Message) -> Received | None:
        topic = str(message.topic)
        payload = message.payload
        mid, qos = message.mid, message.qos
        if self._inspect(topic, payload) or (message.retain and not self._manner.retained):
            paho.ack(mid, qos)
            return None
        now_us = self._clock.now_us()
        digest = hashlib.blake2b(payload, digest_size=16).hexdigest()
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


# --- the door ---------------------------------------------------------------------------------
SETTINGS: Final = (
    DoorSetting(
        name="broker",
        title={"zh": "代理地址", "en": "Broker"},
        kind="address",
        help={
            "zh": "mqtt://主机:1883，或带 TLS 的 mqtts://主机:8883；用户名写在 @ 之前",
            "en": "mqtt://HOST:1883, or mqtts://HOST:8883 for TLS; a user's name before an @",
        },
        required=True,
    ),
    DoorSetting(
        name="topics",
        title={"zh": "主题", "en": "Topics"},
        kind="lines",
        help={"zh": "每行一个，可用 + 和 #", "en": "One a line; + and # are understood"},
        required=True,
    ),
    DoorSetting(name="password", title={"zh": "密码", "en": "Password"}, kind="secret"),
    DoorSetting(
        name="ca",
        title={"zh": "CA 证书", "en": "CA certificate"},
        kind="lines",
        help={
            "zh": "代理使用自签证书时，粘贴其 PEM 文本",
            "en": "The PEM text, when the broker's certificate is of nobody known",
        },
    ),
    DoorSetting(
        name="version",
        title={"zh": "MQTT 版本", "en": "Version of MQTT"},
        kind="choice",
        choices=("3.1.1", "5"),
        default="3.1.1",
    ),
    DoorSetting(
        name="qos",
        title={"zh": "服务质量", "en": "Quality of service"},
        kind="choice",
        choices=("0", "1", "2"),
        default="1",
        help={
            "zh": "0 可能丢失；1 不丢，重复的消息会被认出；2 按 1 接收，效果相同",
            "en": "0 may lose; 1 loses nothing and repeats are known; 2 is received as 1, which "
            "comes to the same",
        },
    ),
    DoorSetting(
        name="retained",
        title={"zh": "接收保留消息", "en": "Take retained messages"},
        kind="yes_no",
        default=True,
    ),
    DoorSetting(
        name="client_id",
        title={"zh": "客户端名称", "en": "Client's name"},
        help={"zh": "留空则自动取名", "en": "Empty: one is made"},
    ),
    DoorSetting(
        name="form",
        title={"zh": "消息格式", "en": "Form of a message"},
        kind="choice",
        choices=FORMS,
        default="json",
    ),
    DoorSetting(
        name="columns",
        title={"zh": "CSV 各列名称", "en": "Columns of CSV"},
        kind="lines",
        help={"zh": "仅用于 csv：每行一个名称", "en": "For csv alone: one name a line"},
    ),
    DoorSetting(
        name="separator", title={"zh": "CSV 分隔符", "en": "Separator of CSV"}, default=","
    ),
    DoorSetting(
        name="tables",
        title={"zh": "主题与映射", "en": "Topics and mappings"},
        kind="lines",
        help={
            "zh": "主题 = 映射，每行一个；不写则每条消息交给全部映射",
            "en": "TOPIC = MAPPING, one a line; without any, every mapping reads every message",
        },
    ),
    DoorSetting(
        name="listen_s",
        title={"zh": "查看时监听秒数", "en": "Seconds to listen when looking"},
        kind="number",
        default=8,
    ),
)


def connector(source: SourceFile, around: Around) -> MqttConnector:
    """The subscription of one source; ConfigurationError with every mistake of its settings."""
    told = Told(source, SETTINGS)
    made = _made(told, source, around)
    told.done()
    return made


def payload_of(source: SourceFile) -> Payload:
    """How the messages of a source are written; its settings were checked before."""
    told = Told(source, SETTINGS)
    columns = tuple(told.lines("columns"))
    separator = told.text("separator") or ","
    form = told.choice("form", FORMS)
    if len(separator) != 1:
        told.mistake("separator", "is not one sign")
    told.done()
    return Payload(form=form, columns=columns, separator=separator)  # type: ignore[arg-type]


def _made(told: Told, source: SourceFile, around: Around, *, look: bool = False) -> MqttConnector:
    topics = told.lines("topics")
    for topic in topics:
        _check_topic(told, topic)
    address = MqttAddress(host="", port=1)
    try:
        address = read_address(told.text("broker"), password=around.secret or None)
    except ConfigurationError as error:
        told.mistakes += error.mistakes
    ca_text = "\n".join(told.lines("ca")) or None
    version = told.choice("version", ("3.1.1", "5"))
    qos = int(told.choice("qos", ("0", "1", "2")))
    own = told.text("client_id") or f"pintu-{source.name}-{source.settings.get(INSTANCE, '')}"
    payload_of(source)
    return MqttConnector(
        source.name,
        MqttAddress(
            host=address.host,
            port=address.port,
            tls=address.tls,
            username=address.username,
            password=address.password,
            ca_text=ca_text,
        ),
        topics,
        around.clock,
        expected_interval_s=source.expected_interval_s,
        manner=MqttManner(
            client_id="" if look or not qos else own.rstrip("-")[:128],
            # The paho client forgets what it had of QoS 2 when we are killed; of QoS 1 the broker
            # sends again what was not kept, and its key tells whether it was.
            qos=min(qos, 1),
            version="5" if version == "5" else "3.1.1",
            retained=told.yes_no("retained"),
            keys="delivery",
        ),
        egress=around.egress,
    )


def _check_topic(told: Told, topic: str) -> None:
    levels = topic.split("/")
    wild = any(("#" in one or "+" in one) and len(one) > 1 for one in levels)
    if wild or "#" in levels[:-1] or "\x00" in topic:
        told.mistake("topics", f"holds {topic[:80]!r}, which is no topic: + and # stand alone")


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """Listen for a while; one table a pattern of topics, its columns measured on what came.

    Raises ConfigurationError for settings, Forbidden for an address that may not be reached,
    Unavailable when the broker does not answer or lets nobody in.
    """
    told = Told(source, SETTINGS)
    subscription = _made(told, source, around, look=True)
    listen_s = told.number("listen_s", low=1, high=15)
    told.done()
    heard: list[Heard] = []
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(listen_s):
                async for received in subscription.receive():
                    envelope = received.envelope
                    heard.append(Heard(name=envelope.meta["topic"], envelope=envelope))
                    if len(heard) >= LOOK_MESSAGES:
                        break
    except aiomqtt.MqttError as error:
        raise Unavailable(f"The broker of {source.name} cannot be heard: {error}") from error
    return tables_of(heard, payload_of(source))


DOOR: Final = Door(
    name="mqtt",
    kind="device",
    title={"zh": "MQTT 消息", "en": "MQTT messages"},
    summary={
        "zh": "订阅任意 MQTT 代理的主题，消息为 JSON、CSV 或单个数值。",
        "en": "Subscribes to topics of any MQTT broker; messages are JSON, CSV or one value.",
    },
    settings=SETTINGS,
    look=look,
)
