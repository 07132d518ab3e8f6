"""MQTT: messages of any broker, by settings alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import aiomqtt

from pintu.kernel.errors import ConfigurationError, Unavailable
from pintu.kernel.intake.doors.mqtt_connector import (
    MqttAddress,
    MqttConnector,
    MqttManner,
    read_address,
)
from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.payload_told import FORM_SETTINGS, told_payload
from pintu.kernel.intake.doors.seen import Heard, tables_of
from pintu.kernel.intake.doors.told import INSTANCE, Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen

LOOK_MESSAGES: Final = 5_000

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
            "zh": "0 可能丢失；1 不丢，重复的消息会被认出；2 不丢也不重发；1 和 2 都在写入后才应答",
            "en": "0 may lose; 1 loses nothing and repeats are known; 2 is sent once; 1 and 2 are "
            "answered after the commit",
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
    *FORM_SETTINGS,
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
        name="most_a_second",
        title={"zh": "每个主题每秒最多消息", "en": "Most messages a second of one topic"},
        kind="number",
        default=100,
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
    return told_payload(Told(source, SETTINGS))


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
    told.number("most_a_second", low=0.01, high=100_000)
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
        sender=str,  # each topic keeps its own order, and floods alone
        manner=MqttManner(
            client_id="" if look or not qos else own.rstrip("-")[:128],
            qos=qos,
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
