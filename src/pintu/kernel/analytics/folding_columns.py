"""Rows of a day file folded up to a moment, as fast as columns allow (`folding` does it for packs).
Pure.

Of rows that write the same single instances one after the other only the first and the last are
seen in how the entity stands, as long as none of them came late. That is told by their columns of
times, without making a text of any. Whatever is not that plain is applied row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import le
from typing import Any, Final

import orjson

from pintu.kernel.analytics.columns import Body, Form
from pintu.kernel.analytics.texts import NUMBER, TIME, WHOLE, fill, marks
from pintu.kernel.context.late import last_write_holds
from pintu.kernel.context.standing import MEMBERS, Standing, is_single
from pintu.kernel.store.port import VERB_NUMBER, VERBS, Change

_UPDATED: Final = VERB_NUMBER["updated"]
_NONE: Final = -1
"""An instance that tells no time of observing."""

Shape = dict[str, int]
"""Attribute → the hole with its time of observing, or _NONE."""


def fold_columns(standing: Standing, body: Body, id: str, until_us: int) -> int:
    """Apply the rows of a body up to the first one after a moment; how many that were."""
    ats: list[int] = []
    for at in accumulate(body.ats):
        if at > until_us:
            break
        ats.append(at)
    if ats:
        for change in _changes(body, id, ats, _matter(body, len(ats))):
            standing.apply(change)
    return len(ats)


def _matter(body: Body, count: int) -> Sequence[int]:
    """Which of the first rows are seen in how the entity stands after them."""
    which = body.which[:count]
    shapes = [_shape(form) for form in body.forms]
    if count <= 2 or len(body.forms) * 2 >= count or not _in_order(body, shapes, count):
        return range(count)
    if not which:
        return (0, count - 1) if shapes[0] is not None else range(count)
    kept: set[int] = set()
    run: dict[int, int] = {}  # form → its last row since the last one that is not plain
    for n, number in enumerate(which):
        if shapes[number] is None:
            kept.update(run.values())
            run.clear()
            kept.add(n)
        else:
            if number not in run:
                kept.add(n)
            run[number] = n
    kept.update(run.values())
    return sorted(kept)


def _in_order(body: Body, shapes: list[Shape | None], count: int) -> bool:
    """Whether no row of the plain forms came late after another of them."""
    plain = [n for n, shape in enumerate(shapes) if shape is not None]
    if all(last_write_holds(body.forms[n].source) for n in plain):
        return True
    which = body.which[:count]
    checked: list[dict[int, list[int]]] = []
    for name in {name for n in plain for name in shapes[n] or ()}:
        holes = {n: shape[name] for n in plain if (shape := shapes[n]) and name in shape}
        timed = [n for n, hole in holes.items() if hole != _NONE]
        if not timed:
            continue
        if len(timed) < len(holes):
            return False  # some tell a time and some do not
        columns = {n: body.holes[n][hole] for n, hole in holes.items()}
        if columns in checked:
            continue
        checked.append(columns)
        if not _rising(body, columns, holes, which):
            return False
    return True


def _rising(
    body: Body, columns: dict[int, list[int]], holes: dict[int, int], which: list[int]
) -> bool:
    if len(columns) == 1:
        [(number, column)] = columns.items()
        mine = which.count(number) if which else len(body.ats)
        return mine < 2 or min(column[1:mine]) >= 0
    told = {}
    for number, column in columns.items():
        digits = marks(body.forms[number].template)[holes[number]] - TIME
        times = accumulate(column)
        power = 10 ** (6 - digits)
        told[number] = times if digits == 6 else map(power.__mul__, times)
    merged = [next(told[number]) for number in which if number in told]
    return all(map(le, merged, merged[1:]))


@lru_cache(maxsize=4096)
def _shape(form: Form) -> Shape | None:
    """What a form writes, when that is plain: single instances, and each tells a time of observing
    that is cut out, or none."""
    if form.verb != _UPDATED or form.template[:1] == WHOLE:
        return None
    kinds = marks(form.template)
    columns: list[Any] = []
    for n, kind in enumerate(kinds):
        if kind == NUMBER:
            columns.append((0, (1,)))
        else:  # a second of 1970 of its own tells which hole it was
            columns.append((n * 10 ** (kind - TIME),) if kind >= TIME else (1.5,))
    payload = orjson.loads(fill(form.template, columns, 1)[0])
    found: Shape = {}
    for name, instance in payload.items():
        if name in MEMBERS or not is_single(instance):
            return None
        found[name] = _NONE
        at = instance.get("observedAt")
        if at is not None:
            hole = _second(at)
            if hole is None or hole >= len(kinds) or kinds[hole] < TIME:
                return None
            found[name] = hole
    return found


def _second(told: Any) -> int | None:
    """The second of 1970-01-01 that a time names."""
    if not isinstance(told, str) or not told.startswith("1970-01-01T") or len(told) < 20:
        return None
    hours, minutes, seconds = int(told[11:13]), int(told[14:16]), int(told[17:19])
    return hours * 3600 + minutes * 60 + seconds


def _changes(body: Body, id: str, ats: list[int], rows: Sequence[int]) -> Iterator[Change]:
    """The rows at some places, in order; their positions are nobody's business here."""
    which = body.which
    by_form: dict[int, list[int]] = {}
    places: dict[int, tuple[int, int]] = {}
    if not which:
        by_form[0] = list(rows)
        places = {row: (0, n) for n, row in enumerate(rows)}
    else:
        wanted = set(rows)
        seen = [0] * len(body.forms)
        for n, number in enumerate(which[: len(ats)]):
            if n in wanted:
                mine = by_form.setdefault(number, [])
                places[n] = (number, len(mine))
                mine.append(seen[number])
            seen[number] += 1
    texts = {
        number: _texts(body.forms[number].template, body.holes[number], mine)
        for number, mine in by_form.items()
    }
    for row in rows:
        number, place = places[row]
        form, text = body.forms[number], texts[number][place]
        yield Change(
            0, 0, id, form.types, VERBS[form.verb], ats[row], form.source, form.changed, text, 0
        )


def _texts(template: bytes, holes: list[Any], rows: list[int]) -> list[bytes]:
    """The texts of some rows of a form."""
    columns: list[Any] = []
    for kind, column in zip(marks(template), holes, strict=True):
        if kind == NUMBER:
            scale, mantissas = column
            some = scale if isinstance(scale, int) else [scale[row] for row in rows]
            columns.append((some, _summed(mantissas, rows)))
        else:
            columns.append(_summed(column, rows) if kind >= TIME else [column[r] for r in rows])
    return fill(template, columns, len(rows))


def _summed(column: list[int], rows: list[int]) -> list[int]:
    """Values of a column of differences at some rows, in order."""
    found: list[int] = []
    value = after = 0
    for row in rows:
        value += sum(column[after : row + 1])
        after = row + 1
        found.append(value)
    return found
