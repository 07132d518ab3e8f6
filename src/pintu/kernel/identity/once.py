"""What is good once: challenges, links, states, codes; taking one uses it up."""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec
from sqlalchemy import Connection, select

from pintu.kernel.clock import Clock
from pintu.kernel.identity.sign_in_schema import ONCE
from pintu.kernel.identity.tokens import hashed
from pintu.kernel.tables import OpenTables

Kind = Literal[
    "recovery", "register", "passkey", "oidc", "code", "used code", "access", "known"
]  # fmt: skip


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept beside a secret."""

    person: str
    told: dict[str, str]
    expires_us: int


class Once:
    """Secrets of 256 bits, kept as hashes, each with its end."""

    def __init__(self, tables: OpenTables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def make(
        self, kind: Kind, seconds: float, *, person: str = "", secret: str = "", **told: str
    ) -> str:
        """A new secret of that kind (or the one given); what is told beside it comes back with
        it."""
        secret = secret or secrets.token_urlsafe(32)
        now_us = self._clock.now_us()
        row = {
            "hash": _key(kind, secret),
            "kind": kind,
            "person": person,
            "told": msgspec.json.encode(told),
            "expires_us": now_us + int(seconds * 1_000_000),
        }

        def work(connection: Connection) -> None:
            connection.execute(ONCE.delete().where(ONCE.c.expires_us <= now_us))
            connection.execute(ONCE.insert(), row)

        await self._tables.run(work)
        return secret

    async def take(self, kind: Kind, secret: str) -> Kept | None:
        """What was told beside a secret, which is used up; None when it is unknown or too old."""
        where = ONCE.c.hash == _key(kind, secret)

        def work(connection: Connection) -> Kept | None:
            found = connection.execute(select(ONCE).where(where)).mappings().first()
            connection.execute(ONCE.delete().where(where))
            return None if found is None else _kept(found)

        return self._living(await self._tables.run(work))

    async def look(self, kind: Kind, secret: str) -> Kept | None:
        """The same without using it up."""
        query = select(ONCE).where(ONCE.c.hash == _key(kind, secret))
        found = await self._tables.read(lambda c: c.execute(query).mappings().first())
        return self._living(None if found is None else _kept(found))

    async def forget(self, kind: Kind, person: str) -> None:
        """Everything of that kind that somebody has."""
        gone = ONCE.delete().where(ONCE.c.kind == kind, ONCE.c.person == person)
        await self._tables.run(lambda connection: connection.execute(gone))

    def _living(self, kept: Kept | None) -> Kept | None:
        return kept if kept is not None and self._clock.now_us() < kept.expires_us else None


def _key(kind: str, secret: str) -> bytes:
    return hashed(f"{kind} {secret[:1_000]}".encode("utf-8", "replace"))


def _kept(row: object) -> Kept:
    found = dict(row)  # type: ignore[call-overload]
    return Kept(
        person=found["person"],
        told=msgspec.json.decode(found["told"], type=dict[str, str]),
        expires_us=found["expires_us"],
    )
