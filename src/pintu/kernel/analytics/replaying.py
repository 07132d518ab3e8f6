"""A past span told as its commits were: how everything stood when it began, then what changed, with
the documents; as far as a clock of its own has come.

Rows are made ahead in a thread. What one step passes is told once an entity, as it stands after
it: at sixty times the speed nobody sees what was in between, and the state is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import orjson

from pintu.kernel.analytics.standing import Standing, types_of
from pintu.kernel.context.record import PAST_VERBS, Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.port import Change

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

DEADLINE_S: Final = 60.0
MOST: Final = 60_000
"""Entities a replay may begin with."""
STEP_US: Final = 3_600_000_000
AHEAD: Final = 2
"""Lists of some thousand rows that wait to be told."""


class Replaying:
    """One tenant from `since_us` to before `until_us`, forwards only; begun anew for a seek."""

    def __init__(self, history: History, tenant: int, *, since_us: int, until_us: int) -> None:
        self._history = history
        self.tenant = tenant
        self.since_us, self.until_us = since_us, until_us
        self.rows = 0  # told so far
        self._records: dict[str, Record] = {}
        self._standing: dict[str, Standing] = {}
        self._waiting: list[Change] = []
        self._at = 0  # the first of them that was not told
        self._queue: asyncio.Queue[list[Change] | None] = asyncio.Queue(AHEAD)
        self._reading: asyncio.Task[None] | None = None
        self._over = False

    async def begin(self) -> list[Record]:
        """Everything of the tenant as it stood just before the span, and the rows on their way.

        Raises DeadlineExceeded, TooComplex over 60,000 entities.
        """
        moment = self._history.moment(self.since_us - 1, deadline_s=DEADLINE_S, most=MOST)
        asked = Selection(tenant=self.tenant, limit=MOST)
        found = (await moment.select(asked)).records
        self._records = {record.id: record for record in found}
        self._reading = asyncio.create_task(self._read())
        return found

    async def close(self) -> None:
        """Let go of what was made ahead."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        self._reading, self._waiting, self._over = None, [], True

    @property
    def over(self) -> bool:
        """Everything of the span was told."""
        return self._over and self._at >= len(self._waiting)

    async def until(self, at_us: int) -> AsyncIterator[list[Change]]:
        """What was written up to a moment and not told yet, some thousand rows together: of each
        entity its last change, `body` the document after it (None: deleted). Ends early when the
        rows are not made yet (`behind`); raises what reading them raised.
        """
        while True:
            if self._at >= len(self._waiting):
                if self._over or self._queue.empty():
                    if self._reading is not None and self._reading.done():
                        self._reading.result()
                    return
                self._take(self._queue.get_nowait())
                continue
            last = self._last(at_us)
            if last == self._at:
                return
            rows, self._at = self._waiting[self._at : last], last
            self.rows += len(rows)
            yield await asyncio.to_thread(self._fold, rows)

    @property
    def behind(self) -> bool:
        """Rows are still being made."""
        return not self._over and self._at >= len(self._waiting) and self._queue.empty()

    def _last(self, at_us: int) -> int:
        """How far the waiting rows reach up to a moment. By position: a clock that was set back
        holds nothing up, the rows behind it are told as soon as those before them."""
        waiting = self._waiting
        if waiting[-1].at_us <= at_us:
            return len(waiting)
        return bisect_right(waiting, at_us, self._at, key=lambda row: row.at_us)

    def _take(self, told: list[Change] | None) -> None:
        self._over = told is None
        self._waiting, self._at = told or [], 0

    async def _read(self) -> None:
        """An hour after the other: each is looked through as a whole."""
        since_us = self.since_us
        while since_us < self.until_us:
            until_us = min(since_us + STEP_US, self.until_us)
            async for rows in self._history.between(since_us, until_us, tenant=self.tenant):
                await self._queue.put(rows)
            since_us = until_us
        await self._queue.put(None)

    def _fold(self, rows: list[Change]) -> list[Change]:
        last: dict[str, Change] = {}
        for row in rows:
            if row.verb in PAST_VERBS:
                continue
            standing = self._standing.get(row.id)
            if standing is None:
                standing = self._standing[row.id] = _standing(self._records.pop(row.id, None))
            standing.apply(row)
            last.pop(row.id, None)
            last[row.id] = row
        return [self._told(row) for row in last.values()]

    def _told(self, row: Change) -> Change:
        standing = self._standing[row.id]
        if standing.doc is None:
            return Change(
                row.position, row.tenant, row.id, row.types, "deleted", row.at_us, row.source,
                None, b"", row.previous,
            )  # fmt: skip
        verb = "updated" if row.verb == "deleted" else row.verb
        return Change(
            row.position, row.tenant, row.id, types_of(standing.doc), verb, row.at_us, row.source,
            row.changed, row.payload, row.previous, body=orjson.dumps(standing.doc),
            created_us=standing.created_us,
        )  # fmt: skip


def _standing(record: Record | None) -> Standing:
    if record is None:
        return Standing(times={})
    times = orjson.loads(record.times) if record.times else {}
    doc = orjson.loads(record.body)
    return Standing(doc, record.created_us, record.modified_us, times)
