"""Notices: what somebody must hear of, told to a person or to a role, until they saw it."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.identity.people import People
from pintu.kernel.identity.words import Person
from pintu.kernel.tables import CityTables, PrivateTables, add_rows, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

NOTICE = sa.Table(
    "notice",
    METADATA,
    sa.Column("number", row_number(), primary_key=True, autoincrement=True),
    sa.Column("to", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),  # JSON: zh and en
    sa.Column("link", sa.String, nullable=False),
    sa.Column("key", sa.String, unique=True),  # the same for the same news, so that it is told once
    sa.Column("at_us", sa.BigInteger, nullable=False),
)

SEEN = sa.Table(
    "seen",
    METADATA,
    sa.Column("notice", sa.BigInteger, primary_key=True),
    sa.Column("person", sa.String, primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "notice",
        sa.Column("number", row_number(), primary_key=True, autoincrement=True),
        sa.Column("to", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("link", sa.String, nullable=False),
        sa.Column("key", sa.String, unique=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("notice", sa.BigInteger, primary_key=True),
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


TABLES = PrivateTables(name="notices", metadata=METADATA, migrations=(_first,))

KEPT_US: Final = 180 * 86_400_000_000
MOST: Final = 500
"""Kept in memory of those to one person or role."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One notice: a sentence in zh and en, and the page about it ("" without one)."""

    number: int
    to: str  # a person's id, "ROLE@ORGANISATION" or "ROLE@*"
    kind: str  # glass, deadline, recall, delegation, account …
    text: dict[str, str]
    link: str = ""
    at_us: int = 0
    read_us: int = 0  # by whoever asked for the list


class Notices:
    """Every notice of the last half year, in memory; asking for them waits for nobody."""

    def __init__(self, tables: CityTables, clock: Clock, people: People) -> None:
        self._people = people
        self._clock = CityClock() if getattr(clock, "rate", 1.0) != 1.0 else clock
        self._tables = tables.register(TABLES)
        self._version = -1
        self._newest = 0
        self._to: dict[str, deque[Notice]] = {}
        self._seen: dict[tuple[int, str], int] = {}
        self._look()

    async def tell(
        self, to: str, kind: str, text: dict[str, str], *, link: str = "", key: str = ""
    ) -> None:
        """Tell a person (`ID` or `person:ID`), or whoever has a role (`auditor@city`, `owner@ID`,
        `auditor@*`: of any organisation) something, in zh and en. Durable when it returns; with a
        `key` the same is told once, however often it is asked for.
        """
        to = to.removeprefix("person:")
        if not to or len(to) > 200 or not text or (link and not _inside(link)):
            raise BadRequestData(f"A notice cannot be told to {to[:80]!r}")
        now_us = self._clock.now_us()
        row = {"to": to, "kind": kind, "link": link, "key": key or None, "at_us": now_us}
        row["text"] = json.dumps(text, ensure_ascii=False)

        def work(connection: Connection) -> None:
            same = sa.select(NOTICE.c.number).where(NOTICE.c.key == key)
            if key and connection.execute(same).first() is not None:
                return
            connection.execute(NOTICE.insert(), row)
            old = sa.select(NOTICE.c.number).where(NOTICE.c.at_us < now_us - KEPT_US)
            connection.execute(SEEN.delete().where(SEEN.c.notice.in_(old)))
            connection.execute(NOTICE.delete().where(NOTICE.c.at_us < now_us - KEPT_US))

        await self._tables.run(work)
        self._look()

    def mine(self, person: Person | None, *, unseen: bool = False) -> list[Notice]:
        """What was told to somebody or to a role they have, newest first; `unseen`: only what they
        have not seen yet."""
        if person is None or person.disabled:
            return []
        self._look()
        found = []
        for name in names_of(person):
            for one in self._to.get(name, ()):
                read_us = self._seen.get((one.number, person.id), 0)
                if not (unseen and read_us):
                    found.append(msgspec.structs.replace(one, read_us=read_us) if read_us else one)
        return sorted(found, key=lambda one: one.number, reverse=True)

    async def seen(self, person: Person, *numbers: int) -> None:
        """Somebody saw these; without numbers everything that is theirs."""
        known = {one.number for one in self.mine(person, unseen=True)}
        told = known if not numbers else known & set(numbers)
        now_us = self._clock.now_us()
        rows = [{"notice": one, "person": person.id, "at_us": now_us} for one in sorted(told)]
        if rows:
            await self._tables.run(lambda connection: add_rows(connection, SEEN, rows))
            self._look()

    # --- for pages --------------------------------------------------------------------------------
    async def list_for(self, actor: Actor, *, limit: int = 200) -> list[Notice]:
        """The newest notices of who asks."""
        return self.mine(self._people.find_person(actor.person))[:limit]

    def unread(self, actor: Actor) -> int:
        """How many of them were not seen yet."""
        return len(self.mine(self._people.find_person(actor.person), unseen=True))

    async def mark_read(self, actor: Actor) -> None:
        """Who asks saw all of theirs."""
        person = self._people.find_person(actor.person)
        if person is not None:
            await self.seen(person)

    def _look(self) -> None:
        version = self._tables.data_version()
        if version == self._version:
            return
        since_us = self._clock.now_us() - KEPT_US
        query = (
            sa.select(NOTICE)
            .where(NOTICE.c.number > self._newest, NOTICE.c.at_us >= since_us)
            .order_by(NOTICE.c.number)
        )
        try:
            rows, seen = self._tables.read_now(
                lambda c: (
                    c.execute(query).mappings().all(),
                    c.execute(sa.select(SEEN)).all(),
                )
            )
        except Unavailable:
            if self._version == -1:
                raise
            return
        self._version = version
        for row in rows:
            told = {name: value for name, value in row.items() if name != "key"}
            one = Notice(**{**told, "text": json.loads(row["text"])})
            its = self._to.setdefault(one.to, deque(maxlen=MOST))
            its.append(one)
            self._newest = one.number
        self._seen = {(row.notice, row.person): row.at_us for row in seen}


def names_of(person: Person) -> set[str]:
    """To whom a notice may be told so that a person hears of it."""
    names = {person.id}
    for one in person.memberships:
        names |= {f"{one.role}@{one.organisation}", f"{one.role}@*"}
    return names


def _inside(link: str) -> bool:
    """A page of this city, never another site."""
    return link.startswith("/") and not link.startswith(("//", "/\\")) and link.isprintable()
