"""The journal of the operations room: every deed in one shape, written down in the transaction of
what it changed, and beside it what the city is told of it.

A part keeps its own private tables and puts `journal_tables(METADATA)` among them. `enter` and
`tell` are called inside its transaction; afterwards the part calls `await journal.told(opened)`,
and what it told goes to intake once, in order, also after a crash in between.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Batch, Mode, Update
from pintu.kernel.tables import OpenTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

log = logging.getLogger("pintu.operations")

AT_ONCE: Final = 200
MOST: Final = 5_000
"""Deeds one question gets."""
DETAIL: Final = 16_384
SOURCE: Final = "operations"


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done in the operations room, by whom and why.

    `subject` is `KIND:ID` (`incident:…`, `play:…`, `order:…`, `warning:…`, `shift:…`); `verb` is in
    the past tense (`opened`, `merged`, `acknowledged`); `who` an actor's id, or `detector`,
    `timer`, `playbook`. `detail` holds no more of a person than that id.
    """

    subject: str
    verb: str
    who: str
    at_us: int
    tenant: str = ""
    reason: str = ""
    detail: dict[str, Any] = {}
    number: int = 0  # within its room, in order; 0 before it is kept
    room: str = ""


Listener = Callable[[Deed], None]


def journal_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table]:
    """The two tables of a part: its deeds, and what the city must still be told."""
    deed = sa.Table(
        "deed",
        metadata,
        sa.Column("number", row_number(), primary_key=True, autoincrement=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Index("deed_subject", "subject", "number"),
        sa.Index("deed_at", "at_us"),
    )
    outbox = sa.Table(
        "outbox",
        metadata,
        sa.Column("number", row_number(), primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
    )
    return deed, outbox


def create_journal(op: Operations) -> None:
    """The two tables, in a part's first migration."""
    for table in journal_tables(sa.MetaData()):
        columns = [one._copy() for one in table.columns]
        op.create_table(table.name, *columns, sqlite_autoincrement=True)
        for index in table.indexes:
            op.create_index(str(index.name), table.name, [one.name for one in index.columns])


_DEED, _OUTBOX = journal_tables(sa.MetaData())


def enter(connection: Connection, deed: Deed) -> Deed:
    """Write a deed down; as it is kept. `detail` is cut when it is no page of text any more."""
    detail = json.dumps(deed.detail, ensure_ascii=False)
    if len(detail) > DETAIL:
        detail = json.dumps({"cut": detail[: DETAIL // 2]}, ensure_ascii=False)
    values = {
        "at_us": deed.at_us,
        "tenant": deed.tenant,
        "subject": deed.subject,
        "verb": deed.verb,
        "who": deed.who,
        "reason": deed.reason[:2000],
        "detail": detail,
    }
    number = connection.execute(_DEED.insert().values(values)).inserted_primary_key
    return msgspec.structs.replace(deed, number=int(number[0]) if number else 0)


def tell(
    connection: Connection, tenant: str, entity: dict[str, Any], mode: Mode = "upsert"
) -> None:
    """Have the city told of an entity (normalised or concise NGSI-LD, no persons) after commit."""
    told = json.dumps(entity, ensure_ascii=False)
    connection.execute(_OUTBOX.insert().values(tenant=tenant, mode=mode, entity=told))


class Journal:
    """All parts' deeds, read as one; and the way from their outboxes into the city."""

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self.clock = clock
        self._parts: dict[str, OpenTables] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._listeners: list[Listener] = []

    def join(self, opened: OpenTables) -> None:
        """A part's tables, once they are registered."""
        self._parts[opened.name] = opened
        self._locks[opened.name] = asyncio.Lock()

    def rooms(self) -> list[OpenTables]:
        """The tables of every part that joined."""
        return list(self._parts.values())

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every deed after it is durable; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def told(self, opened: OpenTables, deeds: Sequence[Deed] = ()) -> None:
        """A transaction is durable: listeners hear its deeds, the city hears what it was to be
        told. What intake does not take now is told at the next call or start.
        """
        for deed in deeds:
            for listener in list(self._listeners):
                try:
                    listener(msgspec.structs.replace(deed, room=opened.name))
                except Exception:  # a loop's edge: a page that went away stops nobody's work
                    log.exception("A listener of the journal failed")
        try:
            await self._pump(opened)
        except PintuError as error:
            log.warning("The city is told of %s later: %s", opened.name, error.detail)

    async def start(self) -> None:
        """Tell what was left of an earlier life."""
        for opened in self._parts.values():
            await self.told(opened)

    async def stop(self) -> None:
        """Nothing runs by itself here."""

    async def _pump(self, opened: OpenTables) -> None:
        async with self._locks[opened.name]:
            while rows := await opened.read(_waiting):
                first = rows[0]
                some = [row for row in rows if row.tenant == first.tenant]
                if len(some) < len(rows):  # one tenant at a time, in order
                    cut = next(n for n, row in enumerate(rows) if row.tenant != first.tenant)
                    some = rows[:cut]
                updates = [Update(json.loads(row.entity), row.mode) for row in some]
                source = f"{SOURCE}/{opened.name}"
                key = f"{first.number}-{some[-1].number}"
                batch = Batch(source=source, tenant=first.tenant, key=key, updates=updates)
                receipt = await self._intake.accept(batch)
                for error in receipt.errors:
                    log.error("The city refused what %s told it: %s", opened.name, error)
                last = int(some[-1].number)
                gone = _OUTBOX.delete().where(_OUTBOX.c.number <= last)
                await opened.run(lambda c, gone=gone: c.execute(gone))  # type: ignore[misc]

    async def list_deeds(
        self,
        *,
        since_us: int = 0,
        until_us: int = 2**62,
        subject: str = "",
        tenant: str | None = None,
        limit: int = 500,
    ) -> list[Deed]:
        """The deeds of a span, oldest first (the newest `limit` of them); of one subject where one
        is named."""
        limit = min(limit, MOST)
        where = [_DEED.c.at_us >= since_us, _DEED.c.at_us < until_us]
        if subject:
            where.append(_DEED.c.subject == subject)
        if tenant is not None:
            where.append(_DEED.c.tenant == tenant)
        asked = sa.select(_DEED).where(*where).order_by(_DEED.c.at_us.desc()).limit(limit)
        found: list[Deed] = []
        for name, opened in self._parts.items():
            rows = await opened.read(lambda c: c.execute(asked).all())
            found += [_deed(name, row) for row in rows]
        found.sort(key=lambda one: (one.at_us, one.room, one.number))
        return found[-limit:]


def _waiting(connection: Connection) -> list[Any]:
    asked = sa.select(_OUTBOX).order_by(_OUTBOX.c.number).limit(AT_ONCE)
    return list(connection.execute(asked).all())


def _deed(room: str, row: Any) -> Deed:
    return Deed(
        subject=row.subject,
        verb=row.verb,
        who=row.who,
        at_us=row.at_us,
        tenant=row.tenant,
        reason=row.reason,
        detail=json.loads(row.detail),
        number=row.number,
        room=room,
    )
