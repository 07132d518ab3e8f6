"""The fetch door over HTTP: only what changed, in bounds of size and time, on from a break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, Forbidden, TooLarge, Unavailable
from pintu.kernel.intake.doors import files_reading
from pintu.kernel.intake.doors.register import find_door
from tests.kernel.intake.doors.file_scene import Scene, rows

PORT = 9910
BASE = f"http://127.0.0.1:{PORT}"
ROWS = "id,v\n" + "".join(f"{n},x\n" for n in range(20_000))


class Server:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.body, self.etag = b"id,v\n1,x\n", '"1"'
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.misdeed = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._say(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.transport.abort()

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        told = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        self.asked.append(told | {"path": head[0].split()[1]})
        status, lines, body = "200 OK", [f"ETag: {self.etag}"], self.body
        if told.get("if-none-match") == self.etag:
            status, body = "304 Not Modified", b""
        if "range" in told and told.get("if-range") == self.etag:
            at = int(told["range"].removeprefix("bytes=").rstrip("-"))
            status, body = "206 Partial Content", body[at:]
            lines.append(f"Content-Range: bytes {at}-{len(self.body) - 1}/{len(self.body)}")
        if self.misdeed == "redirect":
            status, body = "302 Found", b""
            lines.append("Location: http://169.254.169.254/latest")
        if self.misdeed != "endless":
            lines.append(f"Content-Length: {len(body)}")
        head_bytes = "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close"]) + "\r\n\r\n"
        writer.write(head_bytes.encode())
        if self.misdeed == "hang":
            await asyncio.sleep(60)
        while self.misdeed == "endless":
            writer.write(b"1,x\n" * 10_000)
            self.sent += 40_000
            await writer.drain()
        if self.misdeed == "die":
            body = body[: len(body) // 2]
        writer.write(body)
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A small HTTP server on the loopback."""
    made = Server()
    running = await asyncio.start_server(made.answer, "127.0.0.1", PORT)
    async with running:
        yield made
        for task in list(made.tasks):
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A fetch source of the server's file."""
    monkeypatch.setattr(files_reading, "STILL_S", 0.05)
    made = Scene(tmp_path, door="fetch", settings={"address": f"{BASE}/air.csv", "stall_s": 1.0})
    yield made
    made.close()


async def test_what_changed_is_read_and_nothing_else(server: Server, scene: Scene) -> None:
    """The second visit asks on condition; new content is read, the same is not."""
    assert [(2, {"id": "1", "v": "x"})] == rows(await scene.run())
    assert [] == await scene.run()
    assert '"1"' == server.asked[-1]["if-none-match"]
    server.body, server.etag = b"id,v\n2,y\n", '"2"'
    assert [(2, {"id": "2", "v": "y"})] == rows(await scene.run())
    assert ["air (2).csv", "air.csv"] == scene.listed("done")


async def test_a_break_is_gone_on_with(server: Server, scene: Scene) -> None:
    """A server that dies in the middle: the next visit asks for the rest."""
    server.body, server.misdeed = ROWS.encode(), "die"
    with pytest.raises(Unavailable, match="was lost after"):
        await scene.run()
    server.misdeed = ""
    assert 20_000 == len(rows(await scene.run()))
    assert f"bytes={len(ROWS) // 2}-" == server.asked[-1]["range"]


async def test_a_break_of_what_changed_begins_again(server: Server, scene: Scene) -> None:
    """The rest of one content is never put behind the beginning of another."""
    server.body, server.misdeed = ROWS.encode(), "die"
    with pytest.raises(Unavailable):
        await scene.run()
    server.body, server.etag, server.misdeed = ROWS.replace("x", "y").encode(), '"2"', ""
    assert {"y"} == {one["v"] for _, one in rows(await scene.run())}


async def test_an_endless_answer_ends_at_the_limit(server: Server, scene: Scene) -> None:
    """The limit of the source holds though no length was told; nothing of it stays."""
    server.misdeed = "endless"
    scene.settings["largest_mb"] = 1
    with pytest.raises(TooLarge, match="the limit of this source"):
        await scene.run()
    assert server.sent < 20_000_000
    assert [] == list(scene.folder.glob(".*"))


async def test_a_server_that_hangs_is_left(server: Server, scene: Scene) -> None:
    """Silence costs the time that was told, not more."""
    server.misdeed = "hang"
    server.body = b"x" * 100
    with pytest.raises(Unavailable, match="was lost after 0 bytes"):
        await asyncio.wait_for(scene.run(), 10)


async def test_our_own_network_is_not_reached(server: Server, scene: Scene) -> None:
    """Neither by the address itself nor by where it redirects (SSRF)."""
    scene.egress = Egress()
    with pytest.raises(Forbidden, match="may not be reached"):
        await scene.run()
    scene.egress = Egress(allow_loopback=True)
    server.misdeed = "redirect"
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254"):
        await scene.run()


async def test_a_secret_is_sent_and_not_in_the_open(server: Server, scene: Scene) -> None:
    """No password over http; a token goes as it should over what is allowed."""
    scene.secret = "token"
    with pytest.raises(ConfigurationError, match="in the open"):
        await scene.run()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "https://u:p@h/x", "ftp://h/x", "x"])
async def test_other_addresses_are_refused(scene: Scene, address: str) -> None:
    """Only https, http and sftp, and no password in an address."""
    scene.settings["address"] = address
    with pytest.raises(ConfigurationError):
        scene.reader()


async def test_a_look_fetches_what_the_first_run_reads(server: Server, scene: Scene) -> None:
    """What was looked at waits to be read; it is fetched once."""
    (seen,) = await find_door("fetch").look(scene.source, scene.around)
    assert ["id", "v"] == [one.name for one in seen.columns]
    assert 1 == len(rows(await scene.run()))
    assert ["200", "304"] == ["304" if "if-none-match" in one else "200" for one in server.asked]
