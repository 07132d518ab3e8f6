"""The ledger's rows: plain functions of a connection, each one transaction."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.intake.words import Command, CommandState
from pintu.kernel.operations.schema import COMMAND, STEP
from pintu.kernel.operations.states import FINAL, Event, after


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A command as the ledger knows it now. `basis` is why it was permitted."""

    command: Command
    state: CommandState
    basis: str
    changed_us: int

    @property
    def final(self) -> bool:
        """True when nothing more will happen to it."""
        return self.state in FINAL


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a command: who, when, what came of it."""

    number: int
    command: str
    event: str  # request, or an event of the state table
    state: CommandState
    attempt: int
    who: str
    at_us: int
    detail: str = ""


def body_hash(command: Command) -> bytes:
    """What an idempotency key stands for: the same key with another of these is a conflict."""
    body = [command.tenant, command.piece, command.name, command.target, command.arguments]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


def insert(connection: Connection, command: Command, *, basis: str, key: str) -> tuple[Entry, bool]:
    """Keep a new command, or give back the one of the same actor and key; True when it is new.

    Raises StateConflict when that key was used for something else.
    """
    digest = body_hash(command)
    row = connection.execute(
        sa.select(COMMAND).where(COMMAND.c.actor == command.actor, COMMAND.c.key == key)
    ).first()
    if row is not None:
        if row.body != digest:
            raise StateConflict(
                f"Key {key!r} was used for another command ({row.id})", command=row.id
            )
        return _entry(row), False
    connection.execute(
        COMMAND.insert().values(
            id=command.id,
            tenant=command.tenant,
            piece=command.piece,
            name=command.name,
            target=command.target,
            arguments=json.dumps(command.arguments, ensure_ascii=False),
            actor=command.actor,
            basis=basis,
            key=key,
            body=digest,
            state="desired",
            attempt=1,
            created_us=command.created_us,
            changed_us=command.created_us,
        )
    )
    _note(connection, command.id, "request", "desired", 1, command.actor, command.created_us, basis)
    return Entry(command=command, state="desired", basis=basis, changed_us=command.created_us), True


def step(
    connection: Connection, id: str, event: Event, *, who: str, at_us: int, detail: str
) -> tuple[Entry, Step]:
    """Take one step of the state table; StateConflict when there is none, ResourceNotFound without
    a command.
    """
    entry = get(connection, id)
    state = after(entry.state, event)
    attempt = entry.command.attempt + (event == "retry")
    connection.execute(
        COMMAND.update()
        .where(COMMAND.c.id == id)
        .values(state=state, attempt=attempt, changed_us=at_us)
    )
    number = _note(connection, id, event, state, attempt, who, at_us, detail)
    command = msgspec.structs.replace(entry.command, attempt=attempt)
    taken = Step(
        number=number,
        command=id,
        event=event,
        state=state,
        attempt=attempt,
        who=who,
        at_us=at_us,
        detail=detail,
    )
    return Entry(command=command, state=state, basis=entry.basis, changed_us=at_us), taken


def _note(connection: Connection, *values: Any) -> int:
    names = ("command", "event", "state", "attempt", "who", "at_us", "detail")
    done = connection.execute(STEP.insert().values(dict(zip(names, values, strict=True))))
    return int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0


def get(connection: Connection, id: str) -> Entry:
    """One command; ResourceNotFound when there is none."""
    row = connection.execute(sa.select(COMMAND).where(COMMAND.c.id == id)).first()
    if row is None:
        raise ResourceNotFound(f"Command {id} does not exist")
    return _entry(row)


def steps(connection: Connection, id: str) -> list[Step]:
    """Every step of a command, oldest first."""
    rows = connection.execute(sa.select(STEP).where(STEP.c.command == id).order_by(STEP.c.number))
    return [Step(**row) for row in rows.mappings()]


def select(connection: Connection, where: list[Any], limit: int) -> list[Entry]:
    """Commands, newest first."""
    query = (
        sa.select(COMMAND).where(*where).order_by(COMMAND.c.created_us.desc(), COMMAND.c.id.desc())
    )
    return [_entry(row) for row in connection.execute(query.limit(max(1, min(limit, 1000))))]


def waiting(connection: Connection) -> list[Entry]:
    """Every command that is not final, oldest first."""
    query = sa.select(COMMAND).where(COMMAND.c.state.not_in(sorted(FINAL)))
    return [_entry(row) for row in connection.execute(query.order_by(COMMAND.c.created_us))]


def trim(connection: Connection, before_us: int, limit: int) -> int:
    """Forget up to `limit` commands whose last step was before a time, oldest first, with their
    steps; what is not final stays however old it is. Returns how many.
    """
    old = sa.select(COMMAND.c.id).where(
        COMMAND.c.created_us < before_us,  # has the index; a step is never older than its command
        COMMAND.c.changed_us < before_us,
        COMMAND.c.state.in_(sorted(FINAL)),
    )
    ids = list(connection.execute(old.order_by(COMMAND.c.created_us).limit(limit)).scalars())
    connection.execute(STEP.delete().where(STEP.c.command.in_(ids)))
    connection.execute(COMMAND.delete().where(COMMAND.c.id.in_(ids)))
    return len(ids)


def _entry(row: Any) -> Entry:
    command = Command(
        row.id,
        row.tenant,
        row.piece,
        row.name,
        row.target,
        json.loads(row.arguments),
        row.actor,
        row.created_us,
        row.attempt,
    )
    return Entry(command=command, state=row.state, basis=row.basis, changed_us=row.changed_us)
