"""The rows of agreements: plain functions of a connection.

A deed is done in two transactions with its row of the audit log between them: `reserve` keeps the
step with everything it will change, so that of two deeds at once one is first; `apply` makes the
change. A step without a receipt was not told to anybody: whoever finds one (after a crash) enters
it into the log and applies it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Entry
from pintu.kernel.errors import StateConflict
from pintu.kernel.exchange.agreements.schema import HELD, OUTBOX, RECALL, STEP, VERSION
from pintu.kernel.exchange.agreements.words import CLOSED, Agreement, Held, Recall, Step
from pintu.kernel.tables import put_rows


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is to be told of a deed."""

    key: str  # the same for the same news
    organisation: str
    role: str
    deed: str
    agreement: str  # ID/VERSION
    data_set: str
    recall: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a step makes: rows as they are after it, rows of the audit log, and who hears of it.

    The first agreement is the one the deed was about.
    """

    agreements: tuple[Agreement, ...] = ()
    recalls: tuple[Recall, ...] = ()
    entries: tuple[Entry, ...] = ()
    notices: tuple[Notice, ...] = ()


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A step that is in the table."""

    step: Step
    change: Change
    again: bool = False  # it was there already: the same deed with the same key


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to do what; `body` is what the key stands for."""

    agreement: str
    deed: str
    actor: str
    person: str
    organisation: str
    at_us: int
    why: str
    key: str
    body: bytes


Plan = Callable[[list[Agreement], list[Held], list[Recall]], Change]

_JSON: Final = msgspec.json.Encoder()
_AGREEMENT: Final = msgspec.json.Decoder(Agreement)
_RECALL: Final = msgspec.json.Decoder(Recall)
_CHANGE: Final = msgspec.json.Decoder(Change)


def digest(body: bytes) -> bytes:
    """What is kept of what a key stands for."""
    return hashlib.sha256(body).digest()


def reserve(connection: Connection, wish: Wish, plan: Plan) -> Begun:
    """Keep a step, or give back the one that the same actor made with the same key.

    Raises StateConflict for a key that stands for another deed, while another step of the agreement
    is not finished, and whatever `plan` raises.
    """
    asked = digest(wish.body)
    row = connection.execute(
        sa.select(STEP).where(STEP.c.actor == wish.actor, STEP.c.key == wish.key)
    ).first()
    if row is not None:
        if row.asked != asked:
            raise StateConflict(
                f"Key {wish.key!r} was used for another deed", agreement=row.agreement
            )
        return Begun(step=_step(row), change=_CHANGE.decode(row.change), again=True)
    last = connection.execute(
        sa.select(STEP.c.revision, STEP.c.receipt)
        .where(STEP.c.agreement == wish.agreement)
        .order_by(STEP.c.revision.desc())
        .limit(1)
    ).first()
    if last is not None and not last.receipt:
        raise StateConflict(f"Somebody else decides on agreement {wish.agreement} at this moment")
    change = plan(
        versions_of(connection, wish.agreement),
        held_of(connection, wish.agreement),
        recalls_of(connection, wish.agreement),
    )
    first = change.agreements[0]
    values = {
        "agreement": wish.agreement,
        "revision": last.revision + 1 if last is not None else 1,
        "version": first.version,
        "deed": wish.deed,
        "state": first.state,
        "actor": wish.actor,
        "person": wish.person,
        "organisation": wish.organisation,
        "at_us": max(wish.at_us, first.changed_us),
        "why": wish.why,
        "key": wish.key,
        "asked": asked,
        "change": _JSON.encode(change),
        "receipt": 0,
    }
    done = connection.execute(STEP.insert().values(values))
    number = int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0
    told = {one: values[one] for one in Step.__struct_fields__ if one in values}
    return Begun(step=msgspec.convert({**told, "number": number}, Step), change=change)


def apply(
    connection: Connection, begun: Begun, receipt: int, seal: Callable[[bytes], bytes]
) -> bool:
    """Make the change of a step whose row of the log is written; False when it was made before."""
    done = connection.execute(
        STEP.update()
        .where(STEP.c.number == begun.step.number, STEP.c.receipt == 0)
        .values(receipt=receipt)
    )
    if not done.rowcount:
        return False
    change = next_change(connection)
    put_rows(
        connection, VERSION, [version_row(one, change, seal) for one in begun.change.agreements]
    )
    put_rows(connection, RECALL, [_recall_row(one, change) for one in begun.change.recalls])
    notices = [{"key": one.key, "body": _JSON.encode(one)} for one in begun.change.notices]
    if notices:
        connection.execute(OUTBOX.insert(), notices)
    return True


def retract(connection: Connection, number: int) -> None:
    """Forget a step whose row of the log could not be written: nothing has happened."""
    connection.execute(STEP.delete().where(STEP.c.number == number, STEP.c.receipt == 0))


def unfinished(connection: Connection) -> list[Begun]:
    """Every step that was kept and not applied, oldest first."""
    rows = connection.execute(sa.select(STEP).where(STEP.c.receipt == 0).order_by(STEP.c.number))
    return [Begun(step=_step(row), change=_CHANGE.decode(row.change)) for row in rows]


def finished(connection: Connection, number: int) -> bool:
    """Whether a step was applied."""
    found = connection.execute(sa.select(STEP.c.receipt).where(STEP.c.number == number)).scalar()
    return bool(found)


def next_change(connection: Connection) -> int:
    """The next number of a change; writing transactions never overlap."""
    newest = [
        connection.execute(sa.select(sa.func.max(table.c.change))).scalar() or 0
        for table in (VERSION, RECALL)
    ]
    return int(max(newest)) + 1


# --- reading ------------------------------------------------------------------------------------
def versions_of(connection: Connection, id: str) -> list[Agreement]:
    """Every version of an agreement, oldest first."""
    rows = connection.execute(
        sa.select(VERSION.c.body).where(VERSION.c.id == id).order_by(VERSION.c.version)
    )
    return [_AGREEMENT.decode(body) for (body,) in rows]


def held_of(connection: Connection, id: str) -> list[Held]:
    """Who got copies under an agreement."""
    rows = connection.execute(sa.select(HELD).where(HELD.c.agreement == id).order_by(HELD.c.holder))
    return [Held(**row) for row in rows.mappings()]


def recalls_of(connection: Connection, id: str) -> list[Recall]:
    """Every recall of an agreement's copies."""
    rows = connection.execute(
        sa.select(RECALL.c.body).where(RECALL.c.agreement == id).order_by(RECALL.c.id)
    )
    return [_RECALL.decode(body) for (body,) in rows]


