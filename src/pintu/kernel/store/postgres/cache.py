"""Records kept in memory, written through at commit: a warm read needs no server."""

from __future__ import annotations

from collections import OrderedDict

from pintu.kernel.context.record import Record
from pintu.kernel.store.kinds import KindRow, Shape

Key = tuple[int, str]
ROW_BYTES = 700
"""What a row takes in memory beside its id and its document, about."""


class Row:
    """One entity's row: the record, and what only the store needs to know of it."""

    __slots__ = ("expires", "kind", "last_at", "record", "shape")

    def __init__(self, record: Record, shape: Shape, expires: int | None, last_at: int) -> None:
        self.record = record
        self.shape = shape
        self.kind: KindRow = shape.kind
        self.expires = expires
        self.last_at = last_at  # when its last change was: names the partition of the log


class RowCache:
    """The rows used last, up to so many bytes; that an entity is absent is never remembered."""

    def __init__(self, limit_bytes: int) -> None:
        self._rows: OrderedDict[Key, Row] = OrderedDict()
        self._limit = limit_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, key: Key) -> Row | None:
        """The row, now the one used last."""
        row = self._rows.get(key)
        if row is None:
            self.misses += 1
        else:
            self.hits += 1
            self._rows.move_to_end(key)
        return row

    def keep(self, key: Key, row: Row) -> None:
        """This is the row from now on; those not used for longest make room."""
        rows = self._rows
        old = rows.pop(key, None)
        rows[key] = row
        self.bytes += _bytes(key, row) - (_bytes(key, old) if old is not None else 0)
        while self.bytes > self._limit and rows:
            self.bytes -= _bytes(*rows.popitem(last=False))

    def forget(self, key: Key) -> None:
        """The entity is gone, or somebody else may have changed it."""
        row = self._rows.pop(key, None)
        if row is not None:
            self.bytes -= _bytes(key, row)

    def clear(self) -> None:
        """Nothing is known any more."""
        self._rows.clear()
        self.bytes = 0


def _bytes(key: Key, row: Row) -> int:
    record = row.record
    return ROW_BYTES + len(key[1]) + len(record.body) + len(record.times or b"")
