"""A month as a grid of days, weeks from Monday, each day with its value, sign and colour; pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from typing import Any

from pintu.kernel.exchange.words import Column
from pintu.web.pages.board_asking import next_month
from pintu.web.pages.board_scale import Level, level_of
from pintu.web.pages.board_values import said, title_of, unit_of
from pintu.web.words import Words, mark

WEEKDAYS = (
    mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"),
)  # fmt: skip


def month_grid(
    month: str,
    by_day: Mapping[str, Any],
    column: Column,
    told: tuple[Sequence[Level], Words],
) -> dict[str, Any]:
    """Weeks of seven days; a day outside of the month is None, one without a value says so.

    `told` are the scale and the visitor's words; days are keyed `2026-11-22`.
    """
    scale, words = told
    year, number = int(month[:4]), int(month[5:7])
    weeks = [
        [_day(f"{month}-{day:02d}", by_day, column, told) if day else None for day in week]
        for week in calendar.Calendar(firstweekday=0).monthdayscalendar(year, number)
    ]
    found = {level.value for week in weeks for one in week if one and (level := one["level"])}
    counts = {
        level.value: sum(1 for week in weeks for one in week if one and one["level"] is level)
        for level in scale
    }
    return {
        "month": month,
        "earlier": next_month(month, -1),
        "later": next_month(month),
        "weekdays": [words.text(one) for one in WEEKDAYS],
        "weeks": weeks,
        "of": title_of(column, words),
        "unit": unit_of(column),
        "seen": [(one, counts[one.value]) for one in scale if one.value in found],
        "days": sum(1 for one in by_day.values() if one is not None),
    }


def _day(
    day: str, by_day: Mapping[str, Any], column: Column, told: tuple[Sequence[Level], Words]
) -> dict[str, Any]:
    scale, words = told
    value = by_day.get(day)
    level = level_of(scale, value)
    if isinstance(value, float):
        value = round(value, 1) if abs(value) < 100 else round(value)
    return {
        "day": day,
        "number": int(day[8:]),
        "text": said(column, value, words) if value is not None else "",
        "level": level,
    }
