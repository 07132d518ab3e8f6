"""Taking back what a step did to things: what each is told instead, when others hold it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.rows import KeptTarget


def hold(connection: Connection, found: Sequence[KeptTarget], before: dict[str, str]) -> None:
    """A step begins with these things: each is held from now on, and remembers what it was before
    the first who holds it: the next ones inherit that."""
    number = rows.next_hold(connection)
    changed: list[dict[str, Any]] = []
    for setting, ours in _by_setting(found).items():
        names = [one.entity for one in ours]
        held = rows.holds_on(connection, ours[0].tenant, setting, names)
        for one in ours:
            first = held.get(one.entity)
            was = first[0].before if first else before.get(one.entity, "")
            changed.append(rows.place(one, before=was, held=number))
            number += 1
    rows.change_targets(connection, changed, "before", "held")


def let_go(connection: Connection, found: Sequence[KeptTarget]) -> int:
    """These things are no longer held by their step; how many must be told something instead.

    A thing that another play holds since is left to it; one that another held before is told what
    that wants; one that nobody holds is told what it was. What is not known stays.
    """
    changed: list[dict[str, Any]] = []
    ours = {(one.play, one.step, one.number) for one in found}
    for setting, some in _by_setting([one for one in found if one.held]).items():
        names = [one.entity for one in some]
        held = rows.holds_on(connection, some[0].tenant, setting, names)
        for one in some:
            others = [
                other
                for other in held.get(one.entity, [])
                if (other.play, other.step, other.number) not in ours
            ]
            changed.append(rows.place(one, held=0, back=_instead(one, others)))
    rows.change_targets(connection, changed, "held", "back")
    return sum(1 for one in changed if one["back"])


def _instead(one: KeptTarget, others: list[KeptTarget]) -> str:
    if not others:
        return one.before
    if others[-1].held > one.held:
        return ""
    return others[-1].wanted


def _by_setting(found: Sequence[KeptTarget]) -> dict[str, list[KeptTarget]]:
    sorted_: dict[str, list[KeptTarget]] = {}
    for one in found:
        sorted_.setdefault(one.setting, []).append(one)
    return sorted_
