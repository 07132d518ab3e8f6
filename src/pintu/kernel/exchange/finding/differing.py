"""How far two copies differ: rows joined by key, value by value; shown to who may see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pintu.kernel.exchange.finding.canonical import canonical, number_of
from pintu.kernel.exchange.finding.joining import DAY_S, NEAR
from pintu.kernel.exchange.finding.words import FieldTwin, Twin

MOST_SHOWN: Final = 200
MOST_CODED: Final = 500


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that two data sets tell differently."""

    key: tuple[str, ...]
    left: str  # the field's name there
    right: str
    says: tuple[Any, Any]


class FieldDiffers(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of fields over all joined rows."""

    left: str
    right: str
    compared: int
    differ: int


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted over two whole data sets, or the first rows of them."""

    joined: int
    only_left: int
    only_right: int
    compared: int = 0
    differ: int = 0
    fields: tuple[FieldDiffers, ...] = ()
    rows: tuple[Difference, ...] = ()  # the first of them

    @property
    def share(self) -> float:
        """Of the compared values, how many differ, 0…1."""
        return self.differ / self.compared if self.compared else 0.0


Row = Mapping[str, Any]


def differences(
    twin: Twin, left: Iterable[Row], right: Iterable[Row], *, most: int = MOST_SHOWN
) -> Differences:
    """Compare rows under the twin's keys. A key that stands twice counts once, the last row of it;
    values are compared as the twin says they go together: by factor, by code, by text."""
    mine = _keyed(left, twin.keys[0])
    theirs = _keyed(right, twin.keys[1])
    shared = [key for key in mine if key in theirs]
    counts: list[FieldDiffers] = []
    shown: list[Difference] = []
    for field in twin.fields:
        same = _same(field, [(mine[key], theirs[key]) for key in shared[:MOST_CODED]])
        compared = differ = 0
        for key in shared:
            one, other = mine[key].get(field.left), theirs[key].get(field.right)
            if canonical(one) == "" or canonical(other) == "":
                continue
            compared += 1
            if not same(one, other):
                differ += 1
                if len(shown) < most:
                    shown.append(Difference(
                        key=_told(mine[key], twin.keys[0]), left=field.left, right=field.right,
                        says=(one, other),
                    ))  # fmt: skip
        counts.append(
            FieldDiffers(left=field.left, right=field.right, compared=compared, differ=differ)
        )
    return Differences(
        joined=len(shared),
        only_left=len(mine) - len(shared),
        only_right=len(theirs) - len(shared),
        compared=sum(one.compared for one in counts),
        differ=sum(one.differ for one in counts),
        fields=tuple(counts),
        rows=tuple(shown),
    )


def _keyed(rows: Iterable[Row], names: Sequence[str]) -> dict[tuple[str, ...], Row]:
    found = {}
    for row in rows:
        # as the samples do: whatever the order of the key's columns
        key = tuple(sorted(canonical(row.get(name)) for name in names))
        if all(key):
            found[key] = row
    return found


def _told(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in names)


Same = Callable[[Any, Any], bool]


def _same(field: FieldTwin, examples: Sequence[tuple[Row, Row]]) -> Same:
    if field.how in ("factor", "linear"):
        return lambda one, other: _by_factor(field, one, other)
    if field.how == "codes":
        return _by_code(field, examples)
    if field.how == "text":
        return _alike
    return _equal


def _equal(one: Any, other: Any) -> bool:
    if canonical(one) == canonical(other):
        return True
    x, y = number_of(one, ""), number_of(other, "")
    if not (math.isfinite(x) and math.isfinite(y)):
        return False
    if isinstance(one, str) and isinstance(other, str) and abs(x) > 1e8:
        return abs(x - y) < DAY_S and len(one) != len(other)  # a date and a time of that day
    return abs(x - y) <= 1e-6 * max(abs(x), abs(y))


def _by_factor(field: FieldTwin, one: Any, other: Any) -> bool:
    x, y = number_of(one, ""), number_of(other, "")
    told = x * (field.factor or 1.0) + field.offset
    return abs(told - y) <= NEAR * max(abs(told), abs(y), 1e-12)


def _by_code(field: FieldTwin, examples: Sequence[tuple[Row, Row]]) -> Same:
    """The code that each code goes with most often, of the first rows."""
    counted: dict[str, dict[str, int]] = {}
    for one, other in examples:
        mine, theirs = canonical(one.get(field.left)), canonical(other.get(field.right))
        if mine and theirs:
            told = counted.setdefault(mine, {})
            told[theirs] = told.get(theirs, 0) + 1
    meant = {mine: max(told, key=lambda one: told[one]) for mine, told in counted.items()}
    return lambda one, other: meant.get(canonical(one)) == canonical(other)


def _alike(one: Any, other: Any) -> bool:
    mine, theirs = canonical(one), canonical(other)
    return mine == theirs or mine in theirs or theirs in mine
