"""Saying yes and no to groups of steps: functions of a transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from pintu.kernel.errors import Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.rows import Approval, Kept, KeptGroup


def approved(connection: Connection, now: Kept, name: str, yes: Approval) -> tuple[str, int]:
    """One person's yes: the verb of the deed, and how many persons are still wanted."""
    group = _group(now, name)
    if now.state not in ("proposed", "running", "halted"):
        raise StateConflict(f"Play {now.id} is {now.state}: nothing of it can be approved")
    if group.state != "waiting":
        raise StateConflict(f"Group {name} of play {now.id} is {group.state} already")
    if yes.at_us >= group.until_us:
        raise StateConflict(f"The time to approve group {name} of play {now.id} is over")
    if any(one.person == yes.person for one in group.approvals):
        raise StateConflict("A second person must approve these steps", actor=yes.who)
    said = [*group.approvals, yes]
    role = now.book.groups[group.number].role
    left = group.persons - len(said)
    if left <= 0 and role and not any(role in one.roles for one in said):
        raise Forbidden(f"One of those who approve group {name} must be a {role}")
    rows.keep_approvals(connection, now, group, said)
    if left > 0:
        return "approved_first", left
    rows.move_group(connection, now, group, "approve")
    if now.state == "proposed":
        rows.move(connection, now, "approve", yes.at_us)
    return "approved", 0


def refused(connection: Connection, now: Kept, name: str, at_us: int, reason: str) -> None:
    """One person's no; a play of which nothing is left is refused."""
    group = _group(now, name)
    rows.move_group(connection, now, group, "refuse")
    if now.state == "proposed" and not _left(now, group):
        rows.move(connection, now, "refuse", at_us, reason)


def lapsed(connection: Connection, now: Kept, number: int, at_us: int) -> bool:
    """Nobody approved a group in its time; whether that is so."""
    group = now.groups[number]
    if group.state != "waiting" or at_us < group.until_us:
        return False
    rows.move_group(connection, now, group, "expire")
    if now.state == "proposed" and not _left(now, group):
        rows.move(connection, now, "expire", at_us)
    return True


def _left(now: Kept, gone: KeptGroup) -> bool:
    return any(one.state == "waiting" for one in now.groups if one.number != gone.number)


def _group(now: Kept, name: str) -> KeptGroup:
    for group in now.groups:
        if group.name == name:
            return group
    raise ResourceNotFound(f"Play {now.id} has no group {name!r}")
