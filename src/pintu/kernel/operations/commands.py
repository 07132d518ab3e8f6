"""Commands: asked for once, permitted, sent until answered, every step written down."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pintu.kernel.access import Act, Actor, Deed, Gate
from pintu.kernel.clock import Clock
from pintu.kernel.errors import (
    PintuError,
    StateConflict,
    TooManyRequests,
)
from pintu.kernel.intake.words import Command
from pintu.kernel.operations import journal as journals
from pintu.kernel.operations import keeping, ledger
from pintu.kernel.operations.asking import Ask, Many, check_ask
from pintu.kernel.operations.gathering import Gathering
from pintu.kernel.operations.guarding import Guarding, Look, LookMany, Seen, person_of
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.ledger import Asked, Entry, Rates, Together
from pintu.kernel.operations.pacing import Pacing
from pintu.kernel.operations.reporting import Reporting
from pintu.kernel.operations.rules import Rule, needs_two
from pintu.kernel.operations.schema import TABLES
from pintu.kernel.operations.stepping import TIMER as TIMER
from pintu.kernel.operations.stepping import Listener, Patience, ask_for
from pintu.kernel.operations.stopping import Stop, Stopping
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Firing, Timers

log = logging.getLogger("pintu.operations")

TRIM_TIMER, TRIM_KEY = "operations.trim", "ledger"
TRIM_AT_ONCE = 500
KEPT_DAYS = 400
DAY_S = 86_400.0
MAX_WAITING = 10_000
PAUSE_AFTER = 100
TOGETHER_S = 600.0
"""What one person tells things within so many real seconds counts as told at once."""
SOON_S = 5.0
"""So long a command that was waiting has at least after a start: its process connects first."""


class Commands(Reporting):
    """The command ledger.

    A command is written down before it is sent, and sent again after a restart until it is final; a
    piece therefore does its work once for each id. Every step names who took it. Before a command
    is sent its rule is asked: interlocks, the device's rate, a second person.
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
        rules: Mapping[tuple[str, str], Rule] | None = None,
    ) -> None:
        """`patience` by piece name; others get `Patience()`. `rules` by (piece, command). Commands
        that ended are forgotten after `kept_days` of the city; a key that old may then be used
        again.
        """
        self.file = tables.register(TABLES)
        self._timers, self._clock, self._gate = timers, clock, gate
        self._patience = dict(patience or {})
        self.guarding = Guarding(rules or {})
        self._journal: Journal | None = None
        self._pacing = Pacing(self._ready)
        self._listeners: list[Listener] = []
        self.stops = Stopping(self.file, clock)
        self._checks: set[asyncio.Task[None]] = set()
        self._looked: dict[str, float] = {}
        self._unlooked: list[Command] = []
        self._coming = 0  # asked for and not written yet
        # what is not final, by id: few, and asked for on every dispatch
        self._waiting = {entry.command.id: entry for entry in self.file.read_now(ledger.waiting)}
        self._gathering = Gathering(self.file, self._waiting, self._written)
        soon_us = clock.now_us() + int(SOON_S * 1e6 * clock.rate)
        left = [(id, self._left_us(one, soon_us), one.state) for id, one in self._waiting.items()]
        timers.remind(TIMER, left)  # no disk has them: the ledger knows what waits
        timers.on(TIMER, self._due)
        self._kept_us = int(kept_days * DAY_S * 1e6)
        given_up = any(name == TRIM_TIMER for name, _, _ in timers.list_failed())
        if given_up or timers.due(TRIM_TIMER, TRIM_KEY) is None:
            timers.set_now(TRIM_TIMER, TRIM_KEY, clock.now_us())
        timers.on(TRIM_TIMER, self._trim)

    def _left_us(self, entry: Entry, soon_us: int) -> int:
        since_us = self._until_us(entry, entry.changed_us)
        return min(max(since_us, soon_us), self._until_us(entry))

    def join(self, journal: Journal, look: Look, look_many: LookMany | None = None) -> None:
        """The operations room is there: whoever listens to its journal hears of missing effects,
        second persons and stops; `look` shows what interlocks look at, `look_many` many at once."""
        self._journal, self.guarding.look, self.guarding.look_many = journal, look, look_many
        journal.join(self.file)

    async def stop(self) -> None:
        """What is under way is written; what waits goes on at the next start."""
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        await self._gathering.finish()

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
        """Ask for something to be done; resolves after it is written down. Where its rule takes two
        persons it is `held` until another one allows it.

        The same actor and key again: the same command, or StateConflict when it asked for something
        else, or an interlock is shut, or commands are stopped. Raises what the gate raises,
        BadRequestData for names and arguments that cannot be, TooManyRequests while too many
        commands wait or the device was told too often.
        """
        ask = Ask(piece=piece, name=name, target=target, arguments=arguments, key=key)
        basis = self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant)).basis
        check_ask(ask)
        many = await self.enact([ask], actor.id, basis=basis, tenant=tenant, person=_person(actor))
        for _, error in many.refused:
            raise error
        (command,) = many.commands
        assert command is not None
        return command

    async def request_many(
        self, actor: Actor, asked: Sequence[Ask], *, tenant: str = "", cause: str = ""
    ) -> Many:
        """Ask for many things at once, in one transaction; the commands in the order asked, None
        for each that `refused` names with its error. Raises as `request` for what concerns all."""
        basis = self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant)).basis
        return await self.enact(
            asked, actor.id, basis=basis, tenant=tenant, cause=cause, person=_person(actor)
        )

    async def enact(
        self,
        asked: Sequence[Ask],
        who: str,
        *,
        basis: str,
        tenant: str = "",
        cause: str = "",
        persons: int = 1,
        person: str = "",
    ) -> Many:
        """`request_many` for whoever asked the gate when somebody approved it (a play): `who` is
        that actor, `person` the person behind it, and `persons` how many approved."""
        self.stops.check(tenant)
        waiting = len(self._waiting) + self._coming
        if waiting + len(asked) > max(MAX_WAITING, 1):
            raise TooManyRequests(f"{waiting} commands are waiting already")
        self._coming += len(asked)
        try:
            return await self._enact(asked, who, (basis, tenant, cause), persons, person)
        finally:
            self._coming -= len(asked)

    async def _enact(
        self,
        asked: Sequence[Ask],
        who: str,
        why: tuple[str, str, str],
        persons: int,
        person: str,
    ) -> Many:
        basis, tenant, cause = why
        now_us, looked_s = self._clock.now_us(), time.monotonic()
        good, refused = await self._sort(asked, tenant)
        kept = [
            Asked(
                command=_command(one, tenant, who, now_us),
                key=one.key,
                held=persons < 2
                and needs_two(self.guarding.rule(one.piece, one.name), one.arguments, len(asked)),
                person=person,
            )
            for one in good
        ]
        if not kept:
            return Many(commands=[None] * len(asked), refused=refused)
        rates, together = self._rates(good, now_us), {}
        if persons < 2 and not cause:
            together = self._together(good, now_us)
        self.stops.check(tenant)  # looking at interlocks took its time
        found, deeds = await self.file.run(
            lambda c: keeping.keep(
                c, kept, basis=basis, cause=cause, rates=rates, together=together
            )
        )
        commands: dict[str, Command] = {}
        new: list[Entry] = []
        for ask, one, entry in zip(good, kept, found, strict=True):
            if isinstance(entry, PintuError):
                refused.append((ask, entry))
                continue
            commands[ask.key] = entry.command
            if entry.command is one.command:
                new.append(entry)
        self._looked.update((entry.command.id, looked_s) for entry in new)
        await self._begin(new, deeds)
        return Many(commands=[commands.get(one.key) for one in asked], refused=refused)

    async def _sort(
        self, asked: Sequence[Ask], tenant: str
    ) -> tuple[list[Ask], list[tuple[Ask, PintuError]]]:
        good: list[Ask] = []
        refused: list[tuple[Ask, PintuError]] = []
        seen: Seen = {}
        for at in range(0, len(asked), PAUSE_AFTER):
            some = asked[at : at + PAUSE_AFTER]
            await asyncio.sleep(0)  # the loop also serves everybody else
            locked = [one for one in some if self.guarding.looked_at_for(one)]
            await self.guarding.look_ahead(tenant, [one.target for one in locked], seen)
            for one in some:
                try:
                    check_ask(one)
                    await self.guarding.check(tenant, one, seen)
                except PintuError as error:
                    refused.append((one, error))
                else:
                    good.append(one)
        return good, refused

    def _together(self, asked: Sequence[Ask], now_us: int) -> Together:
        """Rules that count things told at once: what one person tells in many calls is one deed."""
        since_us = now_us - int(TOGETHER_S * 1e6 * self._clock.rate)
        found: Together = {}
        for piece, name in {(one.piece, one.name) for one in asked}:
            counted = [
                one for one in self.guarding.rule(piece, name).two_persons if one.targets > 1
            ]
            if counted:
                found[piece, name] = (tuple(counted), since_us)
        return found

    def _rates(self, asked: Sequence[Ask], now_us: int) -> Rates:
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for piece, name in {(one.piece, one.name) for one in asked}:
            rate = self.guarding.rule(piece, name).rate
            if rate is not None:
                since_us = now_us - int(rate.per_s * 1e6 * self._clock.rate)
                found[piece, name] = (rate.most, since_us)
        return found

    async def _begin(self, new: list[Entry], deeds: list[journals.Deed]) -> None:
        """New commands are durable: they get their timers, are told of and given out."""
        self._waiting |= {entry.command.id: entry for entry in new}
        self._timers.remind(
            TIMER, [(one.command.id, self._until_us(one), one.state) for one in new]
        )
        for entry in new:
            self._tell(entry, keeping.first_step(entry))
        stopped = [one for one in new if self.stops.of(one.command.tenant) is not None]
        if stopped:  # somebody stopped everything while these were written
            ids = [one.command.id for one in stopped]
            await self.take_back(ids, "stop", "stop: commands are stopped")
        self._pacing.give(one.command for one in new if one.state == "desired")
        await self._told(deeds)

    async def allow(self, actor: Actor, id: str) -> Entry:
        """The second person agrees to a command that is held; then it is sent. Where a program
        asked for it, it takes two persons all the same: the first one's yes is written down.

        StateConflict for who asked for it or agreed before, for a program, when it is not held (any
        more), or an interlock is shut.
        """
        entry = await self.get(id)
        tenant = entry.command.tenant
        self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant))
        agreed = {one.who for one in await self.history(id) if one.event == "agree"}
        asked = {entry.command.actor, entry.person} - {""}
        if entry.state == "held" and (asked | agreed) & {actor.id, person_of(actor)}:
            raise StateConflict("A second person must allow this command", actor=actor.id)
        if actor.kind != "person":
            raise StateConflict("A program is nobody's second person", actor=actor.id)
        self.stops.check(tenant)
        looked_s = time.monotonic()
        await self.guarding.check(tenant, ask_for(entry.command))
        if not entry.person and not agreed:
            return await self._step(id, "agree", actor.id)
        allowed = await self._step(id, "allow", actor.id)
        self._looked[id] = looked_s
        self._pacing.give([allowed.command])
        return allowed

    async def cancel(self, actor: Actor, id: str, reason: str = "") -> Entry:
        """Take a command back before its device answered; StateConflict afterwards."""
        entry = await self.get(id)
        self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=entry.command.tenant))
        return await self._step(id, "cancel", actor.id, reason)

    async def take_back(self, ids: Sequence[str], who: str, reason: str) -> list[str]:
        """`cancel` of many, for whoever asked the gate: the ids of those that still could be."""
        wanted = [self._wanted(id, "cancel", who, reason) for id in ids]
        done = await self._gathering.take_many(wanted) if wanted else []
        for one in done:
            if isinstance(one, PintuError) and not isinstance(one, StateConflict):
                raise one
        return [id for id, one in zip(ids, done, strict=True) if isinstance(one, tuple)]

    # --- the stop ---------------------------------------------------------------------------------
    async def stop_all(self, actor: Actor, reason: str, *, tenant: str = "") -> Stop:
        """The operator's stop, by one person: from now on nothing is sent, tried again or asked
        for; what no device answered yet is taken back. Stopped already: that stop."""
        self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant))
        stop, deeds = await self.stops.begin(tenant, actor.id, reason[:500])
        ids = [
            one.command.id
            for one in self.waiting()
            if one.command.tenant == tenant and one.state in ("held", "desired", "sent")
        ]
        await self.take_back(ids, actor.id, f"stop: {reason}"[:500])
        await self._told(deeds)
        return stop

    async def release(self, actor: Actor, reason: str = "", *, tenant: str = "") -> Stop:
        """One of the two persons who let commands go again: it stands until `released_us` is set.

        StateConflict when nothing is stopped, or the same person asks twice.
        """
        self._gate.decide(actor, Act(deed=Deed.COMMAND, tenant=tenant))
        if actor.kind != "person":
            raise StateConflict("A program releases no stop", actor=actor.id)
        stop, deeds = await self.stops.release(tenant, person_of(actor), reason[:500])
        await self._told(deeds)
        return stop

    async def _trim(self, _: Firing) -> None:
        """Forget some of what ended long ago; go on in a second when there is more, else in a day.

        A little at a time, so that no command waits for the broom.
        """
        before_us = self._clock.now_us() - self._kept_us
        gone = await self.file.run(lambda c: ledger.trim(c, before_us, TRIM_AT_ONCE))
        pause_s = DAY_S if gone < TRIM_AT_ONCE else self._clock.rate
        await self._timers.set(
            TRIM_TIMER, TRIM_KEY, self._clock.now_us() + int(pause_s * 1e6), None
        )


def _person(actor: Actor) -> str:
    """The person behind a wish; "" for a program, whoever owns it."""
    return person_of(actor) if actor.kind == "person" else ""


def _command(ask: Ask, tenant: str, who: str, now_us: int) -> Command:
    id = str(uuid.uuid4())
    return Command(id, tenant, ask.piece, ask.name, ask.target, ask.arguments, who, now_us)
