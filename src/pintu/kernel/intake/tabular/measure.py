"""Columns measured on a sample: how filled, how many different values, from where to where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from pintu.kernel.intake.doors.words import ColumnSeen
from pintu.kernel.intake.mapping.people import masked, person_marks
from pintu.kernel.intake.mapping.words import PersonMark
from pintu.kernel.intake.tabular.kinds import kind_of, missing
from pintu.kernel.intake.tabular.words import Record

EXAMPLES: Final = 5
LONGEST_EXAMPLE: Final = 80
JUDGED: Final = 1_000  # values of a column by which it is judged
MIXED_SHARE: Final = 0.8  # of one kind and a few others: mixed; below: a text


def columns_seen(
    names: Sequence[str], records: Sequence[Record]
) -> tuple[tuple[ColumnSeen, ...], list[str]]:
    """The columns, and a sentence for each that is not what most of its values are. Values of
    columns that say something of a person, or may, are masked."""
    found, warnings = [], []
    by_name = {name: [record.get(name) for record in records] for name in names}
    marks = person_marks({name: _examples(values) for name, values in by_name.items()})
    for name, values in by_name.items():
        mark = marks[name].mark if name in marks else ""
        column, warning = _column(name, values, mark)
        found.append(column)
        warnings += [warning] if warning else []
    return tuple(found), warnings


def _examples(values: Sequence[Any]) -> list[str]:
    """Different values, as a column is judged by."""
    different = dict.fromkeys(_shown(one) for one in values[:JUDGED] if not missing(one))
    return list(different)[:200]


def _column(name: str, values: list[Any], mark: PersonMark) -> tuple[ColumnSeen, str]:
    filled = [one for one in values if not missing(one)]
    counts = Counter(kind_of(one) for one in filled)
    kind = _type(counts)
    different = Counter(_shown(one) for one in filled)
    examples = [one for one, _ in different.most_common(EXAMPLES)]
    low, high = ("", "") if mark else _range(kind, filled)
    warning = ""
    if kind == "mixed":
        most, odd = counts.most_common(1)[0][0], counts.most_common()[-1][0]
        odd_one = next(one for one in filled if kind_of(one) == odd)
        said = "***" if mark else repr(_shown(odd_one)[:30])
        warning = f"column {name!r} mostly holds {most}, but also {odd}: {said}"
    return (
        ColumnSeen(
            name=name,
            type=kind,
            filled=round(len(filled) / len(values), 4) if values else 0.0,
            distinct=len(different),
            low=low,
            high=high,
            examples=tuple(masked(one, mark) for one in examples),
            person=mark,
        ),
        warning,
    )


def _type(counts: Counter[str]) -> str:
    kinds = set(counts)
    if not kinds:
        return "empty"
    if len(kinds) == 1:
        return kinds.pop()
    if kinds <= {"whole", "number"}:
        return "number"
    if kinds <= {"time", "date"}:
        return "time"
    if kinds <= {"point", "shape"}:
        return "shape"
    numbers = counts["whole"] + counts["number"]
    times = counts["time"] + counts["date"]
    total = sum(counts.values())
    return "mixed" if max(numbers, times, counts["point"]) >= MIXED_SHARE * total else "text"


def _range(kind: str, filled: list[Any]) -> tuple[str, str]:
    if kind in ("number", "whole"):
        numbers = [float(str(one).replace(",", "")) for one in filled]
        return f"{min(numbers):.10g}", f"{max(numbers):.10g}"
    if kind in ("time", "date"):
        texts = [str(one).strip() for one in filled]
        return min(texts), max(texts)
    return "", ""


def masked_record(record: Record, marks: Mapping[str, PersonMark]) -> Record:
    """A record whose columns of persons are masked."""
    return {
        name: masked(str(value), marks[name]) if name in marks and not missing(value) else value
        for name, value in record.items()
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str).decode()[:LONGEST_EXAMPLE]
    return str(value)[:LONGEST_EXAMPLE]
