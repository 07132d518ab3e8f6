"""Every way in which a posted notification can end is told as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pintu.kernel.calling import Caller
from pintu.kernel.egress import Egress
from pintu.kernel.subscriptions.http import HttpSender
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from pintu.kernel.subscriptions.words import Endpoint, Message

MESSAGE = Message(
    id="urn:n:1",
    content_type="application/ld+json",
    headers=(("NGSILD-Tenant", "town"), ("X-Token", "t")),
    body=b'{"data":[]}',
    entities=0,
)


class Answering:
    """An endpoint that answers everything in one way."""

    def __init__(self) -> None:
        self.answer, self.heads = b"", list[str]()
        self.over = asyncio.Event()
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        self.open += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        await reader.readexactly(int(head.split("Content-Length: ")[1].split("\r\n")[0]))
        if self.answer:
            writer.write(self.answer)
            await writer.drain()
        else:
            await self.over.wait()
        writer.transport.abort()
        self.open -= 1


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Answering, str]]:
    """A listening endpoint and its address."""
    answering = Answering()
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    yield answering, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told"
    answering.over.set()
    server.close()
    while answering.open:
        await asyncio.sleep(0)
    await server.wait_closed()


async def sent(uri: str, *, allow: bool = True) -> Outcome:
    """One message, posted."""
    caller = Caller(Egress(allow_loopback=allow))
    outcome = await HttpSender(caller).send(Endpoint(uri=uri, timeout_s=0.1), MESSAGE)
    await caller.close()
    return outcome


def answer(status: str, *lines: str) -> bytes:
    """A whole answer without a body."""
    return "\r\n".join((f"HTTP/1.1 {status}", "Content-Length: 0", *lines, "", "")).encode()


ENDS = {
    "200 OK": TAKEN,
    "204 No Content": TAKEN,
    "302 Go": Outcome(why="answered", detail="The endpoint redirects (302)"),
    "410 Gone": Outcome(why="gone", detail="The endpoint answered 410: it wants no more"),
    "404 Not Found": Outcome(why="answered", detail="The endpoint answered 404"),
}


@pytest.mark.parametrize("status", ENDS)
async def test_a_status_is_an_outcome(endpoint: tuple[Answering, str], status: str) -> None:
    """2xx is taken, 410 is the end, a redirect is followed nowhere."""
    endpoint[0].answer = answer(status, "Location: http://10.0.0.1/")
    assert ENDS[status] == await sent(endpoint[1])


async def test_an_endpoint_says_when_to_come_back(endpoint: tuple[Answering, str]) -> None:
    """Retry-After in seconds is heard."""
    endpoint[0].answer = answer("503 Busy", "Retry-After: 120")
    found = await sent(endpoint[1])
    assert ("answered", 120.0) == (found.why, found.retry_after_s)


async def test_headers_go_with_the_message(endpoint: tuple[Answering, str]) -> None:
    """The content type, the tenant, and what the subscriber asked for."""
    endpoint[0].answer = answer("200 OK")
    await sent(endpoint[1])
    lines = set(endpoint[0].heads[0].split("\r\n"))
    assert {"Content-Type: application/ld+json", "NGSILD-Tenant: town", "X-Token: t"} <= lines


async def test_silence_garbage_and_addresses_within(endpoint: tuple[Answering, str]) -> None:
    """Not answered in time, not HTTP, and not to be reached from here."""
    silent = await sent(endpoint[1])
    endpoint[0].answer = b"SSH-2.0\r\n\r\n"
    garbage = await sent(endpoint[1])
    inside = await sent(endpoint[1], allow=False)
    assert ["unreached", "unreached", "forbidden"] == [silent.why, garbage.why, inside.why]
    assert "in time" in silent.detail
