"""Plays in their tables: plain functions of a connection."""

from __future__ import annotations

import json
from typing import Any, Final, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.operations.playbooks.schema import GROUP, PLAY, STEP, TARGET
from pintu.kernel.operations.playbooks.states import (
    DEPENDS,
    OVER,
    GroupState,
    PlayState,
    StepState,
    group_after,
    play_after,
    step_after,
)
from pintu.kernel.operations.playbooks.words import Playbook, StepWord

AT_ONCE: Final = 500


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One person's yes to a group: `basis` is why they may."""

    who: str
    person: str
    at_us: int
    basis: str
    roles: tuple[str, ...] = ()


class KeptGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group's row."""

    number: int
    name: str
    state: GroupState
    persons: int
    until_us: int
    approvals: tuple[Approval, ...]


class KeptStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step's row, with its word in the playbook."""

    number: int
    grouped: int
    word: StepWord
    state: StepState
    round: int = 1
    until_us: int = 0
    changed_us: int = 0
    detail: str = ""
    ref: str = ""
    targets: int = 0
    reached: int = 0
    failed: int = 0


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A play as it is kept."""

    id: str
    tenant: str
    book: Playbook
    cause: str
    state: PlayState
    who: str
    area: dict[str, Any] | None
    reason: str
    created_us: int
    changed_us: int
    groups: tuple[KeptGroup, ...]
    steps: tuple[KeptStep, ...]


class KeptTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of one step: what is wanted of it, and what puts it back."""

    play: str
    step: int
    number: int
    tenant: str
    entity: str
    setting: str
    wanted: str
    before: str = ""
    held: int = 0
    command: str = ""
    why: str = ""
    back: str = ""
    back_command: str = ""


def insert(connection: Connection, kept: Kept, targets: list[KeptTarget]) -> None:
    """Keep a new play with all its rows."""
    row = {
        "id": kept.id,
        "tenant": kept.tenant,
        "playbook": kept.book.name,
        "book": msgspec.json.encode(kept.book).decode(),
        "cause": kept.cause,
        "state": kept.state,
        "who": kept.who,
        "area": "" if kept.area is None else json.dumps(kept.area),
        "reason": kept.reason,
        "created_us": kept.created_us,
        "changed_us": kept.changed_us,
    }
    connection.execute(PLAY.insert(), [row])
    groups = []
    for group in kept.groups:
        told = cast("dict[str, Any]", msgspec.to_builtins(group))
        groups.append({**told, "play": kept.id, "approvals": "[]"})
    connection.execute(GROUP.insert(), groups)
    connection.execute(STEP.insert(), [_step_row(kept.id, one) for one in kept.steps])
    add_targets(connection, targets)


def _step_row(play: str, step: KeptStep) -> dict[str, Any]:
    told = {name: getattr(step, name) for name in step.__struct_fields__ if name != "word"}
    return {**told, "play": play}


def get(connection: Connection, id: str) -> Kept:
    """One play; ResourceNotFound."""
    row = connection.execute(sa.select(PLAY).where(PLAY.c.id == id)).first()
    if row is None:
        raise ResourceNotFound(f"Play {id} does not exist")
    book = msgspec.json.decode(row.book, type=Playbook)
    words = [word for group in book.groups for word in group.steps]
    groups = connection.execute(sa.select(GROUP).where(GROUP.c.play == id).order_by(GROUP.c.number))
    steps = connection.execute(sa.select(STEP).where(STEP.c.play == id).order_by(STEP.c.number))
    return Kept(
        id=row.id,
        tenant=row.tenant,
        book=book,
        cause=row.cause,
        state=row.state,
        who=row.who,
        area=json.loads(row.area) if row.area else None,
        reason=row.reason,
        created_us=row.created_us,
        changed_us=row.changed_us,
        groups=tuple(_group(one) for one in groups),
        steps=tuple(_step(one, words[one.number]) for one in steps),
    )


def _group(row: Any) -> KeptGroup:
    return KeptGroup(
        number=row.number,
        name=row.name,
        state=row.state,
        persons=row.persons,
        until_us=row.until_us,
        approvals=tuple(msgspec.json.decode(row.approvals, type=list[Approval])),
    )


def _step(row: Any, word: StepWord) -> KeptStep:
    told = {name: value for name, value in row._mapping.items() if name != "play"}
    return KeptStep(word=word, **told)


