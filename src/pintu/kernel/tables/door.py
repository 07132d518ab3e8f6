"""What every opened set of private tables can do, whichever store the city has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from sqlalchemy import BigInteger, Connection, Integer
from sqlalchemy.types import TypeEngine

T = TypeVar("T")
Place = Literal["rooms", "pieces", "datasets"]
VERSIONS = "pintu_tables"
"""The one-row table of each schema on PostgreSQL: whose it is, at which version, how often it was
written to."""
PLACES: tuple[Place, ...] = ("rooms", "pieces", "datasets")


class OpenTables(Protocol):
    """The private tables of one room, piece or data set: a file of its own with SQLite, a schema of
    its own with PostgreSQL.

    Work is a plain function of a Connection, run inside one transaction: what returns is durable,
    what raises is rolled back. Writing transactions of one set never overlap, so what was read in
    one still holds when it writes. Errors of the database come out as Unavailable (with
    `retry_after` when a server is away), DiskFull, AlreadyExists or BadRequestData.
    """

    name: str

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction, off the loop; resolves after commit."""

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction on the caller's thread: for starting up and for commands."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it waits for nobody's write and sees one moment."""

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `run_now`, for work that only reads."""

    def later(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue `work` behind what is queued; for what nobody waits for, such as a coarse last-used
        time.
        """

    def version(self) -> int:
        """The number of the newest migration applied."""

    def data_version(self) -> int:
        """Another number whenever anybody, this process or another, committed a change; costs
        microseconds and never waits.
        """

    def backup(self, target: Path) -> None:
        """A consistent copy as one SQLite file while writing goes on, synced before it returns."""

    def close(self) -> None:
        """Finish what is queued, then let go."""

    # --- for the register -------------------------------------------------------------------------
    def version_in(self, connection: Connection) -> int:
        """`version` inside a transaction."""

    def keep_version(self, connection: Connection, number: int) -> None:
        """Write down that migration `number` was applied, in the same transaction."""


def keepable(text: str) -> str:
    """A text from outside as every store can keep it: NUL is shown as its sign, half a character
    as a question mark."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode("utf-8")


def row_number() -> TypeEngine[int]:
    """The type of a column whose numbers the table gives by itself: 64 bits on every store."""
    return BigInteger().with_variant(Integer(), "sqlite")
