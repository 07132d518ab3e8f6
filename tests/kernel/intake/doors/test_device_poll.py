"""HTTP poll: asked on a timer, taken when new, its secret told to its own address alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, Forbidden, TooLarge, Unavailable
from pintu.kernel.intake.doors.poll import connector, look
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kit.testing import free_port

PORT, MOVED = free_port(9950, 9954), free_port(9955, 9959)
Answer = Callable[[str, dict[str, str]], tuple[str, dict[str, str], bytes]]
READINGS = {"data": [{"id": "A", "v": 1}, {"id": "B", "v": 2}]}


class Site:
    """A small HTTP server whose answers a test tells."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: Answer = lambda _path, _headers: ("200 OK", {}, orjson.dumps(READINGS))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            headers = {
                name.lower(): value
                for name, value in (one.split(": ", 1) for one in head[1:] if one)
            }
            self.asked.append((path, headers))
            status, more, body = self.answer(path, headers)
            lines = {"Content-Length": str(len(body)), "Connection": "close", **more}
            told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"HTTP/1.1 {status}\r\n{told}\r\n".encode() + body)
            await writer.drain()
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    servers = [await asyncio.start_server(made.serve, "127.0.0.1", one) for one in (PORT, MOVED)]
    yield made
    for server in servers:
        server.close()


def source(**settings: Any) -> SourceFile:
    told = {"url": f"http://127.0.0.1:{PORT}/readings", "every_s": 1, **settings}
    return SourceFile(name="site", door="poll", settings=told)


def around(data: Path, *allow: str) -> Around:
    egress = Egress(allow=allow or (f"127.0.0.1:{PORT}", f"127.0.0.1:{MOVED}"))
    return Around(data=data, secret="s3cret", egress=egress, clock=CityClock())


async def heard(made: Any, seconds: float) -> list[Any]:
    found = []
    receiving = made.receive()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for received in receiving:
                    found.append(orjson.loads(received.envelope.body))
                    await received.acknowledge()
    finally:
        await receiving.aclose()
    return found


async def test_what_is_new_is_taken_once(site: Site, tmp_path: Path) -> None:
    """Asked three times, the same answer is handed out once; another one is handed out."""
    made = connector(source(), around(tmp_path))
    bodies = iter([{"v": 1}, {"v": 1}, {"v": 2}])
    site.answer = lambda _p, _h: ("200 OK", {}, orjson.dumps(next(bodies, {"v": 2})))
    assert [{"v": 1}, {"v": 2}] == await heard(made, 3.5)
    assert len(site.asked) >= 3


async def test_an_unchanged_document_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    """The ETag it gave is given back, and 304 is nothing new."""

    def answer(_path: str, headers: dict[str, str]) -> tuple[str, dict[str, str], bytes]:
        if headers.get("if-none-match") == '"one"':
            return "304 Not Modified", {"ETag": '"one"'}, b""
        return "200 OK", {"ETag": '"one"'}, b'{"v": 1}'

    site.answer = answer
    assert [{"v": 1}] == await heard(connector(source(), around(tmp_path)), 1.5)
    assert '"one"' == site.asked[1][1]["if-none-match"]


async def test_the_secret_goes_to_its_own_address_alone(site: Site, tmp_path: Path) -> None:
    """A header with the secret is sent to the address told, and not to where it redirects."""

    def answer(path: str, _headers: dict[str, str]) -> tuple[str, dict[str, str], bytes]:
        if path == "/readings":
            return "302 Found", {"Location": f"http://127.0.0.1:{MOVED}/moved"}, b""
        return "200 OK", {}, orjson.dumps(READINGS)

    site.answer = answer
    told = source(headers=["Authorization: Bearer {secret}", "X-Plain: yes"])
    assert [READINGS] == await heard(connector(told, around(tmp_path)), 0.5)
    (first, second) = site.asked[:2]
    assert ("Bearer s3cret", "yes") == (first[1]["authorization"], first[1]["x-plain"])
    assert ("/moved", False) == (second[0], "authorization" in second[1])


async def test_a_redirect_inside_is_refused(site: Site, tmp_path: Path) -> None:
    """Where an address redirects to is asked of the egress guard again."""
    site.answer = lambda _p, _h: ("302 Found", {"Location": "http://169.254.169.254/x"}, b"")
    with pytest.raises(Forbidden):
        await anext(connector(source(), around(tmp_path)).receive())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [("500 Oops", b"", Unavailable), ("200 OK", b"x" * 1_000_001, TooLarge)],
)
async def test_what_cannot_be_taken_is_said(
    site: Site, tmp_path: Path, status: str, body: bytes, error: type[Exception]
) -> None:
    """A failure and a flood of bytes are errors with a sentence; the runtime asks again later."""
    site.answer = lambda _p, _h: (status, {}, body)
    with pytest.raises(error):
        await anext(connector(source(), around(tmp_path)).receive())


async def test_looking_shows_the_records_inside(site: Site, tmp_path: Path) -> None:
    """The list in the document is the table, and the table's name says where it lies."""
    (table,) = await look(source(), around(tmp_path))
    columns = {one.name for one in table.columns}
    assert ("site#data", 2) == (table.name, table.rows)
    assert {"id", "v", "$time"} <= columns


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "file:///etc/passwd"}, {"url": ""}, {"headers": ["Host: other"]},
        {"headers": ["nonsense"]}, {"every_s": 0}, {"timeout_s": "soon"}, {"what": 1},
    ],
)  # fmt: skip
def test_wrong_settings_are_told(tmp_path: Path, settings: dict[str, Any]) -> None:
    """What is wrong with a source is said before anything is asked."""
    with pytest.raises(ConfigurationError):
        connector(source(**settings), around(tmp_path))
