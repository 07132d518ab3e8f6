"""A connection that repeats its header lines gets the same answers a short way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from pintu.kernel.access import Projection
from pintu.kernel.clock import CityClock
from pintu.kernel.identity import Identity
from pintu.kernel.tables import open_tables
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.repeated import Repeats
from tests.web.ngsi_ld.doors import CABINET, LAMP, Door, open_door
from tests.web.ngsi_ld.places import start

ROOT = b"/ngsi-ld/v1"
LAMP_ID = str(LAMP["id"]).encode()
EXTRA: list[dict[str, Any]] = [
    {"id": "urn:ngsi-ld:Lamp:scoped", "type": "Lamp", "scope": ["/a/b"]},
    {
        "id": "urn:ngsi-ld:Lamp:over",
        "type": "Lamp",
        "level": {"type": "Property", "value": 1, "expiresAt": "2020-01-01T00:00:00Z"},
    },
    {"id": "http://example.org/lamp", "type": "Post"},
    *({"id": f"urn:ngsi-ld:Post:{n}", "type": "Post"} for n in range(30)),
]
TARGETS = [
    b"/entities/" + LAMP_ID,
    b"/entities/" + LAMP_ID.replace(b":", b"%3A"),
    b"/entities/" + LAMP_ID + b"?options=concise",
    b"/entities/" + LAMP_ID + b"/",
    b"/entities/" + LAMP_ID + b"/attrs",
    b"/entities/urn:ngsi-ld:Lamp:scoped",
    b"/entities/urn:ngsi-ld:Lamp:over",
    b"/entities/urn:ngsi-ld:Lamp:none",
    b"/entities/urn:",
    b"/entities/nonsense",
    b"/entities/http://example.org/lamp",
    b"/entities?type=Lamp",
    b"/entities?type=Lamp&q=level%3E30",
    b"/entities?type=Lamp&q=level>30",
    b"/entities?type=Lamp&q=level==(",
    b"/entities?type=Post&limit=10&offset=10",
    b"/entities?type=Post&limit=10&count=true",
    b"/entities?type=Post&limit=0&count=true",
    b"/entities?type=Post&limit=0",
    b"/entities?type=Post&orderBy=id&limit=3",
    b"/entities?type=Nothing",
    b"/entities?type=Cabinet&attrs=name",
    b"/entities?type=Lamp&options=keyValues",
    b"/entities?type=Lamp&explain=true",
    b"/entities?type=Lamp&join=inline",
    b"/entities?type=Lamp&colour=red",
    b"/entities?id=urn:ngsi-ld:Lamp:1",
    b"/entities?limit=2",
    b"/entities?",
    b"/entities",
    b"/types",
]


class Line:
    """One connection that stays; requests one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
        """The whole answer, its date left out."""
        self.send(target, *headers, method=method)
        return await self.answer()

    def send(self, target: bytes, *headers: bytes, method: bytes = b"GET") -> None:
        """One request, without waiting for its answer."""
        lines = [method + b" " + ROOT + target + b" HTTP/1.1", b"Host: 127.0.0.1", *headers]
        self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n")

    async def answer(self) -> bytes:
        """One answer that is due."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 5)
        length = re.search(rb"content-length: (\d+)", head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        return re.sub(rb"date: [^\r]*\r\n", b"", head) + body


class Counted(Repeats):
    """Counts what went the short way."""

    short = 0

    def answer(self, *asked: Any) -> Any:
        """Count answers; None goes the ordinary way."""
        found = super().answer(*asked)
        self.short += found is not None
        return found


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A broker with lamps, and a count of what went the short way."""
    async for found in open_door(tmp_path):
        found.broker.repeats = Counted(found.broker)
        await found("POST", "/entityOperations/create", [LAMP, CABINET, *EXTRA])
        await found("POST", "/entities", LAMP, ngsild_tenant="west")
        yield found


@pytest_asyncio.fixture
async def line(door: Door) -> AsyncIterator[Line]:
    """A connection to it."""
    async for found in connect(door.broker):
        yield found


async def connect(broker: Broker) -> AsyncIterator[Line]:
    """A connection to a broker on the fast lane."""
    server, task, place = await start(broker, True)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    yield Line(reader, writer)
    writer.close()
    server.should_exit = True
    await task


def short(door: Door) -> int:
    """How many answers went the short way."""
    repeats = door.broker.repeats
    assert isinstance(repeats, Counted)
    return repeats.short


async def test_the_short_way_answers_the_same(door: Door, line: Line) -> None:
    """Every target, asked with new header lines and with known ones, byte for byte."""
    fresh = {}
    for number, target in enumerate(TARGETS):
        fresh[target] = await line.ask(target, b"x-number: %d" % number)
    assert 0 == short(door)
    for _ in range(4):
        assert fresh == {target: await line.ask(target) for target in TARGETS}
    assert short(door) >= 3 * 15


