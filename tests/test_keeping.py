"""Backups of a city in files: every moment comes back, damage is found, a copy speaks to nobody."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pintu.kept import Kept
from pintu.kernel.clock import CityClock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.sqlite import open_sqlite
from pintu.processes.keeping.bringing import Wanted, bring, chosen
from pintu.processes.keeping.counting import entities_of
from pintu.processes.keeping.following import Followed
from pintu.processes.keeping.keeper import Keeper
from pintu.processes.keeping.looking import read_manifest
from pintu.processes.keeping.replaying import Goal, covers
from pintu.processes.keeping.schedule import make_base
from pintu.processes.keeping.unpacking import unpack_into
from pintu.processes.keeping.wal import HEADER, read_frames, read_head
from pintu.settings import load_settings
from tests.faults.promises import SMALL, Promises


def rows_table(path: Path) -> sqlite3.Connection:
    """A private table as a room has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS row(n INTEGER PRIMARY KEY, text TEXT)")
    return connection


def kept_in(folder: Path) -> Kept:
    """Backups in a folder, keys readable."""
    return Kept(folder=folder, keys="open")


async def written(store: Any, seconds: float, seed: int) -> None:
    """Some tasks that write for so long."""
    promises = Promises()
    tasks = [
        asyncio.create_task(promises.write(store, seed * 8 + n, random.Random(n))) for n in range(8)
    ]
    await asyncio.sleep(seconds)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def brought(folder: Path, target: Path, goal: Goal) -> tuple[int, str]:
    """Restore to a goal; (position, digest of the entities)."""
    wanted = Wanted(backup=folder, data=target, store="sqlite:", anew=False, goal=goal)
    bring(wanted)
    return entities_of(target / "city.db")


