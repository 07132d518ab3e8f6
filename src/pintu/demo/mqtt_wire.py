"""MQTT 3.1.1 packets, as far as a broker for gateways needs them (OASIS Standard, 29 October
2014)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
LARGEST = 4_000_000


class BadPacket(ValueError):
    """What came is not MQTT 3.1.1, or more than we take; the connection ends (4.8)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A control packet: type, flags of the first byte, the rest."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    """What a CONNECT says that matters here (3.1)."""

    client: str
    clean: bool
    keepalive_s: int


@dataclass(frozen=True, slots=True)
class Publish:
    """One application message (3.3)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    number: int = 0


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """The next packet; EOFError at the end, BadPacket for what is none."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
        if shift > 21:
            raise BadPacket("a length of more than four bytes")
    if length > LARGEST:
        raise BadPacket(f"a packet of {length} bytes")
    return Packet(first >> 4, first & 0x0F, await reader.readexactly(length))


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A packet with its fixed header (2.2)."""
    length, header = len(body), bytearray([kind << 4 | flags])
    while True:
        length, byte = length >> 7, length & 0x7F
        header.append(byte | 0x80 if length else byte)
        if not length:
            return bytes(header) + body


def read_connect(body: bytes) -> Connect:
    """A CONNECT; user and password are let in whoever they are: this is a demo on loopback."""
    name, at = _text(body, 0)
    if name != "MQTT" or len(body) < at + 4 or body[at] != 4:
        raise BadPacket("not MQTT 3.1.1")
    client, _ = _text(body, at + 4)
    clean = bool(body[at + 1] & 0x02)
    if not client and not clean:
        raise BadPacket("a lasting session needs a name (3.1.3.1)")
    return Connect(client, clean, int.from_bytes(body[at + 2 : at + 4], "big"))


def read_publish(one: Packet) -> Publish:
    """A PUBLISH; QoS 2 is not spoken here."""
    qos = one.flags >> 1 & 3
    if qos > 1:
        raise BadPacket("QoS 2")
    topic, at = _text(one.body, 0)
    if not topic or "+" in topic or "#" in topic:
        raise BadPacket(f"topic {topic[:50]!r}")
    number = 0
    if qos:
        number, at = int.from_bytes(one.body[at : at + 2], "big"), at + 2
    return Publish(topic, one.body[at:], qos, bool(one.flags & 1), number)


def write_publish(told: Publish, *, again: bool = False) -> bytes:
    """A PUBLISH as bytes; `again` sets DUP (3.3.1.1)."""
    topic = told.topic.encode()
    number = told.number.to_bytes(2, "big") if told.qos else b""
    flags = (8 if again and told.qos else 0) | told.qos << 1 | int(told.retain)
    return packet(PUBLISH, len(topic).to_bytes(2, "big") + topic + number + told.payload, flags)


def read_filters(body: bytes, *, with_qos: bool) -> tuple[int, list[tuple[str, int]]]:
    """Packet number and topic filters of a SUBSCRIBE or UNSUBSCRIBE."""
    number, at, filters = int.from_bytes(body[:2], "big"), 2, []
    while at < len(body):
        text, at = _text(body, at)
        qos = min(body[at] & 3, 1) if with_qos and at < len(body) else 0
        at += int(with_qos)
        filters.append((text, qos))
    if not filters:
        raise BadPacket("a subscription to nothing (3.8.3)")
    return number, filters


def fits(pattern: str, topic: str) -> bool:
    """True when a topic filter holds a topic (4.7); topics beginning with $ need to be named."""
    if topic.startswith("$") != pattern.startswith("$"):
        return False
    wanted, given = pattern.split("/"), topic.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(given) or level not in ("+", given[number]):
            return False
    return len(wanted) == len(given)


def _text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if len(body) < end or len(body) < at + 2:
        raise BadPacket("a text that ends too early")
    try:
        return body[at + 2 : end].decode(), end
    except UnicodeDecodeError as error:
        raise BadPacket("a text that is not UTF-8") from error
