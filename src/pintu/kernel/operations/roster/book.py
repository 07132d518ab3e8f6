"""What the roster, the duty desk and the notifier share: one set of tables, the journal, the
clock, and the question who may do what."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Gate
from pintu.kernel.access import Deed as Right
from pintu.kernel.clock import Clock
from pintu.kernel.errors import Forbidden, Refused
from pintu.kernel.identity import People
from pintu.kernel.operations.journal import Deed, Journal, enter
from pintu.kernel.tables import OpenTables
from pintu.kernel.timers import Timers

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The tables of the roster and what is needed beside them."""

    opened: OpenTables
    journal: Journal
    timers: Timers
    clock: Clock
    gate: Gate
    people: People
    zone: ZoneInfo

    async def do(self, work: Callable[[Connection], tuple[T, list[Deed]]]) -> T:
        """Do `work` in one transaction with the deeds it returns, then tell whoever listens."""

        def kept(connection: Connection) -> tuple[T, list[Deed]]:
            found, deeds = work(connection)
            return found, [enter(connection, one) for one in deeds]

        found, deeds = await self.opened.run(kept)
        if deeds:
            await self.journal.told(self.opened, deeds)
        return found

    async def note(self, deed: Deed, work: Callable[[Connection], Any]) -> None:
        """Do `work` in one transaction with one deed."""
        await self.do(lambda connection: (work(connection), [deed]))

    def deed(self, subject: str, verb: str, who: str, tenant: str, **more: Any) -> Deed:
        """A deed of this moment; `reason` and `detail` beside it."""
        at_us = self.clock.now_us()
        return Deed(subject=subject, verb=verb, who=who, at_us=at_us, tenant=tenant, **more)

    def after(self, seconds: float) -> int:
        """The moment (city µs) so many real seconds from now: a telephone rings no faster in a
        city whose clock does."""
        return self.clock.now_us() + int(seconds * 1e6 * self.clock.rate)

    def respond(self, actor: Actor, tenant: str) -> None:
        """Raises what the gate raises when the actor does not work in this room."""
        self.gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))

    def plan(self, actor: Actor, tenant: str) -> None:
        """Raises Forbidden for who does not plan the roster: supervisors and administrators do."""
        self.respond(actor, tenant)
        if "supervisor" not in actor.roles and not self.operates(actor, tenant):
            raise Forbidden("The roster is planned by supervisors")

    def operates(self, actor: Actor, tenant: str) -> bool:
        """Whether the actor administers the city."""
        try:
            self.gate.decide(actor, Act(deed=Right.OPERATE, tenant=tenant))
        except Refused:
            return False
        return True


def new_id() -> str:
    """A short name nobody else has."""
    return secrets.token_hex(8)


def account(person: str) -> str:
    """An account's id of `person:ID` or of the id itself."""
    return person.removeprefix("person:")
