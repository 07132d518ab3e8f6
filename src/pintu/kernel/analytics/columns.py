"""Rows of one entity's chain taken apart into columns: the form in which days become files. Pure.

Rows that say the same in the same form share it; what differs (positions, times, values) becomes
columns of differences, which compress well. `rows_of(body_of(rows)) == rows`, whatever the rows
are: what would not come back equal stays text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, compress, pairwise
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.analytics.texts import (
    DOUBLE,
    NUMBER,
    TIME,
    WHOLE,
    Cut,
    cut,
    fill,
    marks,
    uncut,
    untold,
)
from pintu.kernel.store.port import VERB_NUMBER, VERBS, Change

Key = tuple[int, str]
ALL_TIMES: Final = (-(2**62), 2**62)


class Form(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What rows have in common."""

    types: tuple[str, ...]
    verb: int
    source: str
    changed: tuple[str, ...] | None  # None for updated, too: the payload's keys
    template: bytes


class Body(msgspec.Struct, array_like=True, gc=False):
    """A pack before it is squeezed; every column in the order of the rows."""

    forms: list[Form]
    which: list[int]  # the form of each row; empty: all are of the first
    positions: list[int]  # differences
    ats: list[int]  # differences
    previous: dict[int, int]  # of rows whose previous is not the row before them
    holes: list[list[Any]]  # a form, a hole: a column of what stood in it


def differences(values: Sequence[int]) -> list[int]:
    """The first value, then how much each is more than the one before."""
    return [*values[:1], *(b - a for a, b in pairwise(values))]


def sums(column: Sequence[int]) -> list[int]:
    """The values of a column of differences."""
    return list(accumulate(column))


def body_of(rows: Sequence[Change]) -> Body:
    """Rows of one entity, oldest first, in columns; what would not come back equal stays text."""
    first = rows[0]
    body = _taken(rows, cut)
    if rows_of(body, first.tenant, first.id) != list(rows):
        body = _taken(rows, uncut)
    return body


def scales_of(scale: int | list[int], count: int) -> list[int]:
    """A scale each."""
    return [scale] * count if isinstance(scale, int) else scale


def _taken(rows: Sequence[Change], cut: Callable[[bytes], Cut]) -> Body:
    forms: dict[Form, int] = {}
    columns: list[list[list[Any]]] = []
    which: list[int] = []
    previous: dict[int, int] = {}
    before = 0
    for n, row in enumerate(rows):
        taken = cut(row.payload)
        changed = None if row.verb == "updated" else row.changed
        form = Form(row.types, VERB_NUMBER[row.verb], row.source, changed, taken.template)
        number = forms.get(form)
        if number is None:
            number = forms[form] = len(forms)
            columns.append([[] for _ in marks(taken.template)])
        which.append(number)
        _put(columns[number], form.template, taken)
        if row.previous != before:
            previous[n] = row.previous
        before = row.position
    holes = [_columns(form.template, column) for form, column in zip(forms, columns, strict=True)]
    return Body(
        list(forms),
        which if len(forms) > 1 else [],
        differences([row.position for row in rows]),
        differences([row.at_us for row in rows]),
        previous,
        holes,
    )


def _put(columns: list[list[Any]], template: bytes, taken: Any) -> None:
    if not columns:
        return
    decimals, scales = iter(taken.decimals), iter(taken.scales)
    floats, times = iter(taken.floats), iter(taken.times)
    for column, kind in zip(columns, marks(template), strict=True):
        if kind == NUMBER:
            column.append((next(decimals), next(scales)))
        elif kind == DOUBLE:
            column.append(next(floats))
        else:
            column.append(next(times))


def _columns(template: bytes, columns: list[list[Any]]) -> list[Any]:
    """Columns as they are kept: decimals as differences and scales, times as differences."""
    found: list[Any] = []
    for column, kind in zip(columns, marks(template), strict=True):
        if kind == NUMBER:
            scales = [scale for _, scale in column]
            same = scales[0] if len(set(scales)) == 1 else scales
            found.append([same, differences([mantissa for mantissa, _ in column])])
        elif kind == DOUBLE:
            found.append(column)
        else:
            found.append(differences(column))
    return found


def rows_of(body: Body, tenant: int, id: str) -> list[Change]:
    """The rows of a body."""
    positions = list(accumulate(body.positions))
    ats = list(accumulate(body.ats))
    previous = [0, *positions[:-1]]
    for n, one in body.previous.items():
        previous[n] = one
    which = body.which
    if not which:
        form = body.forms[0]
        texts = fill(form.template, _whole(form.template, body.holes[0]), len(positions))
        return _rows((tenant, id), form, texts, zip(positions, ats, previous, strict=True))
    rows: list[Any] = [None] * len(positions)
    for number, form in enumerate(body.forms):
        mine = [n for n, one in enumerate(which) if one == number]
        texts = fill(form.template, _whole(form.template, body.holes[number]), len(mine))
        places = ((positions[n], ats[n], previous[n]) for n in mine)
        for n, row in zip(mine, _rows((tenant, id), form, texts, places), strict=True):
            rows[n] = row
    return rows


