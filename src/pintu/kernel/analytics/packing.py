"""From the log into packs: rows that are an hour old, or many, are grouped by entity and squeezed.

A round reads the log after the mark `packed`, writes packs a few entities a transaction, moves the
mark last. A round that ended half-way is done again: rows that a pack has already are passed over.
Only what was packed a round ago, is a day old and was passed by every cursor leaves the log.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from time import monotonic
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packs import (
    Pack,
    joined,
    loosen,
    observed,
    pack,
    pack_of,
    squeeze,
)
from pintu.kernel.analytics.schema import (
    ALWAYS,
    ALWAYS_VERBS,
    MARK,
    PACK,
    PACKED,
    RETYPED,
    SAFE,
    STAND,
)
from pintu.kernel.analytics.standing import kept, read_standing
from pintu.kernel.context.standing import Standing, types_of
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.tables import OpenTables, add_rows, put_rows

DAY_US: Final = 86_400_000_000
ROUND_ROWS: Final = 50_000
ROUND_BYTES: Final = 24 * 1024 * 1024
"""A round holds so much of the log in memory at most."""
READ: Final = 500
SLICE_ROWS: Final = 1_000
"""Rows that one transaction packs: other threads wait for its Python."""
TAIL: Final = 16
"""Rows asked of an entity's end at first: mostly few wait to be packed."""
TOGETHER: Final = 16
REST: Final = 2.0
HURRY: Final = 1_000_000
"""With so many rows waiting nothing is left to others but what they take."""
PAUSE_S: Final = 0.005
"""Between two of them the loop has the interpreter to itself."""
SMALL: Final = 64
FULL: Final = 512
"""A pack with few rows is always joined to, one with so many never."""

Key = tuple[int, str]
Part = list[tuple[Key, list[Change]]]
Also = Callable[[Connection, Sequence[Change]], None]
"""What else is done with rows in the transaction that packs them: roll-ups."""


