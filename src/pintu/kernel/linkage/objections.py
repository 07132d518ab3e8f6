"""Objections: somebody says a value is wrong; the owner of its authority answers within a term, and
what was corrected is corrected everywhere the same person's same value is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.acting import Guard, Hand, entry_of
from pintu.kernel.linkage.schema import OBJECTION, PLAN
from pintu.kernel.linkage.words import OBJECTION_DAYS, Objection, Plan, Ref

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.tables import OpenTables
    from pintu.kernel.timers import Firing, Timers

TIMER: Final = "linkage-objection"
DAY_US: Final = 86_400_000_000
LONGEST: Final = 2_000
ANSWERERS: Final = frozenset(("owner", "deputy", "steward"))


class Objections:
    """Kept with their term; a timer marks those that nobody answered in it."""

    def __init__(
        self, opened: OpenTables, clock: Clock, guard: Guard, timers: Timers | None
    ) -> None:
        self._opened, self._clock, self._guard, self._timers = opened, clock, guard, timers
        self._turn = asyncio.Lock()  # who answers second finds the answer, and corrects nothing
        if timers is not None:
            timers.on(TIMER, self._late)

    async def list_all(self, owner: str = "", by: str = "") -> list[Objection]:
        """Objections, those that run out first in front; to one organisation, or of somebody."""
        query = OBJECTION.select().order_by(OBJECTION.c.due_us, OBJECTION.c.number).limit(1_000)
        if owner:
            query = query.where(OBJECTION.c.owner == owner)
        if by:
            query = query.where(OBJECTION.c.by == by)
        rows = await self._opened.read(lambda c: c.execute(query).mappings().all())
        return [_told(row) for row in rows]

    async def get(self, number: int) -> Objection:
        """One; ResourceNotFound."""
        return await self._opened.read(lambda c: _get(c, number))

    async def object(self, ref: Ref, column: str, wish: Any, why: str, hand: Hand) -> Objection:
        """Say that a value is wrong. It goes to the owner of the data set whose word holds for it:
        of a copy that is the authority's owner. Whoever calls has found out that the value is the
        objector's own, or one the objector got.

        Raises BadRequestData without a reason or when nobody owns the data set.
        """
        why = why.strip()
        if len(why) < 2 or len(why) > LONGEST or len(str(wish)) > LONGEST:
            raise BadRequestData(f"An objection to {column!r} needs its reason in 2 to 2,000 signs")
        held = await self._authority(ref, column)
        owner = self._guard.rows.owner(held[0].data_set)
        if not owner:
            raise BadRequestData(f"Data set {held[0].data_set!r} has no owner who could answer")
        now_us = self._clock.now_us()
        found = Objection(
            number=0, data_set=held[0].data_set, key=held[0].key, column=held[1], wish=wish,
            why=why, by=hand.actor.organisation or hand.by, person=hand.by, owner=owner,
            at_us=now_us, due_us=now_us + OBJECTION_DAYS * DAY_US,
        )  # fmt: skip
        entry = entry_of(hand, "object", data_sets=(found.data_set,), subjects=self._about(found),
                         detail={"column": found.column, "owner": owner})  # fmt: skip
        found = await self._guard.logged(hand, entry, lambda: self._opened.run(_adding(found)))
        if self._timers is not None:
            await self._timers.set(TIMER, str(found.number), found.due_us)
        return found

    async def accept(self, number: int, value: Any, answer: str, hand: Hand) -> Objection:
        """The owner's side corrects a value: in its own data set and wherever the same person's
        same attribute is kept. Raises StateConflict when it was answered, Forbidden to others.
        """
        async with self._turn:
            return await self._accept(number, value, answer, hand)

    async def _accept(self, number: int, value: Any, answer: str, hand: Hand) -> Objection:
        found = await self._answerable(number, hand)
        places = await self._places(found)
        why = {"by": hand.by, "objection": str(number), "reason": (answer or found.why)[:LONGEST]}

        async def work() -> Objection:
            corrected = []
            for ref, column in places:
                try:
                    await self._guard.rows.correct((ref.data_set, ref.key, column), value, why)
                except ResourceNotFound:
                    if ref == places[0][0]:
                        raise
                    continue  # a copy that is gone by now needs no correcting
                corrected.append(ref)
            return await self._answered(
                found, state="accepted", value=value, answer=answer, also=tuple(corrected[1:]),
                answered_by=hand.by,
            )  # fmt: skip

        sets = [ref.data_set for ref, _ in places]
        entry = entry_of(hand, "correct", data_sets=sets, subjects=self._about(found),
                         detail={"objection": str(number), "column": found.column})  # fmt: skip
        return await self._guard.logged(hand, entry, work)

    async def refuse(self, number: int, answer: str, hand: Hand) -> Objection:
        """The owner's side says why a value stays as it is."""
        if len(answer.strip()) < 2:
            raise BadRequestData(f"Objection {number} needs a reason to be refused")
        async with self._turn:
            return await self._refuse(number, answer, hand)

    async def _refuse(self, number: int, answer: str, hand: Hand) -> Objection:
        found = await self._answerable(number, hand)
        entry = entry_of(hand, "refuse", data_sets=(found.data_set,), subjects=self._about(found),
                         detail={"objection": str(number), "column": found.column})  # fmt: skip
        change = {"state": "refused", "answer": answer.strip()[:LONGEST], "answered_by": hand.by}
        return await self._guard.logged(hand, entry, lambda: self._answered(found, **change))

    # --- inside -----------------------------------------------------------------------------------
    async def _answerable(self, number: int, hand: Hand) -> Objection:
        found = await self.get(number)
        if found.state in ("accepted", "refused"):
            raise StateConflict(f"Objection {number} was answered already: {found.state}")
        self._guard.decide(hand, found.data_set)
        actor = hand.actor
        local = actor.local and "*" in actor.grants
        if not local and (actor.organisation != found.owner or not actor.roles & ANSWERERS):
            raise Forbidden(f"Objection {number} is answered by a steward of {found.owner}")
        if found.person == hand.by:
            raise Forbidden(f"Objection {number} is your own: a colleague has to answer it")
        return found

    async def _answered(self, found: Objection, **change: Any) -> Objection:
        done = msgspec.structs.replace(found, answered_us=self._clock.now_us(), **change)

        def work(connection: Connection) -> Objection:
            if _get(connection, found.number).state in ("accepted", "refused"):
                raise StateConflict(f"Objection {found.number} was answered meanwhile")
            connection.execute(_writing(done))
            return done

        done = await self._opened.run(work)
        if self._timers is not None:
            await self._timers.cancel(TIMER, str(found.number))
        return done

    async def _late(self, firing: Firing) -> None:
        """The term is over: it shows as late, and stays to be answered."""
        number = int(firing.key)

        def work(connection: Connection) -> None:
            found = _get(connection, number)
            if found.state == "open":
                connection.execute(_writing(msgspec.structs.replace(found, state="late")))

        await self._opened.run(work)

    async def _authority(self, ref: Ref, column: str) -> tuple[Ref, str]:
        """The record and column whose word holds where a value was seen: of a copy, the authority's
        record of the same cluster."""
        for plan, attribute, members in await self._clusters(ref, column):
            for authority in plan.authority.get(attribute, ()):
                for one in members:
                    if one.data_set == authority and plan.column(authority, attribute):
                        return one, plan.column(authority, attribute)
        return ref, column

    async def _places(self, found: Objection) -> list[tuple[Ref, str]]:
        """Every (record, column) of the same person's same attribute, the owner's own first."""
        first = Ref(found.data_set, found.key)
        places = {(first, found.column): None}
        for plan, attribute, members in await self._clusters(first, found.column):
            for one in members:
                column = plan.column(one.data_set, attribute)
                if column:
                    places[one, column] = None
        return list(places)

    async def _clusters(self, ref: Ref, column: str) -> list[tuple[Plan, str, Sequence[Ref]]]:
        """(plan, attribute, members) of every cluster in which this value is some attribute's."""

        def work(connection: Connection) -> list[tuple[Plan, str, Sequence[Ref]]]:
            found: list[tuple[Plan, str, Sequence[Ref]]] = []
            for body in connection.execute(sa.select(PLAN.c.body)).scalars():
                plan = msgspec.json.decode(body, type=Plan)
                own = next((one for one in plan.sources if one.data_set == ref.data_set), None)
                names = (
                    [name for name, told in own.columns.items() if told == column] if own else []
                )
                cluster = keeping.cluster_of(connection, plan.name, ref) if names else None
                if cluster is not None:
                    found.append((plan, names[0], cluster.members))
            return found

        return await self._opened.read(work)

    def _about(self, found: Objection) -> tuple[str, ...]:
        return self._guard.digests((found.key,))


def _adding(found: Objection) -> Any:
    def work(connection: Connection) -> Objection:
        key = connection.execute(OBJECTION.insert(), _row(found)).inserted_primary_key
        assert key is not None
        done = msgspec.structs.replace(found, number=key[0])
        connection.execute(_writing(done))
        return done

    return work


def _writing(found: Objection) -> Any:
    return OBJECTION.update().where(OBJECTION.c.number == found.number).values(**_row(found))


def _row(found: Objection) -> dict[str, Any]:
    names = ("data_set", "key", "column", "state", "owner", "by", "due_us")
    row = {name: getattr(found, name) for name in names}
    return {**row, "body": msgspec.json.encode(found).decode()}


def _get(connection: Connection, number: int) -> Objection:
    query = OBJECTION.select().where(OBJECTION.c.number == number)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise ResourceNotFound(f"Objection {number} does not exist")
    return _told(row)


def _told(row: Any) -> Objection:
    return msgspec.json.decode(row["body"], type=Objection)
