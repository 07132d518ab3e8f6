"""The outgoing client against sockets that behave well, badly, and not at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pintu.kernel.calling import Ask, Caller, Reply, kind_of
from pintu.kernel.calling import caller as caller_module
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, Forbidden, TooLarge, Unavailable
from tests.kernel.calling.certificate import certificate

OPEN = Egress(allow_loopback=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A listening socket that does what a test says, and remembers what it was sent."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/x"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            await self._behave(reader, writer)
        self.tasks.discard(task)
        writer.transport.abort()

    async def stop(self) -> None:
        """End every connection."""
        self._server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0)  # what was aborted is told so


async def request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """One whole request: (head, body)."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8")
    length = next(
        (int(one[15:]) for one in head.split("\r\n") if one.startswith("Content-Length")), 0
    )
    return head, await reader.readexactly(length)


def saying(*answers: bytes) -> Behave:
    """Answers each request of a connection with the next of `answers`, then waits."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in answers:
            await request(reader)
            writer.write(one)
            await writer.drain()
        await reader.read()

    return behave


Serve = Callable[[Behave], Awaitable[Server]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Make servers that end with the test."""
    made: list[Server] = []

    async def start(behave: Behave) -> Server:
        server = Server(behave)
        await server.start()
        made.append(server)
        return server

    yield start
    for one in made:
        await one.stop()


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[Caller]:
    """A client that may call this machine."""
    made = Caller(OPEN)
    yield made
    await made.close()


def post(url: str, *, timeout_s: float = 2.0, limit: int = 1000, method: str = "POST") -> Ask:
    """A small request."""
    return Ask(method=method, url=url, body=b"{}", timeout_s=timeout_s, limit=limit)


async def failed(caller: Caller, ask: Ask) -> str:
    """The kind with which a call fails."""
    with pytest.raises(Unavailable) as told:
        await caller.call(ask)
    return kind_of(told.value)


