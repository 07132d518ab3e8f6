"""Writing new commands down, with the deeds that others hear of them: one transaction."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from pintu.kernel.errors import PintuError
from pintu.kernel.operations import ledger
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.ledger import Asked, Entry, Rates, Step, Together


def keep(
    connection: Connection,
    asked: list[Asked],
    *,
    basis: str,
    cause: str,
    rates: Rates,
    together: Together,
) -> tuple[list[Entry | PintuError], list[Deed]]:
    """`ledger.insert`, and a deed for each command that is held; one for all others that somebody
    asked for by themselves (a play tells of its own). Where a rule counts things, those that the
    same actor told the same lately are counted with these (`together`)."""
    asked = _counted(connection, asked, together)
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


def _counted(connection: Connection, asked: list[Asked], together: Together) -> list[Asked]:
    held: set[str] = set()
    for (piece, name), (rules, since_us) in together.items():
        mine = [one for one in asked if (one.command.piece, one.command.name) == (piece, name)]
        told: list[tuple[str, dict[str, Any]]] | None = None
        for rule in rules:
            new = [one for one in mine if rule.bound.holds(one.command.arguments)]
            if not new:
                continue
            if told is None:
                told = ledger.told_since(connection, new[0], since_us)
            things = {target for target, arguments in told if rule.bound.holds(arguments)}
            if len(things | {one.command.target for one in new}) >= rule.targets:
                held.update(one.command.id for one in new)
    return [
        msgspec.structs.replace(one, held=True) if one.command.id in held else one for one in asked
    ]


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
