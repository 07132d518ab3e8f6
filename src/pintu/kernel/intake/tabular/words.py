"""What reading a file is made of: how it is to be read, where one stands in it, what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.intake.mapping.words import BadRecord

Record = dict[str, Any]
Said = dict[str, str]
"""One sentence in zh and en."""

PORTION_ROWS: Final = 5_000
MOST_COLUMNS: Final = 2_000
DEEPEST: Final = 32  # lists and objects inside each other in one record


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read where its owner knows better than what is found in it."""

    encoding: str = ""  # empty: found
    delimiter: str = ""
    header_rows: int = -1  # -1: found; 0: the columns have no names
    table: str = ""  # sheet or layer; empty: the first that holds anything
    records: str = ""  # path to the list of records in JSON: `data.items`; empty: found


class Place(msgspec.Struct, frozen=True):
    """Behind the last record handed out. Lines tell where in a text, rows how many records."""

    offset: int = 0
    line: int = 0
    row: int = 0


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Some records in a row with their line or row numbers, from 1."""

    records: list[tuple[int, Record]]
    place: Place
    bad: list[BadRecord] = []
    said: list[Said] = []


class TableReader(Protocol):
    """One table of one file, read from a place on, in the order it was written."""

    name: str
    columns: list[str]  # empty: records name their own
    said: list[Said]  # what was found besides the records, and may surprise
    frame: str  # the frame of coordinates that the file itself names; empty: none

    def portions(self, after: Place) -> Iterator[Portion]:
        """The portions behind a place that an earlier portion of the same content gave;
        BadRequestData in words when nothing more can be read."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def refused(zh: str, en: str) -> BadRequestData:
    """A file that cannot be read, in words a data officer understands."""
    return BadRequestData(en, zh=zh)


def said_of(error: PintuError) -> Said:
    """An error as a sentence in both languages."""
    return {"zh": str(error.extra.get("zh", error.detail)), "en": error.detail}


def unique(names: Sequence[str]) -> list[str]:
    """Names of columns: blank ones numbered, the second of a name marked `(2)`."""
    found: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names, 1):
        plain = " ".join(name.split()) or f"column_{number}"
        told, count = plain, 1
        while told in taken:
            count += 1
            told = f"{plain} ({count})"
        taken.add(told)
        found.append(told)
    return found
