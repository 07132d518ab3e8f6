"""From the log into packs: rows that are an hour old, or many, are grouped by entity and squeezed.

A round reads the log after the mark `packed`, writes packs a few entities a transaction, moves the
mark last. A round that ended half-way is done again: rows that a pack has already are passed over.
Only what was packed a round ago, is a day old and was passed by every cursor leaves the log.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.parts import DAY_US, Also, Part, pack_part, parts_of, stood
from pintu.kernel.analytics.schema import MARK, PACKED, SAFE
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.tables import OpenTables, put_rows

__all__ = ("DAY_US", "Packing", "mark", "put_mark")

ROUND_ROWS: Final = 50_000
ROUND_BYTES: Final = 24 * 1024 * 1024
"""A round holds so much of the log in memory at most."""
READ: Final = 500
TAIL: Final = 16
"""Rows asked of an entity's end at first: mostly few wait to be packed."""
TOGETHER: Final = 16
REST: Final = 2.0
HURRY: Final = 1_000_000
"""With so many rows waiting nothing is left to others but what they take."""
MUCH: Final = 10_000
"""A round of fewer rows is not worth a process of its own."""
PAUSE_S: Final = 0.005
"""Between two of them the loop has the interpreter to itself."""


class Elsewhere(Protocol):
    """Who packs a part in a process of its own."""

    async def pack(self, part: Part) -> None:
        """Returns when it is durable."""

    async def rest(self) -> None:
        """Nothing is to be packed now."""

    async def close(self) -> None:
        """Nothing more will be."""


def mark(connection: Connection, name: str) -> int:
    """A kept position, 0 before the first."""
    found = connection.execute(sa.select(MARK.c.position).where(MARK.c.name == name)).scalar()
    return int(found or 0)


def put_mark(connection: Connection, name: str, position: int) -> None:
    """Keep a position."""
    put_rows(connection, MARK, [{"name": name, "position": position}])


class Packing:
    """Rounds over one store's log."""

    def __init__(self, store: Store, opened: OpenTables, also: Also) -> None:
        self._store = store
        self._log = store.history  # the log's rows alone, wherever the store's name leads later
        self._opened = opened
        self._also = also
        self.elsewhere: Elsewhere | None = None  # None: packed here
        self.packed = opened.read_now(lambda c: mark(c, PACKED))
        self.safe = opened.read_now(lambda c: mark(c, SAFE))
        self.rows = 0  # packed by this process
        self._one = asyncio.Lock()  # two who pack would only wait for each other's transaction

    @property
    def waiting(self) -> int:
        """Rows of the log that are in no pack."""
        return max(self._store.head() - self.packed, 0)

    async def round(self) -> int:
        """Pack what the log holds after the mark, up to some ten thousand rows; how many. Most of
        the time is left to those who read and write, unless the log gets too long meanwhile.
        """
        began = after = self.packed
        found: list[Change] = []
        size = 0
        while len(found) < ROUND_ROWS and size < ROUND_BYTES:
            rows = await settled(self._store.changes(after, READ))
            if not rows:
                break
            found += rows
            size += sum(len(one.payload) for one in rows)
            after = rows[-1].position
            await asyncio.sleep(0)  # a store may answer at once: others have their turn
        if not found:
            return 0
        elsewhere = self.elsewhere if len(found) >= MUCH else None
        await self._put(found, REST if self.waiting < HURRY else 0, elsewhere)

        def done(connection: Connection) -> None:
            put_mark(connection, PACKED, max(after, mark(connection, PACKED)))
            put_mark(connection, SAFE, began)

        await self._opened.run(done)
        self.packed, self.safe = after, began
        self.rows += len(found)
        return len(found)

    async def ahead(self, tenant: int, ids: Sequence[str]) -> None:
        """Pack what some entities have in the log before its turn comes; rounds pass it over."""
        _, tails = await self.ends(tenant, ids)
        if found := [row for tail in tails.values() for row in tail]:
            await self._put(found)

    async def ends(
        self, tenant: int, ids: Sequence[str], known: dict[str, list[Change]] | None = None
    ) -> tuple[dict[str, bytes], dict[str, list[Change]]]:
        """Of entities: how each stood after its last packed row, and its rows after that one; from
        `known`, where the log's end was read as a whole."""
        packed = self.packed
        keys = [(tenant, id) for id in ids]
        known_ends = await self._opened.read(lambda c: stood(c, keys))  # before what comes after it
        tails: dict[str, list[Change]] = {}
        for start in range(0, len(ids) if known is None else 0, TOGETHER):
            some = ids[start : start + TOGETHER]
            after = (max(packed, known_ends.get((tenant, id), (0,))[0]) for id in some)
            found = await asyncio.gather(*map(partial(self._tail, tenant), some, after))
            tails.update(zip(some, found, strict=True))
        if known is not None:
            last = {id: position for (_, id), (position, _) in known_ends.items()}
            for id in ids:
                tails[id] = [row for row in known.get(id, ()) if row.position > last.get(id, 0)]
        return {id: told for (_, id), (_, told) in known_ends.items()}, tails

    async def end(self, tenant: int) -> dict[str, list[Change]]:
        """All rows of a tenant that wait to be packed, oldest first, by entity."""
        found: dict[str, list[Change]] = defaultdict(list)
        after, head = self.packed, self._store.head()
        while after < head and (rows := await settled(self._store.changes(after, READ))):
            for row in rows:
                if row.tenant == tenant:
                    found[row.id].append(row)
            after = rows[-1].position
            await asyncio.sleep(0)
        return found

    async def _tail(self, tenant: int, id: str, after: int) -> list[Change]:
        """An entity's rows in the log after a position, oldest first."""
        found: list[Change] = []
        before, limit = None, TAIL
        while True:
            page = await settled(self._log(tenant, id, before=before, limit=limit))
            found += [row for row in page if row.position > after]
            if len(page) < limit or page[-1].position <= after:
                return found[::-1]
            before, limit = page[-1].position, min(limit * 4, READ)

    async def _put(
        self, found: Iterable[Change], rest: float = 0, elsewhere: Elsewhere | None = None
    ) -> None:
        """Pack some rows, pausing `rest` times as long as each part took while others write, a
        quarter of that while nobody does, or while it is done elsewhere."""
        for part in parts_of(found):
            async with self._one:
                began, head = monotonic(), self._store.head()
                if elsewhere is None:
                    await self._opened.run(partial(pack_part, part=part, also=self._also))
                else:
                    await elsewhere.pack(part)
            quiet = elsewhere is not None or self._store.head() == head
            pause = rest / 4 if quiet else rest
            await asyncio.sleep(max(PAUSE_S, pause * (monotonic() - began)))

    async def trim(self, before_us: int) -> int:
        """Drop rows of the log that are older, packed for a while and passed by every cursor."""
        return await self._store.trim(before_us, self.safe) if self.safe else 0
