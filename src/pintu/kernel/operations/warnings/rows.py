"""Rows of the room of warnings: plain functions of a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.operations.warnings.schema import AWAITED, MESSAGE, TODO, WARNING
from pintu.kernel.operations.warnings.words import Kept, Key, Message, PublicWarning
from pintu.kernel.tables import add_rows, put_rows

MOST: Final = 1_000
MOST_IN_FORCE: Final = 100_000
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_WARNING: Final = msgspec.json.Decoder(PublicWarning)
_MESSAGE: Final = msgspec.json.Decoder(Message)


def local_id(tenant: str, key: Key) -> str:
    """How the house calls the warning that a message begins: the same on every run and node."""
    text = "\x00".join((tenant, key[0], key[1], str(key[2])))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(message: Message) -> str:
    """What a message's name stands for: the same name with another of these is a conflict. Whether
    its signature could be checked when it came is no part of what it says."""
    said = msgspec.structs.replace(message, verified=False)
    return hashlib.sha256(_ENCODER.encode(said)).hexdigest()


# --- messages -------------------------------------------------------------------------------------
def find_message(connection: Connection, tenant: str, key: Key) -> Kept | None:
    """The message of that name."""
    row = connection.execute(sa.select(MESSAGE).where(*_named(MESSAGE, tenant, key))).first()
    return None if row is None else _kept(row)


def known_already(connection: Connection, tenant: str, message: Message) -> Kept | None:
    """The same message when it is here; StateConflict when that name stands for something else."""
    found = find_message(connection, tenant, message.key)
    if found is not None and digest(found.message) != digest(message):
        raise StateConflict(
            f"Message {message.identifier!r} of {message.sender!r} is here with another content",
            warning=found.warning,
        )
    return found


def add_message(connection: Connection, kept: Kept, document: bytes) -> int:
    """Keep a message; its number."""
    sender, identifier, sent_us = kept.message.key
    values = {
        "tenant": kept.tenant,
        "sender": sender,
        "identifier": identifier,
        "sent_us": sent_us,
        "msg_type": kept.message.msg_type,
        "warning": kept.warning,
        "effect": kept.effect,
        "reason": kept.reason,
        "who": kept.who,
        "at_us": kept.at_us,
        "digest": digest(kept.message),
        "body": _ENCODER.encode(kept.message).decode(),
        "document": document,
    }
    number = connection.execute(MESSAGE.insert().values(values)).inserted_primary_key
    return int(number[0]) if number else 0


def set_effect(connection: Connection, number: int, **values: Any) -> None:
    """Say what became of a message later."""
    connection.execute(MESSAGE.update().where(MESSAGE.c.number == number).values(values))


def get_message(connection: Connection, number: int) -> Kept:
    """One message; ResourceNotFound."""
    row = connection.execute(sa.select(MESSAGE).where(MESSAGE.c.number == number)).first()
    if row is None:
        raise ResourceNotFound(f"Message {number} does not exist")
    return _kept(row)


def document_of(connection: Connection, number: int) -> bytes:
    """The document as it came; empty for what was written here."""
    asked = sa.select(MESSAGE.c.document).where(MESSAGE.c.number == number)
    return bytes(connection.execute(asked).scalar() or b"")


def messages(connection: Connection, where: Sequence[Any], limit: int = MOST) -> list[Kept]:
    """Messages, newest first."""
    asked = sa.select(MESSAGE).where(*where).order_by(MESSAGE.c.number.desc()).limit(limit)
    return [_kept(row) for row in connection.execute(asked)]


def _named(table: sa.Table, tenant: str, key: Key) -> list[Any]:
    sender, identifier, sent_us = key
    return [
        table.c.tenant == tenant,
        table.c.sender == sender,
        table.c.identifier == identifier,
        table.c.sent_us == sent_us,
    ]


def _kept(row: Any) -> Kept:
    return Kept(
        number=row.number,
        tenant=row.tenant,
        message=_MESSAGE.decode(row.body),
        warning=row.warning,
        effect=row.effect,
        reason=row.reason,
        who=row.who,
        at_us=row.at_us,
    )


# --- warnings -------------------------------------------------------------------------------------
def put_warning(connection: Connection, warning: PublicWarning) -> None:
    """Keep a warning as it stands."""
    row = {
        "id": warning.id,
        "tenant": warning.tenant,
        "state": warning.state,
        "until_us": warning.until_us,
        "changed_us": warning.changed_us,
        "body": _ENCODER.encode(warning).decode(),
    }
    put_rows(connection, WARNING, [row])


def find_warning(connection: Connection, id: str) -> PublicWarning | None:
    """One warning, or None."""
    row = connection.execute(sa.select(WARNING.c.body).where(WARNING.c.id == id)).first()
    return None if row is None else _WARNING.decode(row.body)


def get_warning(connection: Connection, id: str) -> PublicWarning:
    """One warning; ResourceNotFound."""
    found = find_warning(connection, id)
    if found is None:
        raise ResourceNotFound(f"Warning {id[:64]!r} does not exist")
    return found


def warnings(
    connection: Connection, where: Sequence[Any], limit: int = MOST
) -> list[PublicWarning]:
    """Warnings, newest change first."""
    asked = sa.select(WARNING.c.body).where(*where)
    asked = asked.order_by(WARNING.c.changed_us.desc(), WARNING.c.id).limit(limit)
    return [_WARNING.decode(row.body) for row in connection.execute(asked)]


def in_force(connection: Connection, tenant: str | None) -> list[PublicWarning]:
    """Every warning of a tenant (None: of all) that holds."""
    where = [WARNING.c.state == "issued"]
    if tenant is not None:
        where.append(WARNING.c.tenant == tenant)
    return warnings(connection, where, MOST_IN_FORCE)


def referred(connection: Connection, tenant: str, message: Message) -> list[PublicWarning]:
    """The warnings that a message refers to, each once, as they stand."""
    found: dict[str, PublicWarning] = {}
    for one in message.references:
        earlier = find_message(connection, tenant, one.key)
        if earlier is not None and earlier.warning:
            warning = find_warning(connection, earlier.warning)
            if warning is not None:
                found[warning.id] = warning
    return list(found.values())


# --- what came before what it refers to -----------------------------------------------------------
def expect(connection: Connection, kept: Kept, warning: str) -> None:
    """Remember what a message refers to and is not here yet. `warning` replaced it; "" cancels."""
    rows = []
    for one in kept.message.references:
        if one.sender == kept.message.sender and (
            find_message(connection, kept.tenant, one.key) is None
        ):
            sender, identifier, sent_us = one.key
            rows.append(
                {
                    "tenant": kept.tenant,
                    "sender": sender,
                    "identifier": identifier,
                    "sent_us": sent_us,
                    "message": kept.number,
                    "msg_type": kept.message.msg_type,
                    "warning": warning,
                }
            )
    add_rows(connection, AWAITED, rows)


def awaited(connection: Connection, tenant: str, key: Key) -> tuple[Message, str] | None:
    """(message, warning) of what already ended a message that comes late."""
    row = connection.execute(sa.select(AWAITED).where(*_named(AWAITED, tenant, key))).first()
    return None if row is None else (get_message(connection, row.message).message, row.warning)


# --- what other rooms must still do ---------------------------------------------------------------
class Todo(msgspec.Struct, frozen=True, kw_only=True):
    """Work for others because of a warning; `key` is the same however often it is tried."""

    number: int
    what: str
    key: str
    warning: PublicWarning


def add_todo(connection: Connection, warning: PublicWarning, whats: Iterable[str]) -> None:
    """Have others do things, in this order, after commit."""
    body = _ENCODER.encode(warning).decode()
    for what in whats:
        key = f"{warning.cause}/{warning.number}/{what}/{warning.changed_us}"
        values = {"warning": warning.id, "what": what, "key": key, "body": body}
        connection.execute(TODO.insert().values(values))


def todos(connection: Connection, limit: int = 100) -> list[Todo]:
    """The oldest of them."""
    asked = sa.select(TODO).order_by(TODO.c.number).limit(limit)
    return [
        Todo(number=row.number, what=row.what, key=row.key, warning=_WARNING.decode(row.body))
        for row in connection.execute(asked)
    ]


def done(connection: Connection, number: int) -> None:
    """Forget work that was done."""
    connection.execute(TODO.delete().where(TODO.c.number == number))
