"""What a store must be able to do with the rows of a table data set: each keeps them its own way
and answers the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import Connection

from pintu.kernel.errors import DeadlineExceeded
from pintu.kernel.exchange.asking import Asked

if TYPE_CHECKING:
    from alembic.operations import Operations

DEADLINE_S: Final = 5.0
"""How long one question may keep a reader; a table of millions answers a count in that."""

Lines = Iterable[Sequence[Any]]
"""Rows as values by place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a data set holds, without a row of it."""

    rows: int
    removed: int
    changed_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Rows of one source, to be kept: their values in the order of `names`, and their keys, or none
    for rows without. `seen`: a whole load will ask which rows were brought."""

    source: int
    at_us: int
    names: Sequence[str]
    keys: Sequence[str]
    lines: Sequence[tuple[Any, ...]]
    seen: bool


class Form(Protocol):
    """How rows lie on one store, inside a transaction. A value keeps its own kind, whatever its
    column is called; numbers stand before texts, texts in the order of their code points, empty
    ones last."""

    def make(self, operations: Operations) -> None:
        """The tables of an empty data set."""

    def add_columns(self, connection: Connection, names: Sequence[str]) -> None:
        """Make those columns that are lacking; upper and lower case are one."""

    def answer(self, connection: Connection, asked: Asked) -> tuple[Lines, int | None]:
        """The page asked for and, when asked, how many there are in all; DeadlineExceeded when that
        costs too much."""

    def facts(self, connection: Connection) -> TableFacts:
        """Counts; DeadlineExceeded as for any question."""

    def place(self, connection: Connection, source: str, position: str, now_us: int) -> int:
        """Keep how far a source is; its number."""

    def number(self, connection: Connection, source: str) -> int:
        """The number of a source, 0 for one that never brought anything."""

    def position(self, connection: Connection, source: str) -> str:
        """How far a source is; empty at the beginning."""

    def first_time(self, connection: Connection, number: int, chunk: str) -> bool:
        """Note a chunk of a source; False when it was noted before."""

    def put(self, connection: Connection, brought: Brought) -> int:
        """Keep rows; how many are new or differ from what was there. A key that comes twice is
        written twice, the later one stays."""

    def others(
        self, connection: Connection, number: int, keys: Sequence[str], names: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """(key, source, values of `names`) of rows under these keys that other sources wrote and
        nobody removed."""

    def remove(self, connection: Connection, number: int, keys: Sequence[str], at_us: int) -> int:
        """Mark rows of a source as removed; how many were not yet."""

    def finish(self, connection: Connection, number: int, at_us: int, *, whole: bool) -> int:
        """Forget which rows of a source were seen; with `whole` those that were not are marked as
        removed: how many."""


def too_long() -> DeadlineExceeded:
    """What a question is told that costs too much."""
    return DeadlineExceeded(
        f"The question took longer than {DEADLINE_S:.0f} s; narrow it with a condition"
    )
