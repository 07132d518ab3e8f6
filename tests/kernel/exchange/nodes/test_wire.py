"""The wire to other nodes: where it may lead, and providers that drip, flood, redirect or lie."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Forbidden, Unavailable
from pintu.kernel.exchange.nodes import documents
from pintu.kernel.exchange.nodes.calling import Calling, checked
from pintu.kernel.identity.keys import Keys
from tests.kernel.exchange.nodes.town import free_port


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1", "http://[::1]:1", "http://169.254.169.254", "http://10.0.0.1",
        "http://[::ffff:10.0.0.1]", "http://0.0.0.0", "http://93.184.216.34",
        "ftp://127.0.0.1", "http://user@127.0.0.1",
    ],
)  # fmt: skip
async def test_no_node_leads_inside_our_network(url: str) -> None:
    """Nobody makes us call loopback, link-local or private addresses, nor plain http outside."""
    with pytest.raises(Forbidden):
        await checked(Egress(), url)


async def test_plain_http_is_for_what_is_allowed_by_name() -> None:
    """An address that the operator allowed by host and port is called, its neighbour port not."""
    egress = Egress(allow=("127.0.0.1:4711",))
    assert "127.0.0.1" == (await checked(egress, "http://127.0.0.1:4711")).address
    with pytest.raises(Forbidden):
        await checked(egress, "http://127.0.0.1:4712")


async def test_the_call_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name that answers otherwise the second time (DNS rebinding) is never asked twice for one
    call."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[Any]:
        from ipaddress import ip_address

        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    monkeypatch.setattr("pintu.kernel.egress._resolve", rebinding)
    keys = Keys(tmp_path / "keys")
    own = documents.made(keys.signer("node"), name="east", url="http://rebind.example", at_us=1)
    body = msgspec.json.encode(own)

    async def document(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with bad_provider(document) as port:
        calling = Calling(Egress(allow=(f"rebind.example:{port}",)), keys, CityClock())
        told = await calling.fetch(f"http://rebind.example:{port}", "/", 100_000)
        assert "east" == documents.read(told).name
        assert ["rebind.example"] == asked
        with pytest.raises(Forbidden, match=r"169\.254"):
            await calling.fetch("http://other.example", "/", 100_000)
        await calling.close()


@contextlib.asynccontextmanager
async def bad_provider(answer: Any) -> AsyncIterator[int]:
    """A server that answers as it is told."""
    port = free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()


async def _slow(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        writer.write(b"x-a: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _large(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 90000000\r\n\r\n")
    for _ in range(90):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def _redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n")
    writer.write(b"content-length: 0\r\n\r\n")
    await writer.drain()


async def _packed(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab")
    await writer.drain()


async def _unsigned(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b'{"rows":[]}')
    await writer.drain()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_slow, "within 1 s"),
        (_large, "more than 16,000,000 bytes"),
        (_redirect, "redirects"),
        (_packed, "packed"),
        (_unsigned, "not one of the node we know"),
    ],
)
async def test_a_bad_provider_costs_a_second(tmp_path: Path, answer: Any, why: str) -> None:
    """One that drips, floods, redirects, packs or does not sign is unavailable, soon."""
    keys = Keys(tmp_path / "keys")
    async with bad_provider(answer) as port:
        total_s = 1.0 if "1 s" in why else 10.0  # where a busy machine is not what is asked
        calling = Calling(Egress(allow=(f"127.0.0.1:{port}",)), keys, CityClock(), total_s=total_s)
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match=why):
            await calling.call(f"http://127.0.0.1:{port}", "/x", b"{}", keys.signer("node").public)
        assert asyncio.get_running_loop().time() - began < 2 + total_s
        await calling.close()


async def test_who_fails_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """After five failures a node is not called for half a minute: nobody waits for it."""
    keys, port = Keys(tmp_path / "keys"), free_port()
    calling = Calling(Egress(allow=(f"127.0.0.1:{port}",)), keys, CityClock())
    for _ in range(5):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await calling.call(f"http://127.0.0.1:{port}", "/x", b"{}", keys.signer("node").public)
    with pytest.raises(Unavailable, match="asked again in"):
        await calling.call(f"http://127.0.0.1:{port}", "/x", b"{}", keys.signer("node").public)
    calling.wake(f"http://127.0.0.1:{port}")
    assert 0 == calling.resting_s(f"http://127.0.0.1:{port}")
    await calling.close()
