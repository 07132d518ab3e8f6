"""Rows added up in groups: the same answer as SQL's GROUP BY, for what is not in a table; pure."""

from __future__ import annotations

from typing import Any, Final

from pintu.kernel.errors import TooComplex
from pintu.kernel.exchange.asking import grouped_column, result_column
from pintu.kernel.exchange.conditions import cut, group_of
from pintu.kernel.exchange.rows import ordered, sort_key
from pintu.kernel.exchange.words import Column, Question

MOST_GROUPS: Final = 50_000


class Grouping:
    """Takes rows one by one; `rows` gives one a group, ordered and cut as the question asks."""

    def __init__(self, question: Question, known: dict[str, Column], zone: str) -> None:
        self._question, self._zone = question, zone
        self._groups = [group_of(one) for one in question.group]
        self.columns = [
            grouped_column(known[name], told, step)
            for told, (name, step) in zip(question.group, self._groups, strict=True)
        ]
        self.columns.append(result_column(question, known))
        self.needed = {name for name, _ in self._groups}
        if question.measure:
            self.needed |= {question.measure, "observedAt"}
        self._found: dict[tuple[Any, ...], list[Any]] = {}
        if not question.group:  # one row for all, also when there is none
            self._found[()] = _nothing()

    def add(self, row: dict[str, Any]) -> None:
        """TooComplex when there are more groups than an answer may have."""
        key = tuple(
            cut(row[name], step, self._zone) if step else _hashable(row[name])
            for name, step in self._groups
        )
        held = self._found.get(key)
        if held is None:
            if len(self._found) >= MOST_GROUPS:
                raise TooComplex(f"The answer has more than {MOST_GROUPS:,} groups; group coarser")
            held = self._found[key] = _nothing()
        self._count(held, row)

    def _count(self, held: list[Any], row: dict[str, Any]) -> None:
        if self._question.aggregate == "count":
            held[0] += 1
            return
        value = row[self._question.measure]
        if self._question.aggregate == "last":
            told = row.get("observedAt") or ""
            if held[0] == 0 or told >= held[5]:
                held[4], held[5] = value, told
            held[0] += 1
            return
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return
        if isinstance(value, int | float):
            held[0] += 1
            held[1] += value
        if held[2] is None or sort_key(value) < sort_key(held[2]):
            held[2] = value
        if held[3] is None or sort_key(value) > sort_key(held[3]):
            held[3] = value

    def _result(self, held: list[Any]) -> Any:
        what = self._question.aggregate
        if what in ("sum", "mean"):
            if not held[0]:
                return None
            return held[1] if what == "sum" else held[1] / held[0]
        return held[{"count": 0, "min": 2, "max": 3, "last": 4}[what]]

    def rows(self) -> tuple[list[dict[str, Any]], int]:
        """The page asked for, and how many groups there are; empty values last."""
        names = [one.name for one in self.columns]
        found = [
            dict(zip(names, (*key, self._result(held)), strict=True))
            for key, held in self._found.items()
        ]
        order = [one for one in self._question.order if one.removeprefix("-") in names]
        found = ordered(found, [*order, *names[:-1]])
        offset = self._question.offset
        return found[offset : offset + self._question.limit], len(found)


def _nothing() -> list[Any]:
    """What is held of a group: rows, sum, least, most, last value, its time."""
    return [0, 0.0, None, None, None, ""]


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, dict | list) else value
