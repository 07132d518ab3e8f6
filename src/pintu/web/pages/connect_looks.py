"""What was seen at a source, kept for a while so that mapping it need not look again."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from pintu.kernel.errors import DeadlineExceeded, ResourceNotFound
from pintu.kernel.intake.doors.words import Around, Door, SourceFile, TableSeen

LOOK_WITHIN_S = 25.0
KEPT_S = 1_800.0
MOST_KEPT = 50


@dataclass(slots=True)
class Looks:
    """Tables seen by source; a look is asked for once, however many wait for it."""

    now_s: Callable[[], float] = time.monotonic
    _seen: OrderedDict[str, tuple[float, list[TableSeen]]] = field(default_factory=OrderedDict)
    _running: dict[str, asyncio.Task[list[TableSeen]]] = field(default_factory=dict)

    async def at(
        self, door: Door, source: SourceFile, around: Around, *, again: bool = False
    ) -> list[TableSeen]:
        """The tables of a source, from what was seen less than half an hour ago unless `again`.

        Raises what the door raises, DeadlineExceeded when the other side takes too long.
        """
        known = self._seen.get(source.name)
        if known is not None and not again and self.now_s() - known[0] < KEPT_S:
            return known[1]
        running = self._running.get(source.name)
        if running is None:
            running = asyncio.ensure_future(_look(door, source, around))
            self._running[source.name] = running
            running.add_done_callback(lambda _done: self._running.pop(source.name, None))
        tables = await asyncio.shield(running)
        self._seen[source.name] = (self.now_s(), tables)
        while len(self._seen) > MOST_KEPT:
            self._seen.popitem(last=False)
        return tables

    def forget(self, name: str) -> None:
        """A source that was told something else is looked at again."""
        self._seen.pop(name, None)


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
