"""Commands: asked for once, permitted, sent until answered, every step written down."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pintu.kernel.access import Act, Actor, Deed, Gate
from pintu.kernel.clock import Clock
from pintu.kernel.errors import (
    BadRequestData,
    OperationNotSupported,
    PintuError,
    StateConflict,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.operations import ledger
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.operations.schema import COMMAND, TABLES
from pintu.kernel.operations.states import REPORTED, Event
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Firing, Timers

log = logging.getLogger("pintu.operations")

TIMER = "operations.command"
TRIM_TIMER, TRIM_KEY = "operations.trim", "ledger"
TRIM_AT_ONCE = 500
KEPT_DAYS = 400
DAY_S = 86_400.0
NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
PIECE = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_ARGUMENTS = 16_384
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a command waits, in real seconds (the wire to a device is as slow however fast a
    city's clock runs).
    """

    attempts: int = 3
    send_s: float = 30.0  # for a process that takes it
    answer_s: float = 10.0  # for the device, the first time; doubled each time after
    effect_s: float = 120.0  # for the effect to be measured after the device answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One of many commands asked for at once."""

    piece: str
    name: str
    target: str
    arguments: dict[str, Any]
    key: str


Dispatch = Callable[[Command], None]
Listener = Callable[[Entry, Step], None]