def test_the_sums_of_a_write_ahead_log_are_sqlites(tmp_path: Path) -> None:
    """Every committed frame is read, half of one is not, a flipped bit ends it."""
    with closing(rows_table(tmp_path / "a.db")) as connection:
        for n in range(50):
            connection.execute("INSERT INTO row VALUES(?, ?)", (n, "x" * 100 * n))
        told = (tmp_path / "a.db-wal").read_bytes()
        head = read_head(told)
        assert head is not None
        frames = read_frames(told[HEADER:], head, head.sums)
        assert len(told) == HEADER + len(frames) * (24 + head.page)
        assert 51 == sum(1 for one in frames.sizes if one)
        flipped = bytearray(told[HEADER:])
        flipped[len(flipped) // 2] ^= 1
        assert 0 < len(read_frames(bytes(flipped), head, head.sums)) <= len(frames) // 2 + 1
        assert read_head(told[:16]) is None


def applied(file: int, followed: Followed) -> set[tuple[int, int]]:
    """Write what is new into a copy; which logs it came from."""
    begun = set()
    page = followed.tail.page
    for salts, _, frames in followed.take():
        begun.add(salts)
        page = followed.tail.page
        for n, number in enumerate(frames.pages):
            os.pwrite(file, frames.data[n * page : (n + 1) * page], (number - 1) * page)
    return begun


def test_nothing_of_a_private_table_is_folded_back_unseen(tmp_path: Path) -> None:
    """Others write, fold back and begin the log anew as they like; applying what was taken gives
    the same file."""
    path = tmp_path / "rooms" / "one.db"
    writers = [rows_table(path), sqlite3.connect(path, isolation_level=None, timeout=5)]
    for one in writers:
        one.execute("PRAGMA wal_autocheckpoint=20")
    followed = Followed(path)
    followed.begin({})
    whole = followed.whole()
    assert whole is not None
    copy = tmp_path / "copy.db"
    copy.write_bytes(whole)
    begun = set()
    with copy.open("r+b") as file:
        for turn in range(300):
            writers[turn % 2].execute("INSERT INTO row(text) VALUES(?)", ("y" * (turn * 7 % 5000),))
            if turn % 3 == 0 and followed.changed():
                begun |= applied(file.fileno(), followed)
                if followed.tail.frames > 60:
                    followed._fold()
        applied(file.fileno(), followed)
    followed.close()
    there = writers[0].execute("SELECT count(*), sum(length(text)) FROM row").fetchone()
    for one in writers:
        one.close()
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as connection:
        assert there == connection.execute("SELECT count(*), sum(length(text)) FROM row").fetchone()
    assert len(begun) > 3


class Town:
    """A store, a private table and a keeper, as a broker has them."""

    def __init__(self, folder: Path) -> None:
        self.data, self.backups = folder / "data", folder / "backups"
        self.data.mkdir()
        (self.data / "config").mkdir()
        (self.data / "config" / "a.toml").write_text("one = 1\n", "utf-8")
        (self.data / "admin.token").write_text("secret", "utf-8")
        self.keeper: Keeper | None = None

    async def run(self, work: Callable[[Any, Keeper], Any]) -> None:
        """Start, work, stop."""
        keeper = self.keeper = Keeper(self.data, kept_in(self.backups), every_s=0.1)
        keeper.prepare()
        store = open_sqlite(self.data / "city.db", clock=CityClock(), tuning=SMALL)
        keeper.attach(store, CityClock().now_us)
        try:
            await work(store, keeper)
        finally:
            await store.close()
            keeper.stop()

    def base(self) -> Path:
        """A whole copy, as the schedule makes it."""
        return make_base(load_settings(self.data, {}), kept_in(self.backups))


async def digest(store: Any) -> tuple[int, str]:
    """Position and digest of what is there now, while nobody writes."""
    await store.submit(())
    copy = store.path.with_name(f"live-{store.head()}.db")
    await store.backup(copy)
    told = entities_of(copy)
    copy.unlink()
    return told


async def test_every_moment_comes_back(tmp_path: Path) -> None:
    """Ten moments of a writing city, by time and by position, each equal to what the store held
    then; private tables are not newer than that."""
    town = Town(tmp_path)
    live: list[tuple[int, int, str, int]] = []
    table = rows_table(town.data / "rooms" / "one.db")

    async def work(store: Any, keeper: Keeper) -> None:
        await written(store, 0.2, 1)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(town.base)
        base_us = time.time_ns() // 1000
        while covers(town.backups / "stream", 0, base_us) is None:
            await asyncio.sleep(0.05)  # moments are known from the first tick behind a copy on
        for turn in range(5):
            await written(store, 0.15, 2 + turn)
            table.execute("INSERT INTO row(text) VALUES(?)", (f"turn {turn}",))
            await asyncio.sleep(0.02)
            position, told = await digest(store)
            live.append((time.time_ns() // 1000, position, told, turn + 1))
            await asyncio.sleep(0.02)

    await town.run(work)
    table.close()
    for n, (at_us, position, told, rows) in enumerate(live):
        for goal in (Goal(to_us=at_us), Goal(position=position)):
            target = tmp_path / f"again-{n}-{goal.to_us is None}"
            assert (position, told) == brought(town.backups, target, goal)
            with closing(sqlite3.connect(target / "rooms" / "one.db")) as connection:
                assert connection.execute("SELECT count(*) FROM row").fetchone()[0] <= rows
    assert len({one[1] for one in live}) == 5


async def test_a_moment_that_nobody_knows_is_not_taken_for_one(tmp_path: Path) -> None:
    """Between a whole copy and the first tick behind it only the copy is known: it is brought when
    somebody says that it will do, or when its own moment is asked for."""
    town = Town(tmp_path)

    async def work(store: Any, keeper: Keeper) -> None:
        await written(store, 0.1, 1)
        await asyncio.gather(asyncio.to_thread(town.base), written(store, 0.3, 2))
        while covers(town.backups / "stream", 0, time.time_ns() // 1000 - 100_000) is None:
            await asyncio.sleep(0.05)

    await town.run(work)
    [archive] = town.backups.glob("base-*.tar.gz")
    manifest = read_manifest(archive)
    as_of_us, position = manifest["as_of_us"], manifest["position"]
    first = covers(town.backups / "stream", manifest["stream"], as_of_us)
    assert first is not None
    between = [Goal(to_us=(as_of_us + first["at_us"]) // 2)]
    if first["position"] > position + 1:
        between.append(Goal(position=position + 1))
    for goal in between:
        with pytest.raises(PintuError, match="--accept-earlier"):
            brought(town.backups, tmp_path / "again", goal)
        assert not (tmp_path / "again").exists()
        assert (archive, None) == chosen(town.backups, goal, earlier=True)
    for goal in (Goal(to_us=as_of_us), Goal(position=position)):
        assert (archive, None) == chosen(town.backups, goal)


async def test_a_restart_goes_on_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files of private tables that are there at a start are followed from before the city opens
    them, and on: no gap, no new whole copy, and what the second run wrote comes back."""
    town = Town(tmp_path)
    table = rows_table(town.data / "rooms" / "one.db")

    async def work(store: Any, keeper: Keeper) -> None:
        await written(store, 0.1, 1)
        table.execute("INSERT INTO row(text) VALUES('one')")
        await asyncio.sleep(0.3)

    await town.run(work)
    town.base()
    await town.run(work)
    assert town.keeper is not None
    assert (0, "") == (town.keeper._gap_us, town.keeper.trouble)
    assert "Backups stand still" not in caplog.text
    table.close()
    brought(town.backups, tmp_path / "again", Goal())
    with closing(sqlite3.connect(tmp_path / "again" / "rooms" / "one.db")) as connection:
        assert (2,) == connection.execute("SELECT count(*) FROM row").fetchone()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../outside", b"0"), ("/outside", b"0"), ("link", b"2"), ("pipe", b"6"), ("file", b"0")],
)
def test_an_archive_stays_in_its_folder(tmp_path: Path, name: str, kind: bytes) -> None:
    """Paths outside, links, devices and a second file of one name are refused, files before them
    have our owner and no rights of others."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for one in (tarfile.TarInfo("file"), tarfile.TarInfo(name)):
            one.mode, one.uid, one.mtime = 0o4777, 12345, 1_000_000
            one.type = kind if one.name == name else one.type
            tar.addfile(one)
    with tarfile.open(tmp_path / "a.tar") as tar, pytest.raises(tarfile.TarError):
        unpack_into(tmp_path / "in", tar)
    assert ["file"] == [one.name for one in (tmp_path / "in").iterdir()]
    told = (tmp_path / "in" / "file").stat()
    assert (0o755, os.getuid(), 1_000_000) == (told.st_mode & 0o7777, told.st_uid, told.st_mtime)
