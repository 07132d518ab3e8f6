"""The rows of messages and receipts: plain functions of a connection, parts of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.operations.roster.schema import MESSAGE, REACH, RECEIPT
from pintu.kernel.operations.roster.words import DONE, Message, Outcome, Reach, Receipt

OPEN: Final = ("queued", "held")
MOST_ATTEMPTS: Final = 10
PAUSES_S: Final = (2.0, 5.0, 15.0, 45.0, 120.0, 300.0)
LONGEST_ASKED_S: Final = 900.0


def pause_s(attempts: int, asked_s: float = 0.0) -> float:
    """Real seconds until the next attempt after so many failed; an endpoint may ask for longer, up
    to a quarter of an hour."""
    grown = PAUSES_S[min(attempts, len(PAUSES_S)) - 1]
    return max(grown, min(asked_s, LONGEST_ASKED_S))


def find_message(connection: Connection, key: str, message: Message) -> str | None:
    """The id under which the same was sent already; StateConflict when that key was used for
    something else."""
    row = connection.execute(
        sa.select(MESSAGE.c.id, MESSAGE.c.told).where(MESSAGE.c.key == key)
    ).first()
    if row is None:
        return None
    if row.told != msgspec.json.encode(message):
        raise StateConflict(f"Key {key[:80]!r} was used for another message ({row.id})")
    return str(row.id)


def find_key(connection: Connection, key: str) -> str | None:
    """The id of the message sent under a key, whatever it said."""
    row = connection.execute(sa.select(MESSAGE.c.id).where(MESSAGE.c.key == key)).first()
    return None if row is None else str(row.id)


def add_message(
    connection: Connection, id: str, key: str, message: Message, where: tuple[str, int]
) -> None:
    """Keep a message of a tenant at a moment (`where`)."""
    tenant, at_us = where
    connection.execute(
        MESSAGE.insert().values(
            id=id,
            key=key,
            tenant=tenant,
            subject=message.subject,
            kind=message.kind,
            told=msgspec.json.encode(message),
            at_us=at_us,
        )
    )


def add_receipts(connection: Connection, receipts: Sequence[tuple[Receipt, str]]) -> None:
    """Keep receipts, each with the id of the way it goes."""
    rows = [{**msgspec.to_builtins(one), "reach": reach} for one, reach in receipts]
    if rows:
        connection.execute(RECEIPT.insert(), rows)


def select(connection: Connection, where: Iterable[Any], limit: int = 1_000) -> list[Receipt]:
    """Receipts, the newest first."""
    asked = sa.select(RECEIPT).where(*where).order_by(RECEIPT.c.changed_us.desc()).limit(limit)
    return [_receipt(row) for row in connection.execute(asked)]


def get(connection: Connection, id: str) -> Receipt:
    """One receipt; ResourceNotFound."""
    row = connection.execute(sa.select(RECEIPT).where(RECEIPT.c.id == id)).first()
    if row is None:
        raise ResourceNotFound(f"Receipt {id[:40]} does not exist")
    return _receipt(row)


def to_send(connection: Connection, id: str) -> tuple[Receipt, Message, str] | None:
    """What is to be sent, and the id of its way; None when nothing is to be sent any more."""
    row = connection.execute(
        sa.select(RECEIPT, MESSAGE.c.told)
        .join(MESSAGE, MESSAGE.c.id == RECEIPT.c.message)
        .where(RECEIPT.c.id == id, RECEIPT.c.state.in_(OPEN))
    ).first()
    if row is None:
        return None
    return _receipt(row), msgspec.json.decode(row.told, type=Message), str(row.reach)


def waiting(connection: Connection) -> list[tuple[int, str]]:
    """(due, id) of everything that is still to be sent."""
    asked = sa.select(RECEIPT.c.due_us, RECEIPT.c.id).where(RECEIPT.c.state.in_(OPEN))
    return [(int(row.due_us), str(row.id)) for row in connection.execute(asked)]


def settle(
    connection: Connection, receipt: Receipt, outcome: Outcome, when: tuple[int, int]
) -> Receipt:
    """Write down how an attempt ended; `when` is (now, when to try again), in µs. A receipt that
    was withdrawn or reported on meanwhile stays what it is."""
    now_us, again_us = when
    now = get(connection, receipt.id)
    if now.state in DONE:
        return now
    attempts = now.attempts + 1
    if outcome.taken:
        state = "delivered"
    elif outcome.again and not outcome.gone and attempts < MOST_ATTEMPTS:
        state = "queued"
    else:
        state = "failed"
    changed = msgspec.structs.replace(
        now,
        state=state,
        attempts=attempts,
        due_us=again_us,
        changed_us=now_us,
        detail=outcome.detail[:300],
    )
    _write(connection, changed)
    return changed


def mark(connection: Connection, receipt: Receipt, state: str, at_us: int) -> Receipt:
    """Give a receipt another state: arrived, withdrawn, failed."""
    changed = msgspec.structs.replace(receipt, state=state, changed_us=at_us)
    _write(connection, changed)
    return changed


def withdraw(
    connection: Connection, tenant: str, subject: str, kind: str, at_us: int
) -> list[Receipt]:
    """What was not sent yet about a subject is sent no more; of one kind of message, or for "" all
    but the all-clear itself."""
    of_kind = sa.select(MESSAGE.c.id).where(
        MESSAGE.c.tenant == tenant, MESSAGE.c.subject == subject
    )
    of_kind = of_kind.where(MESSAGE.c.kind == kind if kind else MESSAGE.c.kind != "all_clear")
    found = select(connection, [RECEIPT.c.message.in_(of_kind), RECEIPT.c.state.in_(OPEN)], 100_000)
    return [mark(connection, one, "withdrawn", at_us) for one in found]


def reaches(connection: Connection) -> dict[str, Reach]:
    """Every way to anybody, by its id."""
    rows = connection.execute(sa.select(REACH.c.id, REACH.c.told))
    return {row.id: msgspec.json.decode(row.told, type=Reach) for row in rows}


def trim(connection: Connection, before_us: int, most: int) -> int:
    """Forget messages older than a moment with their receipts, at most so many; how many."""
    old = sa.select(MESSAGE.c.id).where(MESSAGE.c.at_us < before_us).limit(most)
    ids = [row.id for row in connection.execute(old)]
    if ids:
        connection.execute(RECEIPT.delete().where(RECEIPT.c.message.in_(ids)))
        connection.execute(MESSAGE.delete().where(MESSAGE.c.id.in_(ids)))
    return len(ids)


def _write(connection: Connection, receipt: Receipt) -> None:
    connection.execute(
        RECEIPT.update()
        .where(RECEIPT.c.id == receipt.id)
        .values(
            state=receipt.state,
            attempts=receipt.attempts,
            due_us=receipt.due_us,
            changed_us=receipt.changed_us,
            detail=receipt.detail,
        )
    )


def _receipt(row: Any) -> Receipt:
    return Receipt(
        id=row.id,
        message=row.message,
        tenant=row.tenant,
        subject=row.subject,
        person=row.person,
        kind=row.kind,
        channel=row.channel,
        state=row.state,
        attempts=row.attempts,
        due_us=row.due_us,
        changed_us=row.changed_us,
        detail=row.detail,
    )
