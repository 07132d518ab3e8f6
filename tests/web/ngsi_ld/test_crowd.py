"""What a connection may be and cost: requests that are none, trailers, endless heads, clients that
do not read, one connection too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pintu.web.ngsi_ld.fast_lane import fast_lane
from pintu.web.ngsi_ld.message import Answer, Request
from pintu.web.ngsi_ld.wellformed import mistake_in, origin_form
from tests.web.ngsi_ld import places
from tests.web.ngsi_ld.places import EchoBroker, Place, start
from tests.web.ngsi_ld.test_lane import ECHO, get, statuses

HOST = (b"host", b"here")


@asynccontextmanager
async def lane_with(monkeypatch: Any, **limits: Any) -> AsyncIterator[tuple[Place, Any]]:
    """A fast lane with other limits, and its crowd."""
    monkeypatch.setattr(places, "LIMITS", replace(places.LIMITS, **limits))
    made: list[Any] = []
    real: Callable[..., Any] = fast_lane

    def kept(*words: Any) -> Any:
        made.append(real(*words))
        return made[-1]

    monkeypatch.setattr(places, "fast_lane", kept)
    server, task, place = await start(EchoBroker(), True)
    try:
        yield place, made[0].crowd
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize(
    ("version", "target", "headers", "expected"),
    [
        ("1.1", b"/a", [HOST], 0),
        ("1.0", b"/a", [], 0),
        ("1.1", b"*", [HOST], 0),
        ("1.1", b"/a", [(b"host", b"[::1]:8800")], 0),
        ("2.0", b"/a", [HOST], 505),
        ("0.9", b"/a", [HOST], 505),
        ("1.1", b"/a", [], 400),
        ("1.1", b"/a", [HOST, HOST], 400),
        ("1.1", b"/a", [(b"host", b"a/b")], 400),
        ("1.1", b"/a", [(b"host", b"me@here")], 400),
        ("1.1", b"a", [HOST], 400),
        ("1.1", b"/a", [HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"3")], 400),
    ],
)
def test_what_no_request_may_be(version: str, target: bytes, headers: Any, expected: int) -> None:
    """Each is refused with its status, and a good one is not."""
    wrong = mistake_in(version, target, headers)
    assert expected == (0 if wrong is None else wrong[0])


def test_an_address_becomes_a_path_and_a_host() -> None:
    """What the target says of the host goes before what Host says."""
    found = origin_form(b"HTTP://there:80/a?b=1", [HOST, (b"x", b"y")])
    assert (b"/a?b=1", [(b"host", b"there:80"), (b"x", b"y")]) == found
    assert (b"/", [(b"host", b"there")]) == origin_form(b"http://there", [HOST])


async def test_absolute_targets_are_answered(lane: Place) -> None:
    """The address of a proxy's request leads to the same answer."""
    got = await lane.talk(get(b"http://here" + ECHO + b"?a=1"))
    assert got.endswith(b"GET /ngsi-ld/echo a=1 ")


async def test_trailers_join_no_request(lane: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields after a body are not headers of that request, and do not hide those of the next."""
    chunked = get(ECHO, b"transfer-encoding: chunked", b"x-a: 1", method=b"POST")
    trailed = chunked + b"1\r\na\r\n0\r\nx-b: 2\r\n\r\n"
    with_b = get(ECHO, b"transfer-encoding: chunked", b"x-a: 1", b"x-b: 2", method=b"POST")
    seen: list[dict[bytes, bytes]] = []
    real = EchoBroker.handle

    def handle(self: EchoBroker, request: Request) -> Answer:
        seen.append(request.headers)
        return real(self, request)

    monkeypatch.setattr(EchoBroker, "handle", handle)
    await lane.talk(trailed + with_b + b"0\r\n\r\n")
    assert [None, b"2"] == [one.get(b"x-b") for one in seen]


async def test_a_head_that_never_ends_is_431(lane: Place) -> None:
    """One header name without an end is no way into our memory."""
    got = await lane.talk(get(ECHO)[:-2] + b"x" * 90_000, pause=0.01)
    assert [431] == statuses(got)
    body = get(ECHO, b"transfer-encoding: chunked", method=b"POST")
    with pytest.raises(ConnectionResetError):
        await lane.talk(body + b"1;" + b"x" * 200_000, b"x" * 200_000, pause=0.05)


async def test_one_connection_too_many_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told when to come again, and comes in when another has gone."""
    async with lane_with(monkeypatch, connections=2) as (place, crowd):
        held = [await asyncio.open_connection("127.0.0.1", place.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        got = await place.talk(get(ECHO))
        assert [503] == statuses(got) and b"retry-after: 5" in got
        assert 1 == crowd.refused
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        assert [200] == statuses(await place.talk(get(ECHO)))


async def test_who_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers nobody reads are kept for a while, not for ever, and not without a bound."""
    async with lane_with(monkeypatch, unread_seconds=0.5) as (place, crowd):
        _, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=1024)
        writer.write(get(b"/ngsi-ld/large/8000000") * 3)
        await asyncio.sleep(0.2)
        assert 1 == len(crowd.paused)
        for _ in range(40):
            await asyncio.sleep(0.1)
            if crowd.cut:
                break
        assert (1, 0) == (crowd.cut, len(crowd.paused))
        writer.close()
    async with lane_with(monkeypatch, unread_bytes=10_000_000) as (place, crowd):
        writers = []
        for _ in range(4):
            _, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=1024)
            writer.write(get(b"/ngsi-ld/large/8000000"))
            writers.append(writer)
            await asyncio.sleep(0.05)
        assert crowd.cut >= 1
        assert sum(one.weight for one in crowd.paused) <= 10_000_000
        for writer in writers:
            writer.close()


async def test_many_small_requests_wait_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands in one piece behind one that takes its time are all answered, in order, and are not
    all objects meanwhile."""
    async with lane_with(monkeypatch, turns=8) as (place, crowd):
        small = b"".join(get(ECHO + b"/%d" % number) for number in range(4_000))
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(get(b"/ngsi-ld/slow/200") + small + get(ECHO, b"connection: close"))
        await asyncio.sleep(0.1)
        [member] = crowd.members
        assert len(member.pipeline) < 1_000
        got = await reader.read(-1)
        assert 4_002 == got.count(b"HTTP/1.1 200 ")
        assert got.index(b"echo/7 ") < got.index(b"echo/3999 ")
        writer.close()
