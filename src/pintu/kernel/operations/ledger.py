"""The ledger's rows: plain functions of a connection, each one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import (
    PintuError,
    ResourceNotFound,
    StateConflict,
    TooManyRequests,
)
from pintu.kernel.intake.words import Command, CommandState
from pintu.kernel.operations.rules import TwoPersons
from pintu.kernel.operations.schema import COMMAND, STEP
from pintu.kernel.operations.states import FINAL, Event

AT_ONCE: Final = 500


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A command as the ledger knows it now. `basis` is why it was permitted."""

    command: Command
    state: CommandState
    basis: str
    changed_us: int
    cause: str = ""  # what it is part of: "play:ID"
    person: str = ""  # who asked for it, whatever session they came with; "" for a program

    @property
    def final(self) -> bool:
        """True when nothing more will happen to it."""
        return self.state in FINAL


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a command: who, when, what came of it."""

    number: int  # 0 in what listeners are told: only reading gives it
    command: str
    event: str  # request, or an event of the state table
    state: CommandState
    attempt: int
    who: str
    at_us: int
    detail: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is to be kept, with the key that stands for it."""

    command: Command
    key: str
    held: bool = False
    person: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A step that somebody wants to be taken."""

    id: str
    event: Event
    who: str
    at_us: int
    detail: str = ""


Taken = tuple[Entry, Step, CommandState]
"""A command after a step, the step, and the state it was in before."""
Together = dict[tuple[str, str], tuple[tuple[TwoPersons, ...], int]]
"""(piece, command) → the rules that count things, since when they count."""
Rates = Mapping[tuple[str, str], tuple[int, int]]
"""(piece, command) → (most, since when they are counted)."""


def body_hash(command: Command) -> bytes:
    """What an idempotency key stands for: the same key with another of these is a conflict."""
    body = [command.tenant, command.piece, command.name, command.target, command.arguments]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


def insert(
    connection: Connection, asked: list[Asked], *, basis: str, cause: str, rates: Rates
) -> list[Entry | PintuError]:
    """Keep new commands, or give back those of the same actor and key, in the order asked.

    Where a key was used for something else a StateConflict stands instead, where its device was
    told too often a TooManyRequests. `held` ones wait for a second person.
    """
    known = _known(connection, asked)
    counts = _counted(connection, asked, known, rates)
    found: list[Entry | PintuError] = []
    rows: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for one in asked:
        command, digest = one.command, body_hash(one.command)
        before = known.get(one.key)
        if before is not None:
            if before[0] != digest:
                id = before[1].command.id
                told = f"Key {one.key!r} was used for another command ({id})"
                found.append(StateConflict(told, command=id))
            else:
                found.append(before[1])
            continue
        rate = rates.get((command.piece, command.name))
        if rate is not None:
            told_to = (command.piece, command.name, command.target)
            counts[told_to] = counts.get(told_to, 0) + 1
            if counts[told_to] > rate[0]:
                text = f"{command.target} was told {command.name} {rate[0]} times already"
                found.append(TooManyRequests(text))
                continue
        entry = _new(one, basis, cause)
        known[one.key] = (digest, entry)
        found.append(entry)
        rows.append(_command_row(entry, one.key, digest))
        steps.append(step_row(entry, "request", "desired", command.actor, basis))
        if one.held:
            steps.append(step_row(entry, "hold", "held", "rule", "takes two persons"))
    if rows:
        connection.execute(COMMAND.insert(), rows)
        connection.execute(STEP.insert(), steps)
    return found


def _new(one: Asked, basis: str, cause: str) -> Entry:
    return Entry(
        command=one.command,
        state="held" if one.held else "desired",
        basis=basis,
        changed_us=one.command.created_us,
        cause=cause,
        person=one.person,
    )


def _known(connection: Connection, asked: list[Asked]) -> dict[str, tuple[bytes, Entry]]:
    """What the same actor asked for with the same keys before."""
    known: dict[str, tuple[bytes, Entry]] = {}
    for at in range(0, len(asked), AT_ONCE):
        some = asked[at : at + AT_ONCE]
        where = COMMAND.c.actor == some[0].command.actor
        mine = sa.select(COMMAND).where(where, COMMAND.c.key.in_([one.key for one in some]))
        known |= {row.key: (row.body, _entry(row)) for row in connection.execute(mine)}
    return known


def _counted(
    connection: Connection,
    asked: list[Asked],
    known: dict[str, tuple[bytes, Entry]],
    rates: Rates,
) -> dict[tuple[str, str, str], int]:
    """How often each device was told each command that has a rate, within the rate's time."""
    counts: dict[tuple[str, str, str], int] = {}
    for (piece, name), (_, since_us) in rates.items():
        new = {
            one.command.target
            for one in asked
            if one.key not in known and (one.command.piece, one.command.name) == (piece, name)
        }
        targets = sorted(new)
        for at in range(0, len(targets), AT_ONCE):
            rows = (
                sa.select(COMMAND.c.target, sa.func.count())
                .where(
                    COMMAND.c.tenant == asked[0].command.tenant,
                    COMMAND.c.target.in_(targets[at : at + AT_ONCE]),
                    COMMAND.c.created_us > since_us,
                    COMMAND.c.piece == piece,
                    COMMAND.c.name == name,
                )
                .group_by(COMMAND.c.target)
            )
            for target, count in connection.execute(rows):
                counts[piece, name, target] = int(count)
    return counts


