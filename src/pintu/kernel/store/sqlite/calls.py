"""What was handed to the writer, and how the loop hands it over: in groups as large as there are
callers.

A transaction costs the same for one operation as for thirty, so calls are kept on the loop until
as many wait as there were callers lately, and not longer than `GATHER_S`. Who writes alone never
waits (docs/decisions/0025).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

import apsw

from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import MARKED, Mark, Op

GATHER_S: Final = 0.001
"""How long calls wait for others that were there a moment ago."""

ENOUGH_OPS: Final = 128
"""Operations that are a group worth a transaction, however few calls they came in."""

log = logging.getLogger("pintu.store")
Then = Callable[["Call"], object]


class Call:
    """One `submit`, or one task to run in a transaction of the writer; awaited, or called back, on
    the loop when it is durable. A future of the loop for each would cost more than the insert.
    """

    __slots__ = ("_then", "error", "mark", "ops", "outcomes", "settled", "source", "task")

    def __init__(
        self, ops: Sequence[Op], source: str, task: Callable[[], Any] | None, mark: Mark | None
    ) -> None:
        self.ops = ops
        self.source = source
        self.task = task
        self.mark = mark
        self.outcomes: Any = None
        self.error: PintuError | None = None
        self.settled = False
        self._then: Then | None = None

    def done(self) -> bool:
        """Whether it is known what became of it."""
        return self.settled

    def result(self) -> Any:
        """The outcomes; raises what went wrong with the whole call."""
        if self.error is not None:
            raise self.error
        return self.outcomes

    def exception(self) -> PintuError | None:
        """What went wrong with the whole call."""
        return self.error

    def cancelled(self) -> bool:
        """Never: what was handed over is done."""
        return False

    def add_done_callback(self, then: Then) -> None:
        """Call `then` in the turn of the loop that learns what became of it, after everybody who
        listens to commits."""
        if self.settled:
            then(self)
        else:
            self._then = then if self._then is None else partial(_both, self._then, then)

    def settle(self) -> None:
        """On the loop: it is known what became of it."""
        self.settled = True
        then, self._then = self._then, None
        if then is not None:
            try:
                then(self)
            except Exception:
                log.exception("Who waited for a write broke when it was told")

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.settled:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.add_done_callback(partial(_wake, waiter))
            yield from waiter
        return self.result()


def _both(one: Then, two: Then, call: Call) -> None:
    try:
        one(call)
    finally:
        two(call)


def _wake(waiter: asyncio.Future[None], _: Call) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Gathering:
    """The loop's side of the writer's queue."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[list[Call | None]] = SimpleQueue()
        self._calls: list[Call | None] = []
        self._ops = 0
        self._out = 0  # calls that are not answered
        self._lately = 0  # how many there were at once
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False

    def add(self, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        """One more; it is handed over at the end of this turn or of one soon."""
        self._calls.append(call)
        self._ops += len(call.ops)
        self._out += 1
        if not self._looking:
            self._looking = True
            loop.call_soon(self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """The end of a turn: hand over what is enough."""
        self._looking = False
        if self._out > self._lately:
            self._lately = self._out
        if len(self._calls) >= self._lately or self._ops >= ENOUGH_OPS:
            self.hand_over()
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_S, self.hand_over)

    def hand_over(self) -> None:
        """Give the writer all that is here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._calls, self._ops = self._calls, [], 0
        if calls:
            count = len(calls)
            if count < self._lately:
                self._lately = max(count, self._lately - 1 - self._lately // 8)
            self.queue.put(calls)

    def answered(self, count: int) -> None:
        """So many calls were answered."""
        self._out -= count

    def end(self) -> None:
        """Nothing comes after what is here."""
        calls, self._calls = self._calls, []
        self.queue.put([*calls, None])


def keep_mark(db: apsw.Connection, mark: Mark, now_us: int) -> PintuError | None:
    """Keep a mark in the transaction that is open; the reason when it stands elsewhere."""
    name = MARKED + mark.name
    if mark.before is not None:
        found: int | None = db.execute("SELECT position FROM cursor WHERE name=?", (name,)).get
        if (refused := mark.refused(found)) is not None:
            return refused
    db.execute("INSERT OR REPLACE INTO cursor VALUES(?,?,?)", (name, mark.number, now_us))
    return None
