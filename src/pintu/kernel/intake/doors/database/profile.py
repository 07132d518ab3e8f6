"""What a sample of a table measures: how full, how many different values, from where to where;
pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pintu.kernel.intake.doors.database.kinds import Kind
from pintu.kernel.intake.doors.database.persons import examples
from pintu.kernel.intake.doors.database.schema import Table
from pintu.kernel.intake.doors.words import ColumnSeen
from pintu.kernel.intake.mapping.people import Judgement, masked, person_marks

EXAMPLES: Final = 5
LONGEST_EXAMPLE: Final = 80
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TYPES: Final[Mapping[Kind, str]] = {"shape": "text", "bytes": "text"}

Record = Mapping[str, Any]


def measured(table: Table, records: Sequence[Record]) -> tuple[ColumnSeen, ...]:
    """Every column of a table as its sample shows it; examples of persons are masked, and their
    ranges not told."""
    held = {one.name: [row.get(one.name) for row in records] for one in table.columns}
    marks = person_marks({name: examples(values) for name, values in held.items()})
    return tuple(
        _measured(table, number, held[one.name], marks.get(one.name))
        for number, one in enumerate(table.columns)
    )


def _measured(
    table: Table, number: int, values: Sequence[Any], judged: Judgement | None
) -> ColumnSeen:
    column = table.columns[number]
    filled = [one for one in values if one not in (None, "")]
    mark = judged.mark if judged else ""
    different = list(dict.fromkeys(str(one) for one in filled))
    low, high = ("", "") if mark else _range(filled)
    shown = [masked(one, mark) for one in different[:EXAMPLES]] if mark else different[:EXAMPLES]
    said = [column.comment] if column.comment else []
    if column.kind in ("point", "shape"):
        said.append(column.type)
    if column.kind == "bytes":
        said.append("binary, not read")
    return ColumnSeen(
        name=column.name,
        type=_type(column.kind, filled) if values else _TYPES.get(column.kind, column.kind),
        filled=round(len(filled) / len(values), 4) if values else 0.0,
        distinct=len(different),
        low=low[:LONGEST_EXAMPLE],
        high=high[:LONGEST_EXAMPLE],
        examples=tuple(one[:LONGEST_EXAMPLE] for one in shown),
        person=mark,
        comment="; ".join(said),
    )


def masked_sample(
    columns: Sequence[ColumnSeen], records: Sequence[Record], limit: int
) -> tuple[dict[str, Any], ...]:
    """Some rows as a page may show them."""
    marks: dict[str, Any] = {one.name: one.person for one in columns if one.person}
    return tuple(
        {
            name: masked(str(value), marks[name]) if name in marks and value is not None else value
            for name, value in row.items()
        }
        for row in records[:limit]
    )


def _type(kind: Kind, filled: Sequence[Any]) -> str:
    """The kind of a column, of a text column by what it holds."""
    if not filled:
        return "empty"
    if kind == "text":
        texts = [str(one) for one in filled]
        if all(map(_MOMENT.match, texts)):
            return "time"
        if all(map(_DAY.fullmatch, texts)):
            return "date"
        kinds = {type(one) for one in filled}
        if kinds <= {int, float} and str not in kinds:
            return "whole" if kinds == {int} else "number"
    if kind in ("number", "whole") and any(isinstance(one, str) for one in filled):
        return "mixed"  # SQLite keeps texts in columns of numbers
    return _TYPES.get(kind, kind)


def _range(filled: Sequence[Any]) -> tuple[str, str]:
    if not filled or isinstance(filled[0], dict | list):
        return "", ""
    try:
        return str(min(filled)), str(max(filled))
    except TypeError:  # numbers and texts in one column
        texts = sorted(map(str, filled))
        return texts[0], texts[-1]
