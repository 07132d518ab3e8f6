"""Usual records of a table data set, mapped column by column: a fraction of the time a record takes
alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping.paths import Get
from pintu.kernel.intake.mapping.values import LARGEST_WHOLE, LONGEST_TEXT, Convert, text
from pintu.kernel.intake.mapping.words import Row

TOGETHER: Final = 100  # records: one odd value among them has all of them mapped one by one

Cell = tuple[str, str, Get | None, frozenset[str], Convert, bool]
Records = Sequence[tuple[int, dict[str, Any]]]
Read = Callable[[Sequence[Any]], list[Any] | None]


class ByColumns:
    """Maps some records at once when nothing about them is odd; what is odd, and why, is told by
    mapping them one by one."""

    __slots__ = ("_constants", "_get", "_key", "_names", "_reads")

    def __init__(
        self, cells: Sequence[Cell], plain: frozenset[str], constants: Sequence[tuple[str, Any]],
        key: str,
    ) -> None:  # fmt: skip
        self._names = [one[1] for one in cells] + [name for name, _ in constants]
        self._get = itemgetter(*(one[0] for one in cells), cells[0][0])  # a tuple, of one too
        self._reads = [_reader(one, plain) for one in cells]
        self._constants = [value for _, value in constants]
        self._key = key

    def rows(self, records: Records) -> list[Row] | None:
        """A row a record; None when one of them has to be looked at closely."""
        get, columns = self._get, list[Sequence[Any]]()
        try:
            told = zip(*[get(record) for _, record in records], strict=True)
            for read, values in zip(self._reads, told, strict=False):
                found = read(values)
                if found is None:
                    return None
                columns.append(found)
        except (BadInput, TypeError, KeyError):
            return None
        columns += [[value] * len(records) for value in self._constants]
        names = self._names
        made = [dict(zip(names, line)) for line in zip(*columns, strict=True)]  # noqa: B905
        if not self._key:
            return [Row("", one) for one in made]
        key = self._key
        return [Row(str(one[key]), one) for one in made]


def by_columns(
    cells: Sequence[Cell], plain: frozenset[str], constants: Sequence[tuple[str, Any]],
    key: Sequence[str],
) -> ByColumns | None:  # fmt: skip
    """None for mappings whose values lie in paths or in several columns, or whose key does.
    `plain` names the columns of numbers without unit, bounds or words."""
    if not cells or len(key) > 1 or any(one[2] is not None for one in cells):
        return None
    return ByColumns(cells, plain, constants, "".join(key))


def _reader(cell: Cell, plain: frozenset[str]) -> Read:
    _, to, _, missing, convert, required = cell

    def others(values: Sequence[Any]) -> list[Any] | None:
        found = [None if one is None or one in missing else convert(one) for one in values]
        if "" in found:
            found = [None if one == "" else one for one in found]
        return None if required and None in found else found

    def texts(values: Sequence[Any]) -> list[Any] | None:
        told = _together(values)
        if told is None:
            return others(values)
        if "\x00" in told or len(told) > LONGEST_TEXT:
            return None
        found = [None if one is None or one in missing else one.strip() or None for one in values]
        return None if required and None in found else found

    def numbers(values: Sequence[Any]) -> list[Any] | None:
        told = _together(values)
        if told is None or "_" in told:  # Python would read 1_000
            return others(values)
        try:
            found = [
                None if one is None or one in missing else float(one) if "." in one else int(one)
                for one in values
            ]
        except ValueError:
            return others(values)
        known = [one for one in found if one is not None]
        if sum(map(abs, known)) >= LARGEST_WHOLE or sum(known) != sum(known):
            return others(values)
        return None if required and len(known) < len(found) else found

    if convert is text:
        return texts
    return numbers if to in plain else others


def _together(values: Sequence[Any]) -> str | None:
    """The values as one text; None when some value is no text."""
    try:
        return "".join(values)
    except TypeError:
        pass
    try:
        return "".join([one for one in values if one is not None])
    except TypeError:
        return None
