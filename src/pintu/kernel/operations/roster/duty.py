"""The duty desk: what rings until somebody says they have it, and goes on to the next meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, PintuError, ResourceNotFound, StateConflict
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.roster import ringing
from pintu.kernel.operations.roster.book import Book, account, new_id
from pintu.kernel.operations.roster.handovers import Named
from pintu.kernel.operations.roster.notifier import Notifier
from pintu.kernel.operations.roster.receipts import withdraw
from pintu.kernel.operations.roster.roster import Roster
from pintu.kernel.operations.roster.schema import RING
from pintu.kernel.operations.roster.words import (
    SEVERITIES,
    Message,
    Receipt,
    Ring,
    Severity,
    Text,
)
from pintu.kernel.timers import Firing

log = logging.getLogger("pintu.operations")

TIMER: Final = "operations.ring"
ROUNDS: Final = 3
"""Everybody was rung so often in haste: from then on it goes slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """How it goes on, in real seconds: to the next one on the roster, and once everybody was rung a
    few times. From `grade` on an incident rings by itself."""

    next_s: float = 180.0
    slower_s: float = 900.0
    grade: int = 2


RINGS: Final = frozenset(("critical", "high"))
"""The same of what has no grade."""

BEGINS: Final = frozenset(("opened", "raised", "reopened"))
TAKEN: Final = frozenset(("acknowledged", "assigned"))

BACK_US: Final = 6 * 3_600_000_000
"""So far back the desk reads at a start for what should have rung while it was down."""


