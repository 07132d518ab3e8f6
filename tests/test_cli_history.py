"""A city's past goes with it: into a backup and out of it, to another store and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest

from pintu.cli import run
from pintu.kernel.analytics.history import History
from pintu.kernel.analytics.moments import Moment
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.opening import open_store
from pintu.kernel.tables import open_tables
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, HandClock, Here, Town, sensor
from tests.kernel.analytics.test_packing import lived
from tests.postgres import city_address, city_server

__all__ = ["city_address", "city_server"]

T = TypeVar("T")
IDS = [sensor(number) for number in range(4)]


def in_town(folder: Path, address: str, day: int, work: Callable[[Town], Awaitable[T]]) -> T:
    """Open the city of a folder on some day, work, close it."""

    async def opened() -> T:
        clock = HandClock(BEGIN_US + day * DAY_US)
        store = await open_store(address, folder, clock=clock)
        tables = open_tables(folder, address)
        history = History(store, tables, clock, address)
        history.filing = Here(history.opened, folder, address)
        try:
            return await work(Town(store=store, history=history, clock=clock))
        finally:
            tables.close()
            await store.close()

    return asyncio.run(opened())


async def begun(town: Town) -> None:
    """Some days in files, some in packs, some rows in the log."""
    await lived(town, writes=60)
    for _ in range(2):
        await town.history.night()
        town.clock.now += 2 * DAY_US
        await lived(town, writes=15, seed=2)
    await town.history.pack()
    await town.history.packing.trim(town.clock.now - DAY_US)
    await town.write(sensor(1), count={"type": "Property", "value": 1})


async def past(town: Town) -> Any:
    """All that is known: each row, and everybody as of each day."""
    rows = [await town.rows(id) for id in IDS]
    days = []
    for day in range(8):
        moment = Moment(town.history, BEGIN_US + day * DAY_US, deadline_s=60)
        page = await moment.select(Selection(tenant=1, limit=20))
        days.append([orjson.loads(one.body) for one in page.records])
    return rows, days


async def one_more_night(town: Town) -> Any:
    """The next night, and all that is known after it."""
    before = await past(town)
    moved = await town.history.night()
    assert before == await past(town)
    return moved, before


def test_the_past_goes_where_the_city_goes(
    tmp_path: Path, city_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log, packs and files are told alike after a backup was brought back, on the other store, and
    after another night there; files that both stores know stay until nobody does."""
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    monkeypatch.delenv("PINTU_STORE", raising=False)

    def pintu(folder: Path, *words: str) -> None:
        monkeypatch.setenv("PINTU_DATA", str(folder))
        assert 0 == run(list(words))

    in_town(data, "sqlite:", 0, begun)
    right = in_town(data, "sqlite:", 7, past)
    files = sorted(path.name for path in data.glob("history/*/*.parquet"))
    assert files

    pintu(data, "backup", str(tmp_path / "one.tar.gz"), "--open-keys")
    pintu(other, "restore", str(tmp_path / "one.tar.gz"))
    assert right == in_town(other, "sqlite:", 7, past)

    pintu(data, "move", "--to", city_address, "--plain")
    assert f"store = {json.dumps(city_address)}" in (data / "pintu.toml").read_text("utf-8")
    moved, known = in_town(data, city_address, 12, one_more_night)
    assert (True, right[0]) == (moved > 0, known[0])
    pintu(data, "move", "--forget-old", "--yes")
    assert right == in_town(data, city_address, 12, past)

    pintu(data, "move", "--to", "sqlite:", "--plain")
    assert right == in_town(data, "sqlite:", 12, past)
    assert {*files} < {path.name for path in data.glob("history/*/*.parquet")}
