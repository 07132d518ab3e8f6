"""The roster: rotas, shifts of their own and swaps; who is on duty now is answered from memory."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Table

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, ResourceNotFound, TooLarge
from pintu.kernel.identity.words import Person
from pintu.kernel.operations.roster import rota as rotas
from pintu.kernel.operations.roster.book import Book, account, new_id
from pintu.kernel.operations.roster.schema import ROTA, SHIFT, SWAP
from pintu.kernel.operations.roster.words import POSTS, Post, Rota, Shift, Swap
from pintu.kernel.tables import put_rows

MOST_ROTAS: Final = 200
MOST_OWN: Final = 5_000
"""Shifts of their own, and swaps, that are not over."""

LONGEST_SPAN_US: Final = 400 * rotas.DAY_US
KEPT_US: Final = 400 * rotas.DAY_US
"""How long a swap or a shift of its own is kept after it ended."""

NEAR_US: Final = 30 * rotas.DAY_US


class Roster:
    """Who is on duty, who is next, and where nobody is."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rotas: dict[str, Rota] = {}
        self._shifts: dict[str, Shift] = {}
        self._swaps: dict[str, Swap] = {}
        book.opened.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        def read(table: Table, kind: type[msgspec.Struct]) -> dict[str, msgspec.Struct]:
            rows = connection.execute(sa.select(table.c.id, table.c.told)).all()
            return {row.id: msgspec.json.decode(row.told, type=kind) for row in rows}

        self._rotas = read(ROTA, Rota)  # type: ignore[assignment]
        self._shifts = read(SHIFT, Shift)  # type: ignore[assignment]
        self._swaps = read(SWAP, Swap)  # type: ignore[assignment]

    # --- asking -----------------------------------------------------------------------------------
    def on_duty(self, tenant: str, at_us: int | None = None) -> list[Shift]:
        """Who is on duty now (or at a moment), first in line first; from memory."""
        at = self._book.clock.now_us() if at_us is None else at_us
        return rotas.on_at(self.shifts(tenant, at, at + 1), at)

    def ladder(self, tenant: str, at_us: int | None = None) -> list[str]:
        """Account ids of whom to ring, one after the other. Where nobody is on duty everybody
        who works as duty officer or supervisor for the tenant: an alarm is never for nobody."""
        known = self._book.people.find_person
        rungs = [one for one in rotas.ladder(self.on_duty(tenant, at_us)) if _there(known(one))]
        if rungs:
            return rungs
        return [one.id for post in ("duty", "supervisor") for one in self.staff(tenant, post)]

    def staff(self, tenant: str, post: str = "") -> list[Person]:
        """Everybody who has a post in an organisation that works for the tenant."""
        people = self._book.people
        ours = [one.id for one in people.organisations() if tenant in one.tenants]
        found: dict[str, Person] = {}
        for organisation in ours:
            for role in (post,) if post else POSTS:
                found |= {one.id: one for one in people.members(organisation, role)}
        return list(found.values())

    def shifts(self, tenant: str, since_us: int, until_us: int, *, event: str = "") -> list[Shift]:
        """The shifts that touch a span (at most 400 days), by their beginning; of one major event
        where one is named."""
        if until_us - since_us > LONGEST_SPAN_US:
            raise TooLarge("A roster is asked for at most 400 days")
        found = [
            shift
            for one in self._rotas.values()
            if one.tenant == tenant
            for shift in rotas.shifts_of(one, since_us, until_us)
        ]
        own = (one for one in self._shifts.values() if one.tenant == tenant)
        found += [one for one in own if one.since_us < until_us and one.until_us > since_us]
        swaps = [one for one in self._swaps.values() if one.until_us > since_us]
        there = rotas.swapped(found, swaps)
        return [
            one
            for one in there
            if one.since_us < until_us
            and one.until_us > since_us
            and (not event or one.event == event)
        ]

    def gaps(
        self, tenant: str, since_us: int, until_us: int, post: Post = "duty"
    ) -> list[tuple[int, int]]:
        """Spans in which nobody is on duty as `post`."""
        return rotas.gaps(self.shifts(tenant, since_us, until_us), since_us, until_us, post)

    def next_shift(self, tenant: str, person: str, after_us: int) -> Shift | None:
        """When somebody is on duty next, within thirty days."""
        near = self.shifts(tenant, after_us, after_us + NEAR_US)
        mine = (one for one in near if one.person == account(person) and one.since_us >= after_us)
        return next(mine, None)

    def list_rotas(self, tenant: str) -> list[Rota]:
        """The rotas of a tenant, by name."""
        return sorted(
            (one for one in self._rotas.values() if one.tenant == tenant), key=lambda one: one.id
        )

    def list_swaps(self, tenant: str, since_us: int) -> list[Swap]:
        """The swaps that are not over at a moment, the soonest first."""
        there = (one for one in self._swaps.values() if one.tenant == tenant)
        return sorted(
            (one for one in there if one.until_us > since_us), key=lambda one: one.since_us
        )

    # --- planning ---------------------------------------------------------------------------------
    async def save_rota(self, actor: Actor, rota: Rota) -> Rota:
        """Keep a rota under its id, a new one where it is ""; for supervisors and administrators.

        Raises BadRequestData for turns that cannot be, TooLarge for more than 200 rotas.
        """
        self._book.plan(actor, rota.tenant)
        kept = rotas.check_rota(msgspec.structs.replace(rota, id=rota.id or new_id()))
        before = self._rotas.get(kept.id)
        if before is not None and before.tenant != kept.tenant:
            raise ResourceNotFound(f"Rota {kept.id[:40]} does not exist")
        if before is None and len(self._rotas) >= MOST_ROTAS:
            raise TooLarge(f"There are {MOST_ROTAS} rotas already")
        for turn in kept.turns:
            self._known(*turn.people)
        row = {"id": kept.id, "tenant": kept.tenant, "told": msgspec.json.encode(kept)}
        detail = {"rota": kept.id, "turns": len(kept.turns)} | _of(kept.event)
        deed = self._book.deed(f"shift:{kept.id}", "planned", actor.id, kept.tenant, detail=detail)
        await self._book.note(deed, lambda c: put_rows(c, ROTA, [row]))
        self._rotas[kept.id] = kept
        return kept

    async def remove_rota(self, actor: Actor, tenant: str, id: str) -> None:
        """Its turns come no more; what was swapped of them is forgotten with them."""
        self._book.plan(actor, tenant)
        known = self._rotas.get(id)
        if known is None or known.tenant != tenant:
            raise ResourceNotFound(f"Rota {id[:40]} does not exist")
        deed = self._book.deed(f"shift:{id}", "removed", actor.id, tenant)
        gone = ROTA.delete().where(ROTA.c.id == id)
        await self._book.note(deed, lambda c: c.execute(gone))
        del self._rotas[id]

    async def add_shift(self, actor: Actor, shift: Shift) -> Shift:
        """Put somebody on duty once: a reinforcement, or the roster of a major event."""
        self._book.plan(actor, shift.tenant)
        kept = msgspec.structs.replace(shift, id=shift.id or new_id(), person=account(shift.person))
        _check_span(kept.since_us, kept.until_us)
        if kept.post not in POSTS:
            raise BadRequestData(f"Nobody is on duty as {kept.post[:40]!r}")
        self._known(kept.person)
        await self._trim(SHIFT, self._shifts)
        row = {"id": kept.id, "tenant": kept.tenant, "until_us": kept.until_us}
        row["told"] = msgspec.json.encode(kept)
        deed = self._book.deed(
            f"shift:{kept.id}", "planned", actor.id, kept.tenant,
            detail={"person": f"person:{kept.person}", "post": kept.post} | _of(kept.event),
        )  # fmt: skip
        await self._book.note(deed, lambda c: put_rows(c, SHIFT, [row]))
        self._shifts[kept.id] = kept
        return kept

    async def remove_shift(self, actor: Actor, tenant: str, id: str) -> None:
        """Take back a shift of its own."""
        self._book.plan(actor, tenant)
        known = self._shifts.get(id)
        if known is None or known.tenant != tenant:
            raise ResourceNotFound(f"Shift {id[:40]} does not exist")
        deed = self._book.deed(f"shift:{id}", "removed", actor.id, tenant)
        gone = SHIFT.delete().where(SHIFT.c.id == id)
        await self._book.note(deed, lambda c: c.execute(gone))
        del self._shifts[id]

    async def swap(self, actor: Actor, swap: Swap) -> Swap:
        """Have somebody stand in for somebody. Officers swap their own shifts, supervisors
        anybody's."""
        self._book.respond(actor, swap.tenant)
        person, by = account(swap.person), account(swap.by)
        if account(actor.person or actor.id) != person:
            self._book.plan(actor, swap.tenant)
        _check_span(swap.since_us, swap.until_us)
        if person == by:
            raise BadRequestData("Nobody stands in for themself")
        self._known(person, by)
        if by not in {one.id for one in self.staff(swap.tenant)}:
            raise BadRequestData("Who stands in works in the operations room of the same city")
        await self._trim(SWAP, self._swaps)
        kept = msgspec.structs.replace(swap, id=new_id(), person=person, by=by)
        row = {"id": kept.id, "tenant": kept.tenant, "until_us": kept.until_us}
        row["told"] = msgspec.json.encode(kept)
        deed = self._book.deed(
            f"shift:{kept.id}", "swapped", actor.id, kept.tenant,
            reason=kept.reason, detail={"person": f"person:{person}", "by": f"person:{by}"},
        )  # fmt: skip
        await self._book.note(deed, lambda c: put_rows(c, SWAP, [row]))
        self._swaps[kept.id] = kept
        return kept

    async def unswap(self, actor: Actor, tenant: str, id: str) -> None:
        """The one who was to be on duty is again."""
        self._book.respond(actor, tenant)
        known = self._swaps.get(id)
        if known is None or known.tenant != tenant:
            raise ResourceNotFound(f"Swap {id[:40]} does not exist")
        if account(actor.person or actor.id) != known.person:
            self._book.plan(actor, tenant)
        deed = self._book.deed(f"shift:{id}", "swapped_back", actor.id, tenant)
        gone = SWAP.delete().where(SWAP.c.id == id)
        await self._book.note(deed, lambda c: c.execute(gone))
        del self._swaps[id]

    def _known(self, *people: str) -> None:
        for one in people:
            if not _there(self._book.people.find_person(one)):
                raise BadRequestData(f"Nobody has the account {one[:40]!r}")

    async def _trim(self, table: Table, known: dict[str, Shift] | dict[str, Swap]) -> None:
        """Forget what ended long ago; TooLarge when too much is ahead."""
        before_us = self._book.clock.now_us() - KEPT_US
        old = [id for id, one in known.items() if one.until_us < before_us]
        if old:
            await self._book.opened.run(
                lambda c: c.execute(table.delete().where(table.c.until_us < before_us))
            )
            for id in old:
                del known[id]
        if len(known) >= MOST_OWN:
            raise TooLarge(f"There are {MOST_OWN} already")


def _there(person: Person | None) -> bool:
    return person is not None and not person.disabled


def _check_span(since_us: int, until_us: int) -> None:
    if not since_us < until_us or until_us - since_us > LONGEST_SPAN_US:
        raise BadRequestData("A shift ends after it begins, within 400 days")


def _of(event: str) -> dict[str, str]:
    return {"event": event} if event else {}
