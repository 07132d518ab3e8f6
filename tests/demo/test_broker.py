"""The demo's broker under a foreign client, and the whole demo as a person starts it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from pintu.demo.broker import DemoBroker
from pintu.demo.mqtt_wire import BadPacket, fits, packet, read_connect, read_packet
from pintu.kit.testing import free_port


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[int]:
    """A broker for the length of a test."""
    port, server = free_port(9320, 9360), DemoBroker()
    await server.start("127.0.0.1", port)
    try:
        yield port
    finally:
        await server.stop()


async def heard(client: aiomqtt.Client, count: int) -> list[tuple[str, bytes]]:
    found = []
    async with asyncio.timeout(5):
        async for one in client.messages:
            found.append((str(one.topic), bytes(one.payload)))
            if len(found) == count:
                break
    return found


async def test_what_is_published_is_heard_by_those_who_asked() -> None:
    """Both qualities of service, wildcards, and nothing that was not asked for."""
    async with broker() as port, aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe([("lamps/+/telemetry", 1), ("weather/#", 0)])
        async with aiomqtt.Client("127.0.0.1", port) as other:
            await other.publish("lamps/GW1/ack", b"no", qos=1)
            await other.publish("lamps/GW1/telemetry", b"one", qos=1)
            await other.publish("weather/a/b", b"two", qos=0)
        wanted = [("lamps/GW1/telemetry", b"one"), ("weather/a/b", b"two")]
        assert wanted == await heard(client, 2)


async def test_what_is_retained_comes_to_those_who_come_later() -> None:
    """Until an empty message takes it back."""
    async with broker() as port:
        async with aiomqtt.Client("127.0.0.1", port) as gateway:
            await gateway.publish("lamps/GW1/inventory", b"kept", qos=1, retain=True)
            await gateway.publish("lamps/GW2/inventory", b"gone", qos=1, retain=True)
            await gateway.publish("lamps/GW2/inventory", b"", qos=1, retain=True)
        async with aiomqtt.Client("127.0.0.1", port) as late:
            await late.subscribe("lamps/+/inventory", qos=1)
            assert [("lamps/GW1/inventory", b"kept")] == await heard(late, 1)


async def test_a_lasting_session_misses_nothing() -> None:
    """What comes while the client is away waits for it, in order."""
    async with broker() as port:
        first = aiomqtt.Client("127.0.0.1", port, identifier="city", clean_session=False)
        async with first as client:
            await client.subscribe("a/#", qos=1)
        async with aiomqtt.Client("127.0.0.1", port) as other:
            for number in range(200):
                await other.publish(f"a/{number}", b"x", qos=1)
        again = aiomqtt.Client("127.0.0.1", port, identifier="city", clean_session=False)
        async with again as client:
            found = await heard(client, 200)
        assert [f"a/{number}" for number in range(200)] == [topic for topic, _ in found]


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\x7f", packet(3, b"\x00\x01a"),
     packet(1, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00"), b"\x10\x02\x00\x04"],
)  # fmt: skip
async def test_who_does_not_speak_mqtt_is_shown_the_door(nonsense: bytes) -> None:
    """And the others go on."""
    async with broker() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(nonsense)
        writer.write_eof()
        assert b"" == await asyncio.wait_for(reader.read(), 5)
        writer.close()
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("a", b"b", qos=1)


@pytest.mark.parametrize(
    ("pattern", "topic", "holds"),
    [
        ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a", True), ("#", "a/b", True),
        ("#", "$SYS/x", False), ("a/+", "a/b/c", False), ("+/+", "/x", True), ("a", "a/b", False),
    ],
)  # fmt: skip
def test_filters_hold_topics_as_the_standard_says(pattern: str, topic: str, holds: bool) -> None:
    """MQTT 3.1.1, 4.7."""
    assert holds == fits(pattern, topic)


async def test_lengths_are_bounded() -> None:
    """A packet that says it is huge is not waited for."""
    reader = asyncio.StreamReader()
    reader.feed_data(b"\x30\xff\xff\xff\x7f")
    with pytest.raises(BadPacket):
        await read_packet(reader)
    with pytest.raises(BadPacket):
        read_connect(b"\x00\x04MQTT\x04\x00\x00\x00\x00\x00")


async def test_the_demo_as_a_person_starts_it(tmp_path: Path) -> None:
    """It writes its map, publishes inventories and readings, answers a command, and stops when
    told."""
    port, base = free_port(9361, 9390), tmp_path / "base.geojson"
    words = ["--port", str(port), "--lamps", "40", "--gateways", "2", "--interval", "0.5",
             "--base-map", str(base)]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pintu.demo", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2] / "src",
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert "演示 / demo: 40 lamps" in line.decode()
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("lamps/#", qos=1)
            kinds: set[str] = set()
            async with asyncio.timeout(15):
                async for message in client.messages:
                    kinds.add(str(message.topic).rsplit("/", 1)[-1])
                    if "command" not in kinds:
                        for number in range(8):  # some are lost, as in the world
                            told = {"cmd": f"c{number}", "lamp": "L00001", "level": 30}
                            for gateway in ("GW001", "GW002"):
                                topic = f"lamps/{gateway}/command"
                                await client.publish(topic, json.dumps(told), qos=1)
                    if {"inventory", "telemetry", "ack"} <= kinds:
                        break
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 10)
    assert (0, "FeatureCollection") == (process.returncode, json.loads(base.read_text())["type"])