def alive(connection: Connection, tenant: str, playbook: str, cause: str) -> str | None:
    """The play of a playbook for a tenant's cause that is not over, or None."""
    asked = sa.select(PLAY.c.id).where(
        PLAY.c.tenant == tenant,
        PLAY.c.playbook == playbook,
        PLAY.c.cause == cause,
        PLAY.c.state.not_in(sorted(OVER)),
    )
    return cast("str | None", connection.execute(asked).scalar())


def ids_of(
    connection: Connection,
    *,
    cause: str = "",
    tenant: str | None = None,
    states: frozenset[str] = frozenset(),
    limit: int = 100,
) -> list[str]:
    """Ids of plays, newest first."""
    where = [] if tenant is None else [PLAY.c.tenant == tenant]
    if cause:
        where.append(PLAY.c.cause == cause)
    if states:
        where.append(PLAY.c.state.in_(sorted(states)))
    asked = sa.select(PLAY.c.id).where(*where)
    asked = asked.order_by(PLAY.c.created_us.desc(), PLAY.c.id.desc()).limit(limit)
    return list(connection.execute(asked).scalars())


def causes(connection: Connection) -> list[tuple[str, str]]:
    """(tenant, cause) of what plays depend on, once each."""
    asked = sa.select(PLAY.c.tenant, PLAY.c.cause).where(PLAY.c.state.in_(sorted(DEPENDS)))
    return [(row.tenant, row.cause) for row in connection.execute(asked.distinct())]


def change_cause(connection: Connection, kept: Kept, cause: str, at_us: int) -> None:
    """The play is because of something else from now on."""
    values = {"cause": cause, "changed_us": at_us}
    connection.execute(PLAY.update().where(PLAY.c.id == kept.id).values(values))


def depending(connection: Connection, cause: str) -> list[str]:
    """The plays an undo of a cause takes back, newest first."""
    return ids_of(connection, cause=cause, states=DEPENDS, limit=10_000)


def move(connection: Connection, kept: Kept, event: str, at_us: int, reason: str = "") -> PlayState:
    """Take a step of the play's table; StateConflict when there is none."""
    state = play_after(kept.state, event)
    values: dict[str, Any] = {"state": state, "changed_us": at_us}
    if reason:
        values["reason"] = reason[:1_000]
    connection.execute(PLAY.update().where(PLAY.c.id == kept.id).values(values))
    return state


def move_group(
    connection: Connection, kept: Kept, group: KeptGroup, event: str, **values: Any
) -> GroupState:
    """Take a step of a group's table; StateConflict when there is none."""
    state = group_after(group.state, event)
    mine = (GROUP.c.play == kept.id) & (GROUP.c.number == group.number)
    connection.execute(GROUP.update().where(mine).values(state=state, **values))
    return state


def keep_approvals(
    connection: Connection, kept: Kept, group: KeptGroup, approvals: list[Approval]
) -> None:
    """Write down who said yes so far."""
    mine = (GROUP.c.play == kept.id) & (GROUP.c.number == group.number)
    told = msgspec.json.encode(approvals).decode()
    connection.execute(GROUP.update().where(mine).values(approvals=told))


def move_step(
    connection: Connection, kept: Kept, step: KeptStep, event: str, at_us: int, **values: Any
) -> StepState:
    """Take a step of a step's table; StateConflict when there is none."""
    state = step_after(step.state, event)
    change_step(connection, kept, step, state=state, changed_us=at_us, **values)
    return state


def change_step(connection: Connection, kept: Kept, step: KeptStep, **values: Any) -> None:
    """Change columns of a step's row."""
    mine = (STEP.c.play == kept.id) & (STEP.c.number == step.number)
    connection.execute(STEP.update().where(mine).values(values))


def append_group(
    connection: Connection,
    kept: Kept,
    book: Playbook,
    group: KeptGroup,
    steps: list[KeptStep],
) -> None:
    """One more group of steps, behind all others; `book` has it too."""
    told = cast("dict[str, Any]", msgspec.to_builtins(group))
    connection.execute(GROUP.insert(), [{**told, "play": kept.id, "approvals": "[]"}])
    connection.execute(STEP.insert(), [_step_row(kept.id, one) for one in steps])
    text = msgspec.json.encode(book).decode()
    connection.execute(PLAY.update().where(PLAY.c.id == kept.id).values(book=text))


