"""A connection that repeats its header lines has its writes done a short way, the same as ever."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest_asyncio

from pintu.web.ngsi_ld.repeated_writes import RepeatedWrites
from tests.web.ngsi_ld.doors import LAMP, Door, open_door
from tests.web.ngsi_ld.places import start

ROOT = b"/ngsi-ld/v1"
ENTITY = b"/entities/" + str(LAMP["id"]).encode()
LEVEL = {"level": {"type": "Property", "value": 3}}
WRITES: list[tuple[bytes, bytes, Any]] = [
    (b"POST", b"/entities", LAMP),
    (b"POST", b"/entities", LAMP),
    (b"POST", b"/entities?local=true", {"id": "urn:ngsi-ld:Lamp:more", "type": "Lamp"}),
    (b"POST", b"/entities?colour=red", LAMP),
    (b"POST", b"/entities", {"id": "no uri", "type": "Lamp"}),
    (b"POST", b"/entities", {"@context": [], **LAMP}),
    (b"POST", b"/entities", [LAMP]),
    (b"PATCH", ENTITY + b"/attrs", LEVEL),
    (b"PATCH", ENTITY + b"/attrs", {}),
    (b"PATCH", ENTITY + b"/attrs/level", {"value": 4}),
    (b"PATCH", ENTITY, LEVEL),
    (b"PATCH", b"/entities/urn:ngsi-ld:Lamp:none/attrs", LEVEL),
    (b"PUT", ENTITY, LAMP),
    (b"POST", ENTITY + b"/attrs", LEVEL),
    (b"POST", b"/entityOperations/upsert?options=update", [LAMP, {"id": 7}]),
    (b"POST", b"/entityOperations/upsert", []),
    (b"POST", b"/entityOperations/delete", [LAMP["id"]]),
    (b"POST", b"/entityOperations/query", {"type": "Query", "entities": [{"type": "Lamp"}]}),
    (b"POST", b"/nothing", LAMP),
    (b"PATCH", b"/entities", LAMP),
]


class Counted(RepeatedWrites):
    """Counts what went the short way."""

    short = 0

    def answer(self, *asked: Any) -> Any:
        """Count answers; None goes the ordinary way."""
        found = super().answer(*asked)
        self.short += found is not None
        return found


Ask = Any


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A broker that counts what goes the short way."""
    async for found in open_door(tmp_path):
        found.broker.writes = Counted(found.broker)
        yield found


@pytest_asyncio.fixture
async def line(door: Door) -> AsyncIterator[Ask]:
    """Asks over one connection."""
    server, task, place = await start(door.broker, True)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)

    async def ask(data: bytes, pieces: int = 1) -> bytes:
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await asyncio.sleep(0.01 if pieces > 1 else 0)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        length = re.search(rb"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        return re.sub(rb"date: [^\r]*\r\n", b"", head) + body

    yield ask
    writer.close()
    server.should_exit = True
    await task


def request(write: tuple[bytes, bytes, Any], *headers: bytes) -> bytes:
    """One write as it is sent."""
    method, target, told = write
    body = told if isinstance(told, bytes) else orjson.dumps(told)
    lines = [
        method + b" " + ROOT + target + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        *headers,
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def short(door: Door) -> int:
    """How many went the short way."""
    writes = door.broker.writes
    assert isinstance(writes, Counted)
    return writes.short


async def test_the_short_way_answers_the_same(door: Door, line: Ask) -> None:
    """Every write, with lines of its own and with known ones, byte for byte."""
    purge = (b"POST", b"/entityOperations/delete", [LAMP["id"], "urn:ngsi-ld:Lamp:more"])
    fresh = [await line(request(one, b"x-number: %d" % n)) for n, one in enumerate(WRITES)]
    assert 0 == short(door)
    for _ in range(2):
        await line(request(purge, b"x-other: 1"))
        assert fresh == [await line(request(one)) for one in WRITES]
    assert short(door) >= 2 * 16


async def test_what_is_cut_or_long_or_odd_is_parsed(door: Door, line: Ask) -> None:
    """Pieces, lengths that are no numbers, bodies that are no JSON, and two at once."""
    patch = (b"PATCH", ENTITY + b"/attrs", LEVEL)
    await line(request((b"POST", b"/entities", LAMP)))
    for _ in range(3):
        assert (await line(request(patch))).startswith(b"HTTP/1.1 204")
    before = short(door)
    assert (await line(request(patch), pieces=3)).startswith(b"HTTP/1.1 204")
    assert before == short(door)
    assert (await line(request((b"PATCH", ENTITY + b"/attrs", b"{no}")))).startswith(
        b"HTTP/1.1 400"
    )
    twice = (b"PATCH", ENTITY + b"/attrs", b'{"level":{"type":"Property","value":1,"value":2}}')
    assert (await line(request(twice))).startswith(b"HTTP/1.1 400")
    assert before + 2 == short(door)
    assert (await line(request(patch) * 2)).startswith(b"HTTP/1.1 204")
    assert before + 2 == short(door)


async def test_who_may_not_write_is_refused_on_the_short_way(door: Door, line: Ask) -> None:
    """The gate is asked for every call."""
    patch = (b"PATCH", ENTITY + b"/attrs", LEVEL)
    await line(request((b"POST", b"/entities", LAMP)))
    for _ in range(3):
        assert (await line(request(patch))).startswith(b"HTTP/1.1 204")
    before, decided = short(door), len(door.desk.acts)
    await line(request(patch))
    assert (before + 1, decided + 1) == (short(door), len(door.desk.acts))
