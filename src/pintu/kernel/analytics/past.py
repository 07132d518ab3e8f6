"""`Past` over everything: rows of one entity from the log, from packs, from files, as one chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packs import loosen, rows_within, unpack
from pintu.kernel.analytics.schema import ALWAYS, FILE, PACK
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.tables import TableFile

if TYPE_CHECKING:
    from pintu.kernel.analytics.aggregating import Ask, Sums
    from pintu.kernel.analytics.packing import Packing
    from pintu.kernel.context.selection import TypeSelection
    from pintu.kernel.tables import OpenTables

Key = tuple[int, str]
Span = tuple[int | None, int | None]
STEP: Final = 1_000
FEW: Final = 64
"""Rows of the log that are looked at first, where most are packed."""
PACKS_HERE: Final = 3
"""Packs that are unpacked on the loop."""
EXTRA: Final = 1_000
"""Rows that always come are in packs, too, and counted once at the end."""


class WholePast:
    """Where the rows lie is nobody's business: what comes back is equal to what the log had."""

    def __init__(self, store: Store, opened: OpenTables, packing: Packing, folder: Path) -> None:
        self._store = store
        self._log = store.history  # the log's alone, whatever the store's name may lead to later
        self._opened = opened
        self._packing = packing
        self._folder = folder
        self._near = isinstance(opened, TableFile)
        self.sums: Callable[[Ask], Awaitable[Sums | None]] | None = None

    async def rows(
        self,
        tenant: int,
        id: str,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int,
    ) -> list[Change]:
        """Rows that may hold instances of a time, oldest first; TooComplex over `limit`."""
        packed = self._packing.packed
        tail = await self._tail(tenant, id, packed, limit)
        if not packed:
            return tail
        span = (since_us, until_us)
        key = (tenant, id)
        read = self._opened.read_now(lambda c: _few(c, key, span)) if self._near else None
        if read is None:
            read = await self._opened.read(
                lambda c: (_packs(c, key, span, limit), _files(c, key, span))
            )
        older, files = read
        if files:
            older += await asyncio.to_thread(self._filed, key, span, files)
        known = {one.position: one for one in older}
        known.update((one.position, one) for one in tail)
        if len(known) > limit:
            raise too_many(id, limit)
        return [known[position] for position in sorted(known)]

    async def history(
        self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000
    ) -> list[Change]:
        """As `Store.history`, through everything: newest first, before a position."""
        found = list(await settled(self._log(tenant, id, before=before, limit=limit)))
        if len(found) >= limit or not self._packing.packed:
            return found
        if found and not found[-1].previous:
            return found
        last = found[-1].position if found else before
        older = await self._older((tenant, id), last, limit - len(found))
        return [*found, *older]

    async def _older(self, key: Key, before: int | None, limit: int) -> list[Change]:
        """Rows before a position, newest first, from packs and files."""
        rows, files = await self._opened.read(
            lambda c: (_before(c, key, before, limit), _files(c, key, (None, None), before))
        )
        files.sort(key=lambda one: -one[1])
        known = {row.position: row for row in rows}
        for path, last in files:
            if len(known) >= limit and min(sorted(known, reverse=True)[:limit]) > last:
                break
            for row in await asyncio.to_thread(self._filed, key, (None, None), [(path, last)]):
                if before is None or row.position < before:
                    known[row.position] = row
        return [known[one] for one in sorted(known, reverse=True)[:limit]]

    def _filed(self, key: Key, span: Span, files: list[tuple[str, int]]) -> list[Change]:
        """Rows of an entity in files; blocks."""
        from pintu.kernel.analytics.filed import rows_in  # a city without old days loads none

        found: list[Change] = []
        for path, _ in files:
            found += rows_in(self._folder / path, key, _bounds(span))
        return found

    def ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str] | Awaitable[list[str]]:
        """As `Store.past_ids`."""
        return self._store.past_ids(tenant, types, after, limit)

    async def aggregate(self, spec: Ask) -> Sums | None:
        """Sums of hours and days, or None: compute them from rows."""
        return None if self.sums is None else await self.sums(spec)

    async def _tail(self, tenant: int, id: str, after: int, limit: int) -> list[Change]:
        """Rows of the log behind a position, oldest first."""
        found: list[Change] = []
        before: int | None = None
        while True:
            step = min(STEP if found or not after else FEW, limit + 1)
            page = await settled(self._log(tenant, id, before=before, limit=step))
            for row in page:
                if row.position <= after:
                    return found[::-1]
                found.append(row)
                if len(found) > limit:
                    raise too_many(id, limit)
            if len(page) < step:
                return found[::-1]
            before = page[-1].position
            await asyncio.sleep(0)


