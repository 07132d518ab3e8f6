"""Which rows to look at for a selection: one index drives, everything it cannot prove is left to
`match`.

A plan is data: steps of a few forms with the values they are bound to. The statements
(`asking.py`) know the forms only, so that no query, however odd, is a new statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, isfinite, nextafter
from typing import Any, Literal

from pintu.kernel.context.match import sargable, search_boxes
from pintu.kernel.context.match.hints import Hint
from pintu.kernel.context.selection import OneOf, Path, Range, Selection
from pintu.kernel.store.choosing import (
    MANY,
    MOST_ROWS,
    SMALL_KIND,
    counted,
    has,
    of_types,
    proves,
    remaining,
    shown,
)
from pintu.kernel.store.kinds import IndexPath, KindRow
from pintu.kernel.store.postgres.places import area_step, nearby, point_step
from pintu.kernel.store.rows import PER_DEGREE

Form = Literal["id", "kind", "number", "words", "near", "point", "area"]
_PLACES: tuple[Form, ...] = ("point", "area")

_TALL = MOST_ROWS / PER_DEGREE
"""Degrees of latitude from which on a box is read as one band around the Earth."""

EXACT_INTEGER = 2**53
"""Integers up to this are the same as `double precision`."""

_AFTER_ALL = b"\xff"
"""Greater than any text as UTF-8."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one form: `values` are what its columns are bound to, in the order of the form."""

    form: Form
    values: tuple[Any, ...]


@dataclass(slots=True)
class Plan:
    """Steps in order. `exact`: a row that is not loose satisfies the selection as it is."""

    steps: list[Step]
    name: str
    exact: bool = False
    sure: bool = True  # rows that are not loose are to be expected
    distinct: bool = False  # a row may come twice
    unique: bool = True  # no row that is not loose comes twice
    count: int | None = None  # known without looking
    most: int | None = None  # rows the steps have at most, as far as that is known
    shapes: list[int] | None = None  # only entities of these, None: of any
    long: bool = False  # the server may pass over very many entries for few rows
    version: int = 0  # of the names it was made with
    asked: list[tuple[KindRow, Path]] = field(default_factory=list)
    used: list[IndexPath] = field(default_factory=list)


def plans(kinds: Iterable[KindRow], selection: Selection) -> list[Plan]:
    """The plans that may serve a selection, of which the one that finds least is to be taken;
    mostly there is one. `kinds` are those of the selection's tenant.
    """
    if selection.ids:
        return [_by_id(selection)]
    chosen = [kind for kind in kinds if _wanted(kind, selection)]
    found = _by_place(chosen, selection)
    if found is not None:
        made = [found]
    else:
        hints = sargable(selection.q)
        by_value = (_by_value(chosen, selection, hint) for hint in hints)
        made = [one for one in by_value if one is not None]
        if not made:
            made = [_by_kind(chosen, selection)]
            made[0].asked = [(kind, hint[0]) for hint in hints[:2] for kind in chosen]
    shapes = _shapes(chosen, selection)
    if shapes is not None:
        long = sum(kind.count for kind in chosen) > MANY
        for one in made:
            one.shapes, one.long = shapes, one.long or long
    return made


def _wanted(kind: KindRow, selection: Selection) -> bool:
    """May an entity of this kind satisfy the selection's types and attributes?

    A kind without entities may have some by the time the statement is read: what is numbered is
    looked at.
    """
    if not of_types(kind, selection):
        return False
    if not selection.attributes:
        return True
    return any(shape.n and has(shape.by_name, selection) for shape in list(kind.shapes.values()))


def _shapes(kinds: list[KindRow], selection: Selection) -> list[int] | None:
    """The shapes with one of the attributes asked for; None when all have one."""
    if not selection.attributes:
        return None
    shapes = [shape for kind in kinds for shape in list(kind.shapes.values()) if shape.n]
    good = [shape.n for shape in shapes if has(shape.by_name, selection)]
    return None if len(good) == len(shapes) else good


def _by_id(selection: Selection) -> Plan:
    left = remaining(selection) or selection.types is not None or selection.attributes
    ids = list(dict.fromkeys(selection.ids))
    steps = [Step("id", (selection.tenant, id)) for id in ids if "\0" not in id]
    return Plan(steps, "id", exact=not left, most=len(steps))


