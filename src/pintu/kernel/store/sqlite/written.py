"""What the loop remembers of rows, and how it is told by the writer that they change.

Why nothing remembered is ever old, told of documents. The loop reads in one transaction after
another (`SqliteStore._hold`, `_let_go`); call what one of them sees a snapshot, which stands from
the first statement in it, and `_hold` makes one. Only the loop adds documents, only such as it read
in the snapshot it holds, only it looks them up, while it holds one, and only it takes them out. The
writer thread tells of every row it changes or deletes (`Written`) *before* it commits, so before
any snapshot can show the change, and says afterwards that the transaction is over.

Take a document added in one snapshot and looked up in a later one, and a transaction that changed
its row and was committed between the two. What it told was in the queue before the later snapshot
began, so it was taken from the queue before the lookup (a lookup empties the queue first), and with
it the document from memory. If that was too early, before the document was added, then the
transaction was not committed yet, so not over at the end of the last snapshot before; what is
not over is kept and taken out again at the end of each snapshot, up to the first whose end comes
after that word. That is the end of the snapshot in which the document was added, or a later one,
and every end up to it takes the row out. What was rolled back is read once more, no worse.

The same holds of whatever else is read by a key in a snapshot: points a block of the grid at a
time (`blocks`).

A number is never given to another entity while the store is open: numbers only grow, and one that
a rollback gave back was in no snapshot. That a row is absent is never remembered. Nothing but this
process writes city.db (`schema.Claim`), and a store on PostgreSQL has none of this. What of a
document may be shown, and to whom, is decided behind this, as of bytes that SQLite gave.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque


class Written:
    """What the writer tells the loop of keys under which it changes rows; each side calls only its
    own part.
    """

    def __init__(self) -> None:
        self.told: deque[tuple[int, list[int]]] = deque()
        self.over = 0  # transactions that were committed or rolled back
        self._now: list[int] = []

    # --- the writer's thread, inside a transaction -----------------------------------------------
    def touch(self, key: int) -> None:
        """Something under this key comes, changes or goes."""
        self._now.append(key)

    def tell(self) -> None:
        """All changed so far is told: called before the commit."""
        if self._now:
            self.told.append((self.over + 1, self._now))
            self._now = []

    def end(self) -> None:
        """The transaction was committed, or is rolled back."""
        self._now = []
        self.over += 1


class Remembered(ABC):
    """Of the loop only: what it read under keys, as long as nothing under them changes."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._told = written.told
        self._open: list[tuple[int, list[int]]] = []  # may not be over yet

    def let_go(self) -> None:
        """No snapshot is held: what was told of goes, also what was not over at the last."""
        if not self._told and not self._open:
            return
        over = self._written.over  # before the next snapshot
        for _, keys in self._open:
            self._forget(keys)
        self._take_out()
        self._open = [one for one in self._open if one[0] > over]

    def _take_out(self) -> None:
        """Before every lookup, when something was told."""
        told = self._told
        while told:
            one = told.popleft()
            self._forget(one[1])
            self._open.append(one)

    @abstractmethod
    def _forget(self, keys: list[int]) -> None:
        """Take out what is remembered under these."""
