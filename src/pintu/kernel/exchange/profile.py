"""Profiles, measured: how full a column is, how many values it has, their range, their age."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pintu.kernel.exchange.rows import sort_key
from pintu.kernel.exchange.words import Column

MOST_DISTINCT: Final = 50_000
LONGEST: Final = 80


class Measuring:
    """Takes rows one by one and counts; of a person's column neither values nor range are told."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._filled = dict.fromkeys((one.name for one in columns), 0)
        self._distinct: dict[str, set[Any]] = {one.name: set() for one in columns}
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}
        self._rows = 0

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
        held = self._distinct[name]
        if len(held) < MOST_DISTINCT:
            held.add(value if isinstance(value, str | int | float) else repr(value))
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

    def _of(self, column: Column) -> dict[str, Any]:
        name = column.name
        distinct = len(self._distinct[name])
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
