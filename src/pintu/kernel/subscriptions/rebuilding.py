"""Changes read back from the log made whole again: the documents before and after them.

A row of the log says what was written, not what was there. Each entity's chain is walked back to
the last row that has its whole document and forward again; whoever reads the log in order gets the
next row of the entity from what the one before left, and so do some who read at different places.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import orjson

from pintu.kernel.context.record import Record
from pintu.kernel.context.standing import Standing
from pintu.kernel.store.port import Change, settled

MOST_ROWS: Final = 5_000
"""Rows of one entity that are walked back; past them the present stands in for what they said."""

STEP: Final = 200
FIRST: Final = 8
"""Rows read first of an entity of which an earlier row was made whole."""

KEPT: Final = 2_000
"""Entities whose latest document is remembered between two rows."""

PLACES: Final = 4
"""Places of one entity's chain that are remembered: of who follows, and of who is behind."""


class Chain(Protocol):
    """What rebuilding needs of a store."""

    def history(self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000) -> Any:
        """An entity's changes, newest first."""
        ...

    def retrieve(self, tenant: int, id: str) -> Any:
        """An entity as it is."""
        ...


class Rebuilder:
    """Makes rows whole; lives on the loop."""

    def __init__(self, store: Chain, *, most_rows: int = MOST_ROWS) -> None:
        self._store = store
        self._most = most_rows
        self._known: dict[tuple[int, str], dict[int, Standing]] = {}  # by position
        self.walked = 0  # rows that were read again

    async def rebuild(self, change: Change) -> Change:
        """The change as those who listened when it happened got it. Raises Unavailable while the
        store is away."""
        at, standing = self._nearest(change)
        if at != change.previous or at < 0:
            standing = await self._before(change, (at, standing))
        doc, created_us, times = standing.doc, standing.created_us, standing.times
        before = None if doc is None else orjson.dumps(doc)
        stamped = orjson.dumps(times) if times else None
        standing.apply(change)
        after = standing.doc
        if after is not None:
            created_us, times = standing.created_us, standing.times
            stamped = orjson.dumps(times) if times else None
        self._remember(change, standing)
        return msgspec.structs.replace(
            change,
            before=before,
            body=None if after is None else orjson.dumps(after),
            created_us=created_us,
            times=stamped,
        )

    def _nearest(self, change: Change) -> tuple[int, Standing]:
        """The last place before a row at which its entity is known, which is given up; (-1, …):
        there is none. Places behind the row are of who reads further on."""
        places = self._known.get((change.tenant, change.id), {})
        at = max((one for one in places if one < change.position), default=-1)
        return at, places.pop(at, None) or Standing()

    def _remember(self, change: Change, standing: Standing) -> None:
        key = change.tenant, change.id
        places = self._known.pop(key, {})
        places[change.position] = standing
        if len(places) > PLACES:
            del places[min(places)]
        if len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[key] = places

    async def _before(self, change: Change, known: tuple[int, Standing]) -> Standing:
        """The entity before a row of its chain; `known` is what it was at an earlier row, if it is
        one: what this broker wrote itself came whole, and is passed over here."""
        if change.verb == "created" or not change.previous:
            return Standing()
        rows: list[Change] = []
        position, step = change.position, FIRST if known[0] >= 0 else STEP
        while len(rows) < self._most:
            page: list[Change] = await settled(
                self._store.history(change.tenant, change.id, before=position, limit=step)
            )
            self.walked += len(page)
            for row in page:
                if row.position == known[0]:
                    return _replayed(known[1], rows)
                rows.append(row)
                if row.verb in ("created", "deleted"):
                    return _replayed(Standing(), rows)
            if len(page) < step:
                break
            position, step = page[-1].position, STEP
        return _replayed(await self._present(change), rows)

    async def _present(self, change: Change) -> Standing:
        """What is there now, for what no row that is left says."""
        record: Record | None = await settled(self._store.retrieve(change.tenant, change.id))
        if record is None:
            return Standing()
        return Standing(orjson.loads(record.body), record.created_us, record.modified_us)


async def rebuilt(store: Chain, change: Change) -> Change:
    """One row made whole, by itself."""
    return await Rebuilder(store).rebuild(change)


def _replayed(standing: Standing, rows: list[Change]) -> Standing:
    """The same after some rows, newest first."""
    for row in reversed(rows):
        standing.apply(row)
    return standing
