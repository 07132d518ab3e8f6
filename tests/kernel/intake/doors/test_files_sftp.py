"""The fetch door over SFTP, against a real server that hangs, dies, lies and never ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, Forbidden, TooLarge, Unavailable
from pintu.kernel.intake.doors import files_reading
from tests.kernel.intake.doors.file_scene import Scene, rows

PORT = 9912
ROWS = "id,v\n" + "".join(f"{n},x\n" for n in range(100_000))


class Files(asyncssh.SFTPServer):
    """Serves a folder, and misbehaves as it is told."""

    misdeed = ""
    reads = 0
    root = ""
    released = asyncio.Event()

    def __init__(self, chan: Any) -> None:
        super().__init__(chan, chroot=self.root.encode())

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        Files.reads += 1
        if self.misdeed == "hang" and offset:
            await self.released.wait()
        if self.misdeed == "die" and offset >= 262_144:
            self.channel.get_connection().abort()
        if self.misdeed == "endless":
            return (b"1,x\n" * size)[:size]
        return bytes(super().read(file_obj, offset, size))

    def stat(self, path: bytes) -> Any:
        found = super().stat(path)
        if self.misdeed == "huge":
            held = os.stat(self.map_path(path))
            return asyncssh.SFTPAttrs(size=1 << 50, mtime=int(held.st_mtime))
        return found


class Login(asyncssh.SSHServer):
    """One user with a password."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("demo", "right")


KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """The server's folder, served."""
    served = tmp_path / "served" / "out"
    served.mkdir(parents=True)
    Files.misdeed, Files.reads, Files.root = "", 0, str(tmp_path / "served")
    Files.released = asyncio.Event()
    server = await asyncssh.listen(
        "127.0.0.1", PORT, server_host_keys=[KEY], server_factory=Login, sftp_factory=Files
    )
    yield served
    Files.released.set()
    server.close()
    await asyncio.wait_for(server.wait_closed(), 5)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A fetch source of every CSV file there."""
    monkeypatch.setattr(files_reading, "STILL_S", 0.05)
    made = Scene(
        tmp_path / "data",
        door="fetch",
        secret="right",
        settings={
            "address": f"sftp://127.0.0.1:{PORT}/out/*.csv",
            "user": "demo",
            "host_key": [KEY.get_fingerprint("sha256")],
            "stall_s": 1.0,
        },
    )
    yield made
    made.close()


async def test_new_files_are_fetched_once(folder: Path, scene: Scene) -> None:
    """What matches is fetched and read; what is known is not fetched again."""
    (folder / "a.csv").write_text("id,v\n1,x\n")
    (folder / "b.csv").write_text("id,v\n2,y\n")
    (folder / "c.txt").write_text("id,v\n3,z\n")
    assert ["1", "2"] == [one["id"] for _, one in rows(await scene.run())]
    before = Files.reads
    assert ([], before) == (await scene.run(), Files.reads)
    (folder / "b.csv").write_text("id,v\n2,changed\n")
    assert ["changed"] == [one["v"] for _, one in rows(await scene.run())]


async def test_a_host_key_must_be_the_told_one(folder: Path, scene: Scene) -> None:
    """Without a key the one shown is told to ask about; another than told is refused; before
    either, no password is sent."""
    scene.settings["host_key"] = []
    with pytest.raises(Forbidden, match=r"shows host key SHA256:.*write it"):
        await scene.run()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    scene.settings["host_key"] = [other]
    with pytest.raises(Forbidden, match="not the one that was told"):
        await scene.run()
    scene.settings["host_key"] = [KEY.export_public_key().decode().strip()]
    assert [] == await scene.run()
    scene.settings["host_key"] = ["nonsense"]
    with pytest.raises(BadRequestData, match="neither SHA256"):
        await scene.run()


async def test_a_wrong_password_is_told(folder: Path, scene: Scene) -> None:
    """In words, without the password."""
    scene.secret = "wrong-one"
    with pytest.raises(Unavailable, match="does not let 'demo' in") as refused:
        await scene.run()
    assert "wrong-one" not in refused.value.detail


@pytest.mark.parametrize("misdeed", ["hang", "die"])
async def test_a_break_is_gone_on_with(folder: Path, scene: Scene, misdeed: str) -> None:
    """A server that hangs or dies in mid-file costs a bounded time; the rest comes next time."""
    (folder / "a.csv").write_text(ROWS)
    Files.misdeed = misdeed
    with pytest.raises(Unavailable):
        await asyncio.wait_for(scene.run(), 15)
    (part,) = scene.folder.glob(".*.part")
    come = part.stat().st_size
    assert 262_144 <= come < len(ROWS)
    Files.misdeed, Files.reads = "", 0
    assert 100_000 == len(rows(await scene.run()))


async def test_a_file_without_end_is_left_at_its_size(folder: Path, scene: Scene) -> None:
    """A server that goes on sending is asked for no more than it said there was."""
    (folder / "a.csv").write_text("id,v\n" + "1,x\n" * 1000)
    Files.misdeed = "endless"
    await scene.run()
    assert Files.reads < 10


async def test_a_file_above_the_limit_is_not_fetched(folder: Path, scene: Scene) -> None:
    """The size a server tells is believed when it is too large."""
    (folder / "a.csv").write_text("id,v\n1,x\n")
    Files.misdeed = "huge"
    with pytest.raises(TooLarge, match="at most"):
        await scene.run()
    assert 0 == Files.reads


async def test_a_silent_port_is_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that accepts and says nothing costs the time of a connection."""
    from pintu.kernel.intake.doors import files_sftp

    monkeypatch.setattr(files_sftp, "CONNECT_S", 0.5)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", PORT):
        with pytest.raises(Unavailable):
            await asyncio.wait_for(scene.run(), 10)
        await asyncio.sleep(0.05)


async def test_our_own_network_is_not_reached(folder: Path, scene: Scene) -> None:
    """SFTP goes through the same guard as every other connection a person can name."""
    scene.egress = Egress()
    with pytest.raises(Forbidden, match="may not be reached"):
        await scene.run()
