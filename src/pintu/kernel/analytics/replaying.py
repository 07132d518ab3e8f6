"""A past span told as far as a clock of its own has come: how everything stood when it began, then
each entity that changed, as it stands after a step.

Rows are loosened ahead in a thread. What one step passes is folded together and told once an
entity: at sixty times the speed nobody sees what was in between, and the state is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from pintu.kernel.analytics.strips import Strip, due_before
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.context.standing import Standing, types_of

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

DEADLINE_S: Final = 60.0
MOST: Final = 60_000
"""Entities a replay may begin with."""
STEP_US: Final = 3_600_000_000


class Now(NamedTuple):
    """An entity as it stands after a step: `doc` is the reader's own, None when it is gone; `at_us`
    is when its last row was written."""

    id: str
    types: tuple[str, ...]
    doc: dict[str, Any] | None
    at_us: int


class Replaying:
    """One tenant from `since_us` to before `until_us`, forwards only; begun anew for a seek."""

    def __init__(self, history: History, tenant: int, *, since_us: int, until_us: int) -> None:
        self._history = history
        self.tenant = tenant
        self.since_us, self.until_us = since_us, until_us
        self.rows = 0  # told so far
        self._records: dict[str, Record] = {}
        self._standing: dict[str, Standing] = {}
        self._window: list[tuple[int, int, Strip]] = []  # by when the next row of each is due
        self._windows: AsyncGenerator[list[Strip], None] | None = None
        self._next: asyncio.Task[list[Strip] | None] | None = None

    async def begin(self) -> list[Record]:
        """Everything of the tenant as it stood just before the span, and the rows on their way.

        Raises DeadlineExceeded, TooComplex over 60,000 entities.
        """
        moment = self._history.moment(self.since_us - 1, deadline_s=DEADLINE_S, most=MOST)
        asked = Selection(tenant=self.tenant, limit=MOST)
        found = (await moment.select(asked)).records
        self._records = {record.id: record for record in found}
        self._windows = self._read()
        self._ask()
        assert self._next is not None
        await asyncio.wait([self._next])  # nobody begins behind; what it raises comes with `until`
        return found

    async def close(self) -> None:
        """Let go of what was made ahead."""
        task, self._next, self._window = self._next, None, []
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # nobody waits for it any more
        if self._windows is not None:
            await self._windows.aclose()

    @property
    def over(self) -> bool:
        """Everything of the span was told."""
        return self._next is None and not self._window

    @property
    def behind(self) -> bool:
        """What was asked for was not told whole: rows of it are still being made."""
        return self._next is not None and not self._window

    async def until(self, at_us: int) -> list[Now]:
        """What was written up to a moment and not told yet: each entity that it changed, as it
        stands now. Ends early when rows are not made yet (`behind`: ask for the same moment again
        before the state is anything's); raises what reading them raised.
        """
        last: dict[str, tuple[tuple[str, ...], int]] = {}
        while True:
            if self._window:
                await asyncio.to_thread(self._fold, at_us, last)
            if self._window or self._next is None or not self._next.done():
                break
            self._take(self._next.result())
        return await asyncio.to_thread(self._told, last)

    def _ask(self) -> None:
        """Have the next window made while this one is told."""
        assert self._windows is not None
        self._next = asyncio.create_task(_next_of(self._windows))

    def _take(self, strips: list[Strip] | None) -> None:
        self._next = None
        if strips is not None:
            self._window = [(one.due[0], number, one) for number, one in enumerate(strips)]
            heapify(self._window)
            self._ask()

    async def _read(self) -> AsyncGenerator[list[Strip], None]:
        """An hour after the other: each is looked through as a whole."""
        since_us = self.since_us
        while since_us < self.until_us:
            until_us = min(since_us + STEP_US, self.until_us)
            async for strips in self._history.between(since_us, until_us, tenant=self.tenant):
                yield strips
            since_us = until_us

    def _fold(self, at_us: int, last: dict[str, tuple[tuple[str, ...], int]]) -> None:
        """Fold what a window holds up to a moment; blocks."""
        window = self._window
        while window and window[0][0] <= at_us:
            _, number, strip = heappop(window)
            end = due_before(strip, at_us)
            self.rows += end - strip.at
            standing = self._standing.get(strip.id)
            if standing is None:
                standing = _standing(self._records.pop(strip.id, None))
                self._standing[strip.id] = standing
            if strip.fold(standing, end):
                last[strip.id] = strip.types_of(end - 1), strip.ats[end - 1]
            if end < len(strip.due):
                heappush(window, (strip.due[end], number, strip))

    def _told(self, last: dict[str, tuple[tuple[str, ...], int]]) -> list[Now]:
        found: list[Now] = []
        for id, (types, at_us) in last.items():
            doc = self._standing[id].doc
            # attributes are never changed in place, so a copy of the first level is enough
            found.append(
                Now(id, types, None, at_us) if doc is None
                else Now(id, types_of(doc), dict(doc), at_us)
            )  # fmt: skip
        return found


async def _next_of(windows: AsyncGenerator[list[Strip], None]) -> list[Strip] | None:
    """The next one; None after the last."""
    return await anext(windows, None)


def _standing(record: Record | None) -> Standing:
    if record is None:
        return Standing(times={})
    times = orjson.loads(record.times) if record.times else {}
    doc = orjson.loads(record.body)
    return Standing(doc, record.created_us, record.modified_us, times)
