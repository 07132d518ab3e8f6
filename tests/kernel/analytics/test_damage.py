"""What goes wrong with one row, one day or one file stops nothing else, and is said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.analytics import parquet
from pintu.kernel.analytics.aggregating import Ask
from pintu.kernel.analytics.filed import rows_in
from pintu.kernel.analytics.moments import Moment
from pintu.kernel.analytics.retaining import read_retention
from pintu.kernel.analytics.rollups import HOUR_US
from pintu.kernel.context.record import Put, Record
from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Op
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Here, Town, reading, sensor

IN_FILES = pytest.mark.parametrize("stores", ["sqlite:"])
"""What is the same on each store is tried on one."""
HOURS: dict[str, Any] = {"low_us": BEGIN_US, "high_us": BEGIN_US + DAY_US, "methods": ("sum",)}


async def value_of(town: Town, at_us: int, id: str = sensor(1)) -> Any:
    """What a sensor's `t` was at a moment."""
    record = await Moment(town.history, at_us).retrieve(1, id)
    return None if record is None else orjson.loads(record.body)["t"]["value"]


async def test_sums_that_no_number_holds_stop_nothing(town: Town) -> None:
    """Values near the largest there is are packed; their sums are nobody's, other hours are."""
    for hour, value in ((0, 1e308), (0, 1e308), (1, 1e154), (2, 1e154), (5, 7.0), (6, 1.0)):
        await town.write(sensor(1), t=reading(value, BEGIN_US + hour * HOUR_US))
    assert 6 == await town.history.pack()
    asked: dict[str, Any] = {"tenant": 1, "ids": (sensor(1),), "attribute": "t", **HOURS}
    aggregate = town.history.past.aggregate
    assert await aggregate(Ask(**asked, step_us=HOUR_US)) is None
    later = {**asked, "low_us": BEGIN_US + HOUR_US}
    assert await aggregate(Ask(**later, step_us=HOUR_US)) is not None
    assert await aggregate(Ask(**later, step_us=2 * HOUR_US)) is None
    found = await aggregate(Ask(**{**asked, "low_us": BEGIN_US + 4 * HOUR_US}, step_us=2 * HOUR_US))
    assert found is not None and [7.0, 1.0] == found[sensor(1)][1]["sum"]