class Duty:
    """Rings, goes on to the next, is answered. What rings is in memory and in its table."""

    def __init__(self, book: Book, roster: Roster, notifier: Notifier, named: Named) -> None:
        """`named` says what a subject of the journal is called."""
        self._book, self._roster, self._notifier = book, roster, notifier
        self._named, self.going = named, Going()
        self.answered: Callable[[Actor, Ring], Awaitable[None]] | None = None
        self._ringing: dict[str, Ring] = {
            one.id: one for one in book.opened.read_now(lambda c: ringing.select(c, "ringing"))
        }
        self._lock = asyncio.Lock()
        self._listeners: list[Callable[[Ring], None]] = []
        self._hearing: set[asyncio.Task[None]] = set()
        book.timers.on(TIMER, self._go_on)

    # --- ringing ----------------------------------------------------------------------------------
    async def ring(
        self,
        tenant: str,
        subject: str,
        severity: Severity,
        text: Text | str,
        *,
        at_us: int = 0,
        **more: str,
    ) -> Ring:
        """Ring whoever is first in line about a subject of the journal, until somebody answers.

        What rings already about the subject goes on ringing, as bad as the worse of both. `key`
        makes the same reason ring once, `link` is the page about it, `by` who asked for it; what
        happened at `at_us` (µs) does not ring when a ring about the subject ended after it.
        """
        said = {"zh": text, "en": text} if isinstance(text, str) else dict(text)
        if severity not in SEVERITIES or ":" not in subject or not said:
            raise BadRequestData("A ring needs a subject, a severity and a text")
        key, link, by = more.get("key", ""), more.get("link", "/duty"), more.get("by", "detector")
        async with self._lock:
            known = self.find(tenant, subject)
            if known is not None:
                return await self._worse(known, severity, said, by)
            now_us = self._book.clock.now_us()
            new = Ring(
                id=new_id(),
                tenant=tenant,
                subject=subject,
                severity=severity,
                text=said,
                state="ringing",
                step=0,
                rung=(),
                began_us=now_us,
                changed_us=now_us,
                next_us=self._book.after(self.going.next_s),
                link=link,
            )
            return await self._begin(new, key, by, at_us)

    async def _begin(self, new: Ring, key: str, by: str, at_us: int) -> Ring:
        first = self._next(new)
        ring = msgspec.structs.replace(new, rung=tuple(first))

        def work(connection: Connection) -> tuple[tuple[Ring, list[Receipt]], list[Deed]]:
            known = ringing.rung(connection, new, key, at_us)
            if known is not None:
                return (known, []), []
            connection.execute(RING.insert().values(key=key or None, **ringing.row_of(ring)))
            sent = self._send(connection, ring, first)
            detail = {"ring": ring.id, "severity": ring.severity, "to": _names(first)}
            deed = self._book.deed(ring.subject, "rung", by, ring.tenant, detail=detail)
            return (ring, sent), [deed]

        kept, sent = await self._book.do(work)
        if kept.id == ring.id:
            await self._kept(kept, sent)
        return kept

    def may_plan(self, actor: Actor, tenant: str) -> None:
        """Raises Forbidden for who may not ring a drill."""
        self._book.plan(actor, tenant)

    async def _worse(self, known: Ring, severity: Severity, said: Text, by: str) -> Ring:
        if SEVERITIES.index(severity) >= SEVERITIES.index(known.severity):
            return known
        now_us = self._book.clock.now_us()
        ring = msgspec.structs.replace(known, severity=severity, text=said, changed_us=now_us)
        deed = self._book.deed(
            ring.subject, "ring_raised", by, ring.tenant, detail={"severity": severity}
        )
        await self._book.note(deed, lambda c: ringing.write(c, ring))
        self._ringing[ring.id] = ring
        self._tell(ring)
        return ring

    async def _go_on(self, firing: Firing) -> None:
        """Nobody answered: ring the next one too; once nobody is left, everybody again."""
        async with self._lock:
            known = self._ringing.get(firing.key)
            if known is None:
                return
            if known.step != firing.payload:  # that step was taken before a crash
                await self._set(known)
                return
            more = self._next(known)
            step = known.step + 1
            ring = msgspec.structs.replace(
                known,
                step=step,
                rung=(*known.rung, *(one for one in more if one not in known.rung)),
                changed_us=self._book.clock.now_us(),
                next_us=self._book.after(self._pause_s(step, len(more))),
            )

            def work(connection: Connection) -> tuple[list[Receipt], list[Deed]]:
                ringing.write(connection, ring)
                sent = self._send(connection, ring, more)
                detail = {"ring": ring.id, "step": step, "to": _names(more)}
                deed = self._book.deed(
                    ring.subject, "escalated", "timer", ring.tenant, detail=detail
                )
                return sent, [deed]

            await self._kept(ring, await self._book.do(work))

    def _pause_s(self, step: int, people: int) -> float:
        """Until it goes on after a step, once so many were rung."""
        return self.going.next_s if step < ROUNDS * people + 3 else self.going.slower_s

    def _next(self, ring: Ring) -> list[str]:
        """The first on the roster who was not rung yet; everybody when all were."""
        rungs = self._roster.ladder(ring.tenant)
        left = [one for one in rungs if one not in ring.rung]
        return left[:1] or rungs

    def _send(self, connection: Connection, ring: Ring, people: list[str]) -> list[Receipt]:
        message = Message(
            subject=ring.subject,
            title={"zh": "值班呼叫", "en": "Duty call"},
            text=ring.text,
            severity=ring.severity,
            link="/duty",
            kind="ring",
        )
        key = f"ring/{ring.id}/{ring.step}"
        return self._notifier.put(connection, ring.tenant, message, people, key)[1]

    async def _kept(self, ring: Ring, sent: list[Receipt]) -> None:
        self._ringing[ring.id] = ring
        await self._set(ring)
        self._notifier.sender.go(sent)
        self._tell(ring)

    async def _set(self, ring: Ring) -> None:
        await self._book.timers.set(TIMER, ring.id, ring.next_us, ring.step)

    # --- answering --------------------------------------------------------------------------------
    async def acknowledge(self, actor: Actor, ring: str, note: str = "") -> Ring:
        """Somebody has it: it rings no more, and what was not sent yet stays unsent.

        Again by the same person is no news; StateConflict for another's, or one withdrawn.
        """
        async with self._lock:
            known = self._ringing.get(ring) or await self.get(ring)
            self._book.respond(actor, known.tenant)
            if known.state == "acknowledged" and known.by == actor.id:
                return known
            if known.state != "ringing":
                who = self._book.people.name_of(known.by)
                raise StateConflict(
                    f"Ring {ring[:40]} is {known.state} already, by {known.by}",
                    zh=f"该呼叫已由 {who} 处理",
                )
            done = await self._end(known, "acknowledged", actor.id, note)
        if self.answered is not None:
            await self.answered(actor, done)
        return done

    async def withdraw(
        self, tenant: str, subject: str, who: str = "detector", reason: str = ""
    ) -> Ring | None:
        """What rings about a subject rings no more: it is over."""
        async with self._lock:
            known = self.find(tenant, subject)
            return None if known is None else await self._end(known, "withdrawn", who, reason)

    async def _taken(self, deed: Deed) -> None:
        """Somebody took what rings on another page: they have it."""
        async with self._lock:
            known = self.find(deed.tenant, deed.subject)
            if known is not None:
                await self._end(known, "acknowledged", deed.who, deed.reason)

    async def _end(self, known: Ring, state: Any, who: str, reason: str) -> Ring:
        now_us = self._book.clock.now_us()
        ring = msgspec.structs.replace(known, state=state, by=who, changed_us=now_us, next_us=0)

        def work(connection: Connection) -> tuple[None, list[Deed]]:
            ringing.write(connection, ring)
            withdraw(connection, ring.tenant, ring.subject, "ring", now_us)
            verb = "answered" if state == "acknowledged" else "ring_withdrawn"
            waited_s = round((now_us - ring.began_us) / 1e6)
            detail = {"ring": ring.id, "waited_s": waited_s, "rung": _names(ring.rung)}
            deed = self._book.deed(
                ring.subject, verb, who, ring.tenant, reason=reason, detail=detail
            )
            return None, [deed]

        await self._book.do(work)
        self._ringing.pop(ring.id, None)
        await self._book.timers.cancel(TIMER, ring.id)
        self._tell(ring)
        return ring

    # --- looking ----------------------------------------------------------------------------------
    def ringing(self, tenant: str) -> list[Ring]:
        """What rings, the worst and then the oldest first; from memory."""
        found = [one for one in self._ringing.values() if one.tenant == tenant]
        return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.began_us))

    def find(self, tenant: str, subject: str) -> Ring | None:
        """What rings about a subject."""
        there = self._ringing.values()
        return next((one for one in there if (one.tenant, one.subject) == (tenant, subject)), None)

    async def get(self, id: str) -> Ring:
        """One ring, also one that is over; ResourceNotFound."""
        rows = await self._book.opened.read(
            lambda c: c.execute(sa.select(RING).where(RING.c.id == id)).all()
        )
        if not rows:
            raise ResourceNotFound(f"Ring {id[:40]} does not exist")
        return ringing.ring_of(rows[0])

    async def recent(self, tenant: str, *, limit: int = 50) -> list[Ring]:
        """The newest rings, also those that are over."""
        asked = (
            sa.select(RING)
            .where(RING.c.tenant == tenant)
            .order_by(RING.c.began_us.desc())
            .limit(min(limit, 500))
        )
        rows = await self._book.opened.read(lambda c: c.execute(asked).all())
        return [ringing.ring_of(row) for row in rows]

    def listen(self, listener: Callable[[Ring], None]) -> Callable[[], None]:
        """Call `listener` with every ring that begins, goes on or ends; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, ring: Ring) -> None:
        for listener in list(self._listeners):
            listener(ring)

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Every ring has its timer; what happened while the desk was down rings now."""
        for ring in list(self._ringing.values()):
            if self._book.timers.due(TIMER, ring.id) is None:
                await self._set(ring)
        since_us = self._book.clock.now_us() - BACK_US
        for deed in await self._book.journal.list_deeds(since_us=since_us, limit=5_000):
            await self._heard(deed)
        self._book.journal.listen(self._hear)

    async def stop(self) -> None:
        """Finish what was heard."""
        await asyncio.gather(*self._hearing, return_exceptions=True)

    def _hear(self, deed: Deed) -> None:
        if deed.subject.startswith("incident:"):
            task = asyncio.create_task(self._heard(deed))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _heard(self, deed: Deed) -> None:
        """A deed of another part: something opened that must ring, or somebody has it."""
        kind, _, id = deed.subject.partition(":")
        if kind != "incident" or deed.room == self._book.opened.name:
            return
        try:
            if deed.verb in BEGINS and _rings(deed, self.going.grade):
                severity = deed.detail.get("severity", "high")
                key = f"{deed.room}/{deed.number}"
                said = _said(await self._named(deed.subject), deed)
                link = f"/incidents/{id}"
                await self.ring(
                    deed.tenant, deed.subject, severity, said, key=key, link=link, by=deed.who,
                    at_us=deed.at_us,
                )  # fmt: skip
            elif deed.verb in TAKEN and deed.who.startswith("person:"):
                await self._taken(deed)
            elif deed.verb in ("closed", "merged"):
                await self.withdraw(deed.tenant, deed.subject, deed.who, deed.verb)
        except PintuError as error:
            log.error("%s does not ring: %s", deed.subject, error.detail)


def _rings(deed: Deed, least: int) -> bool:
    """Whether something is bad enough to wake somebody: its grade where it has one, else its
    severity."""
    grade = deed.detail.get("grade")
    if isinstance(grade, int):
        return grade >= least
    return deed.detail.get("severity", "") in RINGS


def _said(name: Text | None, deed: Deed) -> Text:
    title = name or {"zh": deed.subject, "en": deed.subject}
    return {
        "zh": f"新事件：{title.get('zh') or title.get('en')}",
        "en": f"New incident: {title.get('en') or title.get('zh')}",
    }


def _names(people: Iterable[str]) -> list[str]:
    return [f"person:{account(one)}" for one in people]
