"""Rows of one table written with few statements: each statement takes the interpreter's lock twice
and is bound, stepped and reset, whatever it writes.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import apsw

SIZES = (32, 8)
"""Rows one statement writes; what is left goes one by one."""


class Bulk:
    """Gathers rows of one INSERT inside a transaction, until `flush`."""

    def __init__(self, connection: apsw.Connection, insert: str, columns: int) -> None:
        self._db = connection
        self._run = connection.cursor().execute
        row = f"({','.join('?' * columns)})"
        self._one = f"{insert} VALUES{row}"
        self._many = {size: f"{insert} VALUES{','.join([row] * size)}" for size in SIZES}
        self.rows: list[tuple[Any, ...]] = []

    def flush(self) -> None:
        """Write them, in order."""
        rows, self.rows = self.rows, []
        at = 0
        for size in SIZES:
            while len(rows) - at >= size:
                bindings = tuple(chain.from_iterable(rows[at : at + size]))
                self._run(self._many[size], bindings)
                at += size
        if at < len(rows):
            self._db.executemany(self._one, rows[at:])
