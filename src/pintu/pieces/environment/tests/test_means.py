"""Means with their least number of hours, days with their ozone, hours of minutes."""

from __future__ import annotations

import pytest

from pintu.pieces.environment.model.air import day_of, hours_of
from pintu.pieces.environment.model.means import Minutes, Valid, day_values, mean, rolling

DAY = 20_779  # 2026-11-22
FIRST = hours_of(DAY)[0]


def only(known: dict[int, float]) -> Valid:
    return lambda hour, _pollutant: known.get(hour)


@pytest.mark.parametrize(("known", "expected"), [(19, None), (20, 10.0), (24, 10.0)])
def test_a_day_needs_twenty_hours(known: int, expected: float | None) -> None:
    """19 hours are too few for a mean of 24."""
    values = dict.fromkeys(range(FIRST, FIRST + known), 10.0)
    assert expected == rolling(only(values), FIRST + 23, "PM2.5", 24)


@pytest.mark.parametrize(("known", "expected"), [(5, None), (6, 10.0), (8, 10.0)])
def test_eight_hours_need_six(known: int, expected: float | None) -> None:
    """5 hours are too few for a mean of 8."""
    values = dict.fromkeys(range(FIRST, FIRST + known), 10.0)
    assert expected == rolling(only(values), FIRST + 7, "O3", 8)


def test_what_is_unknown_counts_neither_above_nor_below() -> None:
    """The mean is over the hours that are known."""
    assert mean([1.0, None, 3.0], 2) == 2.0
    assert mean([], 1) is None


def test_a_natural_day_is_one_of_beijing() -> None:
    """It begins at 16:00 UTC the day before and has 24 hours."""
    assert FIRST * 3_600 == 1_795_276_800
    assert {DAY} == {day_of(hour) for hour in hours_of(DAY)}
    assert day_of(hours_of(DAY)[-1] + 1) == DAY + 1


def test_ozone_of_a_day_is_its_highest_eight_hours() -> None:
    """Windows that end at 08:00 to 24:00; a peak before 01:00 belongs to no whole one."""
    values = {hour: 50.0 for hour in hours_of(DAY)}
    values.update({hour: 130.0 for hour in range(FIRST + 10, FIRST + 18)})
    told = day_values(only(values), DAY).values["O3"]
    assert told == {"8h": 130.0, "1h": 130.0}


def test_ozone_with_too_few_windows_counts_only_above_the_limit() -> None:
    """Eight hours give windows of six and more for five ends: below the limit that is no daily
    maximum, above it is one anyway."""
    low = {hour: 100.0 for hour in range(FIRST + 10, FIRST + 18)}
    high = {hour: 200.0 for hour in range(FIRST + 10, FIRST + 18)}
    assert day_values(only(low), DAY, 160.0).values["O3"] == {}
    assert day_values(only(high), DAY, 160.0).values["O3"] == {"8h": 200.0}


def test_readings_in_between_make_an_hour_when_45_minutes_were_sampled() -> None:
    """Every minute for 44 minutes is too little, every five minutes for 50 is enough."""
    short, enough = Minutes(), Minutes()
    for minute in range(44):
        short.take("PM2.5", minute, 10.0)
    for minute in range(0, 50, 5):
        enough.take("PM2.5", minute, 12.0)
    assert short.means(1) == {}
    assert enough.means(5) == {"PM2.5": 12.0}
