"""Nothing inside our own network is reached by an address that somebody else wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pintu.kernel import egress as egress_module
from pintu.kernel.egress import Egress, Fetched
from pintu.kernel.errors import Forbidden, TooLarge, Unavailable

PORT = 9110
BASE = f"http://127.0.0.1:{PORT}"


_answering: set[asyncio.Task[None]] = set()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    task = asyncio.current_task()
    assert task is not None
    _answering.add(task)
    try:
        await _say(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass  # the guard let go first, or the test is over
    finally:
        _answering.discard(task)
        writer.transport.abort()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split(" ")[1]
    location = ""
    status, body = "200 OK", b"{}"
    if path == "/big":
        body = b"x" * 5000
    elif path == "/host":
        body = next(line for line in head.split("\r\n") if line.lower().startswith("host")).encode()
    elif path == "/missing":
        status = "404 Not Found"
    elif path.startswith("/to/"):
        status, location = "302 Found", path[len("/to/") :]
    elif path == "/round":
        status, location = "302 Found", "/round"
    elif path == "/slow":
        await asyncio.sleep(30)
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    if location:
        lines.append(f"Location: {location}")
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[str]:
    """A small HTTP server on the loopback."""
    running = await asyncio.start_server(_answer, "127.0.0.1", PORT)
    async with running:
        yield BASE
        for task in list(_answering):
            task.cancel()
        await asyncio.gather(*_answering, return_exceptions=True)


async def fetch(guard: Egress, url: str, limit: int = 1000) -> Fetched:
    """A GET through the guard."""
    return await guard.fetch(url, accept="*/*", limit=limit)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://172.16.3.4/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://user:secret@example.org/",
        "http:///nowhere",
        "http://example.org:99999/",
    ],
)
async def test_inside_addresses_are_forbidden(url: str) -> None:
    """Private, loopback, link-local, shared, multicast and disguised addresses are refused."""
    with pytest.raises((Forbidden, Unavailable)) as caught:
        await fetch(Egress(), url)
    assert isinstance(caught.value, Forbidden) or "resolved" in caught.value.detail


async def test_loopback_is_reached_only_when_allowed(server: str) -> None:
    """`--open` allows the loopback; otherwise a list of hosts, ports or networks does."""
    with pytest.raises(Forbidden):
        await fetch(Egress(), server + "/")
    for guard in (
        Egress(allow_loopback=True),
        Egress(allow=("127.0.0.0/8",)),
        Egress(allow=("127.0.0.1",)),
        Egress(allow=(f"127.0.0.1:{PORT}",)),
    ):
        assert b"{}" == (await fetch(guard, server + "/")).body


async def test_allowing_loopback_allows_nothing_else() -> None:
    """A private address stays refused."""
    with pytest.raises(Forbidden):
        await Egress(allow_loopback=True).target("http://10.1.2.3/")


async def test_every_redirect_is_checked(server: str) -> None:
    """A redirect to an inside address is refused, however harmless the first one was."""
    guard = Egress(allow=(f"127.0.0.1:{PORT}",))
    with pytest.raises(Forbidden):
        await fetch(guard, server + "/to/http://10.0.0.1/")
    assert b"{}" == (await fetch(guard, server + f"/to/{server}/")).body
    with pytest.raises(Unavailable, match="redirects more than"):
        await fetch(guard, server + "/round")


async def test_the_connection_goes_to_the_address_that_was_checked(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once: a second answer cannot lead elsewhere; Host stays the name."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[object]:
        asked.append(host)
        return [egress_module.ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(egress_module, "_resolve", resolve)
    guard = Egress(allow_loopback=True)
    found = await fetch(guard, f"http://city.example:{PORT}/host")
    assert ["city.example"] == asked
    assert f"host: city.example:{PORT}".encode() == found.body.lower()


async def test_one_bad_address_of_a_name_spoils_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a public and a private address is refused."""

    async def resolve(host: str, port: int) -> list[object]:
        return [egress_module.ipaddress.ip_address(a) for a in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(egress_module, "_resolve", resolve)
    with pytest.raises(Forbidden):
        await Egress().target("http://two-faced.example/")


async def test_size_status_and_silence_are_errors(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large, not found, refused and too slow: each says so."""
    guard = Egress(allow_loopback=True)
    with pytest.raises(TooLarge):
        await fetch(guard, server + "/big")
    with pytest.raises(Unavailable, match="404"):
        await fetch(guard, server + "/missing")
    with pytest.raises(Unavailable):
        await fetch(guard, "http://127.0.0.1:9119/")
    monkeypatch.setattr(egress_module, "TOTAL_TIMEOUT_S", 0.2)
    with pytest.raises(Unavailable, match=r"did not answer|cannot be fetched"):
        await fetch(guard, server + "/slow")
