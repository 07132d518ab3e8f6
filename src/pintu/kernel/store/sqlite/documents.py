"""Stored documents kept in memory by the number of their row, so that a page need not walk down
SQLite's tree for each of them; `written` says why none of them is ever old.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from pintu.kernel.store.sqlite.written import Remembered, Written

ROW_BYTES: Final = 136
"""What a document takes beside its own bytes: the object, the number, its slot, about."""

LARGEST_BYTES: Final = 16 * 1024
"""Larger documents are not kept: few of them would push out everything else."""

ROOM_FOR: Final = 256
"""Documents that make room at once, those that came first."""

_BODY: Final = "SELECT body FROM entity WHERE n=?"
Run = Callable[[str, tuple[Any, ...]], Any]


class Documents(Remembered):
    """Of the loop only; `run` reads in the snapshot that the loop holds."""

    def __init__(self, run: Run, written: Written, most_bytes: int) -> None:
        super().__init__(written)
        self._run = run
        self._most = most_bytes
        self._kept: dict[int, bytes] = {}
        self.bytes = 0
        self.missed = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, n: int) -> bytes | None:
        """The document of a row; None when there is no such row. Ask only while a snapshot is
        held.
        """
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

    def _forget(self, keys: list[int]) -> None:
        pop = self._kept.pop
        for n in keys:
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
