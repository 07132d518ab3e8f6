"""Sums of hours and days are, to the last bit, what all the rows say."""

from __future__ import annotations

import random
from math import fsum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.analytics.aggregating import Ask
from pintu.kernel.analytics.rollups import HOUR_US, added, empty, loosened, squeezed
from pintu.kernel.clock import iso
from pintu.kernel.context.temporal.aggregating import aggregated
from pintu.kernel.context.temporal.asked import read_asked
from pintu.kernel.context.temporal.choosing import choose
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.context.temporal.folding import fold
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading, sensor

METHODS = ("totalCount", "sum", "avg", "min", "max", "sumsq")
NUMBERS = st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6).map(lambda one: one / 100)


@settings(max_examples=80)
@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=8), min_size=1, max_size=5))
def test_sums_of_sums_are_exact(parts: list[list[float]]) -> None:
    """However values are told in parts, a bucket holds what `fsum` of all of them is."""
    buckets = empty()
    for part in parts:
        buckets = loosened(squeezed(added(buckets, {7: part})))
    [row] = buckets.tolist()
    values = [one for part in parts for one in part]
    assert (7, len(values), min(values), max(values)) == (row[0], row[2], row[3], row[4])
    if not row[1]:
        assert fsum(values) == row[5]
        assert fsum(one * one for one in values) == row[7]


async def lived(town: Town, chance: random.Random, writes: int) -> None:
    """Readings in order and late ones, of some sensors over some days."""
    for _ in range(writes):
        town.clock.now += chance.randrange(HOUR_US // 2)
        late = chance.choice([0, 0, 0, DAY_US, 3 * HOUR_US])
        value: Any = chance.choice(
            [chance.randrange(400) / 10, chance.randrange(30), chance.random()]
        )
        await town.write(sensor(chance.randrange(3)), t=reading(value, town.clock.now - late))


async def from_rows(town: Town, id: str, span: tuple[int, int], period: str) -> dict[str, Any]:
    """What all the rows of an entity say."""
    asked = read_asked(
        {
            "timerel": "between",
            "timeAt": iso(span[0]),
            "endTimeAt": iso(span[1]),
            "aggrMethods": ",".join(METHODS),
            "aggrPeriodDuration": period,
        }
    )
    chosen = choose(fold(id, await town.rows(id)), asked, names={"t"}, needed=True)
    return aggregated("Property", chosen.series[0], chosen) if chosen.series else {}


@pytest.mark.parametrize(("period", "step"), [("PT1H", 1), ("PT5H", 5), ("P1D", 24), ("P2D", 48)])
async def test_sums_are_what_the_rows_say(town: Town, period: str, step: int) -> None:
    """Hours, several hours, days: values, times and what is left out, as packs and log say it."""
    chance = random.Random(step)
    await lived(town, chance, 120)
    await town.history.pack()
    await lived(town, chance, 60)
    low = BEGIN_US - 2 * DAY_US
    high = low + DAY_US * 8
    ids = tuple(sensor(n) for n in range(3))
    ask = Ask(
        tenant=1, ids=ids, attribute="t", low_us=low, high_us=high, step_us=step * HOUR_US,
        methods=METHODS,
    )  # fmt: skip
    found = await town.history.past.aggregate(ask)
    assert found is not None
    for id in ids:
        right = await from_rows(town, id, (low, high), period)
        begins, columns = found[id]
        for method in METHODS:
            told = [(value, micros(start)) for value, start, _ in right[method]]
            assert told == list(zip(columns[method], begins, strict=True))


async def test_what_sums_cannot_tell_is_asked_of_the_rows(town: Town) -> None:
    """Other methods, odd bounds, texts among numbers, nothing at all: None."""
    hour: dict[str, Any] = {"low_us": BEGIN_US, "high_us": BEGIN_US + DAY_US, "step_us": HOUR_US}
    base: dict[str, Any] = {"tenant": 1, "ids": (sensor(1),), "attribute": "t", **hour}
    await town.write(sensor(1), t=reading(1, BEGIN_US + 5), s=reading("rain", BEGIN_US + 5))
    past = town.history.past
    assert await past.aggregate(Ask(**base, methods=("avg",))) is not None
    assert await past.aggregate(Ask(**base, methods=("stddev",))) is None
    assert await past.aggregate(Ask(**{**base, "low_us": BEGIN_US + 1}, methods=("avg",))) is None
    assert await past.aggregate(Ask(**{**base, "attribute": "s"}, methods=("avg",))) is None
    assert await past.aggregate(Ask(**{**base, "attribute": "u"}, methods=("avg",))) is None
    await town.write(sensor(1), t=reading("broken", BEGIN_US + 6))
    assert await past.aggregate(Ask(**base, methods=("avg",))) is None


async def test_what_cannot_be_summed_is_asked_of_its_day_alone(town: Town) -> None:
    """Several data sets at once, a reading that ends by itself: other days are told from sums."""
    one, day = sensor(1), DAY_US
    await town.write(one, t=reading(1, BEGIN_US + 5))
    other = {**reading(3, BEGIN_US + day), "datasetId": "urn:d:1"}
    await town.write(one, t=[reading(2, BEGIN_US + day), other])
    await town.write(one, t=reading(4, BEGIN_US + 2 * day))
    await town.write(one, t={**reading(5, BEGIN_US + 3 * day), "expiresAt": "2030-01-01T00:00:00Z"})

    async def total(first: int, last: int) -> Any:
        low, high = BEGIN_US + first * day, BEGIN_US + last * day
        ask = Ask(
            tenant=1, ids=(one,), attribute="t", low_us=low, high_us=high, step_us=day,
            methods=("sum",),
        )  # fmt: skip
        found = await town.history.past.aggregate(ask)
        return None if found is None else found[one][1]["sum"]

    assert ([1.0], [4.0]) == (await total(0, 1), await total(2, 3))
    assert (None, None, None) == (await total(1, 2), await total(0, 3), await total(2, 4))
