"""What other parts do because of warnings: plans proposed, narrowed and taken back, people told
and told that it is over; each once, in order, tried again until it worked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, Protocol

from pintu.kernel.errors import BadInput, Conflict, Missing, PintuError, Refused
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.warnings import rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pintu.kernel.clock import Clock
    from pintu.kernel.operations.warnings.rows import Todo
    from pintu.kernel.operations.warnings.words import PublicWarning
    from pintu.kernel.tables import OpenTables
    from pintu.kernel.timers import Firing, Timers

log = logging.getLogger("pintu.operations.warnings")

AGAIN: Final = "operations.warnings.again"
PAUSE_S: Final = 15.0


class Hand(Protocol):
    """Another part's deed. Each is asked for at least once with the same `key`, and does its work
    once for it."""

    async def __call__(self, warning: PublicWarning, key: str) -> None:
        """Do it; a PintuError is tried again."""
        ...


class Following:
    """The list of what is still to be done, worked off from its head."""

    def __init__(self, opened: OpenTables, timers: Timers, clock: Clock) -> None:
        self._opened, self._timers, self._clock = opened, timers, clock
        self.hands: dict[str, list[Hand]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        timers.on(AGAIN, self._again)

    def on(self, what: str, hand: Hand) -> None:
        """Who does `start`, `narrow`, `undo`, `tell` or `clear`."""
        self.hands.setdefault(what, []).append(hand)

    async def start(self) -> None:
        """Go on with what an earlier life left."""
        self.wake()
        self._task = asyncio.create_task(self._run(), name="warnings")

    async def stop(self) -> None:
        """What is under way is asked for again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """There may be something to do."""
        self._idle.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until nothing is left that can be done now."""
        await self._idle.wait()

    async def _again(self, _: Firing) -> None:
        self.wake()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while found := await self._opened.read(rows.todos):
                    for one in found:
                        await self._do(one)
            except PintuError as error:
                log.warning("What follows from a warning is tried again: %s", error.detail)
                at_us = self._clock.now_us() + int(PAUSE_S * self._clock.rate * 1e6)
                with contextlib.suppress(PintuError):
                    await self._timers.set(AGAIN, "todo", at_us)
            if not self._wake.is_set():
                self._idle.set()

    async def _do(self, one: Todo) -> None:
        failed = ""
        for hand in self.hands.get(one.what, []):
            try:
                await hand(one.warning, one.key)
            except (BadInput, Refused, Missing, Conflict) as error:
                # It would fail the same way for ever, and everything behind it would wait.
                log.error("%s of warning %s: %s", one.what, one.warning.id, error.detail)
                failed = error.detail
            except PintuError:
                raise
            except Exception as error:  # a loop's edge: one hand's mistake ends nobody's all-clear
                log.exception("%s of warning %s failed", one.what, one.warning.id)
                failed = f"It failed: {type(error).__name__}"
        await self._opened.run(lambda c: self._done(c, one, failed))

    def _done(self, connection: Connection, one: Todo, failed: str) -> None:
        rows.done(connection, one.number)
        if failed:
            warning = one.warning
            deed = Deed(
                subject=warning.cause,
                verb="left_undone",
                who="timer",
                at_us=self._clock.now_us(),
                tenant=warning.tenant,
                reason=failed,
                detail={"what": one.what},
            )
            enter(connection, deed)
