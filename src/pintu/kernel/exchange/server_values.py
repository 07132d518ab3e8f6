"""Values on their way to PostgreSQL and back: numbers and texts apart (see `tables/untyped.py`), a
chunk's as arrays, because it goes over in one statement; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import Loader

from pintu.kernel.tables.untyped import number_of, pair_of

_NONE: Final = type(None)
_TEXTS: Final = frozenset((str, _NONE))
_WHOLES: Final = frozenset((int, _NONE))
_NUMBERS: Final = frozenset((int, float))


class NumberLoader(Loader):
    """What `numeric` comes back as."""

    def load(self, data: Any) -> int | float:
        """Whole without a point, else the float it was."""
        return number_of(bytes(data))


def reading(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """A cursor whose numbers are Python's."""
    cursor = connection.cursor()
    cursor.adapters.register_loader("numeric", NumberLoader)
    return cursor


def arrays(column: Sequence[Any]) -> tuple[str | None, str | None]:
    """A column's numbers and its texts, each as an array or None where there is none of them."""
    kinds = set(map(type, column))
    if kinds <= _TEXTS:
        return None, None if str not in kinds else text_array(column)
    if kinds <= _WHOLES:
        return _array("NULL" if one is None else str(one) for one in column), None
    if kinds <= _NUMBERS:
        told = ",".join(map(repr, column))
        if "e" not in told and "n" not in told:
            return "{" + told + "}", None
    numbers: list[str | None] = [None] * len(column)
    texts: list[str | None] = [None] * len(column)
    for n, one in enumerate(column):
        numbers[n], texts[n] = pair_of(one)
    return _array("NULL" if one is None else one for one in numbers), text_array(texts)


def text_array(values: Sequence[str | None]) -> str:
    """Texts as one array; NUL, which PostgreSQL cannot keep, is left out."""
    try:
        told = '"' + '","'.join(values) + '"'  # type: ignore[arg-type]
    except TypeError:
        return _array("NULL" if one is None else _quoted(one) for one in values)
    if "\\" in told or "\0" in told or told.count('"') != 2 * len(values):
        return _array(map(_quoted, values))  # type: ignore[arg-type]
    return "{" + told + "}" if values else "{}"


def _array(told: Iterable[str]) -> str:
    return "{" + ",".join(told) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\0", "").replace("\\", "\\\\").replace('"', '\\"') + '"'


def folded(row: Sequence[Any]) -> list[Any]:
    """One value for each two columns."""
    return [row[n] if row[n] is not None else row[n + 1] for n in range(0, len(row), 2)]
