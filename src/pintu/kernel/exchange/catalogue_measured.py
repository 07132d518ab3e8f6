"""What was measured of a data set: how full, how valid, how fresh, and what looks made up."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from pintu.kernel.exchange.metadata import late_after_us
from pintu.kernel.exchange.profile import Measuring
from pintu.kernel.exchange.schemas.words import Change, What
from pintu.kernel.exchange.words import Column, DataSet

MOST_STRANGE: Final = 5  # values shown that are of another kind or of no code; never of persons


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column as measured."""

    filled: float = 0.0  # share of rows with a value
    distinct: int = 0
    at_least: bool = False  # there are more different values than were counted
    valid: float | None = None  # share of values that fit kind and code list; None: no values
    strange: tuple[str, ...] = ()  # some that do not fit
    low: Any = None  # of columns that tell of no person
    high: Any = None
    middle: float | None = None  # the median of numbers
    constant: bool = False  # one value in every row
    mark: str = ""  # differs when the values differ: a keyed digest of what was measured


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One data set as measured at a moment; never typed in."""

    data_set: str
    at_us: int
    rows: int = 0
    looked_at: int = 0  # of these rows
    newest_us: int = 0  # of its values, or when its rows last changed
    changed_us: int = 0  # when its values were last seen to differ from the time before
    columns: dict[str, Figures] = {}
    constant_since_us: int = 0  # new times, old values: since then; 0: no

    @property
    def complete(self) -> float:
        """Mean share of filled values."""
        told = [one.filled for one in self.columns.values()]
        return sum(told) / len(told) if told else 0.0

    @property
    def valid(self) -> float | None:
        """Mean share of valid values, of columns that have values."""
        told = [one.valid for one in self.columns.values() if one.valid is not None]
        return sum(told) / len(told) if told else None

    def fresh(self, frequency: str, now_us: int) -> bool | None:
        """Whether it is as new as its update frequency promises; None where nobody can say."""
        within_us = late_after_us(frequency)
        if not within_us or not self.newest_us:
            return None
        return now_us - self.newest_us <= within_us


def measured_of(
    data_set: DataSet, measuring: Measuring, at: tuple[int, int, int], before: Measured | None
) -> Measured:
    """What a measuring found. `at`: now, newest value, rows in all (µs, µs, count)."""
    at_us, newest_us, rows = at
    columns = {one.name: figures_of(one, measuring.figures(one)) for one in measuring.columns}
    changed_us, since_us = at_us, 0
    if before is not None and before.rows == rows and _marks(before.columns) == _marks(columns):
        changed_us = before.changed_us or before.at_us
        # the times moved on and not one value did: somebody may only be touching the rows
        if newest_us > before.newest_us and _varied(data_set, columns):
            since_us = before.constant_since_us or before.at_us
        elif newest_us == before.newest_us:
            since_us = before.constant_since_us
    return Measured(
        data_set=data_set.name,
        at_us=at_us,
        rows=rows,
        looked_at=measuring.rows,
        newest_us=newest_us,
        changed_us=changed_us,
        columns=columns,
        constant_since_us=since_us,
    )


def figures_of(column: Column, told: dict[str, Any]) -> Figures:
    """One column's figures out of a measuring."""
    return Figures(
        filled=told["filled"],
        distinct=told["distinct"],
        at_least=told.get("distinct_at_least", False),
        valid=told.get("valid"),
        strange=() if column.person else tuple(told.get("strange", ())),
        low=told.get("low"),
        high=told.get("high"),
        middle=told.get("middle"),
        constant=told["distinct"] == 1 and told.get("values", 0) > 20,
        mark=told.get("mark", ""),
    )


def _marks(columns: dict[str, Figures]) -> dict[str, str]:
    return {name: one.mark for name, one in columns.items() if one.mark}


def _varied(data_set: DataSet, columns: dict[str, Figures]) -> bool:
    """Whether there are numbers that would be expected to move."""
    moving = {one.name for one in data_set.columns if one.kind in ("number", "whole")}
    return any(one.filled > 0 for name, one in columns.items() if name in moving)


def drift_of(data_set: DataSet, before: Measured, now: Measured) -> list[Change]:
    """What the values show that no description told: a column that went empty, values of another
    kind, codes outside the list, numbers that all moved by one factor as a unit does."""
    if before.looked_at < LEAST or now.looked_at < LEAST:
        return []
    found = []
    for column in data_set.columns:
        old, new = before.columns.get(column.name), now.columns.get(column.name)
        if old is None or new is None:
            continue
        if old.filled >= 0.5 and new.filled <= old.filled / 10:
            told = (f"{old.filled:.0%}", f"{new.filled:.0%}")
            found.append(Change(field=column.name, what="removed", before=told[0], after=told[1]))
            continue
        if old.valid is not None and new.valid is not None and new.valid < old.valid - 0.2:
            what: What = "codes_added" if column.codes else "kind"
            examples = ", ".join(new.strange[:3])
            found.append(Change(
                field=column.name, what=what, before=f"{old.valid:.0%}",
                after=f"{new.valid:.0%} {examples}".strip(),
            ))  # fmt: skip
        elif column.kind in ("number", "whole"):
            factor = factor_of(old, new)
            if factor:
                found.append(Change(
                    field=column.name, what="unit", before=column.unit, after=f"× {factor:g}"
                ))  # fmt: skip
    return found


LEAST: Final = 30  # rows from which a change of values says something
FACTORS: Final = (
    1000.0, 100.0, 10.0, 3.6, 1_000_000.0, 60.0, 3600.0, 24.0, 0.3048, 1.609344, 2.0, 0.5,
    15.0, 666.667, 133.322, 101.325, 86.4, 10_000.0,
)  # fmt: skip
"""Between units that departments use for one quantity: thousands, per second and per hour, 里 and
公里, 亩 and m², mmHg and Pa, t/d and L/s, 万."""


def factor_of(old: Figures, new: Figures) -> float:
    """The factor of two units by which the middle and both ends moved together; 0: none."""
    told = [(old.middle, new.middle), (old.low, new.low), (old.high, new.high)]
    ratios = [
        new_ / old_
        for old_, new_ in told
        if isinstance(old_, int | float) and isinstance(new_, int | float) and old_ and new_
    ]
    if len(ratios) < 2 or min(ratios) <= 0:
        return 0.0
    middle = sorted(ratios)[len(ratios) // 2]
    for factor in (*FACTORS, *(1 / one for one in FACTORS)):
        if abs(math.log(middle / factor)) < 0.05 and abs(math.log(factor)) > 0.6:
            spread = max(abs(math.log(one / middle)) for one in ratios)
            return factor if spread < 0.35 else 0.0
    return 0.0