@IN_FILES
async def test_many_rows_of_one_entity_are_a_file_like_any(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are read together: times and chain are what they were."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 20)
    for n in range(70):
        await town.write(sensor(1), t=reading(n, town.clock.now))
    before, begin = await town.log(sensor(1)), town.clock.now
    for days in (2, 4):
        town.clock.now = begin + days * DAY_US
        await town.history.night()
    await town.history.packing.trim(town.clock.now)
    [file] = town.history.filing.folder.glob("*/*.parquet")
    assert before == rows_in(file, (1, sensor(1)), (-(2**62), 2**62))
    assert 55 == await value_of(town, before[55].at_us)


@IN_FILES
async def test_a_clock_that_was_set_back_leaves_the_chain_in_order(town: Town) -> None:
    """Who was deleted and comes again on a day that is packed already comes behind a later day all
    the same (set back by more than a day, a clock is believed)."""
    begin = town.clock.now
    for n, day in enumerate((0, 0, 2, 0, 0)):
        town.clock.now = begin + day * DAY_US + n * 1_000_000
        await (town.delete(sensor(1)) if n == 2 else town.write(sensor(1), t=reading(n)))
        await town.history.pack()
    rows = (await town.log(sensor(1)))[::-1]
    town.clock.now = begin + 3 * DAY_US
    await town.history.packing.trim(town.clock.now)
    for limit in (1, 2, 3, 5):
        assert rows[:limit] == await town.history.past._older((1, sensor(1)), None, limit)
    assert 4 == await value_of(town, begin + 5_000_000)


@IN_FILES
async def test_a_damaged_file_is_said_and_holds_up_nobody(town: Town) -> None:
    """Cut short or changed by a bit: Unavailable, not something else; what is whole is told."""
    await town.write(sensor(1), t=reading(1))
    begin = town.clock.now
    for days in (1, 4, 6):
        town.clock.now = begin + days * DAY_US
        await town.write(sensor(1), t=reading(days))
        await town.history.night()
    first = min(town.history.filing.folder.glob("*/*.parquet"))
    whole = first.read_bytes()
    at = len(whole) - 200
    for broken in (whole[:50], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
        first.write_bytes(broken)
        for asked in (town.rows(sensor(1)), value_of(town, begin + 1000)):
            with pytest.raises(Unavailable, match="History cannot be read"):
                await asked
        assert 6 == await value_of(town, town.clock.now)
    first.write_bytes(whole)
    assert 4 == len(await town.rows(sensor(1)))


async def test_a_day_that_cannot_be_moved_stays_and_others_go(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; the next night moves it."""
    begin = town.clock.now
    for day in range(3):
        town.clock.now = begin + day * DAY_US
        await town.write(sensor(1), t=reading(day))
    rows = await town.log(sensor(1))
    town.clock.now = begin + 5 * DAY_US
    job = town.history.filing.job

    async def fails(**order: Any) -> Any:
        if order["day"] == begin // DAY_US:
            raise Unavailable("The disk is on fire")
        return await job(**order)

    with monkeypatch.context() as patched:
        patched.setattr(town.history.filing, "job", fails)
        assert 2 == await town.history.night()
    assert "2026-10-31 stays where it is" in caplog.text
    assert rows == await town.rows(sensor(1))
    assert 1 == await town.history.night()
    assert rows == await town.rows(sensor(1))


@IN_FILES
async def test_rows_of_a_type_go_out_of_the_middle(town: Town) -> None:
    """What the entity was while it was of that type is not in a row any more, and still true of the
    rows behind."""
    assert isinstance(town.history.filing, Here)
    town.history.retention = read_retention({"raw_days": 3, "types": {"Lamp": {"raw_days": 0}}})
    for kind, name, value in (("Lamp", "t", 1), ("Sensor", "u", 2), ("Lamp", "t", 3)):

        def write(record: Record | None, now: int, told: Any = (kind, name, value)) -> Put:
            doc = {"id": sensor(1)} if record is None else orjson.loads(record.body)
            doc |= {"type": told[0], told[1]: reading(told[2])}
            if record is None:
                return Put(doc, "created")
            return Put(doc, "updated", ("type", told[1]))

        await town.store.submit([Op(1, sensor(1), write)], "http")
    begin = town.clock.now
    for days in (2, 4, 6, 8):
        town.clock.now = begin + days * DAY_US
        await town.write(sensor(2), t=reading(days))
        await town.history.night()
    await town.write(sensor(1), t=reading(9))
    await town.history.pack()
    verbs = [row.types for row in await town.rows(sensor(1))]
    assert [("Lamp",), ("Lamp",), ("Lamp",)] == verbs
    record = await Moment(town.history, town.clock.now - DAY_US).retrieve(1, sensor(1))
    assert record is not None
    doc = orjson.loads(record.body)
    assert ("Lamp", 3, 2) == (doc["type"], doc["t"]["value"], doc["u"]["value"])


async def test_who_is_gone_leaves_nothing_behind(town: Town) -> None:
    """Of ids that come and go, nothing is kept once their rows are let go of."""
    town.history.retention = read_retention({"raw_days": 2})
    await town.write(sensor(1), t=reading(1))
    await town.delete(sensor(1))
    for days in range(1, 8):
        town.clock.now = BEGIN_US + days * DAY_US
        await town.write(sensor(2), t=reading(days))
        await town.history.night()
    read = town.history.opened.read
    stood = await read(lambda c: c.exec_driver_sql("SELECT id FROM stand").scalars().all())
    assert [sensor(2)] == list(stood)
