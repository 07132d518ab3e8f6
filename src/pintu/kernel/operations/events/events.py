"""Major events: planned, approved by a second person, run by timers, reported afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Gate
from pintu.kernel.access import Deed as Right
from pintu.kernel.clock import Clock
from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound, StateConflict
from pintu.kernel.operations.events import rows
from pintu.kernel.operations.events.entity import entity_of, shape_of, zone_at
from pintu.kernel.operations.events.report import Report, report_of
from pintu.kernel.operations.events.schema import TABLES
from pintu.kernel.operations.events.states import after, round_after
from pintu.kernel.operations.events.words import (
    SEVERITIES,
    EventPlan,
    Round,
    checked,
    interval_us,
    raised,
)
from pintu.kernel.operations.journal import MOST, Deed, Journal, enter, tell

if TYPE_CHECKING:
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Firing, Timers

log = logging.getLogger("pintu.operations.events")

TIMER: Final = "operations.events"
CHECKS: Final = "operations.events.check"
BEGINS: Final = frozenset(("opened", "raised", "reopened"))

Where = Callable[[str], Awaitable[tuple[float, float, str] | None]]
"""(longitude, latitude, severity) of a subject of the journal, None when nobody knows."""
Ring = Callable[[EventPlan, str, str, str], Awaitable[None]]
"""Rings the duty desk: (plan, subject, severity, key)."""
Staff = Callable[[Actor, EventPlan], Awaitable[None]]
Work = Callable[[Connection, EventPlan], tuple[EventPlan, list[Deed]]]


class MajorEvents:
    """The part of the operations room for when a summit comes to town."""

    def __init__(
        self, tables: CityTables, timers: Timers, clock: Clock, gate: Gate, journal: Journal
    ) -> None:
        self._opened = tables.register(TABLES)
        self._timers, self._clock, self._gate, self._journal = timers, clock, gate, journal
        journal.join(self._opened)
        self.where: Where | None = None
        self.ring: Ring | None = None
        self.staff: Staff | None = None
        self.unstaff: Staff | None = None
        self._running: dict[str, EventPlan] = {}
        self._hearing: set[asyncio.Task[None]] = set()
        self._unheard: Callable[[], None] | None = None
        timers.on(TIMER, self._due)
        timers.on(CHECKS, self._check_due)

    async def start(self) -> None:
        """Clocks of what was approved, and what runs now."""
        for plan in await self._opened.read(
            lambda c: rows.plans(c, states=("approved", "running"))
        ):
            await self._watch(plan)
        self._unheard = self._journal.listen(self._hear)

    async def stop(self) -> None:
        """Finish what was heard."""
        if self._unheard is not None:
            self._unheard()
        await asyncio.gather(*self._hearing, return_exceptions=True)

    # --- planning ---------------------------------------------------------------------------------
    async def save(self, actor: Actor, plan: EventPlan) -> EventPlan:
        """Keep a plan, new or changed; one that was approved must be approved again.

        Raises what the gate raises, BadRequestData for a plan that cannot be carried out,
        StateConflict for one that runs or is over."""
        self._may(actor, plan.tenant)
        for zone in checked(plan).zones:
            shape_of(zone)

        def work(connection: Connection) -> tuple[EventPlan, Deed]:
            known = rows.find_plan(connection, plan.id)
            if known is not None and known.tenant != plan.tenant:
                raise StateConflict(f"Plan {plan.id} is there already")
            state = after(known.state if known is not None else "draft", "save")
            now = msgspec.structs.replace(
                plan,
                state=state,
                by=actor.id,
                approved_by="",
                changed_us=self._clock.now_us(),
            )
            rows.put_plan(connection, now)
            return now, enter(connection, self._deed(now, "planned", actor.id))

        kept, deed = await self._opened.run(work)
        await self._timers.cancel(TIMER, plan.id)
        await self._journal.told(self._opened, [deed])
        return kept

    async def approve(self, actor: Actor, id: str, *, seen_us: int = 0) -> EventPlan:
        """The second person says yes; the event's own roster is written, and it begins by itself.

        `seen_us` is the last change of the plan that they read. Forbidden for who wrote it, and
        for programs; StateConflict when it is another plan by now."""
        plan = await self._of(actor, id)
        if plan.by == actor.id or not actor.person:
            raise Forbidden("A plan needs a second person, not its writer")
        if seen_us and seen_us != plan.changed_us:
            raise StateConflict(f"Plan {id} changed meanwhile: read it again")
        after(plan.state, "approve")
        if self.staff is not None:  # a post that nobody can fill is found before the yes
            await self.staff(actor, plan)
        try:
            return await self._move(plan, "approve", "approved", actor.id, approved_by=actor.id)
        except StateConflict:
            if self.unstaff is not None:
                await self.unstaff(actor, plan)
            raise

    async def call_off(self, actor: Actor, id: str, reason: str) -> EventPlan:
        """It does not take place, or ends now."""
        plan = await self._of(actor, id)
        now = await self._move(plan, "call_off", "called_off", actor.id, reason=reason)
        if self.unstaff is not None:
            await self.unstaff(actor, plan)
        return now

    # --- running ----------------------------------------------------------------------------------
    async def look(
        self, actor: Actor, id: str, check: str, *, wrong: bool = False, note: str = ""
    ) -> Round:
        """Somebody looked, and says what they found. ResourceNotFound for a check that is not there
        or not due; Forbidden when the second person is the first again."""
        plan = await self._of(actor, id)
        word = plan.check(check)
        if word is None:
            raise ResourceNotFound(f"Plan {id} has no check {check[:50]!r}")

        def work(connection: Connection) -> tuple[Round, Deed]:
            found = rows.open_rounds(connection, id, check)
            if not found:
                raise ResourceNotFound(f"Check {check} of plan {id} is not due")
            one = found[-1]
            if actor.id in one.by:
                raise Forbidden("The second look is another person's")
            event = "look_second" if one.by else "look_first" if word.two else "look"
            now = msgspec.structs.replace(
                one,
                state=round_after(one.state, event),
                by=(*one.by, actor.id),
                at_us=self._clock.now_us(),
                wrong=one.wrong or wrong,
                note="; ".join(filter(None, (one.note, note[:500]))),
            )
            rows.put_round(connection, now)
            detail = {"check": check, "wrong": now.wrong, "due": one.due_us}
            return now, enter(connection, self._deed(plan, "checked", actor.id, note, detail))

        done, deed = await self._opened.run(work)
        await self._journal.told(self._opened, [deed])
        if wrong and self.ring is not None:
            await self.ring(plan, plan.subject, "high", f"{id}/{check}/{done.due_us}")
        return done

    def steps_at(self, tenant: str, longitude: float, latitude: float) -> int:
        """How many severities higher something counts at a place now; 0 outside of every zone."""
        zones = [
            zone_at(one, longitude, latitude)
            for one in self._running.values()
            if one.tenant == tenant
        ]
        return max((one.steps for one in zones if one is not None), default=0)

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> EventPlan:
        """One plan; ResourceNotFound."""
        return await self._opened.read(lambda c: rows.get_plan(c, id))

    async def list_plans(self, tenant: str) -> list[EventPlan]:
        """Every plan of a tenant, the latest end first."""
        return await self._opened.read(lambda c: rows.plans(c, tenant=tenant))

    async def rounds(self, id: str) -> list[Round]:
        """Every round of a plan's checks, oldest first."""
        return await self._opened.read(lambda c: rows.rounds(c, id))

    async def report(self, id: str) -> Report:
        """What happened from its beginning to its end, or until now."""
        plan = await self.get(id)
        deeds = await self._journal.list_deeds(
            since_us=plan.from_us, until_us=plan.until_us + 1, tenant=plan.tenant, limit=MOST
        )
        return report_of(plan, await self.rounds(id), deeds)

    # --- inside -----------------------------------------------------------------------------------
    def _may(self, actor: Actor, tenant: str) -> None:
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))

    async def _of(self, actor: Actor, id: str) -> EventPlan:
        plan = await self.get(id)
        self._may(actor, plan.tenant)
        return plan

    async def _move(
        self, plan: EventPlan, event: str, verb: str, who: str, **more: Any
    ) -> EventPlan:
        """One step of the table, told to the city."""
        reason = str(more.pop("reason", ""))

        def work(connection: Connection) -> tuple[EventPlan, list[Deed]]:
            known = rows.get_plan(connection, plan.id)
            if event == "approve" and known.changed_us != plan.changed_us:
                raise StateConflict(f"Plan {plan.id} changed meanwhile: read it again")
            now = msgspec.structs.replace(
                known, state=after(known.state, event), changed_us=self._clock.now_us(), **more
            )
            rows.put_plan(connection, now)
            deeds = [enter(connection, self._deed(now, verb, who, reason))]
            if now.state in ("over", "called_off"):
                for one in rows.open_rounds(connection, plan.id):
                    missed = msgspec.structs.replace(one, state=round_after(one.state, "miss"))
                    rows.put_round(connection, missed)
            tell(connection, now.tenant, entity_of(now))
            return now, deeds

        now, deeds = await self._opened.run(work)
        await self._watch(now)
        await self._journal.told(self._opened, deeds)
        return now

    async def _watch(self, plan: EventPlan) -> None:
        """Clocks and memory of a plan as it stands."""
        self._running.pop(plan.id, None)
        if plan.state == "approved":
            await self._timers.set(TIMER, plan.id, plan.from_us)
        elif plan.state == "running":
            self._running[plan.id] = plan
            await self._timers.set(TIMER, plan.id, plan.until_us)
            for check in plan.checks:
                if self._timers.due(CHECKS, f"{plan.id}/{check.name}") is None:
                    await self._timers.set(CHECKS, f"{plan.id}/{check.name}", plan.from_us)
        else:
            await self._timers.cancel(TIMER, plan.id)
            for check in plan.checks:
                await self._timers.cancel(CHECKS, f"{plan.id}/{check.name}")

    async def _due(self, firing: Firing) -> None:
        """An event begins or ends."""
        plan = await self.get(firing.key)
        if plan.state == "approved" and firing.at_us >= plan.from_us:
            await self._move(plan, "begin", "began", "timer")
        elif plan.state == "running" and firing.at_us >= plan.until_us:
            await self._move(plan, "end", "ended", "timer")

    async def _check_due(self, firing: Firing) -> None:
        """A check is due again: what nobody did until now was missed."""
        id, _, name = firing.key.partition("/")
        plan = await self.get(id)
        check = plan.check(name)
        if plan.state != "running" or check is None:
            return
        until_us = min(firing.at_us + interval_us(check), plan.until_us)

        def work(connection: Connection) -> list[Deed]:
            deeds = []
            for one in rows.open_rounds(connection, id, name):
                if one.due_us >= firing.at_us:
                    return []  # this firing was here before
                missed = msgspec.structs.replace(one, state=round_after(one.state, "miss"))
                rows.put_round(connection, missed)
                detail = {"check": name, "due": one.due_us}
                deeds.append(self._deed(plan, "check_missed", "timer", "", detail))
            rows.put_round(
                connection, Round(event=id, check=name, due_us=firing.at_us, until_us=until_us)
            )
            return [enter(connection, one) for one in deeds]

        deeds = await self._opened.run(work)
        if until_us < plan.until_us:
            await self._timers.set(CHECKS, firing.key, until_us)
        await self._journal.told(self._opened, deeds)

    # --- the raised watch -------------------------------------------------------------------------
    def _hear(self, deed: Deed) -> None:
        if self._running and deed.verb in BEGINS and deed.subject.startswith("incident:"):
            task = asyncio.create_task(self._heard(deed))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _heard(self, deed: Deed) -> None:
        """Something begins: inside a zone it is taken more seriously, and rings."""
        try:
            place = await self.where(deed.subject) if self.where is not None else None
            if place is None:
                return
            for plan in [one for one in self._running.values() if one.tenant == deed.tenant]:
                await self._take_seriously(plan, deed, place)
        except PintuError as error:
            log.warning("The raised watch missed %s: %s", deed.subject, error.detail)

    async def _take_seriously(
        self, plan: EventPlan, deed: Deed, place: tuple[float, float, str]
    ) -> None:
        zone = zone_at(plan, place[0], place[1])
        severity = raised(place[2], zone.steps) if zone is not None else ""
        if zone is None or SEVERITIES.index(severity) < SEVERITIES.index(plan.least):
            return
        detail = {"about": deed.subject, "zone": zone.name, "severity": severity}
        watched = self._deed(plan, "watched", "timer", "", detail)
        entered = await self._opened.run(lambda c: enter(c, watched))
        await self._journal.told(self._opened, [entered])
        if self.ring is not None:
            await self.ring(plan, deed.subject, severity, f"{plan.id}/{deed.room}/{deed.number}")

    def _deed(
        self,
        plan: EventPlan,
        verb: str,
        who: str,
        reason: str = "",
        detail: dict[str, Any] | None = None,
    ) -> Deed:
        return Deed(
            subject=plan.subject,
            verb=verb,
            who=who,
            at_us=self._clock.now_us(),
            tenant=plan.tenant,
            reason=reason,
            detail=detail or {},
        )