def find_recall(connection: Connection, id: str) -> tuple[str, Recall] | None:
    """(agreement id, recall), or None."""
    row = connection.execute(
        sa.select(RECALL.c.agreement, RECALL.c.body).where(RECALL.c.id == id)
    ).first()
    return None if row is None else (str(row.agreement), _RECALL.decode(row.body))


def recalls_for(
    connection: Connection, organisations: Iterable[str] | None, limit: int
) -> list[Recall]:
    """Recalls of some organisations, as holder or provider, or of all: open ones first, the
    newest of the others."""
    query = sa.select(RECALL.c.body)
    if organisations is not None:
        names = list(organisations)
        query = query.where(sa.or_(RECALL.c.provider.in_(names), RECALL.c.holder.in_(names)))
    rows = connection.execute(
        query.order_by(RECALL.c.open.desc(), RECALL.c.change.desc()).limit(limit)
    )
    return [_RECALL.decode(body) for (body,) in rows]


def steps_of(connection: Connection, id: str) -> list[Step]:
    """Every finished step of an agreement, oldest first."""
    rows = connection.execute(
        sa.select(STEP).where(STEP.c.agreement == id, STEP.c.receipt != 0).order_by(STEP.c.revision)
    )
    return [_step(row) for row in rows]


def closed(
    connection: Connection, organisations: Iterable[str] | None, limit: int
) -> list[Agreement]:
    """Versions that ended, newest first: those of some organisations on either side, or of all."""
    query = sa.select(VERSION.c.body).where(VERSION.c.state.in_(sorted(CLOSED)))
    if organisations is not None:
        names = list(organisations)
        query = query.where(sa.or_(VERSION.c.provider.in_(names), VERSION.c.consumer.in_(names)))
    rows = connection.execute(query.order_by(VERSION.c.changed_us.desc()).limit(limit))
    return [_AGREEMENT.decode(body) for (body,) in rows]


# --- rows ---------------------------------------------------------------------------------------
def add_held(connection: Connection, counted: Iterable[Held]) -> None:
    """Add to what holders got."""
    for one in counted:
        row = connection.execute(
            sa.select(HELD).where(HELD.c.agreement == one.agreement, HELD.c.holder == one.holder)
        ).first()
        values: dict[str, Any] = msgspec.structs.asdict(one)
        if row is not None:
            values["rows"] += row.rows
            values["first_us"] = min(row.first_us, one.first_us)
            values["last_us"] = max(row.last_us, one.last_us)
        put_rows(connection, HELD, [values])


def version_row(one: Agreement, change: int, seal: Callable[[bytes], bytes]) -> dict[str, Any]:
    """A version as it is stored, sealed."""
    body = _JSON.encode(one)
    return {
        "id": one.id,
        "version": one.version,
        "state": one.state,
        "provider": one.terms.provider,
        "consumer": one.terms.consumer,
        "changed_us": one.changed_us,
        "change": change,
        "body": body,
        "seal": seal(body),
    }


def _recall_row(one: Recall, change: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "agreement": one.agreement.partition("/")[0],
        "provider": one.provider,
        "holder": one.holder,
        "open": one.open,
        "due_us": one.due_us,
        "change": change,
        "body": _JSON.encode(one),
    }


def _step(row: Any) -> Step:
    told = {one: getattr(row, one) for one in Step.__struct_fields__}
    return Step(**told)
