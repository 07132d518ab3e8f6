"""`Past` over everything: rows of one entity from the log, from packs, from files, as one chain."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packs import unpack
from pintu.kernel.analytics.schema import ALWAYS, ALWAYS_VERBS, PACK
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change, Store, settled

if TYPE_CHECKING:
    from pintu.kernel.analytics.packing import Packing
    from pintu.kernel.context.selection import TypeSelection
    from pintu.kernel.tables import OpenTables

STEP: Final = 1_000


class WholePast:
    """Where the rows lie is nobody's business: what comes back is equal to what the log had."""

    def __init__(self, store: Store, opened: OpenTables, packing: Packing) -> None:
        self._store = store
        self._log = store.history  # the log's alone, whatever the store's name may lead to later
        self._opened = opened
        self._packing = packing

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
        older = await self._opened.read(lambda c: _packs(c, (tenant, id), span, limit))
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
        older = await self._opened.read(lambda c: _before((c, (tenant, id)), last, limit))
        return [*found, *older[: limit - len(found)]]

    def ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str] | Awaitable[list[str]]:
        """As `Store.past_ids`."""
        return self._store.past_ids(tenant, types, after, limit)

    def aggregate(self, spec: Any) -> Any:
        """Not yet: computed from rows."""
        return None

    async def _tail(self, tenant: int, id: str, after: int, limit: int) -> list[Change]:
        """Rows of the log behind a position, oldest first."""
        found: list[Change] = []
        before: int | None = None
        while True:
            step = min(STEP, limit + 1)
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


def too_many(id: str, limit: int) -> TooComplex:
    """More rows than may be read at once."""
    return TooComplex(f"Entity {id} has more than {limit} rows of history there: ask for less time")


def _packs(
    connection: Connection, key: tuple[int, str], span: tuple[int | None, int | None], limit: int
) -> list[Change]:
    mine = (PACK.c.tenant == key[0], PACK.c.id == key[1])
    inside = sa.and_(sa.true(), *_overlap(span))
    kept = sa.exists().where(
        ALWAYS.c.tenant == PACK.c.tenant,
        ALWAYS.c.id == PACK.c.id,
        ALWAYS.c.position.between(PACK.c.first, PACK.c.last),
    )
    asked = sa.select(PACK.c.body, inside.label("inside")).where(*mine, sa.or_(inside, kept))
    found: list[Change] = []
    for body, whole in connection.execute(asked):
        rows = unpack(body, *key)
        found += rows if whole else filter(is_always, rows)
        if len(found) > limit:
            raise too_many(key[1], limit)
    return found


def is_always(row: Change) -> bool:
    """Whether a row comes whatever time is asked for."""
    return row.verb in ALWAYS_VERBS or not row.previous


def _overlap(span: tuple[int | None, int | None]) -> list[sa.ColumnElement[bool]]:
    """What was written or observed in a time."""
    since, until = span
    rules: list[sa.ColumnElement[bool]] = []
    if since is not None or until is not None:
        low, high = -(2**62) if since is None else since, 2**62 if until is None else until
        written = sa.and_(PACK.c.until_us >= low, PACK.c.since_us <= high)
        told = sa.and_(PACK.c.observed_to_us >= low, PACK.c.observed_us <= high)
        rules.append(sa.or_(written, told))
    return rules


def _before(
    asked: tuple[Connection, tuple[int, str]], before: int | None, limit: int
) -> list[Change]:
    connection, key = asked
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
