"""What happens to agreements by itself: deadlines that pass, terms that end, looking for others'
deeds.

One durable timer stands for all of them, at the earliest moment; what is due is read from the
agreements themselves, so a timer that was lost or repeated changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict
from pintu.kernel.exchange.agreements.deeds import CLOCK, Asked
from pintu.kernel.exchange.agreements.states import WAITING
from pintu.kernel.timers import Firing, Timers

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.room import Room

log = logging.getLogger("pintu.agreements")

TIMER: Final = "agreements.next"
LOOK_S: Final = 0.15  # revocation holds everywhere in a second; this leaves time for a busy loop
SLOW_S: Final = 1.0  # counted copies are written down; what stopped half-way is gone on with
VERIFIED_AT_ONCE: Final = 20
BETWEEN_S: Final = 0.02  # so that 100,000 take minutes of a fifth of a core, and nobody waits
AGAIN_S: Final = 5.0  # after something could not be done


class Clockwork:
    """The timer and the look of a room of agreements."""

    def __init__(self, room: Room, timers: Timers, clock: Clock) -> None:
        self._room, self._timers, self._clock = room, timers, clock
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._slow_at = 0.0
        self._telling = asyncio.Lock()
        timers.on(TIMER, self._due)

    # --- life ---------------------------------------------------------------------------------
    async def start(self) -> None:
        """Finish what a crash cut off, tell what was not told, set the timer whatever is in it."""
        with contextlib.suppress(PintuError):  # looked at again below
            await self._room.recorder.finish_all()
        await self._set()
        self._task = asyncio.create_task(self._run(), name="agreements")
        self.tell_soon()
        self._soon(self._verify())

    async def stop(self) -> None:
        """Nothing more happens by itself; what was counted is written down."""
        for task in [*self._tasks, *([self._task] if self._task else [])]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, PintuError):
                await task
        self._task = None
        await self._room.write_copies()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except Exception:  # one bad row must not keep later revocations from being seen
                log.exception("Agreements could not be looked at; they are again soon")
                await asyncio.sleep(SLOW_S)

    async def _look(self) -> None:
        self._room.look()
        if time.monotonic() >= self._slow_at:
            self._slow_at = time.monotonic() + SLOW_S
            await self._slowly()

    async def _slowly(self) -> None:
        room = self._room
        try:
            room.checking.look()
            await room.write_copies()
            await room.settle_doubts()
            if room.recorder.half_way:
                await room.recorder.finish_half()
        except PintuError as error:
            log.warning("Agreements are not looked after now: %s", error.detail)

    async def _verify(self) -> None:
        """Look at every signature once a life, a little at a time: the seal of a row says only
        that this node wrote it."""
        after: tuple[str, int] | None = ("", 0)
        while after is not None:
            try:
                after = await self._room.verify(after, VERIFIED_AT_ONCE)
            except PintuError as error:
                log.warning("Signatures of agreements wait: %s", error.detail)
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(BETWEEN_S)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- notices ------------------------------------------------------------------------------
    def tell_soon(self) -> None:
        """Something is in the outbox."""
        if self._task is not None:
            self._soon(self._tell())

    async def _tell(self) -> None:
        async with self._telling:
            with contextlib.suppress(PintuError):  # it stays in the outbox
                await self._room.telling.empty()

    # --- what is due --------------------------------------------------------------------------
    def changed(self) -> None:
        """Agreements changed: perhaps something is due earlier."""
        next_us = self._room.memory.next_us()
        set_us = self._timers.due(TIMER, TIMER)
        if self._task is not None and next_us is not None and (set_us is None or next_us < set_us):
            self._soon(self._set())

    async def _set(self) -> None:
        next_us = self._room.memory.next_us()
        if next_us is not None:
            with contextlib.suppress(PintuError):  # set again with the next change or start
                await self._timers.set(TIMER, TIMER, next_us)

    async def _due(self, _: Firing) -> None:
        await self.do_due()

    async def do_due(self) -> None:
        """Do all that is due; what cannot be done now is tried again."""
        now_us, memory = self._clock.now_us(), self._room.memory
        again: list[tuple[str, int]] = []
        for id, version in memory.take_due(now_us):
            try:
                await self._one(id, version, now_us)
            except StateConflict as error:
                log.info("Agreement %s/%s moved on meanwhile: %s", id, version, error.detail)
            except PintuError as error:
                log.warning("Agreement %s/%s: %s", id, version, error.detail)
                again.append((id, version))
        memory.put_back(again, now_us + int(AGAIN_S * 1e6 * self._clock.rate))
        next_us = memory.next_us()
        if next_us is not None:
            await self._timers.set(TIMER, TIMER, next_us)

    async def _one(self, id: str, version: int, now_us: int) -> None:
        room = self._room
        if not version:
            await room.overdue(id)
            return
        known = room.memory.open_versions(id)
        one = next((one for one in known if one.version == version), None)
        if one is None:
            return
        if one.terms.until_us and now_us >= one.terms.until_us:
            deed = Asked(actor=CLOCK, deed="expire", id=id, version=version, why="its term ended")
            await room.deed(deed, f"expire/{one.name}")
        elif one.state in WAITING and one.due_us and now_us >= one.due_us:
            what = WAITING[one.state]
            deed = Asked(actor=CLOCK, deed=what, id=id, version=version, why="its deadline passed")
            await room.deed(deed, f"{what}/{one.name}")