@dataclass(slots=True)
class Place:
    """A pack; `body` None: it has too many rows to be joined to, and was not read."""

    first: int
    last: int
    day: int
    rows: int
    body: Pack | None
    base: bytes | None = None


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
        self.packed = opened.read_now(lambda c: mark(c, PACKED))
        self.safe = opened.read_now(lambda c: mark(c, SAFE))
        self.rows = 0  # packed by this process
        self._one = asyncio.Lock()  # two who pack would write the same packs

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
        if not found:
            return 0
        await self._put(found, REST if self.waiting < HURRY else 0)

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
        wanted = [((tenant, id), list[Change]()) for id in ids]
        stood = await self._opened.read(lambda c: _stood(c, wanted))  # before what comes after it
        tails: dict[str, list[Change]] = {}
        for start in range(0, len(ids) if known is None else 0, TOGETHER):
            some = ids[start : start + TOGETHER]
            after = (max(packed, stood.get((tenant, id), (0,))[0]) for id in some)
            found = await asyncio.gather(*map(partial(self._tail, tenant), some, after))
            tails.update(zip(some, found, strict=True))
        if known is not None:
            last = {id: position for (_, id), (position, _) in stood.items()}
            for id in ids:
                tails[id] = [row for row in known.get(id, ()) if row.position > last.get(id, 0)]
        return {id: told for (_, id), (_, told) in stood.items()}, tails

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

    async def _put(self, found: Iterable[Change], rest: float = 0) -> None:
        """Pack some rows, pausing `rest` times as long as each part took."""
        async with self._one:
            for part in _parts(found):
                began = monotonic()
                await self._opened.run(partial(self._pack, part))
                await asyncio.sleep(max(PAUSE_S, rest * (monotonic() - began)))

    async def trim(self, before_us: int) -> int:
        """Drop rows of the log that are older, packed for a while and passed by every cursor."""
        return await self._store.trim(before_us, self.safe) if self.safe else 0

    def _pack(self, part: Part, connection: Connection) -> None:
        ends = _ends(connection, part)
        fresh: list[Change] = []
        rows: dict[tuple[Key, int], dict[str, Any]] = {}
        stands: list[dict[str, Any]] = []
        retyped: list[dict[str, Any]] = []
        stood = _stood(connection, part)
        for key, changes in part:
            done, told = stood.get(key, (0, None))
            mine = [one for one in changes if one.position > done]
            if not mine:
                continue
            fresh += mine
            standing = read_standing(told)
            types = {mine[0].types if standing.doc is None else types_of(standing.doc)}
            if types.union(one.types for one in mine) != types or (told and not standing.doc):
                retyped.append({"tenant": key[0], "id": key[1]})
            for day, some in groupby(mine, lambda one: one.at_us // DAY_US):
                changed = list(some)
                place = ends[key] = _grown(ends.get(key), day, standing, changed)
                assert place.body is not None
                rows[key, place.first] = {**_row(key, day, place.body), "base": place.base}
                for one in changed:
                    standing.apply(one)
            last = mine[-1].position
            row = {"tenant": key[0], "id": key[1], "position": last, "told": kept(standing)}
            stands.append(row)
        put_rows(connection, PACK, list(rows.values()))
        put_rows(connection, STAND, stands)
        add_rows(connection, RETYPED, retyped)
        always = [
            {"tenant": one.tenant, "id": one.id, "position": one.position, "body": pack([one])}
            for one in fresh
            if one.verb in ALWAYS_VERBS or not one.previous
        ]
        add_rows(connection, ALWAYS, always)
        if fresh:
            self._also(connection, fresh)


def _grown(place: Place | None, day: int, standing: Standing, rows: list[Change]) -> Place:
    """The pack that rows of a day went to: the entity's last one, joined to, or another. Only the
    last: where a clock was set back, another of that day has rows behind these."""
    body = pack_of(rows)
    if place is None or place.day != day or place.body is None or not _grows(place, rows):
        base = None if standing.doc is None else kept(standing)
        return Place(body.positions[0], sum(body.positions), day, len(rows), body, base)
    body = joined(place.body, body)
    return Place(place.first, sum(body.positions), day, len(body.positions), body, place.base)


def _grows(place: Place, changes: Sequence[Change]) -> bool:
    """Whether rows are joined to a pack: it is read and squeezed anew, so it must be small, or
    not much more than what comes."""
    most = max(SMALL, 2 * len(changes))
    return place.rows <= most and place.rows + len(changes) <= FULL


def _parts(changes: Iterable[Change]) -> Iterator[Part]:
    """Changes by entity, in parts for one transaction each; many of one entity are several packs,
    so that whoever reads a few of them need not unpack all."""
    by_key: dict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        by_key[change.tenant, change.id].append(change)
    part: Part = []
    size = 0
    for key in sorted(by_key):
        rows = by_key[key]
        for start in range(0, len(rows), SLICE_ROWS):
            some = rows[start : start + SLICE_ROWS]
            part.append((key, some))
            size += len(some)
            if size >= SLICE_ROWS:
                yield part
                part, size = [], 0
    if part:
        yield part


_OTHER = PACK.alias()
_LAST = sa.select(sa.func.max(_OTHER.c.first)).where(
    _OTHER.c.tenant == STAND.c.tenant, _OTHER.c.id == STAND.c.id
)
_ENDS = (
    sa.select(PACK.c.id, PACK.c.first, PACK.c.last, PACK.c.day, PACK.c.rows)
    .add_columns(sa.case((PACK.c.rows <= sa.bindparam("most"), PACK.c.body)), PACK.c.base)
    .join_from(STAND, PACK, (PACK.c.tenant == STAND.c.tenant) & (PACK.c.id == STAND.c.id))
    .where(PACK.c.first == _LAST.scalar_subquery())
)


def _ends(connection: Connection, part: Part) -> dict[Key, Place]:
    """The last pack of each entity of a part, read where rows may be joined to it."""
    found: dict[Key, Place] = {}
    most = {"most": max(SMALL, 2 * max(len(changes) for _, changes in part))}
    for tenant, ids in _by_tenant(part):
        asked = _ENDS.where(STAND.c.tenant == tenant, STAND.c.id.in_(ids))
        for id, first, last, day, count, body, base in connection.execute(asked, most):
            told = None if body is None else loosen(body)
            found[tenant, id] = Place(first, last, day, count, told, base)
    return found


def _stood(connection: Connection, part: Part) -> dict[Key, tuple[int, bytes]]:
    """The last row of each entity that is packed, and how it stood then."""
    found: dict[Key, tuple[int, bytes]] = {}
    for tenant, ids in _by_tenant(part):
        asked = sa.select(STAND.c.id, STAND.c.position, STAND.c.told)
        rows = connection.execute(asked.where(STAND.c.tenant == tenant, STAND.c.id.in_(ids)))
        found.update(((tenant, id), (position, told)) for id, position, told in rows)
    return found


def _by_tenant(part: Part) -> Iterator[tuple[int, list[str]]]:
    """The entities of a part, some hundred at once."""
    for tenant, keys in groupby((key for key, _ in part), lambda key: key[0]):
        ids = [id for _, id in keys]
        for start in range(0, len(ids), 500):
            yield tenant, ids[start : start + 500]


def _row(key: Key, day: int, body: Pack) -> dict[str, Any]:
    ats = list(accumulate(body.ats))
    earliest, latest = observed(body)
    return {
        "tenant": key[0],
        "id": key[1],
        "first": body.positions[0],
        "last": sum(body.positions),
        "day": day,
        "rows": len(ats),
        "since_us": min(ats),
        "until_us": max(ats),
        "observed_us": earliest,
        "observed_to_us": latest,
        "body": squeeze(body),
    }
