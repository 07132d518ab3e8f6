"""Rows that left the log for packs come back as they were."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from pintu.kernel.analytics import packing
from pintu.kernel.analytics.apart import Apart
from pintu.kernel.errors import TooComplex, Unavailable
from tests.kernel.analytics.conftest import DAY_US, Town, reading, sensor


async def lived(town: Town, writes: int = 150, seed: int = 1) -> list[str]:
    """Some entities that are written, deleted and written again over some days."""
    chance = random.Random(seed)
    ids = [sensor(number) for number in range(4)]
    for n in range(writes):
        town.clock.now += chance.randrange(DAY_US // 30)
        id = chance.choice(ids)
        if chance.random() < 0.05:
            await town.delete(id)
            continue
        observed = town.clock.now - chance.choice([0, 1, 10**6, DAY_US * 5])
        value = chance.choice([n, n / 10, "rain", None, True])
        await town.write(id, temperature=reading(value, observed), count=reading(n))
    return ids


async def test_rows_are_the_same_wherever_they_lie(town: Town) -> None:
    """In the log, in packs, half in each, and after the log was trimmed."""
    ids = await lived(town)
    before = {id: await town.log(id) for id in ids}
    assert before == {id: await town.rows(id) for id in ids}
    await town.history.pack()
    assert before == {id: await town.rows(id) for id in ids}
    await lived(town, writes=40, seed=2)
    after = {id: await town.log(id) for id in ids}
    assert after == {id: await town.rows(id) for id in ids}
    await town.history.pack()
    assert 0 < await town.history.packing.trim(town.clock.now)
    assert after != {id: await town.log(id) for id in ids}
    assert after == {id: await town.rows(id) for id in ids}


async def test_packing_ends_although_somebody_writes_on(town: Town) -> None:
    """What comes meanwhile waits for the next time; nobody who asks for a moment waits for it."""
    await town.write(sensor(1), count=reading(0))
    over = asyncio.Event()

    async def write_on(id: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            await town.write(id, count=reading(number))

    writing = [asyncio.create_task(write_on(sensor(number))) for number in range(8)]
    try:
        async with asyncio.timeout(20):
            assert 1 <= await town.history.pack()
            moment = town.history.moment(town.clock.now)
            assert await moment.retrieve(1, sensor(1)) is not None
    finally:
        over.set()
        await asyncio.gather(*writing)
    assert town.history.packing.waiting


async def test_the_chain_goes_on_where_the_log_ends(town: Town) -> None:
    """Whoever walks back an entity's changes never sees that the log was trimmed."""
    [id, *_] = await lived(town)
    whole = (await town.log(id))[::-1]
    await town.history.pack()
    await lived(town, writes=10, seed=3)
    await town.history.pack()
    newest = (await town.log(id))[::-1][: -len(whole)]
    await town.history.packing.trim(town.clock.now)
    history = town.history.past.history
    assert newest + whole == await history(1, id)
    found, before = [], None
    while page := await history(1, id, before=before, limit=7):
        found += page
        before = page[-1].position
    assert newest + whole == found


async def test_a_round_that_ended_half_way_is_done_again(town: Town) -> None:
    """Packs that were written before the mark moved are not written twice."""
    ids = await lived(town)
    before = {id: await town.log(id) for id in ids}
    mark = town.history.packing.packed
    await town.history.pack()
    town.history.packing.packed = mark
    await town.history.pack()
    assert before == {id: await town.rows(id) for id in ids}


async def test_what_was_observed_then_comes_and_what_began_a_life(town: Town) -> None:
    """A time is asked for: rows written or observed in it are there, and the first one always."""
    begin = town.clock.now
    await town.write(sensor(1), temperature=reading(1, begin))
    for day in range(1, 6):
        town.clock.now = begin + day * DAY_US
        await town.write(sensor(1), temperature=reading(day, town.clock.now))
    await town.write(sensor(1), temperature=reading(0.5, begin + DAY_US // 2))
    await town.history.pack()
    span = (begin + DAY_US // 4, begin + DAY_US * 3 // 4)
    rows = await town.rows(sensor(1), since_us=span[0], until_us=span[1])
    assert rows[0] == (await town.log(sensor(1)))[0]
    assert rows[-1] == (await town.log(sensor(1)))[-1]
    assert len(rows) < 7


async def test_too_many_rows_are_told(town: Town) -> None:
    """Nobody reads more rows than the bound; the error says whose they are."""
    for n in range(8):
        await town.write(sensor(1), count=reading(n))
    await town.history.pack()
    with pytest.raises(TooComplex, match="urn:ngsi-ld:Sensor:1"):
        await town.history.past.rows(1, sensor(1), limit=7)
    assert 8 == len(await town.history.past.rows(1, sensor(1), limit=8))


async def test_packing_elsewhere_is_packing(
    town: Town, tmp_path: Path, stores: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are the same when another process packed them; one that was killed is begun again."""
    monkeypatch.setattr(packing, "MUCH", 1)
    apart = town.history.packing.elsewhere = Apart(tmp_path, stores)
    try:
        ids = await lived(town)
        assert 0 < await town.history.pack()
        assert apart.pid is not None
        os.kill(apart.pid, signal.SIGKILL)
        await lived(town, writes=20, seed=2)
        with pytest.raises(Unavailable):
            await town.history.pack()
        assert 0 < await town.history.pack()
    finally:
        await apart.close()
    assert 0 == town.history.packing.waiting
    assert {id: await town.log(id) for id in ids} == {id: await town.rows(id) for id in ids}