def too_many(id: str, limit: int) -> TooComplex:
    """More rows than may be read at once."""
    return TooComplex(f"Entity {id} has more than {limit} rows of history there: ask for less time")


_KEY: Any = (sa.bindparam("tenant"), sa.bindparam("id"))
_LOW: Any = sa.bindparam("low")
_HIGH: Any = sa.bindparam("high")


def _overlap(table: sa.Table) -> sa.ColumnElement[bool]:
    """What was written in a time, or tells of it."""
    written = sa.and_(table.c.until_us >= _LOW, table.c.since_us <= _HIGH)
    told = sa.and_(table.c.observed_to_us >= _LOW, table.c.observed_us <= _HIGH)
    return sa.or_(written, told)


# Building a statement takes longer than asking it: each is built once.
_INSIDE = sa.select(PACK.c.body).where(
    PACK.c.tenant == _KEY[0], PACK.c.id == _KEY[1], _overlap(PACK)
)
_KEPT = sa.select(ALWAYS.c.body).where(ALWAYS.c.tenant == _KEY[0], ALWAYS.c.id == _KEY[1])
_INSIDE_FEW, _KEPT_FEW = _INSIDE.limit(PACKS_HERE + 1), _KEPT.limit(PACKS_HERE + 1)
_FILED = sa.select(FILE.c.path, FILE.c.last, FILE.c.low, FILE.c.high, FILE.c.first).where(
    FILE.c.tenant == _KEY[0], FILE.c.packed == 0, FILE.c.gone_us == 0, _overlap(FILE)
)


def _bounds(span: Span) -> tuple[int, int]:
    since, until = span
    return -(2**62) if since is None else since, 2**62 if until is None else until


def _packs(connection: Connection, key: Key, span: Span, limit: int) -> list[Change]:
    """Rows in packs of that time, and those that always come."""
    bounds = _bounds(span)
    asked = {"tenant": key[0], "id": key[1], "low": bounds[0], "high": bounds[1]}
    found: list[Change] = []
    for (body,) in connection.execute(_KEPT, {"tenant": key[0], "id": key[1]}):
        found += unpack(body, *key)
    for (body,) in connection.execute(_INSIDE, asked):
        found += rows_within(loosen(body), key, bounds)
        if len(found) > limit + EXTRA:
            raise too_many(key[1], limit)
    return found


def _few(
    connection: Connection, key: Key, span: Span
) -> tuple[list[Change], list[tuple[str, int]]] | None:
    """The same and the files, where that is so little that the loop reads it itself: a thread
    costs more. None where it is not."""
    low, high = _bounds(span)
    asked = {"tenant": key[0], "id": key[1], "low": low, "high": high}
    bodies = connection.execute(_INSIDE_FEW, asked).all()
    if len(bodies) > PACKS_HERE:
        return None
    kept = connection.execute(_KEPT_FEW, asked).all()
    if len(kept) > PACKS_HERE:
        return None
    found = [row for (body,) in kept for row in unpack(body, *key)]
    for (body,) in bodies:
        found += rows_within(loosen(body), key, (low, high))
    return found, _files(connection, key, span)


def _files(
    connection: Connection, key: Key, span: Span, before: int | None = None
) -> list[tuple[str, int]]:
    """(path, last position) of the files that may hold rows that are asked for."""
    low, high = _bounds(span)
    asked = {"tenant": key[0], "low": low, "high": high}
    return [
        (row.path, row.last)
        for row in connection.execute(_FILED, asked)
        if row.low <= key[1] <= row.high and (before is None or row.first < before)
    ]


def _before(connection: Connection, key: Key, before: int | None, limit: int) -> list[Change]:
    rule = [PACK.c.tenant == key[0], PACK.c.id == key[1]]
    if before is not None:
        rule.append(PACK.c.first < before)
    found: list[Change] = []
    newest_first = sa.select(PACK.c.body).where(*rule).order_by(PACK.c.first.desc())
    for (body,) in connection.execute(newest_first):
        rows = unpack(body, *key)
        found += [row for row in reversed(rows) if before is None or row.position < before]
        if len(found) >= limit:
            break
    return sorted(found, key=lambda row: -row.position)
