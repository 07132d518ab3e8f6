"""The air quality index: dated tables in, sub-indices, level and primary pollutant out.

HJ 633: a sub-index lies on a straight line between two breakpoints and is rounded up to a whole
number; the index is the largest of them; what is above 50 and largest is the primary pollutant.
Arithmetic is exact (fractions), so that a breakpoint gives its own index and not the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, Literal

from pintu.kit import ConfigurationError, ResourceNotFound

Kind = Literal["real_time", "daily"]
Values = Mapping[str, Mapping[str, float]]
"""Pollutant → averaging period (`1h`, `8h`, `24h`) → concentration: µg/m³, CO in mg/m³."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One of the six levels: up to which index, its word, the standard's colour, its name."""

    up_to: int
    code: str
    colour: str
    title: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTable:
    """One edition of HJ 633 as data."""

    edition: str
    used_from: date
    until: date | None
    sources: tuple[str, ...]
    index: tuple[int, ...]
    limits: Mapping[str, Mapping[str, tuple[int, ...]]]
    above: Mapping[str, Mapping[str, Any]]  # "SO2 1h" → another period, or a fixed index
    periods: Mapping[str, Mapping[str, tuple[str, ...]]]  # kind of report → pollutant → periods
    decimals: Mapping[str, int]
    publish_above: int | None  # with a pollutant missing, nothing up to this is published
    levels: tuple[Level, ...]

    def covers(self, day: date) -> bool:
        """Whether the edition was used on a day."""
        return self.used_from <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub:
    """One pollutant's sub-index and the averaging period it comes from."""

    index: int
    period: str
    concentration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An index with all that led to it. `index` is None where the edition says that none is
    published."""

    edition: str
    index: int | None
    level: Level | None
    primary: tuple[str, ...]
    subs: Mapping[str, Sub]
    missing: tuple[str, ...]

    @property
    def reason(self) -> dict[str, str]:
        """Why there is no index, or what it lacks; empty texts when nothing is missing."""
        if not self.missing:
            return {"zh": "", "en": ""}
        names = ", ".join(self.missing)
        if self.index is None:
            return {
                "zh": f"缺少 {names}，按 {self.edition} 不发布指数",
                "en": f"{names} missing: by {self.edition} no index is published",
            }
        return {"zh": f"未计入 {names}", "en": f"Without {names}"}


class Editions:
    """The tables there are. A date without one is refused, unless an owner named one for it."""

    def __init__(self, tables: Iterable[IndexTable], otherwise: str = "") -> None:
        self.tables = tuple(sorted(tables, key=lambda one: one.used_from))
        self._by_name = {one.edition: one for one in self.tables}
        if otherwise and otherwise not in self._by_name:
            known = ", ".join(self._by_name)
            raise ConfigurationError([f"index_table {otherwise!r} is no table; there are: {known}"])
        self._otherwise = self._by_name.get(otherwise)

    def at(self, day: date) -> IndexTable:
        """The table in use on a day; ResourceNotFound when there is none, nothing is guessed."""
        for table in self.tables:
            if table.covers(day):
                return table
        if self._otherwise is None:
            raise ResourceNotFound(
                f"No index table covers {day}; name one in index_table to use it for such dates"
            )
        return self._otherwise


def read_table(told: Mapping[str, Any]) -> IndexTable:
    """A table from its JSON file (`model/tables`); KeyError or ValueError when it is none."""
    until = told["until"]
    return IndexTable(
        edition=told["edition"],
        used_from=date.fromisoformat(told["used_from"]),
        until=date.fromisoformat(until) if until else None,
        sources=tuple(told["sources"]),
        index=tuple(told["index"]),
        limits={
            pollutant: {period: tuple(row) for period, row in columns.items()}
            for pollutant, columns in told["limits"].items()
        },
        above=told["above"],
        periods={
            kind: {pollutant: tuple(periods) for pollutant, periods in told[kind].items()}
            for kind in ("real_time", "daily")
        },
        decimals=told["decimals"],
        publish_above=told["publish_above"],
        levels=tuple(Level(**one) for one in told["levels"]),
    )


def rounded(table: IndexTable, pollutant: str, concentration: float) -> Decimal:
    """A concentration rounded as the edition has it: GB/T 8170, half to even."""
    places = table.decimals.get(pollutant, table.decimals["other"])
    return Decimal(str(concentration)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def sub_index(table: IndexTable, pollutant: str, period: str, concentration: float) -> int | None:
    """The sub-index of one concentration, 0 to 500.

    None when the concentration is negative or no number (it is no measurement), when the edition
    has no such column, or when it says that another period is to be used (HJ 633-2012, table 1,
    notes 2 and 3).
    """
    row = table.limits.get(pollutant, {}).get(period)
    if row is None or not math.isfinite(concentration) or concentration < 0:
        return None
    value = Fraction(rounded(table, pollutant, concentration))
    if value > row[-1]:
        rule = table.above.get(f"{pollutant} {period}")
        if rule is None:
            return table.index[-1]
        fixed: int | None = rule.get("index")
        return fixed
    return _between(value, row, table.index)


def _between(value: Fraction, row: Sequence[int], index: Sequence[int]) -> int:
    for number in range(1, len(row)):
        if value <= row[number]:
            low, high = row[number - 1], row[number]
            start, end = index[number - 1], index[number]
            return math.ceil(start + (end - start) * (value - low) / (high - low))
    return index[len(row) - 1]


def level_of(table: IndexTable, index: int) -> Level:
    """The level of an index; what is above 500 is the highest."""
    return next((one for one in table.levels if index <= one.up_to), table.levels[-1])


def report(table: IndexTable, values: Values, kind: Kind) -> Report:
    """The index of one hour (`real_time`) or natural day (`daily`) from the concentrations known.

    A pollutant with two periods counts with the larger sub-index. Primary pollutants are those that
    reach the index, when it is above 50 (HJ 633, 4.3).
    """
    subs: dict[str, Sub] = {}
    for pollutant, periods in table.periods[kind].items():
        sub = _sub_of(table, pollutant, periods, values.get(pollutant, {}))
        if sub is not None:
            subs[pollutant] = sub
    missing = tuple(one for one in table.periods[kind] if one not in subs)
    index = max((one.index for one in subs.values()), default=None)
    if index is None or (
        missing and table.publish_above is not None and index <= table.publish_above
    ):
        return Report(edition=table.edition, index=None, level=None, primary=(), subs=subs,
                      missing=missing)  # fmt: skip
    primary = tuple(one for one, sub in subs.items() if sub.index == index) if index > 50 else ()
    return Report(edition=table.edition, index=index, level=level_of(table, index),
                  primary=primary, subs=subs, missing=missing)  # fmt: skip


def _sub_of(
    table: IndexTable, pollutant: str, periods: Sequence[str], known: Mapping[str, float]
) -> Sub | None:
    wanted = list(periods)
    for period in periods:
        rule = table.above.get(f"{pollutant} {period}", {})
        if "period" in rule and known.get(period, 0.0) > table.limits[pollutant][period][-1]:
            wanted = [one for one in wanted if one != period] + [rule["period"]]
    found = None
    for period in wanted:
        if period not in known:
            continue
        index = sub_index(table, pollutant, period, known[period])
        if index is not None and (found is None or index > found.index):
            found = Sub(index=index, period=period, concentration=known[period])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One edition of GB 3095: pollutant → period → (class 1, class 2)."""

    edition: str
    title: Mapping[str, str]
    used_from: date
    until: date | None
    source: str
    limits: Mapping[str, Mapping[str, tuple[float, float]]]


def read_limits(told: Mapping[str, Any]) -> list[Limits]:
    """The editions in `gb3095.json`, oldest first."""
    return [
        Limits(
            edition=one["edition"],
            title=one["title"],
            used_from=date.fromisoformat(one["used_from"]),
            until=date.fromisoformat(one["until"]) if one["until"] else None,
            source=one["source"],
            limits={
                pollutant: {period: (row[0], row[1]) for period, row in columns.items()}
                for pollutant, columns in one["limits"].items()
            },
        )
        for one in told["limits"]
    ]


def limits_at(editions: Sequence[Limits], day: date) -> Limits | None:
    """The limits in force on a day, or None: then nothing is called an exceedance."""
    return next(
        (
            one
            for one in editions
            if one.used_from <= day and (one.until is None or day <= one.until)
        ),
        None,
    )