def rows_within(body: Body, key: Key, span: tuple[int, int]) -> list[Change]:
    """The rows that were written in a time, or tell a time in it; others of it may come along."""
    low, high = span
    if len(body.forms) != 1 or untold(body.forms[0].template):
        return rows_of(body, *key)
    [form], [holes] = body.forms, body.holes
    columns = _whole(form.template, holes)
    wanted = [low <= at <= high for at in accumulate(body.ats)]
    for kind, column in zip(marks(form.template), columns, strict=True):
        if kind >= TIME:
            unit = 10 ** (kind - TIME)
            first, last = low // 1_000_000 * unit - unit, high // 1_000_000 * unit + unit
            wanted = [one or first <= at <= last for one, at in zip(wanted, column, strict=True)]
    if not any(wanted):
        return []
    return rows_of(body if all(wanted) else selected(body, wanted), *key)


def selected(body: Body, wanted: Sequence[bool]) -> Body:
    """The rows of a body that are wanted (at least one), as a body."""
    positions, ats = list(accumulate(body.positions)), list(accumulate(body.ats))
    kept = list(compress(range(len(positions)), wanted))
    previous: dict[int, int] = {}
    for n, row in enumerate(kept):
        told = body.previous.get(row, positions[row - 1] if row else 0)
        if told != (positions[kept[n - 1]] if n else 0):
            previous[n] = told
    which = body.which
    parts = [wanted] if not which else [
        [one for one, form in zip(wanted, which, strict=True) if form == number]
        for number in range(len(body.forms))
    ]  # fmt: skip
    there = [number for number, part in enumerate(parts) if any(part)]
    places = {number: n for n, number in enumerate(there)}
    return Body(
        [body.forms[number] for number in there],
        [places[which[row]] for row in kept] if len(there) > 1 else [],
        differences([positions[row] for row in kept]),
        differences([ats[row] for row in kept]),
        previous,
        [
            [
                _some(kind, column, parts[number])
                for kind, column in zip(
                    marks(body.forms[number].template), body.holes[number], strict=True
                )
            ]
            for number in there
        ],
    )


def _some(kind: int, column: Any, wanted: Sequence[bool]) -> Any:
    """A column as it is kept, cut to the rows that are wanted."""
    if kind == DOUBLE:
        return list(compress(column, wanted))
    if kind != NUMBER:
        return differences(list(compress(accumulate(column), wanted)))
    scale, mantissas = column
    some = scale if isinstance(scale, int) else list(compress(scale, wanted))
    return [some, differences(list(compress(accumulate(mantissas), wanted)))]


def _rows(
    key: Key, form: Form, texts: list[bytes], places: Iterable[tuple[int, int, int]]
) -> list[Change]:
    tenant, id = key
    types, verb, source, changed = form.types, VERBS[form.verb], form.source, form.changed
    if form.verb == _UPDATED:
        changed = names_of(form.template)
        if changed is None:
            return [
                Change(
                    position, tenant, id, types, verb, at, source, tuple(orjson.loads(text)), text,
                    previous,
                )
                for text, (position, at, previous) in zip(texts, places, strict=True)
            ]  # fmt: skip
    return [
        Change(position, tenant, id, types, verb, at, source, changed, text, previous)
        for text, (position, at, previous) in zip(texts, places, strict=True)
    ]


_UPDATED = VERB_NUMBER["updated"]


@lru_cache(maxsize=4096)
def names_of(template: bytes) -> tuple[str, ...] | None:
    """The members of every text of a template; None when it does not say so itself."""
    if template[:1] == WHOLE:
        return None
    told = []
    for number in (1, 2):  # a hole may stand in a name
        columns = [(0, (number,)) if kind == NUMBER else (number,) for kind in marks(template)]
        told.append(tuple(orjson.loads(fill(template, columns, 1)[0])))
    return told[0] if told[0] == told[1] else None


def _whole(template: bytes, columns: list[Any]) -> list[Any]:
    """Columns as `fill` takes them, from what is kept."""
    found: list[Any] = []
    for kind, column in zip(marks(template), columns, strict=True):
        if kind == NUMBER:
            found.append((column[0], list(accumulate(column[1]))))
        else:
            found.append(column if kind == DOUBLE else list(accumulate(column)))
    return found


def observed(body: Body) -> tuple[int, int]:
    """(earliest, latest) time in µs that any row tells, to the whole second outwards; (0, 0): none.

    A time that could not be cut out may be any.
    """
    found: list[int] = []
    for form, columns in zip(body.forms, body.holes, strict=True):
        if untold(form.template):
            return ALL_TIMES
        for kind, column in zip(marks(form.template), columns, strict=True):
            if kind >= TIME:
                unit = 10 ** (kind - TIME)
                told = list(accumulate(column))
                found += (min(told) // unit, max(told) // unit + 1)
    return (min(found) * 1_000_000, max(found) * 1_000_000) if found else (0, 0)
