"""Steps of commands: reported or due, written in groups, told to whoever listens, sent again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict, Unavailable
from pintu.kernel.intake.words import Command
from pintu.kernel.operations import journal as journals
from pintu.kernel.operations.asking import Ask
from pintu.kernel.operations.gathering import Gathering
from pintu.kernel.operations.guarding import Guarding, Seen
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.ledger import Entry, Step, Taken, Wanted
from pintu.kernel.operations.pacing import Dispatch, Pacing, Recall
from pintu.kernel.operations.reading import Reading
from pintu.kernel.operations.states import Event
from pintu.kernel.operations.stopping import Stopping
from pintu.kernel.operations.taking import overtaken
from pintu.kernel.timers import Firing, Timers

log = logging.getLogger("pintu.operations")

TIMER = "operations.command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a command waits, in real seconds (the wire to a device is as slow however fast a
    city's clock runs).
    """

    attempts: int = 3
    send_s: float = 30.0  # for a process that takes it
    answer_s: float = 10.0  # for the device, the first time; doubled each time after
    effect_s: float = 120.0  # for the effect to be measured after the device answered
    second_s: float = 600.0  # for the second person, where it takes two


Listener = Callable[[Entry, Step], None]
FRESH_S: Final = 1.0
"""How long a look at an interlock counts: what stands in line longer is looked at again."""
LOOKED_AT: Final = 200
AGAIN_S: Final = 1.0  # before what could not be looked at is looked at
BUSY_S: Final = 5.0  # before a step that could not be written is tried again


