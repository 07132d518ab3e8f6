"""Entities as of any moment: the state each had then, matched as a store matches the present.

What did not change since is the present record. Of the others a pack or file tells how the entity
stood before its first row; the rows up to the moment are folded onto that. Where the city's clock
was set back a moment was there twice: the pack that was begun last before it decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.folding import fold
from pintu.kernel.analytics.packs import loosen
from pintu.kernel.analytics.schema import FILE, PACK, RETYPED, STAND
from pintu.kernel.analytics.standing import read_standing
from pintu.kernel.context.match import compile_selection
from pintu.kernel.context.match.order import compile_order
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.context.standing import Standing
from pintu.kernel.errors import DeadlineExceeded, TooComplex
from pintu.kernel.store.port import Change, Page, settled

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

DEADLINE_S: Final = 5.0
MOST: Final = 20_000
"""Entities one question may look at."""
AT_ONCE: Final = 200
ROWS_FOR_ONE: Final = 15
"""Rows of the log that are read in the time one entity is asked for its own."""
UNKNOWN: Final = 2**60
"""Numbers of entities that no store holds any more count from here."""

Doc = dict[str, Any]
Found = tuple[str, bytes, bytes | None]
"""A pack: whose it is, its rows, how the entity stood before."""


class Moment:
    """`select` and `retrieve` of a store, as of one moment. One for each question."""

    def __init__(
        self, history: History, at_us: int, *, deadline_s: float = DEADLINE_S, most: int = MOST
    ) -> None:
        self._history = history
        self._store = history.store
        self.at_us = at_us
        self._most = most
        self._ends = monotonic() + deadline_s
        self._known: dict[tuple[int, str], Record | None] = {}
        self._end: dict[str, list[Change]] | None = None  # the log's end, where that is less work
        self.examined = 0

    async def retrieve(self, tenant: int, id: str) -> Record | None:
        """One entity as it was."""
        return (await self._records(tenant, [id]))[0]

    async def select(self, selection: Selection) -> Page:
        """A page of entities as they were, exact, in order of their ids unless asked otherwise.

        Raises DeadlineExceeded, TooComplex when more than 20,000 entities would be looked at.
        """
        found: list[tuple[Record, Doc]] = []
        test = compile_selection(selection)
        ids = await self._candidates(selection)
        whole = selection.count or selection.order
        if self._history.packing.waiting < ROWS_FOR_ONE * len(ids):
            self._end = await self._history.packing.end(selection.tenant)
        enough = self._most if whole else selection.offset + selection.limit
        for start in range(0, len(ids), AT_ONCE):
            for record in await self._records(selection.tenant, ids[start : start + AT_ONCE]):
                if record is not None:
                    doc = orjson.loads(record.body)
                    if await self._holds(test, selection.tenant, record, doc):
                        found.append((record, doc))
            if len(found) >= enough:
                break
        if selection.order:
            key = compile_order(selection.order)
            found.sort(key=lambda one: key(*one))
        cut = found[selection.offset : selection.offset + selection.limit]
        plan = f"as of a moment: {len(ids)} candidates, {self.examined} folded"
        count = len(found) if selection.count else None
        return Page([record for record, _ in cut], count, plan)

    async def _holds(self, test: Any, tenant: int, record: Record, doc: Doc) -> bool:
        """Whether an entity matches; entities it leads to are as they were, too."""
        known = self._known

        def lookup(id: str) -> Doc | None:
            if (tenant, id) not in known:
                raise _Wanted(id)
            there = known[tenant, id]
            return None if there is None else orjson.loads(there.body)

        while True:
            try:
                return bool(test(doc, record, lookup))
            except _Wanted as wanted:
                if len(known) > self._most:
                    raise self._too_many() from None
                [known[tenant, wanted.id]] = await self._records(tenant, [wanted.id])

    async def _candidates(self, selection: Selection) -> list[str]:
        tenant = selection.tenant
        if selection.ids:
            return sorted(set(selection.ids))
        found: list[str] = []
        after = ""
        while True:
            page = await settled(self._store.past_ids(tenant, selection.types, after, 1000))
            found += page
            if len(found) > self._most:
                raise self._too_many()
            if len(page) < 1000:
                break
            after = page[-1]
        if selection.types is not None:
            retyped = sa.select(RETYPED.c.id).where(RETYPED.c.tenant == tenant)
            rows = await self._history.opened.read(lambda c: c.execute(retyped).scalars().all())
            found = sorted({*found, *rows})
        return found

    async def _records(self, tenant: int, ids: list[str]) -> list[Record | None]:
        """Each entity as it was, in the order of the ids."""
        if monotonic() > self._ends:
            raise DeadlineExceeded("The past takes too long to find out: ask for fewer entities")
        page = await settled(
            self._store.select(Selection(tenant=tenant, ids=tuple(ids), limit=len(ids)))
        )
        now = {record.id: record for record in page.records}
        changed = [id for id in ids if id not in now or now[id].modified_us > self.at_us]
        states = await self._states(tenant, changed) if changed else {}
        self.examined += len(changed)
        found: list[Record | None] = []
        for number, id in enumerate(ids):
            present = now.get(id)
            if id not in states:
                found.append(present)
            else:
                known = UNKNOWN + number if present is None else present.number
                found.append(states[id].record(id, known))
        return found

    # --- states ----------------------------------------------------------------------------------
    async def _states(self, tenant: int, ids: list[str]) -> dict[str, Standing]:
        """How each entity stood; one that is not there stands as nothing."""
        packing, opened = self._history.packing, self._history.opened
        stood, tails = await packing.ends(tenant, ids, self._end)
        found: dict[str, Standing] = {}
        for id, tail in tails.items():
            if rows := self._until(tail):
                found[id] = read_standing(stood.get(id))
                for row in rows:
                    found[id].apply(row)
        early = [id for id in ids if id not in found]
        if early:
            packs = await opened.read(lambda c: _packs(c, tenant, early, self.at_us))
            found.update(await asyncio.to_thread(self._folded, packs))
            left = frozenset(id for id in early if id not in found)
            if left:
                files = await opened.read(lambda c: _files(c, tenant, self.at_us))
                found.update(await asyncio.to_thread(self._filed, left, files))
            left = left.difference(found)
            if left and await self._history.begins_us():
                found.update(await self._later(tenant, left))
        return {id: found.get(id) or Standing(times={}) for id in ids}

    async def _later(self, tenant: int, ids: frozenset[str]) -> dict[str, Standing]:
        """Of entities whose rows up to the moment were let go of: how each stood before the first
        row after it that is left.
        """
        opened = self._history.opened
        found = await opened.read(lambda c: _stood(c, tenant, sorted(ids)))
        found.update(await opened.read(lambda c: _before(c, tenant, sorted(ids), self.at_us)))
        files = await opened.read(lambda c: _files(c, tenant, self.at_us, later=True))
        found.update(await asyncio.to_thread(self._bases, ids, files))
        return found

    def _bases(self, ids: frozenset[str], files: list[tuple[str, str, str]]) -> dict[str, Standing]:
        """How entities stood before their first row in files, newest file first; blocks."""
        from pintu.kernel.analytics.filed import bodies_in

        found: dict[str, Standing] = {}
        for path, low, high in files:
            self._in_time()
            wanted = frozenset(id for id in ids if low <= id <= high)
            if not wanted:
                continue
            there: dict[str, Standing] = {}
            for id, _, base in bodies_in(self._history.filing.folder / path, wanted):
                there.setdefault(id, read_standing(base))
            found.update(there)
        return found

    def _until(self, rows: Iterable[Change]) -> list[Change]:
        kept: list[Change] = []
        for row in rows:
            if row.at_us > self.at_us:
                break
            kept.append(row)
        return kept

    def _folded(self, packs: list[Found]) -> dict[str, Standing]:
        found: dict[str, Standing] = {}
        for id, body, base in packs:
            self._in_time()
            standing = found[id] = read_standing(base)
            fold(standing, loosen(body), id, self.at_us)
        return found

    def _filed(self, ids: frozenset[str], files: list[tuple[str, str, str]]) -> dict[str, Standing]:
        """From files, newest first, each read once for all who are looked for; blocks."""
        from pintu.kernel.analytics.filed import bodies_in  # a city without old days loads none
        from pintu.kernel.analytics.folding_columns import fold_columns

        found: dict[str, Standing] = {}
        left = set(ids)
        for path, low, high in files:
            wanted = frozenset(id for id in left if low <= id <= high)
            if not wanted:
                continue
            self._in_time()
            for id, body, base in bodies_in(self._history.filing.folder / path, wanted):
                standing = found[id] if base is None and id in found else read_standing(base)
                if fold_columns(standing, body, id, self.at_us):
                    found[id] = standing
                    left.discard(id)
        return found

    def _too_many(self) -> TooComplex:
        return TooComplex(f"A query may look at {self._most:,} entities of the past: narrow it")

    def _in_time(self) -> None:
        if monotonic() > self._ends:
            raise DeadlineExceeded("The past takes too long to find out: ask for fewer entities")


class _Wanted(Exception):
    """An entity that a query leads to is not known yet."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