async def test_every_tenant_has_its_own_short_way(door: Door, line: Line) -> None:
    """The tenant's header is one of the lines: it is said again, and missing tenants stay so."""
    query = b"/entities?type=Lamp"
    for tenant in (b"", b"ngsild-tenant: west", b"ngsild-tenant: nobody"):
        headers = [tenant] if tenant else []
        first, *others = [await line.ask(query, *headers) for _ in range(4)]
        assert [first] * 3 == others
    assert b"404 Not Found" in first


async def test_a_write_is_seen_by_the_next_short_answer(door: Door, line: Line) -> None:
    """Nothing of what is stored is remembered."""
    targets = (b"/entities/" + LAMP_ID, b"/entities?type=Lamp&q=level==77", b"/entities?type=New")
    for _ in range(3):
        before = [await line.ask(target) for target in targets]
    await door("PATCH", f"/entities/{LAMP['id']}/attrs", {"level": {"value": 77}})
    await door("POST", "/entities", {"id": "urn:ngsi-ld:New:1", "type": "New"})
    after = [await line.ask(target) for target in targets]
    assert b'"value":77' in after[0]
    assert [b"[]", b"[]"] == [before[1][-2:], before[2][-2:]]
    assert LAMP_ID in after[1]
    assert b"urn:ngsi-ld:New:1" in after[2]


async def test_the_gate_is_asked_once_for_every_call(door: Door, line: Line) -> None:
    """What the gate hides from now on is hidden from the next answer on, decided once."""
    targets = (b"/entities/" + LAMP_ID, b"/entities?type=Lamp", b"/entities/urn:ngsi-ld:Lamp:none")
    for target in targets * 3:
        await line.ask(target)
    door.desk.acts.clear()
    door.desk.projection = Projection(hidden=frozenset({"secret"}), basis="test")
    answers = [await line.ask(target) for target in targets]
    assert 3 == len(door.desk.acts)
    assert not [answer for answer in answers if b"secret" in answer]
    assert short(door) >= 3


async def test_only_one_whole_request_goes_the_short_way(door: Door, line: Line) -> None:
    """Pieces, several requests at once, bodies and other methods are parsed."""
    target = b"/entities/" + LAMP_ID
    expected, *_ = [await line.ask(target) for _ in range(3)]
    whole = b"GET " + ROOT + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    counted = short(door)
    for pieces in ((whole[:30], whole[30:]), (whole + whole,), (whole * 2 + whole[:9], whole[9:])):
        for piece in pieces:
            line._writer.write(piece)
            await asyncio.sleep(0.05)
        for _ in range(b"".join(pieces).count(b"GET ")):
            assert expected == await line.answer()
    assert counted == short(door)
    assert (await line.ask(target, method=b"DELETE")).startswith(b"HTTP/1.1 204")
    assert (await line.ask(target)).startswith(b"HTTP/1.1 404")
    strange = b"GET " + ROOT + b"/entities/urn:a\x01b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    line._writer.write(strange)
    assert (await line.answer()).startswith(b"HTTP/1.1 400")


async def test_a_revoked_token_is_refused_at_once(door: Door, tmp_path: Path) -> None:
    """Who asks is looked at for every call, also on the short way."""
    tables = open_tables(tmp_path)
    identity = Identity(tables, CityClock())
    door.broker.rooms.identity, door.broker.rooms.gate = identity, identity.gate
    secret, token = await identity.create_token("reader", {"read:*"})
    async for line in connect(door.broker):
        headers = (b"Authorization: Bearer " + secret.encode(),)
        target = b"/entities/" + LAMP_ID
        seen = [(await line.ask(target, *headers))[:12] for _ in range(4)]
        assert [b"HTTP/1.1 200"] * 4 == seen
        assert 2 == short(door)
        await identity.revoke_token(token.id)
        assert (await line.ask(target, *headers)).startswith(b"HTTP/1.1 401")
        assert [b"HTTP/1.1 401"] * 3 == [(await line.ask(target))[:12] for _ in range(3)]
    tables.close()


async def test_the_next_connection_of_somebody_begins_short(door: Door) -> None:
    """With the lines of the last one; with others it is parsed as ever."""
    target = b"/entities/" + LAMP_ID
    async for line in connect(door.broker):
        expected, *_ = [await line.ask(target, b"X-A: 1") for _ in range(3)]
    counted = short(door)
    async for line in connect(door.broker):
        assert expected == await line.ask(target, b"X-A: 1")
        assert counted + 1 == short(door)
        west = await line.ask(target, b"X-A: 1", b"ngsild-tenant: west")
        assert b"ngsild-tenant: west" in west
        assert counted + 1 == short(door)
        assert expected == await line.ask(target, b"X-A: 1")
