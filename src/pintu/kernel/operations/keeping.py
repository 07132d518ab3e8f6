"""Writing new commands down, with the deeds that others hear of them: one transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from pintu.kernel.errors import PintuError
from pintu.kernel.operations import ledger
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.ledger import Asked, Entry, Rates, Step


def keep(
    connection: Connection, asked: list[Asked], *, basis: str, cause: str, rates: Rates
) -> tuple[list[Entry | PintuError], list[Deed]]:
    """`ledger.insert`, and a deed for each command that is held; one for all others that somebody
    asked for by themselves (a play tells of its own)."""
    found = ledger.insert(connection, asked, basis=basis, cause=cause, rates=rates)
    new = [
        entry
        for one, entry in zip(asked, found, strict=True)
        if isinstance(entry, Entry) and entry.command is one.command
    ]
    deeds = [_deed(one, "held", 1) for one in new if one.state == "held"]
    free = [one for one in new if one.state != "held"]
    if free and not cause:
        deeds.append(_deed(free[0], "asked", len(free)))
    return found, [enter(connection, one) for one in deeds]


def first_step(entry: Entry) -> Step:
    """What listeners hear of a command that was just written down."""
    command = entry.command
    return Step(
        number=0,
        command=command.id,
        event="request" if entry.state == "desired" else "hold",
        state=entry.state,
        attempt=1,
        who=command.actor,
        at_us=command.created_us,
        detail=entry.basis,
    )


def _deed(entry: Entry, verb: str, count: int) -> Deed:
    command = entry.command
    return Deed(
        subject=f"command:{command.id}",
        verb=verb,
        who=command.actor,
        at_us=command.created_us,
        tenant=command.tenant,
        detail={
            "target": command.target,
            "piece": command.piece,
            "name": command.name,
            "arguments": command.arguments,
            "cause": entry.cause,
            "count": count,
        },
    )