def _stood(connection: Connection, tenant: int, ids: list[str]) -> dict[str, Standing]:
    asked = sa.select(STAND.c.id, STAND.c.told)
    rows = connection.execute(asked.where(STAND.c.tenant == tenant, STAND.c.id.in_(ids)))
    return {id: read_standing(told) for id, told in rows}


def _packs(connection: Connection, tenant: int, ids: list[str], at_us: int) -> list[Found]:
    """The last pack of each entity that began before a moment: (id, body, how it stood before)."""
    mine = (PACK.c.tenant == tenant, PACK.c.id.in_(ids), PACK.c.since_us <= at_us)
    last = sa.select(PACK.c.id, sa.func.max(PACK.c.first).label("first")).where(*mine)
    newest = last.group_by(PACK.c.id).subquery()
    both = sa.and_(PACK.c.id == newest.c.id, PACK.c.first == newest.c.first)
    asked = sa.select(PACK.c.id, PACK.c.body, PACK.c.base).join(newest, both)
    rows = connection.execute(asked.where(PACK.c.tenant == tenant))
    return [(id, body, base) for id, body, base in rows]


def _before(connection: Connection, tenant: int, ids: list[str], at_us: int) -> dict[str, Standing]:
    """How each entity stood before its first pack that began after a moment."""
    mine = (PACK.c.tenant == tenant, PACK.c.id.in_(ids), PACK.c.since_us > at_us)
    asked = sa.select(PACK.c.id, PACK.c.base).where(*mine).order_by(PACK.c.id, PACK.c.first.desc())
    return {id: read_standing(base) for id, base in connection.execute(asked)}


def _files(
    connection: Connection, tenant: int, at_us: int, *, later: bool = False
) -> list[tuple[str, str, str]]:
    """(path, low, high) of the files that began before a moment, or after it; newest first."""
    began = FILE.c.since_us > at_us if later else FILE.c.since_us <= at_us
    mine = (FILE.c.tenant == tenant, FILE.c.packed == 0, FILE.c.gone_us == 0)
    asked = sa.select(FILE.c.path, FILE.c.low, FILE.c.high).where(*mine, began)
    return [
        (path, low, high)
        for path, low, high in connection.execute(asked.order_by(FILE.c.first.desc()))
    ]
