"""Kept for people in danger and for the city's own rules: protections, delays, thresholds.

Every one of these is set by somebody who is named in the log, before it holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.access.audited import Entry, Receipt
from pintu.kernel.audit.looking import Protection, Rules
from pintu.kernel.audit.schema import FACT, PROTECTION
from pintu.kernel.clock import Clock
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.tables import OpenTables, put_rows

S = TypeVar("S", bound=msgspec.Struct)
Enter = Callable[[Entry], Awaitable[Receipt]]


class Protections:
    """Protections by person, and facts that an auditor set."""

    def __init__(self, tables: OpenTables, clock: Clock, enter: Enter) -> None:
        self._tables = tables
        self._clock = clock
        self._enter = enter

    async def protect(self, actor: Actor, protection: Protection, reason: str) -> str:
        """Keep looks at a person's record from whoever acts for them; its id. In the log first."""
        id = f"P-{secrets.token_hex(6)}"
        detail = {"protection": id, "alone": str(protection.alone).lower()}
        await self._say(actor, "protect", reason, (protection.subject, detail))
        told = msgspec.json.encode(protection)
        row = {"id": id, "subject": protection.subject, "told": told}
        await self._tables.run(lambda c: put_rows(c, PROTECTION, [row]))
        return id

    async def end(self, actor: Actor, id: str, reason: str) -> None:
        """It holds for no new look from now on; what it covered stays kept back."""
        found = await self._tables.read(lambda c: _one(c, id))
        await self._say(actor, "unprotect", reason, (found.subject, {"protection": id}))
        ended = msgspec.structs.replace(found, ended_us=self._clock.now_us())
        row = {"id": id, "subject": found.subject, "told": msgspec.json.encode(ended)}
        await self._tables.run(lambda c: put_rows(c, PROTECTION, [row]))

    async def of(self, subject: str) -> list[Protection]:
        """Those of one person, by the lasting digest; ended ones too."""

        def work(connection: Connection) -> list[Protection]:
            found = sa.select(PROTECTION.c.told).where(PROTECTION.c.subject == subject)
            return [_read(told) for told in connection.execute(found).scalars()]

        return await self._tables.read(work)

    # --- facts ------------------------------------------------------------------------------------
    async def rules(self) -> Rules:
        """What is shown later, and what only to the person."""
        return await self.fact("rules", Rules)

    async def fact(self, name: str, form: type[S]) -> S:
        """What was set under a name; the form's defaults when nothing was."""
        asked = sa.select(FACT.c.value).where(FACT.c.name == name)
        told = await self._tables.read(lambda c: c.execute(asked).scalar())
        return form() if told is None else msgspec.json.decode(told, type=form)

    async def set_fact(self, actor: Actor, name: str, value: msgspec.Struct, reason: str) -> None:
        """Set it; in the log first, with what it says."""
        told = msgspec.json.encode(value).decode()
        await self._say(actor, f"set {name}", reason, ("", {"value": told[:2_000]}))
        await self._tables.run(lambda c: put_rows(c, FACT, [{"name": name, "value": told}]))

    async def _say(
        self, actor: Actor, deed: str, reason: str, about: tuple[str, dict[str, str]]
    ) -> None:
        subject, detail = about
        await self._enter(
            Entry(
                what="identity",
                deed=deed,
                actor=actor.id,
                person=actor.person,
                organisation=actor.organisation,
                roles=tuple(sorted(actor.roles)),
                data_set="audit",
                reason=reason[:500],
                subjects=(subject,) if subject else (),
                detail=detail,
            )
        )


def _one(connection: Connection, id: str) -> Protection:
    told = connection.execute(sa.select(PROTECTION.c.told).where(PROTECTION.c.id == id)).scalar()
    if told is None:
        raise ResourceNotFound(f"There is no protection {id[:40]!r}")
    return _read(told)


def _read(told: bytes) -> Protection:
    return msgspec.json.decode(told, type=Protection)
