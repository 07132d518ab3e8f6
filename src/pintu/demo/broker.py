"""A small MQTT broker in the demo's process, for machines that have none: QoS 0 and 1, retained
messages,
lasting sessions.

It is ours because the embeddable one that was tried gives up on an acknowledgement after five
seconds, which a city that restarts needs longer than, and fails when one client connects while
another subscribes. Any other broker serves as well (`--broker`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from pintu.demo import mqtt_wire as wire
from pintu.demo.mqtt_wire import BadPacket, Publish

IN_FLIGHT, WAITING, SESSIONS, RETAINED = 64, 5_000, 1_000, 10_000
WAYS = 10_000
FIRST_PACKET_S = 10.0


@dataclass(slots=True)
class Session:
    """One client: what it asked for, and what it has not acknowledged."""

    name: str
    clean: bool
    filters: dict[str, int] = field(default_factory=dict)
    in_flight: OrderedDict[int, Publish] = field(default_factory=OrderedDict)
    waiting: deque[Publish] = field(default_factory=lambda: deque(maxlen=WAITING))
    number: int = 0
    writer: asyncio.StreamWriter | None = None

    def tell(self, told: Publish, qos: int) -> None:
        """Deliver now, or keep until there is room or the client is back; the oldest give way."""
        if min(told.qos, qos) == 0:
            if self.writer is not None:
                plain = Publish(told.topic, told.payload, 0, told.retain)
                self.writer.write(wire.write_publish(plain))
            return
        self.waiting.append(told)
        self.go_on()

    def go_on(self) -> None:
        """Send what waits while there is room in flight."""
        while self.writer is not None and self.waiting and len(self.in_flight) < IN_FLIGHT:
            told = self.waiting.popleft()
            self.number = self.number % 65_535 + 1
            sent = Publish(told.topic, told.payload, 1, told.retain, self.number)
            self.in_flight[self.number] = sent
            self.writer.write(wire.write_publish(sent))

    def come_back(self, writer: asyncio.StreamWriter) -> None:
        """The client is here: what it did not acknowledge comes again, in order (4.4)."""
        self.writer = writer
        for told in self.in_flight.values():
            writer.write(wire.write_publish(told, again=True))
        self.go_on()


class DemoBroker:
    """Clients, what they asked for, and what is retained."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._retained: dict[str, Publish] = {}
        self._server: asyncio.Server | None = None
        self._talking: set[asyncio.Task[None]] = set()
        self._unnamed = 0
        self._ways: dict[
            str, list[tuple[Session, int]]
        ] = {}  # by topic: who hears it, at which QoS

    async def start(self, host: str, port: int) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(self._accept, host, port)

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._talking):
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            await self._talk(reader, writer)
        except (BadPacket, EOFError, OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client is gone, silent or wrong: it may come again
        finally:
            self._talking.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(FIRST_PACKET_S):
            first = await wire.read_packet(reader)
        if first.kind != wire.CONNECT:
            raise BadPacket("no CONNECT first (3.1)")
        connect = wire.read_connect(first.body)
        session, known = self._session(connect)
        writer.write(wire.packet(wire.CONNACK, bytes([int(known), 0])))
        session.come_back(writer)
        patience_s = connect.keepalive_s * 1.5 or None
        try:
            while True:
                async with asyncio.timeout(patience_s):
                    one = await wire.read_packet(reader)
                if one.kind == wire.DISCONNECT:
                    return
                self._take(session, writer, one)
                await writer.drain()
        finally:
            if session.writer is writer:
                session.writer = None
                if session.clean:
                    self._sessions.pop(session.name, None)
                    self._ways.clear()

    def _session(self, connect: wire.Connect) -> tuple[Session, bool]:
        name = connect.client
        if not name:
            self._unnamed += 1
            name = f"unnamed {self._unnamed}"
        old = self._sessions.get(name)
        if old is not None and old.writer is not None:
            old.writer.close()  # the same name twice: the newer one stays (3.1.4)
            old.writer = None
        if old is not None and not connect.clean and not old.clean:
            return old, True
        if len(self._sessions) >= SESSIONS:
            raise BadPacket("too many clients")
        session = self._sessions[name] = Session(name, connect.clean)
        self._ways.clear()
        return session, False

    def _take(self, session: Session, writer: asyncio.StreamWriter, one: wire.Packet) -> None:
        if one.kind == wire.PUBLISH:
            told = wire.read_publish(one)
            self._spread(told)
            if told.qos:
                writer.write(wire.packet(wire.PUBACK, told.number.to_bytes(2, "big")))
        elif one.kind == wire.PUBACK:
            session.in_flight.pop(int.from_bytes(one.body[:2], "big"), None)
            session.go_on()
        elif one.kind == wire.SUBSCRIBE:
            number, filters = wire.read_filters(one.body, with_qos=True)
            session.filters.update(filters)
            self._ways.clear()
            granted = bytes(qos for _, qos in filters)
            writer.write(wire.packet(wire.SUBACK, number.to_bytes(2, "big") + granted))
            for told in list(self._retained.values()):
                asked = [qos for pattern, qos in filters if wire.fits(pattern, told.topic)]
                if asked:
                    session.tell(told, max(asked))
        elif one.kind == wire.UNSUBSCRIBE:
            number, filters = wire.read_filters(one.body, with_qos=False)
            for pattern, _ in filters:
                session.filters.pop(pattern, None)
            self._ways.clear()
            writer.write(wire.packet(wire.UNSUBACK, number.to_bytes(2, "big")))
        elif one.kind == wire.PINGREQ:
            writer.write(wire.packet(wire.PINGRESP, b""))
        else:
            raise BadPacket(f"packet type {one.kind}")

    def _spread(self, told: Publish) -> None:
        if told.retain:
            if not told.payload:
                self._retained.pop(told.topic, None)
            elif told.topic in self._retained or len(self._retained) < RETAINED:
                self._retained[told.topic] = told
        plain = Publish(told.topic, told.payload, told.qos, False)
        for session, qos in self._way(told.topic):
            session.tell(plain, qos)

    def _way(self, topic: str) -> list[tuple[Session, int]]:
        """Who hears a topic; found once, until somebody comes, goes or asks for something else."""
        found = self._ways.get(topic)
        if found is None:
            found = []
            for session in self._sessions.values():
                asked = [
                    qos for pattern, qos in session.filters.items() if wire.fits(pattern, topic)
                ]
                if asked:
                    found.append((session, max(asked)))
            if len(self._ways) >= WAYS:
                self._ways.clear()
            self._ways[topic] = found
        return found
