"""The index of days long past, from the means that the city's history gives: the same rules as on
the day itself (`means`, `index`). Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Protocol

from pintu.kit import ResourceNotFound
from pintu.pieces.environment.model.air import BY_ATTRIBUTE, date_of
from pintu.pieces.environment.model.index import Editions, Limits, limits_at, report
from pintu.pieces.environment.model.means import LEAST_OF_24, LEAST_WINDOWS

Columns = dict[str, list[Any]]
Means = Mapping[str, Mapping[str, Any]]
"""Pollutant → what history says of its day, by `WORDS`."""
WORDS: Final = ("hours", "mean", "high", "best", "runs")


class Rules(Protocol):
    """What the piece was told: which tables count, and of which area's limits."""

    editions: Editions
    limits: tuple[Limits, ...]
    area_class: int


def daily_indices(settings: Rules, columns: Columns) -> Columns:
    """One row a station and natural day: index, level, primary pollutants, what is missing."""
    days: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
    for number, id in enumerate(columns["id"]):
        pollutant = BY_ATTRIBUTE.get(columns["attribute"][number])
        if pollutant is not None and not columns["dataset"][number]:
            told = {name: columns[name][number] for name in WORDS}
            days[id, columns["day"][number]][pollutant.code] = told
    rows = [_row(settings, id, day, means) for (id, day), means in sorted(days.items())]
    names = ("id", "day", "index", "level", "primary", "missing", "edition")
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}


def _row(settings: Rules, id: str, day: int, means: Means) -> tuple[Any, ...]:
    on = date.fromisoformat(date_of(day))
    try:
        table = settings.editions.at(on)
    except ResourceNotFound:
        return id, date_of(day), None, None, [], [], None
    limits = limits_at(settings.limits, on)
    ozone = limits.limits["O3"]["8h"][settings.area_class - 1] if limits is not None else None
    found = report(table, values_of(means, ozone), "daily")
    level = found.level.code if found.level is not None else None
    return id, date_of(day), found.index, level, [*found.primary], [*found.missing], found.edition


def values_of(means: Means, ozone: float | None) -> dict[str, dict[str, float]]:
    """What a daily report needs, as `means.day_values` has it."""
    values: dict[str, dict[str, float]] = {}
    for code, told in means.items():
        whole, found = told["hours"] >= LEAST_OF_24, values.setdefault(code, {})
        if whole:
            found["1h" if code == "O3" else "24h"] = told["high" if code == "O3" else "mean"]
        best = told["best"] if code == "O3" else None
        if best is not None and (
            told["runs"] >= LEAST_WINDOWS or (ozone is not None and best > ozone)
        ):
            found["8h"] = best
    return values
