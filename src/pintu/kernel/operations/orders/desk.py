"""Crews as a foreman keeps them: who is in them, when they work, where they start from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Gate
from pintu.kernel.access import Deed as Right
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.operations.journal import Deed, Journal, enter
from pintu.kernel.operations.orders import crews
from pintu.kernel.operations.orders.words import KINDS, Crew, Order, Shift
from pintu.kernel.tables import OpenTables

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
MOST_MEMBERS: Final = 100


class Desk:
    """The crews of a city. Every change is a deed of the journal; no deed names a member."""

    def __init__(self, opened: OpenTables, journal: Journal, gate: Gate) -> None:
        self._tables, self._journal, self._gate = opened, journal, gate

    def _may(self, actor: Actor | str, tenant: str) -> str:
        if isinstance(actor, str):
            return actor
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))
        return actor.id

    async def list_crews(self, tenant: str) -> list[Crew]:
        """Every crew of a tenant."""
        return await self._tables.read(lambda c: crews.of_tenant(c, tenant))

    async def members(self, actor: Actor, crew: str) -> list[str]:
        """The accounts of a crew's people: for who works in the room, and for the crew itself."""

        def work(connection: Connection) -> tuple[Crew, list[str]]:
            return crews.get(connection, crew), crews.members(connection, crew)

        found, persons = await self._tables.read(work)
        if actor.person not in persons:
            self._may(actor, found.tenant)
        return persons

    async def save_crew(self, actor: Actor | str, crew: Crew, members: Sequence[str] = ()) -> Crew:
        """Make or change a crew; its people are then exactly `members` (accounts' ids).

        Raises what the gate raises and BadRequestData.
        """
        who = self._may(actor, crew.tenant)
        if not NAME.fullmatch(crew.id):
            raise BadRequestData(f"Crew {crew.id[:40]!r} is not a name like 'lamps-1'")
        if not crew.name or not all(0 < len(one) <= 60 for one in crew.name.values()):
            raise BadRequestData("A crew has a name of at most 60 characters")
        if unknown := [one for one in crew.kinds if one not in KINDS]:
            raise BadRequestData(f"There is no kind of work {unknown[0][:40]!r}")
        if len(members) > MOST_MEMBERS:
            raise BadRequestData(f"A crew has at most {MOST_MEMBERS} people")

        def work(connection: Connection) -> Deed:
            before = [one for one in crews.of_tenant(connection, crew.tenant) if one.id == crew.id]
            if not before:
                _free(connection, crew.id)
            crews.save(connection, crew)
            crews.set_members(connection, crew.id, list(members))
            detail = {"kinds": list(crew.kinds), "people": len(set(members))}
            verb = "changed" if before else "made"
            return enter(connection, self._deed(crew, verb, who, detail))

        await self._journal.told(self._tables, [await self._tables.run(work)])
        return crew

    async def add_shift(self, actor: Actor | str, shift: Shift) -> Shift:
        """A crew works from then to then; BadRequestData when it does already."""
        crew = await self._tables.read(lambda c: crews.get(c, shift.crew))
        who = self._may(actor, crew.tenant)

        def work(connection: Connection) -> tuple[Shift, Deed]:
            made = crews.add_shift(connection, shift)
            detail = {"since_us": made.since_us, "until_us": made.until_us}
            return made, enter(connection, self._deed(crew, "planned", who, detail))

        made, deed = await self._tables.run(work)
        await self._journal.told(self._tables, [deed])
        return made

    async def drop_shift(self, actor: Actor, crew: str, number: int) -> None:
        """A crew does not work then after all; nothing when it did not."""
        found = await self._tables.read(lambda c: crews.get(c, crew))
        who = self._may(actor, found.tenant)

        def work(connection: Connection) -> Deed:
            crews.drop_shift(connection, crew, number)
            return enter(connection, self._deed(found, "unplanned", who, {"shift": number}))

        await self._journal.told(self._tables, [await self._tables.run(work)])

    async def shifts(self, crew: str, since_us: int, until_us: int) -> list[Shift]:
        """A crew's shifts that touch a span, in order."""
        return await self._tables.read(lambda c: crews.shifts(c, crew, since_us, until_us))

    async def on_shift(self, tenant: str) -> set[str]:
        """The crews that work now."""
        now_us = self._journal.clock.now_us()
        return await self._tables.read(lambda c: crews.on_shift(c, tenant, now_us))

    def _deed(self, crew: Crew, verb: str, who: str, detail: dict[str, Any]) -> Deed:
        return Deed(
            subject=f"crew:{crew.id}",
            verb=verb,
            who=who,
            at_us=self._journal.clock.now_us(),
            tenant=crew.tenant,
            detail=detail,
        )


def _free(connection: Connection, id: str) -> None:
    try:
        crews.get(connection, id)
    except ResourceNotFound:
        return
    raise BadRequestData(f"A crew called {id} is there already")


def fitting(
    found: Sequence[Crew], working: set[str], order: Order
) -> list[tuple[Crew, bool, bool]]:
    """(crew, works now, equipped for it), those that fit both first, then by name: who might go,
    in an order that says nothing of how anybody works. Pure."""
    told = [(one, one.id in working, not one.kinds or order.kind in one.kinds) for one in found]
    return sorted(told, key=lambda one: (not (one[1] and one[2]), not one[2], one[0].id))
