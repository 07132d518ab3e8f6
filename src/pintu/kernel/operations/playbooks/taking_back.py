"""Undoing and narrowing what plays did because of a cause, and the hash that proves it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.playbooks import restoring, rows
from pintu.kernel.operations.playbooks.desk import Desk
from pintu.kernel.operations.playbooks.looking import Area
from pintu.kernel.operations.playbooks.putting_back import (
    State,
    arguments_back,
    hash_of,
    written,
)
from pintu.kernel.operations.playbooks.rows import Kept, KeptStep, KeptTarget
from pintu.kernel.operations.playbooks.words import Targets

STANDING = ("running", "done", "partly", "not_undone")


def taken_back(desk: Desk, connection: Connection, now: Kept, reason: str) -> str:
    """A play is to be undone: the verb of the deed. What was only proposed is withdrawn."""
    desk.refuse_waiting(connection, now)
    state = rows.move(connection, now, "undo", desk.now_us(), reason)
    return "withdrawn" if state == "undone" else "undo_began"


async def narrowed(
    desk: Desk, kept: Kept, area: Area, *, who: str, reason: str
) -> list[KeptTarget]:
    """Let go of what of a play lies outside of an area; those things, as they were held."""
    outside: list[KeptTarget] = []
    for step in kept.steps:
        if step.word.targets is None:
            continue
        found = await desk.targets(kept.id, step.number)
        inside = await _inside(desk, kept, step, area, found)
        outside += [one for one in found if one.entity not in inside]

    def work(connection: Connection, now: Kept) -> list[Deed]:
        waiting = {one.number for one in now.steps if one.state == "waiting"}
        never = [one for one in outside if one.step in waiting]
        rows.drop_targets(connection, never)
        told = restoring.let_go(connection, [one for one in outside if one.step not in waiting])
        for step in now.steps:
            gone = sum(1 for one in never if one.step == step.number)
            if gone:
                rows.change_step(connection, now, step, targets=step.targets - gone)
        rows.change_area(connection, now, area, desk.now_us())
        detail = {"outside": len(outside), "put_back": told}
        return [desk.deed(now, "narrowed", who, reason=reason, **detail)]

    await desk.change(kept.id, work)
    return [one for one in outside if one.held]


async def _inside(
    desk: Desk, kept: Kept, step: KeptStep, area: Area, found: Sequence[KeptTarget]
) -> set[str]:
    assert step.word.targets is not None
    # Only where they are: that a thing no longer matches the step's query is no reason to let go.
    wanted = Targets(type=step.word.targets.type, reach_m=step.word.targets.reach_m, most=5_000)
    names = {one.entity for one in found}
    things = await desk.looking.things(kept.tenant, wanted, area, within=sorted(names))
    return {str(one["id"]) for one in things}


async def hashes(desk: Desk, cause: str) -> tuple[str, str]:
    """(of the state now, of the state before the first play) of what a cause's plays touched."""
    ids = await desk.opened.read(lambda c: rows.ids_of(c, cause=cause, limit=10_000))
    before: dict[tuple[str, str], str] = {}
    now: dict[tuple[str, str], str] = {}
    done: list[str] = []
    for id in ids:  # newest first: what was before an older one is what counts
        kept = await desk.kept(id)
        for step in kept.steps:
            if step.ref and step.state in STANDING:
                done.append(f"{step.word.do} {step.ref}")
            if step.word.do != "command" or not step.word.back or step.word.targets is None:
                continue
            found = await desk.targets(id, step.number)
            begun = [one for one in found if one.before]
            before |= {(one.entity, one.setting): one.before for one in begun}
            wanted = Targets(type=step.word.targets.type)
            names = [one.entity for one in begun]
            if not names:
                continue
            for entity in await desk.looking.things(kept.tenant, wanted, None, names):
                told = written(arguments_back(step.word.back, entity))
                now[entity["id"], begun[0].setting] = told
    return hash_of(_states(now), done), hash_of(_states(before))


def _states(found: dict[tuple[str, str], str]) -> list[State]:
    return [
        (entity, setting, msgspec.json.encode(msgspec.json.decode(told)).decode() if told else "")
        for (entity, setting), told in found.items()
    ]
