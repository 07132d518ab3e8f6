"""What happens to agreements by itself: deadlines that pass, terms that end, looking for others'
deeds.

One durable timer stands for all of them, at the earliest moment; what is due is read from the
agreements themselves, so a timer that was lost or repeated changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict
from pintu.kernel.exchange.agreements.deeds import CLOCK, Asked
from pintu.kernel.exchange.agreements.states import WAITING
from pintu.kernel.timers import Firing, Timers

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.agreements import Agreements

log = logging.getLogger("pintu.agreements")

TIMER: Final = "agreements.next"
LOOK_S: Final = 0.15  # revocation holds everywhere in a second; this leaves time for a busy loop
AGAIN_S: Final = 5.0  # after something could not be done


class Clockwork:
    """The timer and the look of a room of agreements."""

    def __init__(self, room: Agreements, timers: Timers, clock: Clock) -> None:
        self._room, self._timers, self._clock = room, timers, clock
        self._task: asyncio.Task[None] | None = None
        self._setting: set[asyncio.Task[None]] = set()
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """Finish what stopped half-way; set the timer, whatever is in it."""
        with contextlib.suppress(PintuError):  # looked at again below
            await self._room._recorder.finish_all()
        await self._set()
        self._task = asyncio.create_task(self._run(), name="agreements")

    async def stop(self) -> None:
        """Nothing more happens by itself."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for task in list(self._setting):
            with contextlib.suppress(asyncio.CancelledError, PintuError):
                await task

    def changed(self) -> None:
        """Agreements changed: perhaps something is due earlier."""
        next_us = self._room._memory.next_us()
        set_us = self._timers.due(TIMER, TIMER)
        if self._task is not None and next_us is not None and (set_us is None or next_us < set_us):
            task = asyncio.create_task(self._set())
            self._setting.add(task)
            task.add_done_callback(self._setting.discard)

    async def _run(self) -> None:
        room = self._room
        while True:
            await asyncio.sleep(LOOK_S)
            room.look()
            if room._recorder.half_way:
                with contextlib.suppress(PintuError):
                    await room._recorder.finish_half()

    async def _set(self) -> None:
        next_us = self._room._memory.next_us()
        if next_us is not None:
            with contextlib.suppress(PintuError):  # set again with the next change or start
                await self._timers.set(TIMER, TIMER, next_us)

    async def _due(self, _: Firing) -> None:
        await self.do_due()

    async def do_due(self) -> None:
        """Do all that is due; what cannot be done now is tried again."""
        now_us = self._clock.now_us()
        due = self._room._memory.take_due(now_us)
        again: list[tuple[str, int]] = []
        for id, version in due:
            try:
                await self._one(id, version, now_us)
            except StateConflict as error:
                log.info("Agreement %s/%s moved on by itself: %s", id, version, error.detail)
            except PintuError as error:
                log.warning("Agreement %s/%s: %s", id, version, error.detail)
                again.append((id, version))
        self._room._memory.put_back(again, now_us + int(AGAIN_S * 1e6 * self._clock.rate))
        next_us = self._room._memory.next_us()
        if next_us is not None:
            await self._timers.set(TIMER, TIMER, next_us)

    async def _one(self, id: str, version: int, now_us: int) -> None:
        known = self._room._memory.open_versions(id)
        one = next((one for one in known if one.version == version), None)
        if one is None:
            return
        if one.terms.until_us and now_us >= one.terms.until_us:
            deed = Asked(actor=CLOCK, deed="expire", id=id, version=version, why="its term ended")
            await self._room._deed(deed, f"expire/{one.name}")
        elif one.state in WAITING and one.due_us and now_us >= one.due_us:
            what = WAITING[one.state]
            deed = Asked(actor=CLOCK, deed=what, id=id, version=version, why="its deadline passed")
            await self._room._deed(deed, f"{what}/{one.name}")
