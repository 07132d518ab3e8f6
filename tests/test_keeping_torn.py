"""Backups of a city that was killed or lost its power amid a tick: nothing is told twice, what was
never written is no damage, and what went while nobody looked does not come back."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from pintu.kernel.store.port import Op
from pintu.processes.keeping.keeper import Keeper
from pintu.processes.keeping.replaying import Goal, covers
from pintu.processes.keeping.stream import DIGEST, FIXED, Damaged, read_segment, segments
from tests.faults.promises import writing
from tests.test_keeping import Town, brought, digest, rows_table, written


def ends(path: Path) -> list[tuple[str, int]]:
    """(kind, where it ends) of each record of a segment."""
    return [(record.kind, end) for record, _, end in read_segment(path)]


async def told_of(town: Town, store: Any, value: int) -> None:
    """Some changes, and a tick that tells of them."""
    for number in range(4):
        id = f"urn:ngsi-ld:Lamp:{number}"
        await store.submit([Op(1, id, writing(id, value))])
    now_us = time.time_ns() // 1000
    while covers(town.backups / "stream", 0, now_us) is None:
        await asyncio.sleep(0.02)


async def test_a_tick_that_was_cut_off_is_told_once(tmp_path: Path) -> None:
    """Killed between a tick's pages and its end, the keeper takes the same pages again at the next
    start: a restore over both leads on."""
    town, crashed = Town(tmp_path), tmp_path / "crashed"

    def crash() -> None:
        for name in ("data", "backups"):
            shutil.copytree(tmp_path / name, crashed / name)

    async def work(store: Any, keeper: Keeper) -> None:
        await told_of(town, store, 1)
        await asyncio.to_thread(town.base)
        with closing(apsw.Connection(str(store.path))) as reader:
            reader.execute("BEGIN")  # nothing is folded, and no log begun anew, from here on
            reader.execute("SELECT count(*) FROM entity").fetchall()
            for value in (2, 3, 4):
                await told_of(town, store, value)
            await store._task(crash)  # nobody writes meanwhile

    await town.run(work)
    last = segments(crashed / "backups" / "stream")[-1]
    with last.open("r+b") as file:
        file.truncate(max(end for kind, end in ends(last) if kind == "frames"))

    (crashed / "again").mkdir()
    again = Town(crashed / "again")
    for name in ("data", "backups"):
        shutil.rmtree(again.data.parent / name, ignore_errors=True)
        (crashed / name).rename(again.data.parent / name)
    found: list[tuple[int, str]] = []

    async def more(store: Any, keeper: Keeper) -> None:
        await told_of(again, store, 5)
        found.append(await digest(store))

    await again.run(more)
    assert again.keeper is not None
    assert (0, "") == (again.keeper._gap_us, again.keeper.trouble)
    assert found == [brought(again.backups, tmp_path / "brought", Goal())]


async def test_what_went_while_nobody_looked_does_not_come_back(tmp_path: Path) -> None:
    """A file and a private table that were deleted between two starts are gone in a restore."""
    town = Town(tmp_path)
    rows_table(town.data / "rooms" / "one.db").close()
    (town.data / "config" / "b.toml").write_text("two = 2\n", "utf-8")

    async def work(store: Any, keeper: Keeper) -> None:
        await written(store, 0.05, 1)

    await town.run(work)
    town.base()
    for path in ("config/b.toml", "rooms/one.db"):
        (town.data / path).unlink()
    await town.run(work)
    brought(town.backups, tmp_path / "again", Goal())
    names = {str(one.relative_to(tmp_path / "again")) for one in (tmp_path / "again").rglob("*.*")}
    assert {"admin.token", "city.db", "config/a.toml", "restored.json"} == names


async def test_what_was_never_written_is_no_damage(tmp_path: Path) -> None:
    """Zeros from somewhere to the end of a file end it as half a record does; anything else that
    is not what was written is damage."""
    town = Town(tmp_path)

    async def work(store: Any, keeper: Keeper) -> None:
        await written(store, 0.05, 1)

    await town.run(work)
    path = segments(town.backups / "stream")[-1]
    content = path.read_bytes()
    told = ends(path)
    before, end = told[-2][1], told[-1][1]
    assert end == len(content)
    for at in (before, before + 5, before + FIXED + 3, end - DIGEST - 1):
        path.write_bytes(content[:at] + bytes(4096))
        assert told[:-1] == ends(path)
        path.write_bytes(content[:at] + bytes(4096) + b"\1")
        with pytest.raises(Damaged):
            ends(path)
    path.write_bytes(content[:before] + bytes([content[before] ^ 1]) + content[before + 1 :])
    with pytest.raises(Damaged):
        ends(path)
