"""PostgreSQL's logical replication messages (protocol version 1, plugin pgoutput), read; pure.

Source: PostgreSQL manual, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from pintu.kernel.errors import BadRequestData

Cell = bytes | None | Literal["unchanged"]
"""One column's text form; None: empty; unchanged: a large value nobody touched is not sent."""

MOST_COLUMNS: Final = 1_700  # PostgreSQL has no more
UNCHANGED: Final[Literal["unchanged"]] = "unchanged"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as the following messages mean it: column names with their type numbers."""

    number: int
    schema: str
    name: str
    columns: tuple[tuple[str, int], ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One row. `old` is there when its key changed or it was deleted: the key columns, or all."""

    verb: Literal["insert", "update", "delete"]
    relation: int
    new: tuple[Cell, ...] = ()
    old: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Truncate:
    """All rows of these tables are gone."""

    relations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins whose commit stands at `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ended; `end` is where the log goes on behind it."""

    at: int
    end: int


Message = Relation | Change | Truncate | Begin | Commit | None


class _Bytes:
    """Reads one message from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 1

    def number(self, form: str) -> int:
        size = struct.calcsize(form)
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at += size
        return int(found)

    def text(self) -> str:
        end = self._data.index(0, self._at)
        found = self._data[self._at : end].decode("utf-8", "replace")
        self._at = end + 1
        return found

    def letter(self) -> str:
        return chr(self.number(">B"))

    def row(self) -> tuple[Cell, ...]:
        count = self.number(">H")
        if count > MOST_COLUMNS:
            raise ValueError(f"a row of {count} columns")
        return tuple(self._cell() for _ in range(count))

    def _cell(self) -> Cell:
        kind = self.letter()
        if kind == "n":
            return None
        if kind == "u":
            return UNCHANGED
        size = self.number(">i")
        if size < 0 or self._at + size > len(self._data):
            raise ValueError("a value longer than its message")
        found = self._data[self._at : self._at + size]
        self._at += size
        return found


def decode(data: bytes) -> Message:
    """One message; None for those that say nothing of rows. BadRequestData when it is none."""
    read = _Bytes(data)
    try:
        return _decoded(data[:1], read)
    except (struct.error, ValueError, IndexError) as error:
        raise BadRequestData(f"A message of the replication cannot be read: {error}") from error


def _decoded(kind: bytes, read: _Bytes) -> Message:
    if kind == b"R":
        return _relation(read)
    if kind == b"I":
        number = read.number(">I")
        read.letter()
        return Change("insert", number, new=read.row())
    if kind == b"U":
        number, which = read.number(">I"), read.letter()
        old: tuple[Cell, ...] = ()
        if which in "KO":
            old = read.row()
            read.letter()
        return Change("update", number, new=read.row(), old=old)
    if kind == b"D":
        number = read.number(">I")
        read.letter()
        return Change("delete", number, old=read.row())
    if kind == b"T":
        count, _options = read.number(">I"), read.number(">B")
        return Truncate(tuple(read.number(">I") for _ in range(min(count, 1_000))))
    if kind == b"B":
        return Begin(read.number(">Q"))
    if kind == b"C":
        read.number(">B")
        return Commit(read.number(">Q"), read.number(">Q"))
    return None


def _relation(read: _Bytes) -> Relation:
    number, schema, name = read.number(">I"), read.text(), read.text()
    read.letter()
    columns, keys = [], []
    for _ in range(min(read.number(">H"), MOST_COLUMNS)):
        is_key, column = read.number(">B"), read.text()
        columns.append((column, read.number(">I")))
        read.number(">i")
        if is_key & 1:
            keys.append(column)
    return Relation(number, schema, name, tuple(columns), tuple(keys))


def lsn_number(text: str) -> int:
    """`16/B374D848` as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def lsn_text(number: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"
