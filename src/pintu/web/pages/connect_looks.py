"""What was seen at a source, kept for a while so that mapping it need not look again."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from pintu.kernel.errors import DeadlineExceeded, PintuError, ResourceNotFound
from pintu.kernel.intake.doors.words import Around, Door, SourceFile, TableSeen

LOOK_WITHIN_S = 25.0
AT_ONCE_S = 1.5
"""A page waits that long for a look; after it the page says that somebody is looking."""

KEPT_S = 1_800.0
FAILED_KEPT_S = 15.0  # long enough for the page that says so
MOST_KEPT = 50


@dataclass(slots=True)
class Looks:
    """Tables seen by source; a look is asked for once, however many wait for it."""

    now_s: Callable[[], float] = time.monotonic
    _seen: OrderedDict[str, tuple[float, list[TableSeen]]] = field(default_factory=OrderedDict)
    _failed: dict[str, tuple[float, PintuError]] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[list[TableSeen]]] = field(default_factory=dict)

    async def at(
        self, door: Door, source: SourceFile, around: Around, *, again: bool = False
    ) -> list[TableSeen]:
        """The tables of a source, from what was seen less than half an hour ago unless `again`.

        Raises what the door raises, DeadlineExceeded when the other side takes too long.
        """
        known = self._known(source.name, again=again)
        if known is not None:
            return known
        return await asyncio.shield(self._look(door, source, around))

    async def soon(
        self, door: Door, source: SourceFile, around: Around, *, again: bool = False
    ) -> list[TableSeen] | None:
        """As `at`, and None when that takes longer than a page waits: the look goes on."""
        known = self._known(source.name, again=again)
        if known is not None:
            return known
        running = self._look(door, source, around)
        done, _ = await asyncio.wait([running], timeout=AT_ONCE_S)
        return running.result() if done else None

    def forget(self, name: str) -> None:
        """A source that was told something else is looked at again."""
        self._seen.pop(name, None)
        self._failed.pop(name, None)
        self._running.pop(name, None)

    def _known(self, name: str, *, again: bool) -> list[TableSeen] | None:
        """What was seen; raises what went wrong a moment ago."""
        if again:
            return None
        known, failed = self._seen.get(name), self._failed.get(name)
        if known is not None and self.now_s() - known[0] < KEPT_S:
            return known[1]
        if failed is not None and self.now_s() - failed[0] < FAILED_KEPT_S:
            raise failed[1]
        return None

    def _look(
        self, door: Door, source: SourceFile, around: Around
    ) -> asyncio.Task[list[TableSeen]]:
        name = source.name
        running = self._running.get(name)
        if running is None:
            running = asyncio.ensure_future(_look(door, source, around))
            self._running[name] = running
            running.add_done_callback(lambda done: self._keep(name, done))
        return running

    def _keep(self, name: str, done: asyncio.Task[list[TableSeen]]) -> None:
        if self._running.get(name) is not done:
            if not done.cancelled():
                done.exception()  # told something else meanwhile: nobody asks any more
            return
        del self._running[name]
        self._seen.pop(name, None)
        self._failed.pop(name, None)
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._seen[name] = (self.now_s(), done.result())
        elif isinstance(error, PintuError):
            self._failed[name] = (self.now_s(), error)
        while len(self._seen) > MOST_KEPT:
            self._seen.popitem(last=False)


async def _look(door: Door, source: SourceFile, around: Around) -> list[TableSeen]:
    try:
        async with asyncio.timeout(LOOK_WITHIN_S):
            return list(await door.look(source, around))
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"Source {source.name} did not answer within {LOOK_WITHIN_S:g} seconds"
        ) from error


def table_called(tables: list[TableSeen], name: str) -> TableSeen:
    """One of the tables, the only one when none is named; ResourceNotFound."""
    for one in tables:
        if one.name == name:
            return one
    if not name and len(tables) == 1:
        return tables[0]
    known = ", ".join(one.name for one in tables[:20]) or "none"
    raise ResourceNotFound(f"Table {name[:80]!r} is not there; tables are: {known}")
