"""All rows of a span come in the log's order, wherever they lie, each once."""

from __future__ import annotations

import random

import pytest

from pintu.kernel.analytics import between
from pintu.kernel.store.port import Change
from tests.kernel.analytics.conftest import DAY_US, Town, reading, sensor

HOUR_US = 3_600_000_000


async def lived(town: Town, seed: int, writes: int = 40, step_us: int = DAY_US // 20) -> None:
    """Random writes of a few sensors."""
    chance = random.Random(seed)
    for n in range(writes):
        town.clock.now += chance.randrange(step_us)
        id = sensor(chance.randrange(6))
        if chance.random() < 0.1:
            await town.delete(id)
        elif chance.random() < 0.2:
            await town.write(id, said={"type": "Property", "value": f"text {n}"})
        else:
            await town.write(id, a=reading(n / 2, town.clock.now if n % 3 else None))


async def whole(town: Town) -> list[Change]:
    """Every row there ever was, as the log told it."""
    return [row for rows in [await town.log(sensor(n)) for n in range(6)] for row in rows]


async def found_between(town: Town, low: int, high: int) -> list[Change]:
    """The rows of a span: windows in the log's order, an entity's rows in it in theirs."""
    found: list[Change] = []
    async for strips in town.history.between(low, high):
        rows = [row for strip in strips for row in strip.changes(1)]
        for id in {row.id for row in rows}:
            mine = [row.position for row in rows if row.id == id]
            assert sorted(mine) == mine
        assert not found or min(row.position for row in rows) > found[-1].position
        found += sorted(rows, key=lambda row: row.position)
    return found


async def spans(town: Town, known: list[Change], seed: int) -> None:
    """Some spans are what the rows that were noted say."""
    chance = random.Random(seed)
    first, last = known[0].at_us, known[-1].at_us
    for _ in range(12):
        low, high = sorted(chance.randrange(first - 10, last + 10) for _ in range(2))
        expected = [row for row in known if low <= row.at_us < high]
        assert expected == await found_between(town, low, high)


async def test_a_span_is_the_rows_the_log_had(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the log, in packs, in files, in all of them; however small the windows are."""
    rows: dict[int, Change] = {}

    async def note() -> list[Change]:
        rows.update((row.position, row) for row in await whole(town))
        return [rows[position] for position in sorted(rows)]

    await lived(town, 1)
    await spans(town, await note(), 1)
    await town.history.pack()
    await spans(town, await note(), 2)
    await lived(town, 2)
    await town.history.packing.ahead(1, [sensor(1), sensor(2)])
    await spans(town, await note(), 3)
    await town.history.night()
    await town.history.night()
    await town.history.packing.trim(town.clock.now)
    await lived(town, 3, 20, HOUR_US)
    known = await note()
    await spans(town, known, 4)
    monkeypatch.setattr(between, "WINDOW", 7)
    await spans(town, known, 5)


async def test_a_clock_set_back_does_not_mix_the_order(town: Town) -> None:
    """By position, whatever the clock said: what was twice is told twice."""
    await lived(town, 4, 20, HOUR_US)
    town.clock.now -= 5 * HOUR_US
    await lived(town, 5, 20, HOUR_US)
    known = sorted(await whole(town), key=lambda row: row.position)
    middle = known[10].at_us
    await town.history.pack()
    expected = [row for row in known if row.at_us >= middle]
    assert expected == await found_between(town, middle, 2**62)