def change_group(connection: Connection, kept: Kept, group: KeptGroup, **values: Any) -> None:
    """Change columns of a group's row."""
    mine = (GROUP.c.play == kept.id) & (GROUP.c.number == group.number)
    connection.execute(GROUP.update().where(mine).values(values))


def add_targets(connection: Connection, targets: list[KeptTarget]) -> None:
    """More things of steps."""
    if targets:
        connection.execute(TARGET.insert(), [msgspec.structs.asdict(one) for one in targets])


def change_area(connection: Connection, kept: Kept, area: dict[str, Any], at_us: int) -> None:
    """The play is for another area from now on."""
    values = {"area": json.dumps(area), "changed_us": at_us}
    connection.execute(PLAY.update().where(PLAY.c.id == kept.id).values(values))


def targets_of(connection: Connection, play: str, step: int | None = None) -> list[KeptTarget]:
    """The things of a play's step (of all its steps), in order."""
    where = [TARGET.c.play == play] + ([] if step is None else [TARGET.c.step == step])
    asked = sa.select(TARGET).where(*where).order_by(TARGET.c.step, TARGET.c.number)
    return [KeptTarget(**row) for row in connection.execute(asked).mappings()]


def under_way(connection: Connection) -> list[str]:
    """Plays that are at work, or owe something to things they let go of."""
    states = sorted(("running", "undoing"))
    found = set(connection.execute(sa.select(PLAY.c.id).where(PLAY.c.state.in_(states))).scalars())
    owed = sa.select(TARGET.c.play).where(TARGET.c.back != "", TARGET.c.back_command == "")
    return sorted(found | set(connection.execute(owed.distinct()).scalars()))


def owed_back(connection: Connection, play: str) -> list[KeptTarget]:
    """The things of a play that must still be told what puts them back."""
    asked = sa.select(TARGET).where(
        TARGET.c.play == play, TARGET.c.back != "", TARGET.c.back_command == ""
    )
    asked = asked.order_by(TARGET.c.step, TARGET.c.number)
    return [KeptTarget(**row) for row in connection.execute(asked).mappings()]


def change_targets(connection: Connection, changed: list[dict[str, Any]], *names: str) -> None:
    """Write named columns of targets' rows; each tells play, step, number and those."""
    if not changed:
        return
    mine = (
        (TARGET.c.play == sa.bindparam("_play"))
        & (TARGET.c.step == sa.bindparam("_step"))
        & (TARGET.c.number == sa.bindparam("_number"))
    )
    values: dict[str, Any] = {name: sa.bindparam(f"_{name}") for name in names}
    rows = [{f"_{name}": value for name, value in one.items()} for one in changed]
    connection.execute(TARGET.update().where(mine).values(values), rows)


def place(one: KeptTarget, **values: Any) -> dict[str, Any]:
    """A row for `change_targets`."""
    return {"play": one.play, "step": one.step, "number": one.number, **values}


def drop_targets(connection: Connection, gone: list[KeptTarget]) -> None:
    """Forget things of steps that have not begun."""
    for one in gone:
        mine = (TARGET.c.play == one.play) & (TARGET.c.step == one.step)
        connection.execute(TARGET.delete().where(mine, TARGET.c.number == one.number))


def holds_on(
    connection: Connection, tenant: str, setting: str, entities: list[str]
) -> dict[str, list[KeptTarget]]:
    """Which plays hold a setting of each of these things, oldest hold first."""
    found: dict[str, list[KeptTarget]] = {}
    for at in range(0, len(entities), AT_ONCE):
        asked = sa.select(TARGET).where(
            TARGET.c.tenant == tenant,
            TARGET.c.setting == setting,
            TARGET.c.entity.in_(entities[at : at + AT_ONCE]),
            TARGET.c.held > 0,
        )
        for row in connection.execute(asked.order_by(TARGET.c.held)).mappings():
            found.setdefault(row["entity"], []).append(KeptTarget(**row))
    return found


def next_hold(connection: Connection) -> int:
    """A number above every hold there is."""
    highest = connection.execute(sa.select(sa.func.max(TARGET.c.held))).scalar()
    return int(highest or 0) + 1
