"""Requests handed on to the broker that leads, when that one breaks, hangs or is crowded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.web.brokers import forwarding
from pintu.web.brokers.forwarding import Asked, Forwarder, whole
from pintu.web.brokers.standing import Standing

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,"
EMPTY = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n:\n\n"


@dataclass
class Known:
    """Who leads: somebody at an address."""

    address: str
    secret: str = "s"
    leads: bool = False

    @property
    def leader(self) -> Known:
        """Themself."""
        return self

    async def wait(self, within_s: float) -> Known:
        """Known at once."""
        return self


@contextlib.asynccontextmanager
async def leading(talk: Talk) -> AsyncIterator[Forwarder]:
    """A forwarder to a broker that talks so once it was asked."""
    talks: set[asyncio.StreamWriter] = set()

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(writer)
        with contextlib.suppress(EOFError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)

    server = await asyncio.start_server(asked, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Forwarder(Known(f"http://127.0.0.1:{port}"))
    finally:
        server.close()
        for writer in talks:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.sleep(0)


def get(**headers: str) -> Asked:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Asked(method="GET", target=b"/x", headers=pairs, peer="203.0.113.1")


async def test_a_leader_that_ends_or_falls_silent_amid_its_answer_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither an error of ours nor a wait for ever; the place it held is free again."""
    monkeypatch.setattr(forwarding, "ANSWER_S", 0.2)

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HALF)
        writer.close()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HALF)

    for talk in (breaks, hangs):
        async with leading(talk) as forwarder:
            forwarder._places = asyncio.Semaphore(1)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await whole(await forwarder.ask(get()), 1_000)


async def test_who_finds_no_place_is_told_and_streams_hold_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages that are looked at for hours do not keep others out."""
    monkeypatch.setattr(forwarding, "WAIT_S", 0.2)
    answers = [EVENTS, EVENTS, b""]

    async def tells(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with leading(tells) as forwarder:
        forwarder._places = asyncio.Semaphore(1)
        streams = [await forwarder.ask(get()) for _ in range(2)]
        waiting = asyncio.create_task(forwarder.ask(get()))
        while not forwarder._places.locked():
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable, match="wait for the broker"):
            await forwarder.ask(get())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for one in streams:
            assert b":\n\n" == await anext(one.body)
            await one.body.aclose()
        assert not forwarder._places.locked()


async def test_a_header_no_client_may_send_is_refused_by_name() -> None:
    """What one parser lets in and the other does not send."""

    async def tells(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)

    async with leading(tells) as forwarder:
        with pytest.raises(BadRequestData, match="handed on"):
            await forwarder.ask(get(note="a\x00b"))
        assert b"" == await whole(await forwarder.ask(get(note="a")), 0)


async def test_a_body_that_was_sent_in_part_is_not_sent_again() -> None:
    """Of what came piece by piece the rest alone would be another request."""
    heard = 0

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        writer.close()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with leading(breaks) as forwarder:
        asked = Asked(method="GET", target=b"/x", headers=[], peer="", body=pieces())
        with pytest.raises(Unavailable):
            await forwarder.ask(asked)
    assert 1 == heard


async def test_an_answer_that_nobody_reads_leaves_its_place() -> None:
    """Its caller had gone before it began."""

    async def tells(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HALF)

    async with leading(tells) as forwarder:
        forwarder._places = asyncio.Semaphore(1)
        for _ in range(2):
            told = await forwarder.ask(get())
            assert forwarder._places.locked()
            await told.body.aclose()


@pytest.mark.parametrize("size", [10, 1_500_000])
async def test_half_a_body_is_no_request(size: int) -> None:
    """Its caller went away amid it: the broker that leads hears of nothing that ends."""
    heard: list[bytes] = []

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            heard.append(piece)
        heard.append(b"the end")

    half = {"type": "http.request", "body": b"x" * size, "more_body": True}
    messages = [half, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to be told")

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    async with leading(hears) as forwarder:
        await Standing(forwarder)(scope, receive, send)
        while size > 1_000_000 and heard[-1:] != [b"the end"]:
            await asyncio.sleep(0.01)
    assert not b"".join(heard).endswith(b"0\r\n\r\nthe end")
    assert bool(heard) == (size > 1_000_000)
