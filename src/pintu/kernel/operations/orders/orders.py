"""Work orders: opened once for one piece of work, done by crews, closed when the sensor agrees."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Deed, Gate
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    Refused,
    ResourceNotFound,
    StateConflict,
)
from pintu.kernel.operations.journal import Deed as Entry
from pintu.kernel.operations.journal import Journal, enter, tell
from pintu.kernel.operations.orders import crews, rows
from pintu.kernel.operations.orders.changing import (
    MOST_NAMED,
    Said,
    changed,
    checked,
    done_us,
    joined,
    missing,
)
from pintu.kernel.operations.orders.closing import Evidence, Verdict, judge, settles
from pintu.kernel.operations.orders.desk import Desk
from pintu.kernel.operations.orders.looking import Look
from pintu.kernel.operations.orders.ranking import Ranked, rank
from pintu.kernel.operations.orders.schema import ORDER
from pintu.kernel.operations.orders.service import ServiceClock
from pintu.kernel.operations.orders.states import CREW, HAND, PAST, UNFINISHED
from pintu.kernel.operations.orders.told import entity_of
from pintu.kernel.operations.orders.words import KINDS, SEVERITIES, Order, Proof, Severity
from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.operations")

OVERRIDES: Final = frozenset(("foreman", "supervisor"))
"""Roles that may close an order against its sensor, with a reason."""

Done = tuple[Order, list[Entry]]

LONGEST: Final = 500
MOST: Final = 500


class Orders:
    """The work orders of a city.

    Everything a person does is a `deed` with a key: the same actor and key again is the same deed,
    so that a phone may send it as often as it likes. A second order for the same work on the same
    thing is not made: its cause joins the one that is there.
    """

    def __init__(
        self,
        opened: OpenTables,
        journal: Journal,
        gate: Gate,
        look: Look,
        clock: ServiceClock | None = None,
    ) -> None:
        self.tables, self._journal, self._gate, self._look = opened, journal, gate, look
        self.service = clock or ServiceClock()
        self.clock = journal.clock
        self.desk = Desk(opened, journal, gate)
        self.plan: Callable[[Order], Awaitable[None]] | None = None  # after every deed

    # --- opening ----------------------------------------------------------------------------------
    async def open_order(
        self,
        actor: Actor | str,
        tenant: str,
        what: str,
        target: str,
        *,
        cause: str,
        severity: str,
        key: str,
        alarms: Sequence[str] = (),
        also: Sequence[str] = (),
    ) -> Order:
        """Open an order, or join the cause to the one that is there for the same work.

        `actor`: a person (who must have `respond:TENANT`) or the name of a part of the house
        (`playbook`, `timer`, `detector`). `what`: a kind of `KINDS`, or other words. `target`: an
        entity's id. `cause`: `incident:ID`, `command:ID`, `play:ID` or an alert's id, which is then
        an alarm of the order too; `also` names further causes. The same actor and key again: the
        same order.

        Raises what the gate raises, BadRequestData for words that cannot be.
        """
        if isinstance(actor, Actor):
            self._gate.decide(actor, Act(deed=Deed.RESPOND, tenant=tenant))
        who = actor.id if isinstance(actor, Actor) else actor
        kind = _checked(what, target, severity, key)
        causes = tuple(dict.fromkeys(one for one in (cause, *also) if one))
        place, where = await self._look.thing(tenant, target)
        now_us = self.clock.now_us()
        words = {"zh": what.strip(), "en": what.strip()}
        order = Order(
            tenant=tenant,
            kind=kind,
            what=KINDS.get(what, words),
            target=target,
            severity=msgspec.convert(severity, type=Severity),
            causes=causes,
            alarms=_raised(alarms, causes),
            place=place,
            where=where[:200],
            opened_us=now_us,
            changed_us=now_us,
        )
        # a part of the house may gather under another thing the second time it is asked
        asked = (what, target) if isinstance(actor, Actor) else ()
        return await self._keep(order, who, key, rows.digest("open", tenant, cause, *asked))

    async def _keep(self, order: Order, who: str, key: str, body: str) -> Order:
        """A new order, or the one for the same work or of the same key."""

        def work(connection: Connection) -> Done:
            again = rows.known(connection, who, key, body)
            if again is not None:
                return again, []
            made, verb = _placed(connection, order)
            rows.keep_key(connection, who, key, body, made)
            detail = {
                "cause": next(iter(order.causes), ""),
                "kind": order.kind,
                "target": order.target,
                "severity": order.severity,
            }
            return made, [self._entered(connection, made, (verb, who, ""), detail)]

        made, deeds = await self.tables.run(work)
        await self._after(made, deeds)
        return made

    # --- deeds ------------------------------------------------------------------------------------
    async def deed(
        self, actor: Actor | str, id: str, verb: str, key: str, reason: str = "", **more: Any
    ) -> Order:
        """Do something with an order: `assign` (with `crew`), `release`, `confirm`,
        `decline`, `arrive`, `suspend`, `resume`, `report`, `reopen`, `close`, `override`, `cancel`,
        `escalate`, `note`; `ago_s`: how long ago it was done.

        The room (`respond:TENANT`) may do all of them, a crew its own orders' `CREW` verbs; only a
        foreman or supervisor overrides a sensor; a part of the house is named by a text and is not
        asked. Raises BadRequestData, Forbidden,
        ResourceNotFound, StateConflict (also when the sensor that raised it does not agree).
        """
        said = _said({"verb": verb, "key": key, "reason": reason, **more})
        order = await self.get(id)
        who = actor.id if isinstance(actor, Actor) else actor
        body = rows.digest(order.number, said.verb, said.reason, said.crew)
        if isinstance(actor, Actor):
            try:
                await self.allow(actor, order, said.verb)
            except ResourceNotFound:
                # a phone that never heard the answer: it was done, and is another crew's by now
                if await self.tables.read(lambda c: rows.known(c, who, key, body)) is None:
                    raise
                return rows.bare(order)
        proof = await self._proof(order, said)
        now_us = self.clock.now_us()

        def work(connection: Connection) -> Done:
            again = rows.known(connection, who, key, body)
            if again is not None:
                return again, []
            now = rows.get(connection, order.number)
            if now.crew != order.crew and isinstance(actor, Actor):
                raise StateConflict(f"Order {id} went to another crew meanwhile: look at it again")
            if said.crew and crews.get(connection, said.crew).tenant != order.tenant:
                raise ResourceNotFound(f"Crew {said.crew[:60]} does not exist")
            if proof and now.changed_us != order.changed_us:
                raise StateConflict(f"Order {id} changed meanwhile: look at it again")
            at_us = done_us(now, said, now_us, self.clock.rate)
            made = rows.save(connection, changed(now, said, at_us, proof))
            rows.keep_key(connection, who, key, body, made)
            told = {"done_us": said.ago_s and at_us, "crew": said.crew, "proof": proof}
            detail = {"was": now.state} | {name: one for name, one in told.items() if one}
            verb = PAST[said.verb]
            return made, [self._entered(connection, made, (verb, who, said.reason), detail)]

        made, deeds = await self.tables.run(work)
        await self._after(made, deeds)
        return await self.settle(made) if said.verb == "report" and deeds else made

    async def _proof(self, order: Order, said: Said) -> Proof:
        if said.verb == "override":
            return "override"
        if said.verb != "close":
            return ""
        verdict = await self.verdict(order)
        if order.state == "reported" and not verdict.agrees:
            raise StateConflict(
                f"Order {order.id} stays open: what raised it does not agree ({verdict.why})",
                why=verdict.why,
                standing=list(verdict.standing),
            )
        return verdict.proof

    async def verdict(self, order: Order) -> Verdict:
        """Whether what raised an order agrees now that it is over."""
        return judge(order, await self.evidence(order))

    async def evidence(self, order: Order) -> Evidence:
        """What the city knows of an order's thing now."""
        return await self._look.evidence(order)

    def judged(self, order: Order, evidence: Evidence) -> Verdict:
        """The same of what was looked up already."""
        return judge(order, evidence)

    async def settle(self, order: Order) -> Order:
        """Close an order by itself when its sensor says so; as it is then."""
        if order.state not in ("open", "reported"):
            return order
        verdict = await self.verdict(order)
        if not settles(order, verdict):
            return order
        now_us = self.clock.now_us()

        def work(connection: Connection) -> Done:
            now = rows.get(connection, order.number)
            if now.changed_us != order.changed_us or now.state != order.state:
                return now, []  # somebody was quicker: what was judged is no more
            said = Said(verb="settle", key="settle")
            made = rows.save(connection, changed(now, said, now_us, verdict.proof))
            detail = {"was": now.state, "proof": verdict.proof, "why": verdict.why}
            return made, [self._entered(connection, made, (PAST["settle"], "sensor", ""), detail)]

        made, deeds = await self.tables.run(work)
        await self._after(made, deeds)
        return made

    async def overdue(self, id: str) -> Order:
        """Escalate an order for each deadline that has passed, once a deadline; as it is then."""
        now_us = self.clock.now_us()

        def work(connection: Connection) -> Done:
            order, deeds = rows.get(connection, int(id)), []
            for deadline, due_us in self.service.deadlines(order).items():
                if not 0 < due_us <= now_us or deadline in order.missed:
                    continue
                order = rows.save(connection, missing(order, deadline, now_us))
                detail = {"deadline": deadline, "due_us": due_us, "level": order.level}
                told = (PAST["escalate"], "timer", "")
                deeds.append(self._entered(connection, order, told, detail))
            return order, deeds

        made, deeds = await self.tables.run(work)
        await self._after(made, deeds)
        return made

    async def allow(self, actor: Actor, order: Order, verb: str = "") -> None:
        """Whether somebody may see an order and do this with it; Forbidden when not. An order of
        another tenant or crew does not exist for them (ResourceNotFound)."""
        if self.responds(actor, order.tenant):
            if verb == "override" and not self.overrides(actor):
                raise Forbidden("Only a foreman or a supervisor closes an order against its sensor")
            return
        if not order.crew or order.crew not in await self.crews_of(actor):
            raise ResourceNotFound(f"Work order {order.id} does not exist")
        if verb and verb not in CREW:
            raise Forbidden(f"A crew cannot {verb} an order: its foreman can")

    def responds(self, actor: Actor, tenant: str) -> bool:
        """Whether somebody works in the operations room."""
        try:
            self._gate.decide(actor, Act(deed=Deed.RESPOND, tenant=tenant))
        except Refused:
            return False
        return True

    def overrides(self, actor: Actor) -> bool:
        """Whether somebody may close an order against its sensor."""
        return bool(actor.roles & OVERRIDES or actor.grants & {"admin", "*"})

    async def crews_of(self, actor: Actor) -> list[str]:
        """The crews somebody is in."""
        return await self.tables.read(lambda c: crews.of_person(c, actor.person))

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Order:
        """One order; ResourceNotFound when there is none."""
        if not (id.isascii() and id.isdigit() and len(id) < 16):
            raise ResourceNotFound(f"Work order {id[:40]!r} does not exist")
        return await self.tables.read(lambda c: rows.get(c, int(id)))

    async def list_for(self, cause: str) -> list[Order]:
        """Every order of a cause (`incident:ID`, `command:ID`, `play:ID`, an alert's id), newest
        first."""
        return await self.tables.read(lambda c: rows.linked(c, [cause]))

    async def list_orders(
        self, tenant: str, *, finished: bool = False, crews: Sequence[str] = ()
    ) -> list[Order]:
        """Orders of a tenant, newest first: those that go on, or the newest 500 that ended."""
        states = ("closed", "cancelled") if finished else UNFINISHED
        where = [ORDER.c.tenant == tenant, ORDER.c.state.in_(states)]
        if crews:
            where.append(ORDER.c.crew.in_(list(crews)))
        limit = MOST if finished else 10_000
        return await self.tables.read(lambda c: rows.select(c, where, limit))

    async def unfinished(self) -> list[Order]:
        """Every order of every tenant that goes on."""
        return await self.tables.read(rows.unfinished)

    async def waiting_for(self, alert: str, about: str) -> list[Order]:
        """The orders that may close by themselves when an alert about a thing is over."""
        return await self.tables.read(lambda c: rows.waiting_for(c, alert, about))

    async def queue(self, tenant: str, crew: str = "") -> list[Ranked]:
        """What a crew has to do, most urgent first; "" is everything that goes on."""
        found = await self.list_orders(tenant, crews=(crew,) if crew else ())
        return rank(found, self.service, self.clock.now_us())

    # --- writing down -----------------------------------------------------------------------------
    def _entered(
        self,
        connection: Connection,
        order: Order,
        said: tuple[str, str, str],
        detail: dict[str, Any],
    ) -> Entry:
        """The deed (verb, who, reason) in the journal, and the entity for the city."""
        verb, who, reason = said
        name = ""
        if order.crew:
            name = crews.get(connection, order.crew).name.get("zh", order.crew)
        due_us = self.service.deadlines(order).get("finish", 0)
        tell(connection, order.tenant, entity_of(order, name, due_us))
        return enter(
            connection,
            Entry(
                subject=order.subject,
                verb=verb,
                who=who,
                at_us=self.clock.now_us(),
                tenant=order.tenant,
                reason=reason,
                detail=detail | {"state": order.state},
            ),
        )

    async def _after(self, order: Order, deeds: list[Entry]) -> None:
        if not deeds:
            return
        await self._journal.told(self.tables, deeds)
        if self.plan is not None:
            await self.plan(order)


