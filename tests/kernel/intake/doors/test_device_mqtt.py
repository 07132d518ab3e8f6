"""QoS 2 as the standard means it, seen on the wire between the door and a real broker; messages
that a broker keeps are told apart."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.intake.doors.device import Received
from pintu.kernel.intake.doors.mqtt_connector import MqttAddress, MqttConnector, MqttManner
from pintu.kernel.intake.doors.payload import numbered
from pintu.kit.testing import find_mosquitto, mosquitto

PORT, TAP = 9862, 9863
NAMES = {3: "publish", 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp"}
pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with mosquitto(port=PORT) as port:
        yield port


class Tap:
    """A wire to the broker that notes what passes, and breaks when it is told to."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.breaks_at = ""
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Tap:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", TAP)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", PORT)
        self._writers += [writer, outer]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, outer, "door"))
                group.create_task(self._carry(inner, writer, "broker"))

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(1)
                size, shift, length = b"", 0, 0
                while not size or size[-1] & 128:
                    size += await reader.readexactly(1)
                    length |= (size[-1] & 127) << shift
                    shift += 7
                body = await reader.readexactly(length)
                name = NAMES.get(head[0] >> 4, "")
                if name:
                    self.passed.append(f"{who} {name}")
                if name and self.breaks_at == f"{who} {name}":
                    self.breaks_at = ""
                    self.cut()
                    return
                writer.write(head + size + body)


def door(name: str, *, qos: int = 2, **manner: Any) -> MqttConnector:
    told = MqttManner(client_id=name, qos=qos, keys="delivery", **manner)
    address = MqttAddress(host="127.0.0.1", port=TAP)
    return MqttConnector(name, address, [f"{name}/#"], CityClock(), manner=told)


