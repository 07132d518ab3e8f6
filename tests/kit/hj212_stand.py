"""A platform's end and a station's end of HJ 212 for tests: the running connector, and a client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from pintu.kernel.intake.words import Envelope
from pintu.kit.hj212 import Hj212Connector, Hj212Limits
from pintu.kit.piece import Received
from pintu.kit.protocols import Frame
from pintu.kit.testing import FakeClock, free_port
from pintu.protocols.hj212_stream import Stream

NOON_US = 1_795_320_000_000_000
"""2026-11-22 12:00 in Beijing."""
MN = "DE300000000000000000A001"


def hour(number: int, *, mn: str = MN, flag: str = "5", password: str = "123456") -> Frame:
    """Hour data of one of the hours of 2026-11-22 and the days after."""
    day, clock = 22 + number // 24, number % 24
    return Frame(
        fields={
            "QN": f"202611{day:02d}{clock:02d}0000{number % 1000:03d}", "ST": "22", "CN": "2061",
            "PW": password, "MN": mn, "Flag": flag,
        },
        data_time=f"202611{day:02d}{clock:02d}0000",
        factors={"a34004": {"Avg": str(number), "Flag": "N"}},
    )  # fmt: skip


class Client:
    """A station's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.stream = reader, writer, Stream()

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def answer(self, patience_s: float = 3.0) -> Frame:
        async with asyncio.timeout(patience_s):
            while (found := self.stream.next()) is None:
                chunk = await self.reader.read(4096)
                if not chunk:
                    raise EOFError
                self.stream.feed(chunk)
        assert found.frame is not None, found.reason
        return found.frame

    async def silent(self, seconds: float = 0.2) -> bool:
        try:
            await self.answer(seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self, patience_s: float = 3.0) -> bool:
        async with asyncio.timeout(patience_s):
            try:
                while await self.reader.read(4096):
                    continue
            except ConnectionError:
                return True
        return True


@dataclass
class Stand:
    """A running connector and what it handed out; `keep` acknowledges at once."""

    connector: Hj212Connector
    port: int
    keep: bool = True
    got: list[Received] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def run(self) -> None:
        async for received in self.connector.receive():
            self.got.append(received)
            if self.keep:
                await received.acknowledge()

    async def client(self) -> Client:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                one = Client(*await asyncio.open_connection("127.0.0.1", self.port))
                self.clients.append(one)
                return one
            await asyncio.sleep(0.02)

    @property
    def envelopes(self) -> list[Envelope]:
        return [one.envelope for one in self.got]

    async def until(self, holds: Callable[[], bool], patience_s: float = 3.0) -> None:
        async with asyncio.timeout(patience_s):
            while not holds():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def stand(
    *,
    passwords: dict[str, str] | None = None,
    limits: Hj212Limits | None = None,
    ask_missing: bool = False,
    keep: bool = True,
) -> AsyncIterator[Stand]:
    port = free_port(9870, 9899)
    connector = Hj212Connector(
        "hj212", f"127.0.0.1:{port}", FakeClock(NOON_US),
        passwords=passwords, limits=limits, ask_missing=ask_missing,
    )  # fmt: skip
    one = Stand(connector, port, keep)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        for client in one.clients:
            client.writer.close()
        await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
