"""Taking steps of commands, many in one transaction: plain functions of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import PintuError, ResourceNotFound, StateConflict
from pintu.kernel.intake.words import Command, CommandState
from pintu.kernel.operations.ledger import (
    AT_ONCE,
    Entry,
    Step,
    Taken,
    Wanted,
    entries_of,
    step_row,
)
from pintu.kernel.operations.schema import COMMAND, STEP
from pintu.kernel.operations.states import after


def take_steps(
    connection: Connection, wanted: list[Wanted], known: Mapping[str, Entry] = {}
) -> list[Taken | PintuError]:
    """Take steps of the state table in order, one transaction for all; what cannot be taken is the
    StateConflict or ResourceNotFound that says why, and stops no other. `known` are commands as the
    ledger has them now: only the others are read.

    What a device says of a command that has ended changes nothing and is written down once.
    """
    entries = dict(known)
    entries |= entries_of(connection, list({one.id for one in wanted} - known.keys()))
    late = _late(connection, [one for one in wanted if one.event == "late"])
    found: list[Taken | PintuError] = []
    moved: dict[str, Entry] = {}
    rows: list[dict[str, Any]] = []
    for one in wanted:
        entry = entries.get(one.id)
        if entry is None:
            found.append(ResourceNotFound(f"Command {one.id} does not exist"))
            continue
        before = entry.state
        try:
            state = after(before, one.event)
        except StateConflict as error:
            found.append(error)
            continue
        if one.event == "late":
            if (one.id, one.detail) in late:
                found.append(StateConflict(f"Command {one.id} is {before}"))
                continue
            late.add((one.id, one.detail))
            rows.append(step_row(entry, one.event, state, one.who, one.detail, at_us=one.at_us))
        else:
            entry = _after(entry, one, state)
            entries[one.id] = moved[one.id] = entry
            rows.append(step_row(entry, one.event, state, one.who, one.detail))
        found.append((entry, Step(number=0, **rows[-1]), before))
    if rows:
        connection.execute(STEP.insert(), rows)
    if moved:
        connection.execute(_MOVE, [_moved(entry) for entry in moved.values()])
    return found


def _after(entry: Entry, one: Wanted, state: CommandState) -> Entry:
    command = entry.command
    if one.event == "retry":
        command = msgspec.structs.replace(command, attempt=command.attempt + 1)
    return msgspec.structs.replace(entry, command=command, state=state, changed_us=one.at_us)


_MOVE: Final = (
    COMMAND.update()
    .where(COMMAND.c.id == sa.bindparam("_id"))
    .values(
        state=sa.bindparam("_state"),
        attempt=sa.bindparam("_attempt"),
        changed_us=sa.bindparam("_changed_us"),
    )
)


def _moved(entry: Entry) -> dict[str, Any]:
    return {
        "_id": entry.command.id,
        "_state": entry.state,
        "_attempt": entry.command.attempt,
        "_changed_us": entry.changed_us,
    }


def _late(connection: Connection, wanted: list[Wanted]) -> set[tuple[str, str]]:
    """What was told late of these commands before: (command, what)."""
    found: set[tuple[str, str]] = set()
    for at in range(0, len(wanted), AT_ONCE):
        ids = [one.id for one in wanted[at : at + AT_ONCE]]
        asked = sa.select(STEP.c.command, STEP.c.detail)
        asked = asked.where(STEP.c.command.in_(ids), STEP.c.event == "late")
        found.update((row.command, row.detail) for row in connection.execute(asked))
    return found


def overtaken(connection: Connection, command: Command) -> bool:
    """Whether the same thing was told the same kind of command later, and heard it."""
    asked = sa.select(COMMAND.c.id).where(
        COMMAND.c.tenant == command.tenant,
        COMMAND.c.target == command.target,
        COMMAND.c.created_us > command.created_us,
        COMMAND.c.piece == command.piece,
        COMMAND.c.name == command.name,
        COMMAND.c.state.in_(("sent", "acknowledged", "confirmed")),
    )
    return connection.execute(asked.limit(1)).first() is not None
