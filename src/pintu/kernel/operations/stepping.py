"""Steps of commands: reported or due, written in groups, told to whoever listens, sent again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict, Unavailable
from pintu.kernel.intake.words import Command
from pintu.kernel.operations import journal as journals
from pintu.kernel.operations.asking import Ask
from pintu.kernel.operations.gathering import Gathering
from pintu.kernel.operations.guarding import Guarding
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.ledger import Entry, Step, Taken, Wanted
from pintu.kernel.operations.pacing import Dispatch, Pacing
from pintu.kernel.operations.reading import Reading
from pintu.kernel.operations.states import Event
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


class Stepping(Reading):
    """What becomes of commands that are written down; `Commands` asks for them."""

    guarding: Guarding
    _timers: Timers
    _clock: Clock
    _patience: dict[str, Patience]
    _journal: Journal | None
    _pacing: Pacing
    _gathering: Gathering
    _listeners: list[Listener]
    _checks: set[asyncio.Task[None]]

    # --- being told -------------------------------------------------------------------------------
    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        """What a process that has these pieces must be given when it connects: the first of all
        that no device answered; the others follow as it reports. What an interlock must be asked
        about follows when that was looked at."""
        sent: list[Command] = []
        for entry in self.waiting():
            if entry.command.piece in pieces and entry.state in ("desired", "sent"):
                ask = ask_of(entry)
                if self.guarding.looked_at(ask.piece, ask.name, ask.arguments):
                    self._later(self._send(entry))
                else:
                    sent.append(entry.command)
        return self._pacing.fresh(pieces, sent)

    def on_dispatch(self, dispatch: Dispatch) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        return self._pacing.on_dispatch(dispatch)

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
        now_us = self._clock.now_us()
        wanted = Wanted(id=id, event=event, who=who, at_us=now_us, detail=detail[:1000])
        return await self._gathering.take(wanted)

    async def _written(self, taken: list[Taken], deeds: list[journals.Deed]) -> None:
        """Steps are durable: timers move, listeners hear of them."""
        last = {entry.command.id: entry for entry, _ in taken}
        gone = [id for id, entry in last.items() if entry.final]
        for id, entry in last.items():
            if entry.final:
                self._waiting.pop(id, None)
            else:
                self._waiting[id] = entry
        self._pacing.take_back(frozenset(gone))
        left = [entry for entry in last.values() if not entry.final]
        wanted = [(one.command.id, self._until_us(one), one.state) for one in left]
        await self._timers.set_many(TIMER, wanted, gone=gone)
        for entry, step in taken:
            self._tell(entry, step)
            self._pacing.heard(entry.command, taken=step.who != "timer")
        await self._told(deeds)

    def _until_us(self, entry: Entry) -> int:
        patience = self._patience.get(entry.command.piece) or Patience()
        seconds = {
            "held": patience.second_s,
            "desired": patience.send_s,
            "sent": patience.answer_s * 2 ** (entry.command.attempt - 1),
            "acknowledged": patience.effect_s,
        }[entry.state]
        return self._clock.now_us() + int(seconds * 1e6 * self._clock.rate)

    async def _due(self, firing: Firing) -> None:
        """The patience of a state is over: send again, or give up."""
        entry = self._waiting.get(firing.key)
        if entry is None or entry.state != firing.payload:
            return
        patience = self._patience.get(entry.command.piece) or Patience()
        if entry.state == "desired" and self._pacing.comes(entry.command):
            # It stands behind others that are being taken: that is no silence of its process.
            await self._timers.set(TIMER, firing.key, self._until_us(entry), entry.state)
            return
        try:
            if entry.state == "sent" and entry.command.attempt < patience.attempts:
                again = await self._step(firing.key, "retry", "timer", "no answer")
                await self._send(again)
            else:
                await self._step(firing.key, "give_up", "timer", _why(entry))
        except Unavailable:
            raise  # nothing was written: the timer asks again
        except PintuError as error:
            log.info("Command %s moved on by itself: %s", firing.key, error.detail)

    async def _send(self, entry: Entry) -> None:
        """Send a command again, unless an interlock shut meanwhile: then it fails and says so."""
        try:
            await self.guarding.check(entry.command.tenant, ask_of(entry))
        except StateConflict as error:
            await self._step(entry.command.id, "fail", "interlock", error.detail)
            return
        now = self._waiting.get(entry.command.id)
        if now is not None and now.state in ("desired", "sent"):
            self._pacing.give([now.command])

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._checks.add(task)
        task.add_done_callback(self._checked)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checks.discard(task)
        if not task.cancelled() and isinstance(task.exception(), PintuError):
            log.info("A command is not sent again: %s", task.exception())


def ask_of(entry: Entry) -> Ask:
    """What was asked for, as its rule looks at it."""
    command = entry.command
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