@contextlib.asynccontextmanager
async def heard(connector: MqttConnector) -> AsyncIterator[asyncio.Queue[Received]]:
    """What one connection hands out."""
    queue: asyncio.Queue[Received] = asyncio.Queue()

    async def listen() -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for one in connector.receive():
                queue.put_nowait(one)

    task = asyncio.create_task(listen())
    async with asyncio.timeout(5):
        while not connector.connected:
            await asyncio.sleep(0.01)
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(topic: str, body: bytes, *, qos: int = 2, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", PORT) as client:
        await client.publish(topic, body, qos=qos, retain=retain)


async def of(queue: asyncio.Queue[Received]) -> Received:
    async with asyncio.timeout(5):
        return await queue.get()


async def nothing(queue: asyncio.Queue[Received]) -> bool:
    await asyncio.sleep(0.4)
    return queue.empty()


async def passed(tap: Tap, name: str) -> None:
    async with asyncio.timeout(5):
        while name not in tap.passed:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_message_of_qos_2_becomes_ours_after_it_is_kept(broker: int, version: Any) -> None:
    """Nothing is answered before the acknowledgement; then PUBREC, and PUBREL is answered at once:
    the four steps of the standard, once each."""
    name = f"four{version[0]}"
    async with Tap() as tap, heard(door(name, version=version)) as queue:
        await publish(f"{name}/W1", b"1")
        received = await of(queue)
        await asyncio.sleep(0.2)
        assert ["broker publish"] == tap.passed
        await received.acknowledge()
        await passed(tap, "door pubcomp")
        assert ["broker publish", "door pubrec", "broker pubrel", "door pubcomp"] == tap.passed
        assert await nothing(queue)


async def test_what_was_not_kept_comes_again_under_its_own_key(broker: int) -> None:
    """The wire breaks before the acknowledgement: the same message comes again, and what is said
    again by its device is another one."""
    connector = door("again")
    async with Tap() as tap:
        async with heard(connector) as queue:
            await publish("again/W1", b"1")
            first = await of(queue)
            tap.cut()
        async with heard(connector) as queue:
            second = await of(queue)
            await second.acknowledge()
            await publish("again/W1", b"1")
            third = await of(queue)
            await third.acknowledge()
        async with heard(connector) as queue:
            assert await nothing(queue)
    assert first.envelope.key == second.envelope.key != third.envelope.key


@pytest.mark.parametrize("where", ["broker pubrel", "door pubcomp"])
async def test_what_was_kept_never_comes_again(broker: int, where: str) -> None:
    """The wire breaks after PUBREC, before or behind the broker's release: the message is ours, a
    process that begins anew does not hear it, and what waits behind it comes."""
    name = where.partition(" ")[2]
    async with Tap() as tap:
        async with heard(door(name)) as queue:
            await publish(f"{name}/W1", b"1")
            tap.breaks_at = where
            await (await of(queue)).acknowledge()
            await passed(tap, where)
        await publish(f"{name}/W2", b"2")
        async with heard(door(name)) as queue:
            received = await of(queue)
            assert b"2" == received.envelope.body
            await received.acknowledge()
            assert await nothing(queue)


async def test_an_acknowledgement_that_is_lost_brings_the_message_again(broker: int) -> None:
    """PUBREC itself is lost: the broker sends the message again under its number, so its key tells
    that it is kept already."""
    async with Tap() as tap:
        async with heard(door("lost")) as queue:
            await publish("lost/W1", b"1")
            first = await of(queue)
            tap.breaks_at = "door pubrec"
            await first.acknowledge()
            await passed(tap, "door pubrec")
        async with heard(door("lost")) as queue:
            again = await of(queue)
            await again.acknowledge()
            await passed(tap, "door pubcomp")
    assert first.envelope.key == again.envelope.key


async def test_twenty_at_a_time_do_not_wait_for_each_other(broker: int) -> None:
    """As many as the broker sends before it waits are under way; all are heard once."""
    async with Tap(), heard(door("many")) as queue:
        for number in range(60):
            await publish(f"many/W{number}", b"%d" % number)
        bodies = []
        for _ in range(60):
            received = await of(queue)
            bodies.append(received.envelope.body)
            await received.acknowledge()
        assert sorted(b"%d" % one for one in range(60)) == sorted(bodies)


async def test_a_kept_message_is_marked_and_told_once(broker: int, tmp_path: Path) -> None:
    """What a broker keeps for newcomers says so to mappings (`$retained`); at the next connection
    it is passed over while it is what its topic said last, and told when it is news."""
    connector = door("kept")
    await publish("kept/W1", b'{"t": 1}', retain=True)
    async with Tap():
        async with heard(connector) as queue:
            first = await of(queue)
            await first.acknowledge()
            await publish("kept/W1", b'{"t": 2}', retain=True)
            live = await of(queue)
            await live.acknowledge()
        async with heard(connector) as queue:
            assert await nothing(queue)
        await publish("kept/W1", b'{"t": 3}', retain=True, qos=0)
        async with heard(connector) as queue:
            news = [await of(queue)]
            await news[0].acknowledge()
            if not await nothing(queue):  # kept, and waiting for us too
                news.append(await of(queue))
    assert ("true", None) == (
        first.envelope.meta.get("retained"),
        live.envelope.meta.get("retained"),
    )
    assert {b'{"t": 3}'} == {one.envelope.body for one in news}
    ((_, marked),) = numbered(first.envelope, {"t": 1}, "")
    ((_, plain),) = numbered(live.envelope, {"t": 2}, "")
    assert (True, False) == (marked.get("$retained", False), plain.get("$retained", False))


async def test_a_line_that_breaks_while_nobody_waits_is_no_complaint(broker: int) -> None:
    """Whoever is busy with a message, and leaves then, need not hear that the line broke; neither
    does the loop complain of an error that nobody fetched."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    connector = door("left", qos=1)
    async with Tap() as tap:
        messages = connector.receive()
        first = asyncio.ensure_future(anext(messages))
        async with asyncio.timeout(5):
            while not connector.connected:
                await asyncio.sleep(0.01)
        await publish("left/x", b"1", qos=1)
        assert b"1" == (await first).envelope.body
        client = connector._client
        tap.cut()
        async with asyncio.timeout(5):
            while client is not None and not client._disconnected.done():
                await asyncio.sleep(0.01)
        await messages.aclose()
    del client, messages, first
    gc.collect()
    assert [] == complaints