def _raised(alarms: Sequence[str], causes: Sequence[str]) -> tuple[str, ...]:
    """The alerts that raised an order: those named, and those among its causes."""
    return tuple(dict.fromkeys(one for one in (*alarms, *causes) if ":Alert:" in one))[:MOST_NAMED]


def _placed(connection: Connection, order: Order) -> tuple[Order, str]:
    """A new order, or the one for the same work with what this one brings."""
    there = rows.same_work(connection, order.tenant, order.target, order.kind)
    if there is None:
        return rows.insert(connection, order), "opened"
    rows.link(connection, there.number, order.causes, order.alarms)
    return rows.save(connection, joined(there, order, order.changed_us)), "joined"


def _said(asked: dict[str, Any]) -> Said:
    """A deed as it may be done; BadRequestData says what is wrong with it."""
    try:
        said = checked(msgspec.convert(asked, type=Said))
    except msgspec.ValidationError as error:
        raise BadRequestData(f"An order knows no such deed: {error}") from error
    if said.verb not in HAND:
        raise BadRequestData(f"Nobody can {said.verb} an order by hand")
    return said


def _checked(what: str, target: str, severity: str, key: str) -> str:
    """The kind of work; BadRequestData for words that cannot be."""
    if severity not in SEVERITIES:
        raise BadRequestData(f"Severity {severity[:40]!r} is none of {', '.join(SEVERITIES)}")
    if not 1 <= len(what.strip()) <= LONGEST:
        raise BadRequestData(f"What is to be done is said in 1 to {LONGEST} characters")
    if not 1 <= len(target) <= LONGEST or ":" not in target:
        raise BadRequestData(f"Target {target[:50]!r} is not an entity id")
    if not 1 <= len(key) <= 200:
        raise BadRequestData("An order needs an idempotency key of 1 to 200 characters")
    return what if what in KINDS else "other"
