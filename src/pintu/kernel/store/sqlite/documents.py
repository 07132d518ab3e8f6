"""Stored documents kept in memory by the number of their row, so that a page need not walk down
SQLite's tree for each of them.

Why none of them is ever old. The loop reads in one transaction after another
(`SqliteStore._hold`, `_let_go`); call what one of them sees a snapshot. Only the loop adds
documents, only such as it read in the snapshot it holds, and only it takes them out. It looks one
up only after a statement has run in the snapshot, so that the snapshot stands. The writer thread
tells of every row it changes or deletes (`Written`) *before* it commits, so before any snapshot
can show the change, and says afterwards that the transaction is over.

Take a document added in one snapshot and looked up in a later one, and a transaction that changed
its row and was committed between the two. What it told was in the queue before the later snapshot
began, so it was taken from the queue before the lookup (a lookup empties the queue first), and with
it the document from memory. If that was too early, before the document was added, then the
transaction was not committed yet, so not over at the end of the last snapshot before; what is
not over is kept and taken out again at the end of each snapshot, up to the first whose end comes
after that word. That is the end of the snapshot in which the document was added, or a later one,
and every end up to it takes the row out. What was rolled back is read once more, no worse.

A number is never given to another entity while the store is open: numbers only grow, and one that
a rollback gave back was in no snapshot. That a row is absent is never remembered. Nothing but this
process writes city.db (`schema.Claim`), and a store on PostgreSQL has none of this. What of a
document may be shown, and to whom, is decided behind this, as of bytes that SQLite gave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

ROW_BYTES: Final = 136
"""What a document takes beside its own bytes: the object, the number, its slot, about."""

LARGEST_BYTES: Final = 16 * 1024
"""Larger documents are not kept: few of them would push out everything else."""

ROOM_FOR: Final = 256
"""Documents that make room at once, those that came first."""

_BODY: Final = "SELECT body FROM entity WHERE n=?"
Run = Callable[[str, tuple[Any, ...]], Any]


class Written:
    """What the writer tells the loop of rows it changes; each side calls only its own part."""

    def __init__(self) -> None:
        self.told: deque[tuple[int, list[int]]] = deque()
        self.over = 0  # transactions that were committed or rolled back
        self._now: list[int] = []

    # --- the writer's thread, inside a transaction -----------------------------------------------
    def touch(self, n: int) -> None:
        """The document of this row is changed or deleted."""
        self._now.append(n)

    def tell(self) -> None:
        """All changed so far is told: called before the commit."""
        if self._now:
            self.told.append((self.over + 1, self._now))
            self._now = []

    def end(self) -> None:
        """The transaction was committed, or is rolled back."""
        self._now = []
        self.over += 1


class Documents:
    """Of the loop only; `run` reads in the snapshot that the loop holds."""

    def __init__(self, run: Run, written: Written, most_bytes: int) -> None:
        self._run = run
        self._written = written
        self._told = written.told
        self._most = most_bytes
        self._kept: dict[int, bytes] = {}
        self._open: list[tuple[int, list[int]]] = []  # may not be over yet
        self.bytes = 0
        self.missed = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, n: int) -> bytes | None:
        """The document of a row; None when there is no such row. Ask only in a snapshot that a
        statement was run in."""
        if self._told:
            self._take_out()
        found = self._kept.get(n)
        return found if found is not None else self._read(n)

    def of(self, numbers: list[int]) -> list[bytes] | None:
        """The documents of rows, in that order; None when one is missing. As `find`."""
        if self._told:
            self._take_out()
        found: list[bytes | None] = [*map(self._kept.get, numbers)]
        if not all(found):
            found = [
                self._read(n) if body is None else body
                for n, body in zip(numbers, found, strict=True)
            ]
            if not all(found):
                return None
        return found  # type: ignore[return-value]  # no document is empty

    def let_go(self) -> None:
        """No snapshot is held: rows told of go, also those of what was not over at the last."""
        if not self._told and not self._open:
            return
        over = self._written.over  # before the next snapshot
        for _, numbers in self._open:
            self._forget(numbers)
        self._take_out()
        self._open = [one for one in self._open if one[0] > over]

    def _take_out(self) -> None:
        told = self._told
        while told:
            one = told.popleft()
            self._forget(one[1])
            self._open.append(one)

    def _forget(self, numbers: list[int]) -> None:
        pop = self._kept.pop
        for n in numbers:
            body = pop(n, None)
            if body is not None:
                self.bytes -= len(body) + ROW_BYTES

    def _read(self, n: int) -> bytes | None:
        body: bytes | None = self._run(_BODY, (n,)).get
        self.missed += 1
        if body is not None and len(body) <= LARGEST_BYTES and self._most:
            # one page may ask for a row twice
            if n not in self._kept:
                self.bytes += len(body) + ROW_BYTES
            self._kept[n] = body
            if self.bytes > self._most:
                self._forget(list(islice(self._kept, ROOM_FOR)))
        return body
