"""What a device said for a while → tables with measured columns, for a page and for guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.doors.payload import TIME, TOPIC, WHOLE, Payload, numbered
from pintu.kernel.intake.doors.words import ColumnSeen, TableSeen
from pintu.kernel.intake.mapping.people import masked, person_marks
from pintu.kernel.intake.words import Envelope

MOST_TABLES: Final = 200
MOST_COLUMNS: Final = 300
SAMPLE: Final = 20
EXAMPLES: Final = 5
LONGEST_EXAMPLE: Final = 80
RECORDS: Final = "#"
"""Between a table's topic and the path of its records: `city/+/env#readings`."""


class Heard(msgspec.Struct, frozen=True):
    """One message, and the topic, address or folder it came by."""

    name: str
    envelope: Envelope


def tables_of(heard: Sequence[Heard], payload: Payload) -> list[TableSeen]:
    """One table a pattern of topics, biggest first; a message that cannot be read is a warning."""
    found: dict[str, list[dict[str, Any]]] = {}
    warnings: dict[str, Counter[str]] = {}
    for topic, messages in _by_pattern(heard, payload).items():
        for message in messages:
            try:
                content = payload.decode(message.body)
                path = records_path(content)
                name = topic + (RECORDS + path if path else "")
                records = [one for _, one in numbered(message, content, path)]
            except BadInput as error:
                warnings.setdefault(topic, Counter())[error.detail] += 1
                continue
            found.setdefault(name, []).extend(records)
    tables = [
        measured(name, records, _said(warnings.pop(name.partition(RECORDS)[0], None)))
        for name, records in found.items()
    ]
    tables += [TableSeen(name=name, columns=(), warnings=_said(w)) for name, w in warnings.items()]
    return sorted(tables, key=lambda one: (-(one.rows or 0), one.name))[:MOST_TABLES]


def records_path(content: Any) -> str:
    """Where the list of records lies in a message: the longest list of objects, two deep at most;
    empty when the message itself is the record or the list."""
    best, length = "", 0
    if not isinstance(content, dict):
        return best
    for name, value in content.items():
        inner = [(name, value)]
        if isinstance(value, dict):
            inner += [(f"{name}.{deep}", one) for deep, one in value.items()]
        for path, one in inner:
            objects = isinstance(one, list) and one and all(isinstance(r, dict) for r in one)
            if objects and len(one) > length and "." not in path.rpartition(".")[2]:
                best, length = path, len(one)
    return best


def measured(
    name: str, records: Iterable[dict[str, Any]], warnings: tuple[str, ...] = ()
) -> TableSeen:
    """A table of flat columns: how filled, how many different values, from where to where; what a
    column says of persons is masked."""
    rows = [flat(one) for one in records]
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(list(row)[:MOST_COLUMNS]))
    columns = [_column(one, rows) for one in list(names)[:MOST_COLUMNS]]
    marks = {
        name: one.mark
        for name, one in person_marks({one.name: one.examples for one in columns}).items()
        if one.sure
    }
    for number, one in enumerate(columns):
        if one.name in marks:
            hidden = tuple(masked(text, marks[one.name]) for text in one.examples)
            columns[number] = replace(one, examples=hidden, person=marks[one.name], low="", high="")
    sample = tuple(
        {name: masked(str(one), marks[name]) if name in marks else one for name, one in row.items()}
        for row in rows[:SAMPLE]
    )
    return TableSeen(
        name=name, columns=tuple(columns), rows=len(rows), sample=sample, warnings=warnings
    )


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """Nested values by their path: `{"a": {"b": [1, 2]}}` is `{"a.b[0]": 1, "a.b[1]": 2}`."""
    found: dict[str, Any] = {}

    def walk(path: str, value: Any, depth: int) -> None:
        if isinstance(value, dict) and depth < 5:
            for name, inner in value.items():
                walk(f"{path}.{name}" if path else str(name), inner, depth + 1)
        elif isinstance(value, list) and depth < 5 and len(value) <= 8:
            if path.partition(".")[0] == WHOLE and any(isinstance(one, dict) for one in value):
                return  # the records themselves, seen from beside
            for number, inner in enumerate(value):
                walk(f"{path}[{number}]", inner, depth + 1)
        elif not isinstance(value, dict | list):
            found[path] = value

    walk("", record, 0)
    return found


def _column(name: str, rows: list[dict[str, Any]]) -> ColumnSeen:
    values = [row[name] for row in rows if row.get(name) not in (None, "")]
    different = Counter(_shown(one) for one in values)
    kind = type_of(values)
    low = high = ""
    if kind in ("number", "whole"):
        numbers = [float(one) for one in values]
        low, high = f"{min(numbers):g}", f"{max(numbers):g}"
    elif kind == "time":
        low, high = min(different), max(different)
    return ColumnSeen(
        name=name,
        type=kind,
        filled=len(values) / len(rows) if rows else 0.0,
        distinct=len(different),
        low=low,
        high=high,
        examples=tuple(one for one, _ in different.most_common(EXAMPLES)),
        comment="" if name != TIME else "when the message came",
    )


def type_of(values: Sequence[Any]) -> str:
    """text | number | whole | yes_no | time | empty | mixed, of what is filled."""
    kinds = {_kind(one) for one in values}
    if not kinds:
        return "empty"
    if kinds <= {"whole", "number"}:
        return "number" if "number" in kinds else "whole"
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, int):
        return "whole"
    if isinstance(value, float):
        return "number"
    text = str(value)
    if text[:4].isdigit() and text[4:5] in ("-", "/") and text[-1:] in "Z0123456789":
        return "time"
    try:
        float(text)
    except ValueError:
        return "text"
    return "whole" if text.lstrip("+-").isdigit() else "number"


def _shown(value: Any) -> str:
    return str(value)[:LONGEST_EXAMPLE]


def _said(warnings: Counter[str] | None) -> tuple[str, ...]:
    if not warnings:
        return ()
    return tuple(f"{count}×: {said}" for said, count in warnings.most_common(5))


def _by_pattern(heard: Sequence[Heard], payload: Payload) -> dict[str, list[Envelope]]:
    """Messages by topic; topics of one shape whose messages have the same names are one pattern:
    a level that differs becomes `+`."""
    alike: dict[tuple[int, str], list[Heard]] = {}
    for one in heard:
        levels = one.name.split("/")
        # Without a level of the device a pattern would join what has nothing in common.
        last = levels[-1] if len(levels) > 2 else ""
        signature = f"{last} {_signature(one.envelope, payload)}"
        alike.setdefault((len(levels), signature), []).append(one)
    found: dict[str, list[Envelope]] = {}
    for group in alike.values():
        found.setdefault(_pattern({one.name for one in group}), []).extend(
            one.envelope for one in group
        )
    return found


def _pattern(names: set[str]) -> str:
    levels = [set(level) for level in zip(*(one.split("/") for one in names), strict=True)]
    return "/".join(one.pop() if len(one) == 1 else "+" for one in levels)


def _signature(envelope: Envelope, payload: Payload) -> str:
    try:
        content = payload.decode(envelope.body)
    except BadInput:
        return "unreadable"
    while isinstance(content, list) and content:
        content = content[0]
    return (
        " ".join(sorted(map(str, content))) if isinstance(content, dict) else type(content).__name__
    )


__all__ = ["RECORDS", "TOPIC", "Heard", "flat", "measured", "records_path", "tables_of", "type_of"]
