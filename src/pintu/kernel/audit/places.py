"""Where to look for rows: words of a row, hashed to numbers, each with the rows that have it.

A word says what and which: who acted, for which organisation, on which data set, under which
agreement, about whom. The rows that were sealed together and have a word stand in one entry of a
narrow table, so that a busy second costs few entries. Two words may share a number: a row that is
found is read and compared.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from pintu.kernel.audit.rows import Row, read_row
from pintu.kernel.errors import BadInput

COLUMNS: Final = (
    "actor", "person", "organisation", "owner", "data_set", "agreement", "purpose", "what",
)  # fmt: skip
"""Members of a row that can be looked for; `subject` is the other one."""

SPAN: Final = 1_000
"""Rows that one entry may span: those of one slice of sealing."""


def _hashed(column: str, value: str) -> int:
    told = blake2b(f"{column}\x00{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(told, "big") >> 1


word = lru_cache(maxsize=4_096)(_hashed)
"""The number under which rows with this value of a column are found."""


def words_of(row: Row) -> set[int]:
    """Every word of a row. Rows of counts have none but what they are: they are about nobody."""
    if row.what == "counts":
        return {word("what", "counts")}
    found = {word(column, value) for column in COLUMNS if (value := getattr(row, column))}
    if row.agreement:
        found.add(word("agreement", row.agreement.partition("/")[0]))
    found.update(_hashed("subject", one) for one in row.subjects)
    return found


def entries_of(rows: Iterable[tuple[int, bytes]]) -> list[dict[str, Any]]:
    """The entries of rows that are sealed together, at most `SPAN` of them; a row that cannot be
    read has none.
    """
    alike: dict[bytes, tuple[bytes, list[int]]] = {}
    for number, body in rows:
        shared = _shared(body)
        known = alike.get(shared)
        if known is None:
            alike[shared] = (body, [number])
        else:
            known[1].append(number)
    found: dict[int, list[int]] = {}
    for body, numbers in alike.values():
        try:
            words = words_of(read_row(body))
        except BadInput:
            continue
        for one in words:
            kept = found.get(one)
            found[one] = numbers if kept is None else [*kept, *numbers]
    return [
        {"word": one, "number": numbers[0], "others": _packed(numbers)}
        for one, numbers in ((one, sorted(numbers)) for one, numbers in found.items())
    ]


def _shared(body: bytes) -> bytes:
    """A row without what its words do not come from, its time, salt and answer: equal for rows
    with equal words. Of a row in another form the whole.
    """
    start = _START(body)
    if start is None:
        return body
    end = body.find(b',"answer":"', start.end())
    rows = body.rfind(b',"rows":', start.end(), end) if end > 0 else -1
    return body[start.end() : rows] if rows > 0 else body


_START = re.compile(rb'\{"at_us":[0-9]+,"salt":"[0-9a-z]+",').match
"""No text of a row has a quotation mark without a backslash before it: a member's name is one."""


def _packed(numbers: list[int]) -> bytes:
    """How far the others are from the first."""
    first = numbers[0]
    return array("H", [number - first for number in numbers[1:]]).tobytes()


def numbers_in(first: int, others: bytes) -> list[int]:
    """The numbers of an entry, rising."""
    return [first, *(first + more for more in array("H", others))]
