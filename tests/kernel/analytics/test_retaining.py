"""How long the past is kept: by type, from arrival, never what somebody has not read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pintu.kernel.analytics.aggregating import Ask
from pintu.kernel.analytics.history import next_night
from pintu.kernel.analytics.moments import Moment
from pintu.kernel.analytics.retaining import Kept, read_retention
from pintu.kernel.analytics.rollups import HOUR_US
from pintu.kernel.context.record import Put
from pintu.kernel.store.port import Op
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading, sensor

LAMP = "urn:ngsi-ld:Lamp:1"


async def days(town: Town, count: int) -> None:
    """A reading a day of two sensors and a lamp, and the nights between."""
    doc = {"id": LAMP, "type": "Lamp", "a": reading(0)}
    for day in range(count):
        town.clock.now = BEGIN_US + day * DAY_US + HOUR_US
        for n in (1, 2):
            await town.write(sensor(n), t=reading(day, town.clock.now))
        lamp = Put({**doc, "a": reading(day)}, "replaced" if day else "created")
        await town.store.submit([Op(1, LAMP, lambda record, now, lamp=lamp: lamp)], "token:a")
        await town.history.night()


async def test_rows_are_let_go_of_by_type(town: Town) -> None:
    """What is over goes, what is kept longer stays, sums stay longer than rows."""
    town.history.retention = read_retention({"raw_days": 5, "types": {"Lamp": {"raw_days": 0}}})
    await days(town, 12)
    rows = await town.rows(sensor(1))
    kept = [row.at_us // DAY_US - BEGIN_US // DAY_US for row in rows]
    assert kept[0] in (5, 6, 7) and kept[-1] == 11
    assert 12 == len(await town.rows(LAMP))
    ask = Ask(
        tenant=1, ids=(sensor(1),), attribute="t", low_us=BEGIN_US, high_us=BEGIN_US + 12 * DAY_US,
        step_us=HOUR_US, methods=("avg",),
    )  # fmt: skip
    found = await town.history.past.aggregate(ask)
    assert found is not None and 12 == len(found[sensor(1)][0])


async def test_a_moment_just_after_what_was_let_go_of_is_right(town: Town) -> None:
    """The rows that made a state are gone, the state is told all the same; before it, a refusal
    is due."""
    town.history.retention = read_retention({"raw_days": 5})
    await town.write(sensor(9), t=reading(42))
    await days(town, 12)
    await town.write(sensor(9), t=reading(43))
    await town.history.pack()
    begins_us = await town.history.begins_us()
    assert BEGIN_US < begins_us < town.clock.now
    record = await Moment(town.history, begins_us + 1).retrieve(1, sensor(9))
    assert record is not None and b"42" in record.body


async def test_what_a_reader_has_not_passed_stays(town: Town) -> None:
    """A reader of the feed that is far behind holds the rows it has not read."""
    town.history.retention = read_retention({"raw_days": 2})
    await town.store.save_cursor("slow", 1)
    await days(town, 8)
    assert 8 == len(await town.rows(sensor(1)))
    await town.store.save_cursor("slow", None)
    await town.history.night()
    assert 8 > len(await town.rows(sensor(1)))


def test_settings_are_read_and_wrong_ones_are_named() -> None:
    """A type takes what it does not say from the others; of several types the longest counts."""
    told: dict[str, Any] = {
        "raw_days": 10,
        "types": {"A": {"raw_days": 90}, "B": {"hourly_days": 0}},
    }
    retention = read_retention(told)
    assert Kept(raw_days=10) == retention.of(("C",))
    assert Kept(raw_days=90, hourly_days=0) == retention.of(("A", "B"))
    for wrong in ({"raw_day": 1}, {"raw_days": 1}, {"raw_days": "x"}, {"types": {"A": 3}}):
        with pytest.raises(ValueError, match="history"):
            read_retention(wrong)


def test_the_night_is_the_citys() -> None:
    """Ten past two in the city's zone, the next one."""
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime(2026, 11, 23, 9, 0, tzinfo=zone)
    night = datetime.fromtimestamp(next_night(int(now.timestamp() * 1e6), zone.key) / 1e6, UTC)
    assert datetime(2026, 11, 24, 2, 10, tzinfo=zone) == night