class Commands:
    """The command ledger.

    A command is written down before it is sent, and sent again after a restart until it is final; a
    piece
    therefore does its work once for each id. Every step names who took it.
    """

    def __init__(
        self,
        tables: CityTables,
        timers: Timers,
        clock: Clock,
        gate: Gate,
        *,
        patience: Mapping[str, Patience] | None = None,
        kept_days: int = KEPT_DAYS,
    ) -> None:
        """`patience` by piece name; others get `Patience()`. Commands that ended are forgotten
        after `kept_days` of the city; a key that old may then be used again.
        """
        self._file = tables.register(TABLES)
        self._timers, self._clock, self._gate = timers, clock, gate
        self._patience = dict(patience or {})
        self._dispatchers: list[Dispatch] = []
        self._listeners: list[Listener] = []
        # what is not final, by id: few, and asked for on every dispatch
        self._waiting = {entry.command.id: entry for entry in self._file.read_now(ledger.waiting)}
        for entry in self._waiting.values():
            if timers.due(TIMER, entry.command.id) is None:  # a crash came between ledger and timer
                timers.set_now(TIMER, entry.command.id, self._until_us(entry), entry.state)
        timers.on(TIMER, self._due)
        self._kept_us = int(kept_days * DAY_S * 1e6)
        given_up = any(name == TRIM_TIMER for name, _, _ in timers.list_failed())
        if given_up or timers.due(TRIM_TIMER, TRIM_KEY) is None:
            timers.set_now(TRIM_TIMER, TRIM_KEY, clock.now_us())
        timers.on(TRIM_TIMER, self._trim)

    # --- asking -----------------------------------------------------------------------------------
    async def request(
        self,
        actor: Actor,
        piece: str,
        name: str,
        target: str,
        arguments: dict[str, Any],
        *,
        key: str,
        tenant: str = "",
    ) -> Command:
        """Ask for something to be done; resolves after it is written down.

        The same actor and key again: the same command, or StateConflict when it asked for something
        else. Raises what the gate raises, BadRequestData for names and arguments that cannot be,
        TooManyRequests while too many commands wait.
        """
        projection = self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant))
        _check(piece, name, target, arguments, key)
        if len(self._waiting) >= MAX_WAITING:
            raise TooManyRequests(f"{MAX_WAITING} commands are waiting already")
        now_us = self._clock.now_us()
        command = Command(
            str(uuid.uuid4()), tenant, piece, name, target, arguments, actor.id, now_us
        )
        entry, new = await self._file.run(
            lambda connection: ledger.insert(connection, command, basis=projection.basis, key=key)
        )
        if not new:
            return entry.command
        self._waiting[entry.command.id] = entry
        await self._wait(entry)
        first = Step(
            number=0,
            command=command.id,
            event="request",
            state="desired",
            attempt=1,
            who=actor.id,
            at_us=now_us,
            detail=projection.basis,
        )
        self._tell(entry, first)
        self._send(entry.command)
        return entry.command

    async def request_many(
        self, actor: Actor, asked: Sequence[Ask], *, tenant: str = ""
    ) -> list[Command]:
        """Ask for many things at once, in one transaction; the commands in the order asked."""
        return [
            await self.request(
                actor, one.piece, one.name, one.target, one.arguments, key=one.key, tenant=tenant
            )
            for one in asked
        ]

    async def stop_all(self, actor: Actor, reason: str, *, tenant: str = "") -> None:
        """The operator's stop: nothing is sent any more, what no device answered is taken back."""
        raise OperationNotSupported("The stop is being built")

    async def release(self, actor: Actor, reason: str, *, tenant: str = "") -> bool:
        """Let commands go again: two persons must ask; True when the second did."""
        raise OperationNotSupported("The stop is being built")

    async def cancel(self, actor: Actor, id: str, reason: str = "") -> Entry:
        """Take a command back before its device answered; StateConflict afterwards."""
        entry = await self.get(id)
        self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=entry.command.tenant))
        return await self._step(id, "cancel", actor.id, reason)

    async def report(self, report: CommandReport, who: str) -> Entry:
        """A piece tells how a command goes. What it told before is no news and changes nothing.

        Raises StateConflict when the ledger is past that, ResourceNotFound for an unknown id.
        """
        event = REPORTED.get(report.state)
        if event is None:
            raise StateConflict(f"A piece cannot report that a command is {report.state}")
        entry = await self.get(report.id)
        if entry.state == report.state or (
            report.state == "sent" and entry.state == "acknowledged"
        ):
            return entry
        return await self._step(report.id, event, who, report.detail)

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Entry:
        """One command as it is now; ResourceNotFound when there is none."""
        entry = self._waiting.get(id)
        if entry is not None:
            return entry
        return await self._file.read(lambda connection: ledger.get(connection, id))

    async def history(self, id: str) -> list[Step]:
        """Every step of a command, oldest first; ResourceNotFound when there is none."""
        await self.get(id)
        return await self._file.read(lambda connection: ledger.steps(connection, id))

    async def for_target(self, entity_id: str, *, tenant: str = "", limit: int = 50) -> list[Entry]:
        """The commands to one entity, newest first."""
        where = [COMMAND.c.tenant == tenant, COMMAND.c.target == entity_id]
        return await self._file.read(lambda connection: ledger.select(connection, where, limit))

    async def recent(
        self, *, tenant: str | None = None, before_us: int | None = None, limit: int = 50
    ) -> list[Entry]:
        """The newest commands, at most 1,000."""
        where = [] if tenant is None else [COMMAND.c.tenant == tenant]
        if before_us is not None:
            where.append(COMMAND.c.created_us < before_us)
        return await self._file.read(lambda connection: ledger.select(connection, where, limit))

    def waiting(self) -> list[Entry]:
        """Every command that is not final, oldest first; from memory."""
        return sorted(self._waiting.values(), key=lambda entry: entry.command.created_us)

    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        """What a process that has these pieces must be given when it connects: all that no device
        answered.
        """
        return [
            entry.command
            for entry in self.waiting()
            if entry.command.piece in pieces and entry.state in ("desired", "sent")
        ]

    # --- being told -------------------------------------------------------------------------------
    def on_dispatch(self, dispatch: Dispatch) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        self._dispatchers.append(dispatch)
        return lambda: self._dispatchers.remove(dispatch)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the loop after every step is durable; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _send(self, command: Command) -> None:
        for dispatch in list(self._dispatchers):
            dispatch(command)

    def _tell(self, entry: Entry, step: Step) -> None:
        for listener in list(self._listeners):
            try:
                listener(entry, step)
            except Exception:  # a loop's edge: a page that went away stops no command
                log.exception("A listener of commands failed")

    # --- steps and patience -----------------------------------------------------------------------
    async def _step(self, id: str, event: Event, who: str, detail: str = "") -> Entry:
        now_us = self._clock.now_us()
        entry, step = await self._file.run(
            lambda c: ledger.step(c, id, event, who=who, at_us=now_us, detail=detail[:1000])
        )
        if entry.final:
            self._waiting.pop(id, None)
            await self._timers.cancel(TIMER, id)
        else:
            self._waiting[id] = entry
            await self._wait(entry)
        self._tell(entry, step)
        return entry

    async def _wait(self, entry: Entry) -> None:
        await self._timers.set(TIMER, entry.command.id, self._until_us(entry), entry.state)

    def _until_us(self, entry: Entry) -> int:
        patience = self._patience.get(entry.command.piece) or Patience()
        seconds = {
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
        try:
            if entry.state == "sent" and entry.command.attempt < patience.attempts:
                again = await self._step(firing.key, "retry", "timer", "no answer")
                self._send(again.command)
            else:
                await self._step(firing.key, "give_up", "timer", _why(entry))
        except Unavailable:
            raise  # nothing was written: the timer asks again
        except PintuError as error:
            log.info("Command %s moved on by itself: %s", firing.key, error.detail)

    async def _trim(self, _: Firing) -> None:
        """Forget some of what ended long ago; go on in a second when there is more, else in a day.

        A little at a time, so that no command waits for the broom.
        """
        before_us = self._clock.now_us() - self._kept_us
        gone = await self._file.run(lambda c: ledger.trim(c, before_us, TRIM_AT_ONCE))
        pause_s = DAY_S if gone < TRIM_AT_ONCE else self._clock.rate
        await self._timers.set(
            TRIM_TIMER, TRIM_KEY, self._clock.now_us() + int(pause_s * 1e6), None
        )


def _why(entry: Entry) -> str:
    return {
        "desired": f"no process took it for piece {entry.command.piece}",
        "sent": f"no answer after {entry.command.attempt} attempts",
    }.get(entry.state, "the effect was not measured in time")


def _check(piece: str, name: str, target: str, arguments: dict[str, Any], key: str) -> None:
    if not PIECE.fullmatch(piece):
        raise BadRequestData(f"Piece {piece[:50]!r} is not a piece's name")
    if not NAME.fullmatch(name):
        raise BadRequestData(f"Command {name[:50]!r} is not a name like 'DimLamp'")
    if not 1 <= len(target) <= 500 or ":" not in target:
        raise BadRequestData(f"Target {target[:50]!r} is not an entity id")
    if not 1 <= len(key) <= 200:
        raise BadRequestData("A command needs an idempotency key of 1 to 200 characters")
    try:
        size = len(json.dumps(arguments, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestData(f"The arguments of {name} are not JSON: {error}") from error
    if size > MAX_ARGUMENTS:
        raise TooLarge(f"The arguments of {name} have {size} bytes, more than {MAX_ARGUMENTS}")