def _by_kind(kinds: list[KindRow], selection: Selection) -> Plan:
    steps = [Step("kind", (kind.n, 0)) for kind in kinds]
    exact = not remaining(selection)
    number = counted(kinds, selection)
    return Plan(steps, "kind", exact=exact, count=number if exact else None, most=number)


# --- values ---------------------------------------------------------------------------------------
def _by_value(kinds: list[KindRow], selection: Selection, hint: Hint) -> Plan | None:
    """A conjunct with an index for every kind that is not small."""
    ranges = _ranges(hint)
    if not ranges:
        return None
    steps = []
    used = []
    sure = True
    for kind in kinds:
        index = kind.learned.get(hint[0])
        if index is not None and index.state == "ready":
            used.append(index)
            steps += [Step(form, (index.n, low, high)) for form, low, high, _ in ranges]
        elif kind.count <= SMALL_KIND:
            steps.append(Step("kind", (kind.n, 1)))
            sure = sure and not kind.count
        else:
            return None
    if not used:
        return None
    same = all(same for *_, same in ranges)
    return Plan(
        _by_form(steps),
        f"value {shown(hint[0])}",
        exact=same and remaining(selection) == {"q"} and proves(selection.q, hint),
        sure=sure,
        distinct=True,
        unique=len(ranges) == 1,
        used=used,
    )


def _by_form(steps: list[Step]) -> list[Step]:
    """A statement reads form after form."""
    return sorted(steps, key=lambda step: step.form)


Bounds = tuple[Form, Any, Any, bool]
"""Form, smallest and largest number (both included), or first text and the one after the last;
whether exactly the entries in there satisfy the comparison, as far as they are not loose.
"""


def _ranges(hint: Hint) -> list[Bounds]:
    """Where the entries lie that a hint is about; empty when no index can say."""
    _, op, value = hint
    if isinstance(value, OneOf):
        found = [_ranges((hint[0], op, inner)) for inner in value.values]
        return [one for each in found for one in each] if all(found) else []
    if isinstance(value, Range):
        if op != "==" or isinstance(value.low, str) != isinstance(value.high, str):
            return []
        if isinstance(value.low, str):
            return [("words", _encoded(value.low), _encoded(value.high) + b"\0", True)]
        low, high = _number(value.low), _number(value.high)
        return [("number", low[0], high[0], low[1] and high[1])]
    if isinstance(value, str):
        return [_words(op, _encoded(value))]
    number, same = _number(value)
    return [_numbers(op if same else op.rstrip("=") + "=", number, same)]


def _words(op: str, text: bytes) -> Bounds:
    after = text + b"\0"
    low = {"==": text, ">=": text, ">": after}.get(op, b"")
    high = {"==": after, "<=": after, "<": text}.get(op, _AFTER_ALL)
    return "words", low, high, True


def _numbers(op: str, number: float, same: bool) -> Bounds:
    low = {"==": number, ">=": number, ">": nextafter(number, inf)}.get(op, -inf)
    high = {"==": number, "<=": number, "<": nextafter(number, -inf)}.get(op, inf)
    return "number", low, high, same


def _number(value: float) -> tuple[float, bool]:
    """A number as the index holds it, and whether it is the same number."""
    number = float(value)
    return number, isfinite(number) and abs(number) < EXACT_INTEGER


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# --- places ---------------------------------------------------------------------------------------
def _by_place(kinds: list[KindRow], selection: Selection) -> Plan | None:
    geo = selection.geo
    if geo is None:
        return None
    boxes = search_boxes(geo)
    if boxes is None:
        return None
    near = nearby(geo)
    steps = []
    used = []
    for kind in kinds:
        for form in _PLACES:
            index = kind.geo.get((form, geo.geoproperty))
            if index is None:
                continue
            used.append(index)
            for box in boxes:
                if form == "area":
                    steps.append(Step("area", area_step(index, box)))
                    continue
                cells: Form = "point" if near is None else "near"
                steps.append(Step(cells, point_step(index, box, near)))
    return Plan(
        _by_form(steps),
        f"place {geo.geoproperty}",
        exact=remaining(selection) == {"geo"},
        sure=all(step.form == "near" for step in steps),
        distinct=True,
        unique=False,
        long=any(box[3] - box[1] > _TALL for box in boxes),
        used=used,
    )