async def test_calls_one_after_another_share_a_connection(serve: Serve, caller: Caller) -> None:
    """A kept connection is used again, whatever status came."""
    server = await serve(
        saying(OK, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n", OK)
    )
    statuses = [(await caller.call(post(server.url))).status for _ in range(4)]
    assert ([200, 500, 204, 200], 1) == (statuses, server.connections)


async def test_a_request_says_what_was_asked(serve: Serve, caller: Caller) -> None:
    """Method, path with its query, own headers, a length; framing of the caller's is not sent."""
    seen: list[tuple[str, bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(OK)
        await reader.read()

    server = await serve(behave)
    headers = (("X-City", "拼图"), ("Content-Length", "900"), ("Transfer-Encoding", "chunked"))
    url = server.url + "/路 y?q=a b&c=%20"
    await caller.call(Ask(method="PUT", url=url, headers=headers, body=b"abc"))
    head, body = seen[0]
    authority = server.url.split("/")[2]
    assert [
        "PUT /x/%E8%B7%AF%20y?q=a%20b&c=%20 HTTP/1.1",
        f"Host: {authority}",
        "X-City: 拼图",
        "Accept-Encoding: identity",
        "Content-Length: 3",
    ] == head.strip().split("\r\n")
    assert b"abc" == body


@pytest.mark.parametrize(
    "headers", [(("X", "a\r\nEvil: 1"),), (("X\r\nEvil", "a"),), (("", "a"),), (("X", "a\x00"),)]
)
async def test_a_header_cannot_end_its_line(
    caller: Caller, headers: tuple[tuple[str, str], ...]
) -> None:
    """What somebody wrote into a subscription adds no header of its own."""
    with pytest.raises(BadRequestData):
        await caller.call(Ask(method="GET", url="http://127.0.0.1:1/", headers=headers))


async def test_a_redirect_is_answered_as_it_is(serve: Serve, caller: Caller) -> None:
    """Where it leads to is told, and not called."""
    told = b"HTTP/1.1 307 Go\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    server = await serve(saying(told))
    reply = await caller.call(post(server.url))
    assert (
        Reply(status=307, headers={"location": "http://10.0.0.1/", "content-length": "0"}) == reply
    )


@pytest.mark.parametrize(
    "url",
    ["http://10.1.2.3/", "http://169.254.169.254/latest", "http://[::1]:9/", "ftp://a/",
     "http://user:pass@127.0.0.1/", "http:///x", "http://a b/", "http://127.0.0.1:99999/"],
)  # fmt: skip
async def test_an_address_within_our_network_is_not_called(url: str) -> None:
    """Egress is asked before anything is opened; what is no address is refused alike."""
    with pytest.raises(Forbidden):
        await Caller(Egress()).call(post(url))


async def test_a_name_that_moves_after_its_check_leads_nowhere_else(
    serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checked address is called, not the name again; a later look-up is checked as well."""
    server = await serve(saying(OK))
    port = int(server.url.split(":")[2].split("/")[0])
    found = iter(["127.0.0.1", "10.9.9.9"])
    asked = []

    async def look_up(host: str, at: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(found), at))]

    loop = asyncio.get_running_loop()
    connect = loop.getaddrinfo
    monkeypatch.setattr(
        loop,
        "getaddrinfo",
        lambda host, at, **more: (
            look_up(host, at) if host == "town.example" else connect(host, at, **more)
        ),
    )
    url = f"http://town.example:{port}/"
    first = await caller.call(post(url))
    with pytest.raises(Forbidden):
        await caller.call(post(url.replace("http:", "https:")))
    assert (200, ["town.example", "town.example"]) == (first.status, asked)


async def test_a_slow_drip_ends_with_its_time(serve: Serve, caller: Caller) -> None:
    """Time is that of the whole call: a byte now and then buys none."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for byte in OK * 50:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.02)

    server = await serve(drip)
    assert "timeout" == await failed(caller, post(server.url, timeout_s=0.1))
    assert 0 == caller.statistics()["open"]


async def test_an_endless_body_ends_at_its_limit(serve: Serve, caller: Caller) -> None:
    """Not a megabyte of it is kept."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    server = await serve(pour)
    with pytest.raises(TooLarge):
        await caller.call(post(server.url))


async def test_garbage_is_said_to_be(serve: Serve, caller: Caller) -> None:
    """A server of something else is no server of HTTP."""
    server = await serve(saying(b"220 mail.example ESMTP\r\n"))
    assert "garbage" == await failed(caller, post(server.url))


async def test_a_closed_port_is_refused_and_a_name_unknown(caller: Caller) -> None:
    """The kind says which of the two."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "refused" == await failed(caller, post(f"http://127.0.0.1:{port}/"))
    assert "unknown" == await failed(caller, post("http://nobody.invalid/"))


async def test_what_was_closed_while_idle_is_opened_anew(serve: Serve, caller: Caller) -> None:
    """A server that lets go between two calls is no failure: nothing was sent to it."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)

    server = await serve(once)
    await caller.call(post(server.url))
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    again = await caller.call(post(server.url))
    assert (200, 2) == (again.status, server.connections)


async def test_only_what_changes_nothing_is_sent_twice(serve: Serve, caller: Caller) -> None:
    """A kept connection that breaks after the request was sent: GET is asked again, POST is not."""

    async def forgetful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await writer.drain()
        await request(reader)

    server = await serve(forgetful)
    get = Ask(method="GET", url=server.url)
    await caller.call(get)
    assert (200, 2) == ((await caller.call(get)).status, server.connections)
    assert "closed" == await failed(caller, post(server.url))


async def test_bytes_while_nobody_asks_end_a_connection(serve: Serve, caller: Caller) -> None:
    """An answer ahead of its question is not taken for one."""
    server = await serve(saying(OK + OK, OK))
    assert 200 == (await caller.call(post(server.url))).status
    assert 200 == (await caller.call(post(server.url))).status
    assert 2 == server.connections


async def test_calls_to_one_origin_wait_their_turn(serve: Serve) -> None:
    """At most so many connections at once, and everybody is answered."""
    caller = Caller(OPEN, at_once=2)
    server = await serve(saying(*[OK] * 20))
    replies = await asyncio.gather(*(caller.call(post(server.url)) for _ in range(20)))
    assert ([200] * 20, 2) == ([one.status for one in replies], server.connections)
    await caller.close()
    assert {"origins": 0, "open": 0, "idle": 0, "waiting": 0} == caller.statistics()


async def test_a_call_that_is_given_up_leaves_nothing_behind(serve: Serve, caller: Caller) -> None:
    """Its connection is closed, not handed to the next call with an answer on its way."""
    server = await serve(saying())
    task = asyncio.create_task(caller.call(post(server.url)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 == caller.statistics()["open"]


async def test_a_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    """The name that was asked for must be in the certificate; with the right one it is."""
    ours, theirs = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path, "10.0.0.1")
    right, wrong = Server(saying(OK)), Server(saying(OK))
    await right.start(ours.serving)
    await wrong.start(theirs.serving)
    caller = Caller(OPEN, tls=ours.believing)
    assert 200 == (await caller.call(post(right.url))).status
    assert "tls" == await failed(caller, post(wrong.url))
    other = Caller(OPEN, tls=theirs.believing)
    assert "tls" == await failed(other, post(wrong.url))
    for one in (caller, other):
        await one.close()
    for server in (right, wrong):
        await server.stop()


async def test_old_connections_are_swept(
    serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody used for a while is let go, and the origin forgotten."""
    monkeypatch.setattr(caller_module, "SWEEP_S", 0.01)
    monkeypatch.setattr(caller_module, "IDLE_S", 0.02)
    server = await serve(saying(OK))
    await caller.call(post(server.url))
    assert 1 == caller.statistics()["idle"]
    await asyncio.sleep(0.06)
    assert {"origins": 0, "open": 0, "idle": 0, "waiting": 0} == caller.statistics()


async def test_a_call_without_a_task_takes_a_connection_that_is_free(
    serve: Serve, caller: Caller
) -> None:
    """It is heard of once; without a free connection nothing is begun; one that nobody wants to
    hear of is closed."""
    server = await serve(saying(OK, OK, b"no http\r\n\r\n"))
    heard: list[object] = []
    ask = post(server.url)
    assert caller.begin(ask, heard.append) is None
    await caller.call(ask)
    assert caller.begin(ask, heard.append) is not None
    assert (None, False) == (caller.begin(ask, heard.append), caller.free(ask.url))
    for number in (1, 2):
        while len(heard) < number:
            await asyncio.sleep(0.002)
        assert (number == 1) == (caller.begin(ask, heard.append) is not None)
    assert isinstance(heard[0], Reply)
    assert isinstance(heard[1], Unavailable) and "garbage" == kind_of(heard[1])
    silent = await serve(saying(OK))
    await caller.call(post(silent.url))
    under = caller.begin(post(silent.url), heard.append)
    assert under is not None
    under.cancel()
    while caller.statistics()["open"]:
        await asyncio.sleep(0.002)
    assert 2 == len(heard)


async def test_who_waited_for_a_connection_is_not_overtaken(serve: Serve) -> None:
    """One that got free goes to whoever was woken for it, not to whoever asks in that moment."""
    caller = Caller(OPEN, at_once=1)
    server = await serve(saying(*[OK] * 20))
    heard: list[object] = []

    def again(result: object) -> None:
        heard.append(result)
        if len(heard) < 10 and caller.begin(post(server.url), again) is None:
            heard.append("waits")

    await caller.call(post(server.url))
    caller.begin(post(server.url), again)
    waiting = asyncio.create_task(caller.call(post(server.url)))
    await asyncio.sleep(0)
    assert 200 == (await waiting).status
    assert "waits" == heard[1]
    await caller.close()
