"""Values as PostgreSQL keeps them: a number in a column of numbers, a text in one beside it.

A whole number has no point, any other has one: so each comes back as what it was, and both compare
exactly. Arrays are written here, because a chunk goes over in one statement; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.adapt import Loader

_NONE: Final = type(None)
_TEXTS: Final = frozenset((str, _NONE))
_WHOLES: Final = frozenset((int, _NONE))
_NUMBERS: Final = frozenset((int, float))


class NumberLoader(Loader):
    """What `numeric` comes back as."""

    def load(self, data: Any) -> int | float:
        """Whole without a point, else the float it was."""
        told = bytes(data)
        try:
            return float(told) if b"." in told else int(told)
        except ValueError:
            return float(told)  # Infinity


def reading(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """A cursor whose numbers are Python's."""
    cursor = connection.cursor()
    cursor.adapters.register_loader("numeric", NumberLoader)
    return cursor


def number_text(value: Any) -> str | None:
    """A number as PostgreSQL reads it; None for one that is none (NaN), as SQLite keeps it."""
    if value.__class__ is not float:
        return str(int(value))
    told = repr(value)
    if "n" in told:
        return None if value != value else "Infinity" if value > 0 else "-Infinity"
    if "e" not in told:
        return told
    return f"{int(value)}.0" if value.is_integer() else format(Decimal(told), "f")


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
        if isinstance(one, int | float):
            numbers[n] = number_text(one)
        elif one is not None:
            texts[n] = one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
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
