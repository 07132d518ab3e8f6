"""What moves: the tables, their canonical rows, what both sides of a move promise."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

Row = tuple[Any, ...]
Key = tuple[int, str]
"""(tenant, id) of an entity or a tombstone."""

SMALL: dict[str, tuple[str, ...]] = {
    "tenant": ("n", "name"),
    "source": ("n", "name"),
    "kind": ("n", "tenant", "types"),
    "shape": ("n", "kind", "attributes", "count"),
    "path": ("n", "kind", "form", "path", "state", "built", "entries", "used"),
    "cursor": ("name", "position", "at"),
}
"""Tables of few rows: copied whole, more than once. Their first column is the key."""

COMPARED = {"path": 4}
"""How many columns of a small table must be equal afterwards, where it is not all of them: how far
an index is built is each store's own matter."""

BIG: dict[str, tuple[str, ...]] = {
    "entity": (
        "n",
        "tenant",
        "id",
        "kind",
        "shape",
        "created",
        "modified",
        "last",
        "expires",
        "times",
        "body",
    ),
    "tombstone": ("tenant", "id", "last", "kind"),
    "log": ("position", "kind", "id", "verb", "at", "source", "previous", "changed", "payload"),
    "note": ("number", "body"),
}
"""Tables of many rows. A row of the move has one value more than these columns: the time of the log
row it points to (µs; 0: that row was trimmed), which PostgreSQL keeps beside it; a note has not."""

N, TENANT, ID, KIND, SHAPE, LAST, BODY = 0, 1, 2, 3, 4, 7, 10
"""Where an entity's values stand."""

_pack = msgspec.msgpack.Encoder().encode


def row_hash(row: Sequence[Any]) -> int:
    """64 bits of BLAKE2b over the row as MessagePack: equal for equal rows, whatever keeps them."""
    return int.from_bytes(blake2b(_pack(row), digest_size=8).digest(), "little")


def entity_hash(row: Row) -> int:
    """Of an entity of the move, without what is derived."""
    return row_hash(row[:11])


def tombstone_hash(row: Row) -> int:
    """Of a tombstone of the move, without what is derived."""
    return row_hash(row[:4])


def log_hash(row: Row) -> int:
    """Of a log row of the move, without what is derived."""
    return row_hash(row[:9])


@dataclass(slots=True)
class Sum:
    """Rows and the sum of their hashes (modulo 2 to the 64th): the order does not matter."""

    rows: int = 0
    sum: int = 0

    def add(self, hashed: int) -> None:
        """One row more."""
        self.rows += 1
        self.sum = (self.sum + hashed) & 0xFFFF_FFFF_FFFF_FFFF

    def take(self, hashed: int) -> None:
        """One row less."""
        self.rows -= 1
        self.sum = (self.sum - hashed) & 0xFFFF_FFFF_FFFF_FFFF

    def __str__(self) -> str:
        return f"{self.sum:016x}"


@dataclass(slots=True)
class Figure:
    """One table on both sides."""

    table: str
    source: Sum = field(default_factory=Sum)
    target: Sum = field(default_factory=Sum)

    @property
    def equal(self) -> bool:
        """Are both sides the same?"""
        return self.source == self.target


@dataclass(slots=True)
class Derived:
    """What the indexes of a store hold for some entities."""

    points: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    areas: list[tuple[int, int, tuple[float, float, float, float]]] = field(default_factory=list)
    """(path, n, west, south, east, north)."""
    values: list[tuple[int, Any, int, int]] = field(default_factory=list)


class Told(Protocol):
    """Hears how a move goes on."""

    def __call__(self, step: str, done: int, of: int) -> None:
        """So many rows of a step are done."""
        ...


class Ahead:
    """The next piece, read while the present one is written; dropped when that cannot be."""

    def __init__(self, reading: Coroutine[Any, Any, list[Row]]) -> None:
        self._task = asyncio.create_task(reading)

    async def __aenter__(self) -> Ahead:
        return self

    async def __aexit__(self, kind: Any, *_: object) -> None:
        if kind is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def rows(self) -> list[Row]:
        """The piece."""
        return await self._task


class Side(Protocol):
    """One store of a move, read in short pieces: none holds a snapshot for longer than a second."""

    place: str

    async def small(self, table: str) -> list[Row]:
        """Every row of a table in `SMALL`, in the order of its key."""
        ...

    async def head(self) -> int:
        """The newest position ever given."""
        ...

    async def reach(self) -> tuple[int, int]:
        """(position of the oldest log row or 0, the largest number of an entity or 0)."""
        ...

    async def entities(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Entities by number."""
        ...

    async def entities_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those of these that are there."""
        ...

    async def tombstones(self, after: Key, limit: int) -> list[Row]:
        """Tombstones by tenant and id."""
        ...

    async def tombstones_of(self, keys: Sequence[Key]) -> list[Row]:
        """Those of these that are there."""
        ...

    async def log(self, after: int, up_to: int, limit: int) -> list[Row]:
        """The log by position."""
        ...

    async def notes(self, after: int, up_to: int, limit: int) -> list[Row]:
        """Notes by number."""
        ...

    async def count(self, table: str) -> int:
        """Rows of a table in BIG."""
        ...

    async def hold(self) -> None:
        """Let nobody write until `close` or the end of this process."""
        ...

    async def still_held(self) -> None:
        """Raises Unavailable when what `hold` took is lost."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class Target(Side, Protocol):
    """The side that is written."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """What is written inside comes together or not at all."""
        ...

    async def found(self) -> str:
        """What is there already, in words; "" when nothing is."""
        ...

    async def progress(self) -> dict[str, Any]:
        """What `keep` kept."""
        ...

    async def keep(self, name: str, value: Any) -> None:
        """Keep how far a move is (None: forget it)."""
        ...

    async def put_small(self, table: str, rows: Sequence[Row], *, whole: bool) -> None:
        """Write rows of a small table over what is there; `whole`: there are no others."""
        ...

    async def drop_path(self, n: int) -> None:
        """A path of values goes, and what its index holds."""
        ...

    async def put_entities(self, rows: Sequence[Row], derived: Derived) -> None:
        """New entities with what their indexes hold."""
        ...

    async def drop_entities(self, numbers: Sequence[int], derived: Derived) -> None:
        """Entities and what their indexes held go."""
        ...

    async def put_tombstones(self, rows: Sequence[Row]) -> None:
        """New tombstones."""
        ...

    async def drop_tombstones(self, keys: Sequence[Key]) -> None:
        """Tombstones go."""
        ...

    async def put_log(self, rows: Sequence[Row]) -> None:
        """New rows of the log."""
        ...

    async def drop_log(self, positions: Sequence[int]) -> None:
        """Rows that the source trimmed meanwhile go."""
        ...

    async def put_notes(self, rows: Sequence[Row]) -> None:
        """New notes."""
        ...

    async def empty(self) -> None:
        """Forget what a move brought: it begins anew."""
        ...

    async def settle(self) -> None:
        """Do beforehand what need not be done in the pause."""
        ...

    async def finish(self, head: int) -> None:
        """Numbers go on behind what was brought; everything is on the disk."""
        ...

    async def release(self) -> None:
        """Let the city have it; nothing is asked of it any more."""
        ...

    async def forget_move(self) -> None:
        """The city lives there: nothing of the move is needed any more."""
        ...

    async def reclaim(self) -> None:
        """Take it back; Unavailable when a city has it."""
        ...
