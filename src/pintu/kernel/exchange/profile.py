"""Profiles, measured: how full a column is, how valid, how many values it has, their range."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from statistics import median
from typing import Any, Final
from zlib import crc32

from pintu.kernel.exchange.rows import DATE, TIME, sort_key
from pintu.kernel.exchange.words import Column, DataSet, Question, Rows
from pintu.kernel.intake.mapping.people import is_id_number

MOST_DISTINCT: Final = 50_000
LONGEST: Final = 80
PROFILED: Final = 20_000
"""Rows a profile measures; of more, the first."""

WHOLE_PAGE: Final = 1_000
"""Rows asked for at once: each page is held as dictionaries while it is measured."""

MOST_STRANGE: Final = 5
MINUS_ONE: Final = 0x9E3779B97F4A7C1
MOST_NUMBERS: Final = 5_000  # of which the middle is found
PHONE: Final = re.compile(r"\+?[\d -]{7,17}")


class Different:
    """How many different values came, up to MOST_DISTINCT: counted by their hashes, eight bytes a
    value instead of a set of the values."""

    __slots__ = ("_full", "_hashes")

    def __init__(self) -> None:
        self._hashes, self._full = array("q"), False

    def add(self, value: str | float) -> None:
        """One value."""
        if self._full:
            return
        # Python's hash of -1 is that of -2
        self._hashes.append(MINUS_ONE if value == -1 else hash(value))
        if len(self._hashes) >= 2 * MOST_DISTINCT:
            self._hashes = array("q", set(self._hashes))
            self._full = len(self._hashes) >= MOST_DISTINCT

    def count(self) -> int:
        """How many."""
        return min(len(set(self._hashes)), MOST_DISTINCT)


class Measuring:
    """Takes rows one by one and counts; of a person's column neither values nor range are told."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._filled = dict.fromkeys((one.name for one in columns), 0)
        self._distinct = {one.name: Different() for one in columns}
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}
        self._rows = 0
        self._fits = {one.name: fitting(one) for one in columns}
        self._filling = dict.fromkeys((one.name for one in columns), 0)
        self._bad = dict.fromkeys((one.name for one in columns), 0)
        self._strange: dict[str, list[str]] = {one.name: [] for one in columns}
        self._numbers: dict[str, list[float]] = {one.name: [] for one in columns}
        self._marks = dict.fromkeys((one.name for one in columns), 0)

    @property
    def columns(self) -> Sequence[Column]:
        """What is measured."""
        return self._columns

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self._rows

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Count some rows."""
        for row in rows:
            self._rows += 1
            for one in self._columns:
                value = row.get(one.name)
                if value is not None and value != "":
                    self._count(one.name, value)

    def _count(self, name: str, value: Any) -> None:
        self._filled[name] += 1
        self._marks[name] += crc32(repr(value).encode("utf-8", "surrogatepass"))
        if not self._fits[name](value):
            self._bad[name] += 1
            strange = self._strange[name]
            if len(strange) < MOST_STRANGE and (said := str(value)[:LONGEST]) not in strange:
                strange.append(said)
        numbers = self._numbers[name]
        if type(value) in (int, float) and len(numbers) < MOST_NUMBERS:
            numbers.append(value)
        self._distinct[name].add(value if isinstance(value, str | int | float) else repr(value))
        if isinstance(value, bool | list | dict):
            return
        key = sort_key(value)
        if name not in self._low or key < sort_key(self._low[name]):
            self._low[name] = value
        if name not in self._high or key > sort_key(self._high[name]):
            self._high[name] = value

    def told(self, *, rows: int, newest: str) -> dict[str, Any]:
        """`rows` and `measured` (fewer when only some were looked at), `newest`, and by column:
        `filled` 0…1, `distinct` (with `distinct_at_least` when there are more), `low`, `high`."""
        return {
            "rows": rows,
            "measured": self._rows,
            "newest": newest,
            "columns": {one.name: self._of(one) for one in self._columns},
        }

    def figures(self, column: Column) -> dict[str, Any]:
        """`_of` with what a page does not need: `valid` 0…1 (None: no values), `strange` values,
        the `middle` of numbers, and a `mark` that differs when the values of the rows differ."""
        name, found = column.name, self._of(column)
        filled = self._filled[name]
        found["values"] = filled
        if filled:
            found["valid"] = round(1 - self._bad[name] / filled, 4)
        if column.person:
            return found
        found["strange"] = self._strange[name]
        if self._numbers[name]:
            found["middle"] = float(median(self._numbers[name]))
        if column.kind not in ("time", "date"):
            found["mark"] = f"{self._marks[name]:x}"
        return found

    def _of(self, column: Column) -> dict[str, Any]:
        name = column.name
        distinct = self._distinct[name].count()
        found: dict[str, Any] = {
            "filled": round(self._filled[name] / self._rows, 4) if self._rows else 0.0,
            "distinct": distinct,
        }
        if distinct >= MOST_DISTINCT:
            found["distinct_at_least"] = True
        if not column.person and name in self._low:
            found["low"], found["high"] = _short(self._low[name]), _short(self._high[name])
        return found


def _short(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


async def handed(
    ask: Callable[[Question], Awaitable[Rows]], take: Callable[[Rows], None], most: int
) -> int:
    """Hand the first `most` rows of an answer to whoever measures, a page at a time; how many
    there are in all."""
    total = offset = 0
    while offset < most:
        size = min(WHOLE_PAGE, most - offset)
        page = await ask(Question(limit=size, offset=offset, count=offset == 0))
        total = page.total or 0 if offset == 0 else total
        take(page)
        offset += size
        if len(page.rows) < size:
            break
    return total


def fitting(column: Column) -> Callable[[Any], bool]:
    """Whether a value is of the column's kind, of its code list, of what its person mark means."""
    if column.codes:
        codes = column.codes
        return lambda value: str(value) in codes
    if column.person == "id_number":
        return lambda value: is_id_number(str(value).strip())
    if column.person == "phone":
        return lambda value: PHONE.fullmatch(str(value).strip()) is not None
    return FITS.get(column.kind, _anything)


def _anything(value: Any) -> bool:
    return True


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _place(value: Any) -> bool:
    if not (isinstance(value, list) and len(value) == 2 and all(map(_number, value))):
        return False
    return bool(-180 <= value[0] <= 180 and -90 <= value[1] <= 90)


FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "number": _number,
    "whole": _whole,
    "yes_no": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and TIME.match(value) is not None,
    "date": lambda value: isinstance(value, str) and DATE.fullmatch(value[:10]) is not None,
    "point": _place,
}


async def measured_of(
    data_set: DataSet, ask: Callable[[Question], Any], newest: str
) -> dict[str, Any]:
    """The profile of a data set by asking for its first rows; `newest` when it is known."""
    measuring = Measuring(data_set.columns)
    total, offset = 0, 0
    while offset < PROFILED:
        page = await ask(Question(limit=WHOLE_PAGE, offset=offset, count=offset == 0))
        if offset == 0:
            total = page.total or 0
            measuring = Measuring(page.columns)
        measuring.add(page.rows)
        offset += WHOLE_PAGE
        if len(page.rows) < WHOLE_PAGE:
            break
    told = measuring.told(rows=total, newest=newest)
    if not newest:
        measured = told["columns"]
        times = [measured.get(one, {}).get("high", "") for one in ("observedAt", "changed_at")]
        told["newest"] = max(map(str, times))
    return told