class Stepping(Reading):
    """What becomes of commands that are written down; `Commands` asks for them."""

    guarding: Guarding
    stops: Stopping
    _timers: Timers
    _clock: Clock
    _patience: dict[str, Patience]
    _journal: Journal | None
    _pacing: Pacing
    _gathering: Gathering
    _listeners: list[Listener]
    _checks: set[asyncio.Task[None]]
    _looked: dict[str, float]  # when a command's interlocks were last looked at
    _unlooked: list[Command]  # in line to be looked at, then handed out

    # --- being told -------------------------------------------------------------------------------
    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        """What a process that has these pieces must be given when it connects: the first of all
        that no device answered; the others follow as it reports. What an interlock must be asked
        about follows when that was looked at."""
        sent: list[Command] = []
        first: list[Command] = []
        for entry in self.waiting():
            command = entry.command
            if command.piece not in pieces or not self._goes(command):
                continue
            if self._looks_at(command):
                self._looked.pop(command.id, None)
                first.append(command)
            else:
                sent.append(command)
        given = self._pacing.fresh(pieces, sent)
        self._pacing.give(first)
        return given

    def on_dispatch(self, dispatch: Dispatch) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        return self._pacing.on_dispatch(dispatch)

    def on_recall(self, recall: Recall) -> Callable[[], None]:
        """Tell `recall` of each command that was given and must not be sent any more; returns how
        to stop that."""
        return self._pacing.on_recall(recall)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the loop after every step is durable; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, entry: Entry, step: Step) -> None:
        for listener in list(self._listeners):
            try:
                listener(entry, step)
            except Exception:  # a loop's edge: a page that went away stops no command
                log.exception("A listener of commands failed")

    async def _told(self, deeds: list[journals.Deed]) -> None:
        if self._journal is not None and deeds:
            await self._journal.told(self.file, deeds)

    # --- steps and patience -----------------------------------------------------------------------
    async def _step(self, id: str, event: Event, who: str, detail: str = "") -> Entry:
        return await self._gathering.take(self._wanted(id, event, who, detail))

    def _wanted(self, id: str, event: Event, who: str, detail: str = "") -> Wanted:
        now_us = self._clock.now_us()
        return Wanted(id=id, event=event, who=who, at_us=now_us, detail=detail[:1000])

    async def _written(self, taken: list[Taken], deeds: list[journals.Deed]) -> None:
        """Steps are durable: timers move, listeners hear of them."""
        last = {one[0].command.id: one[0] for one in taken}
        gone = [id for id, entry in last.items() if entry.final]
        for id in gone:
            self._waiting.pop(id, None)
            self._looked.pop(id, None)
        left = {id: entry for id, entry in last.items() if not entry.final}
        self._waiting |= left
        self._pacing.take_back([entry.command for entry, step, _ in taken if _called_back(step)])
        wanted = [(id, self._until_us(one), one.state) for id, one in left.items()]
        self._timers.remind(TIMER, wanted, gone=gone)
        for entry, step, _ in taken:
            self._tell(entry, step)
        for by_process in (False, True):
            some = [one.command for one, step, _ in taken if (step.who != "timer") == by_process]
            self._pacing.heard(some, taken=by_process)
        await self._told(deeds)

    def _until_us(self, entry: Entry, since_us: int = 0) -> int:
        patience = self._patience.get(entry.command.piece) or Patience()
        seconds = {
            "held": patience.second_s,
            "desired": patience.send_s,
            "sent": patience.answer_s * 2 ** (entry.command.attempt - 1),
            "acknowledged": patience.effect_s,
        }[entry.state]
        return (since_us or self._clock.now_us()) + int(seconds * 1e6 * self._clock.rate)

    async def _due(self, firing: Firing) -> None:
        """The patience of a state is over: send again, or give up."""
        entry = self._waiting.get(firing.key)
        if entry is None or entry.state != firing.payload:
            return
        if entry.state == "desired" and self._pacing.comes(entry.command):
            # It stands behind others that are being taken: that is no silence of its process.
            self._timers.remind(TIMER, [(firing.key, self._until_us(entry), entry.state)])
            return
        try:
            await self._moved_on(entry)
        except Unavailable:  # nothing was written: it is asked again
            at_us = self._clock.now_us() + int(BUSY_S * 1e6 * self._clock.rate)
            self._timers.remind(TIMER, [(firing.key, at_us, entry.state)])
        except PintuError as error:
            log.info("Command %s moved on by itself: %s", firing.key, error.detail)

    async def _moved_on(self, entry: Entry) -> None:
        command = entry.command
        patience = self._patience.get(command.piece) or Patience()
        if entry.state != "sent" or command.attempt >= patience.attempts:
            await self._step(command.id, "give_up", "timer", _why(entry))
        elif await self.file.read(lambda c: overtaken(c, command)):
            # Sent again it would undo what was asked for after it.
            await self._step(command.id, "cancel", "timer", "a later command took its place")
        else:
            again = await self._step(command.id, "retry", "timer", "no answer")
            self._pacing.give([again.command])

    # --- in the moment they are handed out --------------------------------------------------------
    def _ready(self, commands: list[Command]) -> tuple[list[Command], list[Command]]:
        """Those that go now, and those whose interlocks are looked at before: nothing that was
        taken back, or stopped, while it stood in line."""
        now: list[Command] = []
        first: list[Command] = []
        since_s = time.monotonic() - FRESH_S
        waits = {one.target for one in self._unlooked}
        for command in commands:
            if not self._goes(command):
                continue
            stale = self._looks_at(command) and self._looked.get(command.id, 0.0) < since_s
            if stale or command.target in waits:  # nobody overtakes what is told the same thing
                waits.add(command.target)
                first.append(command)
            else:
                now.append(command)
        known = {(one.id, one.attempt) for one in self._unlooked}
        new = [one for one in first if (one.id, one.attempt) not in known]
        self._unlooked += new
        if new and not known:
            self._later(self._look())
        return now, first

    def _goes(self, command: Command) -> bool:
        """Whether a command is still to be sent, and may be."""
        entry = self._waiting.get(command.id)
        if entry is None or entry.command.attempt != command.attempt:
            return False
        return entry.state in ("desired", "sent") and self.stops.of(command.tenant) is None

    def _looks_at(self, command: Command) -> bool:
        return self.guarding.looked_at(command.piece, command.name, command.arguments)

    async def _look(self) -> None:
        """Look at the interlocks of those in line and hand them out; a shut one fails its
        command."""
        while self._unlooked:
            some = self._unlooked[:LOOKED_AT]
            looked_s = time.monotonic()
            try:
                good, shut = await self._looked_at(some)
            except Unavailable as error:
                log.warning("Interlocks cannot be looked at now: %s", error.detail)
                await asyncio.sleep(AGAIN_S)
                continue
            del self._unlooked[: len(some)]
            self._looked.update((one.id, looked_s) for one in good)
            self._pacing.hand_out([one for one in good if self._goes(one)])
            if shut:
                await self._gathering.take_many(shut)

    async def _looked_at(self, some: list[Command]) -> tuple[list[Command], list[Wanted]]:
        seen: Seen = {}
        shut: list[Wanted] = []
        good: list[Command] = []
        for tenant in {one.tenant for one in some}:
            targets = [one.target for one in some if one.tenant == tenant]
            await self.guarding.look_ahead(tenant, targets, seen)
        for command in some:
            if not self._goes(command):
                continue
            try:
                await self.guarding.check(command.tenant, ask_for(command), seen)
            except StateConflict as error:
                shut.append(self._wanted(command.id, "fail", "interlock", error.detail))
            else:
                good.append(command)
        return good, shut

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._checks.add(task)
        task.add_done_callback(self._checked)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("Commands are not sent now: %s", task.exception())
            self._unlooked.clear()  # their patience sends them again


def _called_back(step: Step) -> bool:
    """Whether a step takes a command from the process that may have it still before it."""
    return step.event in ("cancel", "give_up") or step.who == "interlock"


def ask_for(command: Command) -> Ask:
    """What was asked for, as its rule looks at it."""
    return Ask(
        piece=command.piece,
        name=command.name,
        target=command.target,
        arguments=command.arguments,
        key=command.id,
    )


def _why(entry: Entry) -> str:
    return {
        "held": "no second person allowed it in time",
        "desired": f"no process took it for piece {entry.command.piece}",
        "sent": f"no answer after {entry.command.attempt} attempts",
    }.get(entry.state, "the effect was not measured in time")
