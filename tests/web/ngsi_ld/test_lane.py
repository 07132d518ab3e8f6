"""HTTP on the wire: one suite for the fast lane and its plain twin."""

from __future__ import annotations

import asyncio
import re

from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.wire import Heads
from tests.web.ngsi_ld.places import Place

ECHO = b"/ngsi-ld/echo"


def get(path: bytes, *headers: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """The bytes of a request without a body."""
    lines = [method + b" " + path + b" HTTP/" + version, b"host: here", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    """The bytes of a request with a body."""
    return get(path, b"content-length: %d" % len(body), *headers, method=b"POST") + body


def statuses(got: bytes) -> list[int]:
    """Status codes in the order they came."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]


async def test_a_request_is_answered_with_its_length(place: Place) -> None:
    """A GET comes back with Content-Length, and the connection stays."""
    got = await place.talk(get(ECHO + b"?a=1"))
    assert b"content-length: 22" in got.lower()
    assert got.endswith(b"GET /ngsi-ld/echo a=1 ")


async def test_pages_go_the_usual_way(place: Place) -> None:
    """What is not NGSI-LD is answered by the application, body and all."""
    got = await place.talk(post(b"/pages", b"hello"))
    assert got.endswith(b"page /pages hello")


async def test_pipelined_answers_keep_their_order(place: Place) -> None:
    """Answers of different speed leave in the order of their requests, whoever gives them."""
    paths = [
        b"/ngsi-ld/slow/60",
        ECHO + b"/1",
        b"/wait/2",
        b"/ngsi-ld/task/40",
        ECHO + b"/3",
        b"/pages/4",
        b"/ngsi-ld/slow/5",
        ECHO + b"/6",
    ]
    got = await place.talk(b"".join(get(path) for path in paths))
    found = re.findall(rb"(?:GET|page) (/[^ ]+) ", got)
    assert paths == found


async def test_many_pipelined_requests_are_all_answered(place: Place) -> None:
    """Two thousand requests behind a write in flight neither overflow the stack nor get lost."""
    got = await place.talk(get(b"/ngsi-ld/slow/50"), get(ECHO) * 2000, wait=10)
    assert 2001 == got.count(b"HTTP/1.1 200 ")


async def test_bodies_arrive_in_pieces_and_in_chunks(place: Place) -> None:
    """A body split anywhere, or sent in chunks, is one body."""
    whole = post(ECHO, b"abcdefghij")
    got = await place.talk(whole[:40], whole[40:-3], whole[-3:], pause=0.02)
    assert got.endswith(b"POST /ngsi-ld/echo  abcdefghij")
    chunked = (
        get(ECHO, b"transfer-encoding: chunked", method=b"POST")
        + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    got = await place.talk(chunked)
    assert got.endswith(b"POST /ngsi-ld/echo  abcde")


async def test_a_body_over_the_limit_is_413_and_the_end(place: Place) -> None:
    """Too large a body is refused once, announced or not, and the connection closes."""
    for request in (
        post(ECHO, b"x" * 20_000),
        get(ECHO, b"transfer-encoding: chunked", method=b"POST")
        + b"4e20\r\n"
        + b"x" * 20_000
        + b"\r\n0\r\n\r\n",
    ):
        got = await place.talk(request + get(ECHO))
        assert 413 == statuses(got)[0]
        assert 1 == len(statuses(got))
        assert b"connection: close" in got.lower()


async def test_headers_over_the_limit_are_431(place: Place) -> None:
    """Neither many nor long headers get through."""
    got = await place.talk(get(ECHO, *[b"x-%d: y" % n for n in range(40)]))
    assert [431] == statuses(got)
    got = await place.talk(get(ECHO, b"x: " + b"y" * 5_000))
    assert [431] == statuses(got)


async def test_head_has_the_length_and_no_body(place: Place) -> None:
    """HEAD is GET without the body."""
    got = await place.talk(get(ECHO, method=b"HEAD") + get(ECHO))
    assert [200, 200] == statuses(got)
    assert 1 == got.count(b"GET /ngsi-ld/echo")


async def test_http_1_0_and_close_end_the_connection(place: Place) -> None:
    """HTTP/1.0 and Connection: close get one answer, and the server closes."""
    for request in (get(ECHO, version=b"1.0"), get(ECHO, b"connection: close")):
        got = await place.talk(request + get(ECHO))
        assert [200] == statuses(got)
        assert b"connection: close" in got.lower()


async def test_204_has_no_length(place: Place) -> None:
    """No Content-Length with 204."""
    got = await place.talk(get(b"/ngsi-ld/empty"))
    assert [204] == statuses(got)
    assert b"content-length" not in got.lower()


async def test_a_client_that_waits_for_continue_gets_it(place: Place) -> None:
    """Expect: 100-continue is answered before the body, and after answers still due."""
    head = get(ECHO, b"content-length: 3", b"expect: 100-continue", method=b"POST")
    got = await place.talk(head, b"abc", pause=0.1)
    assert [100, 200] == statuses(got)
    if place.lane:
        got = await place.talk(get(b"/ngsi-ld/slow/40") + head, b"abc", pause=0.2)
        assert [200, 100, 200] == statuses(got)
        head = get(ECHO, b"content-length: 30000", b"expect: 100-continue", method=b"POST")
        assert [413] == statuses(await place.talk(head))


async def test_nonsense_is_400(place: Place) -> None:
    """What is not HTTP is refused and the connection closed."""
    assert [400] == statuses(await place.talk(b"NOT HTTP AT ALL\r\n\r\n"))


async def test_a_slow_sender_is_let_go(lane: Place) -> None:
    """Headers or a body that never end are 408; an idle connection is closed without a word."""
    assert [408] == statuses(await lane.talk(get(ECHO)[:-2]))
    assert [408] == statuses(await lane.talk(post(ECHO, b"abcdef")[:-2]))
    assert b"" == await lane.talk(b"", wait=6)


async def test_a_client_that_does_not_read_is_waited_for(lane: Place) -> None:
    """Answers stop while the client does not read, then all of them come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lane.port, limit=1024)
    writer.write(get(b"/ngsi-ld/large/1000000") * 30 + get(ECHO, b"connection: close"))
    await writer.drain()
    await asyncio.sleep(0.3)
    got = await reader.read(-1)
    assert 31 == got.count(b"HTTP/1.1 200 ")
    assert len(got) > 30_000_000
    writer.close()


async def test_a_client_that_leaves_disturbs_nobody(lane: Place) -> None:
    """A connection lost during a write in flight leaves the server as it was."""
    _, writer = await asyncio.open_connection("127.0.0.1", lane.port)
    writer.write(get(b"/ngsi-ld/slow/50") + get(ECHO))
    await writer.drain()
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert [200] == statuses(await lane.talk(get(ECHO)))


def test_an_answer_without_a_body_has_the_servers_lines_of_this_second() -> None:
    """It is kept whole as long as those lines stay the same."""
    heads, made = Heads(), Response(204, b"", ((b"ngsild-tenant", b"a"),))
    for date in (b"one", b"two"):
        defaults = [(b"date", date)]
        whole = b"HTTP/1.1 204 No Content\r\ndate: %b\r\nngsild-tenant: a\r\n\r\n" % date
        assert [whole, whole] == [heads.bodiless(made, defaults) for _ in range(2)]
    other = Response(204)
    assert b"HTTP/1.1 204 No Content\r\ndate: two\r\n\r\n" == heads.bodiless(other, defaults)