def told_since(
    connection: Connection, asked: Asked, since_us: int
) -> list[tuple[str, dict[str, Any]]]:
    """What the same person (or program) told things by themselves since a time, by the same
    command: (target, arguments). What came to nothing does not count."""
    command = asked.command
    who = COMMAND.c.person == asked.person if asked.person else COMMAND.c.actor == command.actor
    rows = sa.select(COMMAND.c.target, COMMAND.c.arguments).where(
        COMMAND.c.created_us > since_us,
        COMMAND.c.tenant == command.tenant,
        COMMAND.c.piece == command.piece,
        COMMAND.c.name == command.name,
        COMMAND.c.cause == "",
        COMMAND.c.state.not_in(("cancelled", "failed", "timed_out")),
        who,
    )
    return [(row.target, json.loads(row.arguments)) for row in connection.execute(rows)]


def told_otherwise(
    connection: Connection, tenant: str, piece: str, since: dict[str, int]
) -> set[str]:
    """Which of these things somebody told something by themselves, each after its time."""
    found: set[str] = set()
    targets = sorted(since)
    for at in range(0, len(targets), AT_ONCE):
        rows = sa.select(COMMAND.c.target, sa.func.max(COMMAND.c.created_us)).where(
            COMMAND.c.tenant == tenant,
            COMMAND.c.target.in_(targets[at : at + AT_ONCE]),
            COMMAND.c.piece == piece,
            COMMAND.c.cause == "",
            COMMAND.c.state.in_(("sent", "acknowledged", "confirmed")),
        )
        for target, told_us in connection.execute(rows.group_by(COMMAND.c.target)):
            if told_us > since[target]:
                found.add(target)
    return found


def entries_of(connection: Connection, ids: list[str]) -> dict[str, Entry]:
    """Commands by id; those there are none of are absent."""
    found: dict[str, Entry] = {}
    for at in range(0, len(ids), AT_ONCE):
        rows = sa.select(COMMAND).where(COMMAND.c.id.in_(ids[at : at + AT_ONCE]))
        found |= {row.id: _entry(row) for row in connection.execute(rows)}
    return found


def _command_row(entry: Entry, key: str, digest: bytes) -> dict[str, Any]:
    command = entry.command
    return {
        "id": command.id,
        "tenant": command.tenant,
        "piece": command.piece,
        "name": command.name,
        "target": command.target,
        "arguments": json.dumps(command.arguments, ensure_ascii=False),
        "actor": command.actor,
        "basis": entry.basis,
        "key": key,
        "body": digest,
        "state": entry.state,
        "attempt": 1,
        "created_us": command.created_us,
        "changed_us": command.created_us,
        "cause": entry.cause,
        "person": entry.person,
    }


def step_row(
    entry: Entry, event: str, state: CommandState, who: str, detail: str, *, at_us: int = 0
) -> dict[str, Any]:
    """A step as it is kept."""
    return {
        "command": entry.command.id,
        "event": event,
        "state": state,
        "attempt": entry.command.attempt,
        "who": who,
        "at_us": at_us or entry.changed_us,
        "detail": detail,
    }


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


def steps_of(connection: Connection, ids: list[str]) -> dict[str, list[Step]]:
    """Every step of several commands, by command, oldest first."""
    found: dict[str, list[Step]] = {id: [] for id in ids}
    for at in range(0, len(ids), AT_ONCE):
        some = sa.select(STEP).where(STEP.c.command.in_(ids[at : at + AT_ONCE]))
        for row in connection.execute(some.order_by(STEP.c.number)).mappings():
            found[row["command"]].append(Step(**row))
    return found


def counts(connection: Connection, tenant: str, since_us: int) -> dict[str, int]:
    """How many commands asked for since a time are in each state."""
    asked = (
        sa.select(COMMAND.c.state, sa.func.count())
        .where(COMMAND.c.tenant == tenant, COMMAND.c.created_us >= since_us)
        .group_by(COMMAND.c.state)
    )
    return {row[0]: int(row[1]) for row in connection.execute(asked)}


def get_many(connection: Connection, ids: list[str]) -> dict[str, Entry]:
    """Commands by id; those there are none of are absent."""
    return entries_of(connection, ids)


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
    return Entry(
        command=command,
        state=row.state,
        basis=row.basis,
        changed_us=row.changed_us,
        cause=row.cause,
        person=row.person,
    )
