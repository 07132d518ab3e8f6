"""Paths into a payload: `data.items[0].v` read from parsed JSON, compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pintu.kernel.errors import BadRequestData

LONGEST: Final = 500
DEEPEST: Final = 20
Get = Callable[[Mapping[str, Any]], Any]
"""From a record to the value at a place; None where nothing is there."""

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(-?\d{1,6})\]")


def compile_path(path: str) -> Get:
    """How to read a place. A column of exactly that name goes before a way into it, so columns
    such as `PM2.5` need no quoting. BadRequestData when it is no path."""
    steps = steps_of(path)
    if len(steps) == 1:
        return lambda record: record.get(path)

    def get(record: Mapping[str, Any]) -> Any:
        found = record.get(path)
        return walk(record, steps) if found is None else found

    return get


def steps_of(path: str) -> tuple[str | int, ...]:
    """The steps of a path; BadRequestData when it is none."""
    if not path or len(path) > LONGEST:
        raise BadRequestData(f"A column or path has 1 to {LONGEST} characters, not {len(path)}")
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            return (path,)  # a column's own name, however odd: "浓度[mg/m³]", "a..b"
        name, index = found.groups()
        steps.append(name if index is None else int(index))
        at = found.end()
        if at < len(path) and path[at] == ".":
            at += 1
            if at == len(path):
                return (path,)
    if len(steps) > DEEPEST:
        raise BadRequestData(f"Path {path[:60]!r} has more than {DEEPEST} steps")
    return tuple(steps) if isinstance(steps[0], str) else (path,)


def walk(value: Any, steps: tuple[str | int, ...]) -> Any:
    """What lies at the end of the steps, or None."""
    for step in steps:
        if step.__class__ is str:
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
        elif isinstance(value, list) and -len(value) <= step < len(value):  # type: ignore[operator]
            value = value[step]  # type: ignore[index]
        else:
            return None
    return value


def records_of(payload: Any, path: str) -> list[dict[str, Any]]:
    """The records of a payload: those at `path`, or the payload itself; a single object is one
    record. BadRequestData when there is nothing of the kind."""
    found = payload if not path else walk({"": payload}, ("", *steps_of(path)))
    if isinstance(found, Mapping):
        return [dict(found)]
    if isinstance(found, list) and all(isinstance(one, Mapping) for one in found):
        return [dict(one) for one in found]
    where = f"at {path!r}" if path else "in the payload"
    raise BadRequestData(f"There are no records {where}, but {_kind(found)}")


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a list of single values" if isinstance(value, list) else f"one {type(value).__name__}"
