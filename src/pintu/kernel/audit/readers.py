"""Who may read the log: the city's auditors all of it, a department's auditors what concerns their
department. An administrator may not: who runs the machines is watched by it.
"""

from __future__ import annotations

from typing import Final

from pintu.kernel.access import Actor
from pintu.kernel.audit.rows import Row
from pintu.kernel.errors import Forbidden, Unauthorized
from pintu.kernel.identity.words import CITY

WHOLE: Final = ""
AUDITOR: Final = "auditor"
PARTIES: Final = frozenset(("officer", "owner", "deputy", "steward"))
"""Roles that see what was done in the name of their organisation, or with its data, row by row."""


def scope_of(actor: Actor) -> str:
    """`WHOLE`, or the organisation whose rows this auditor may read. Raises Unauthorized for nobody
    in particular, Forbidden for anybody else.
    """
    if AUDITOR in actor.roles:
        return WHOLE if actor.organisation == CITY else actor.organisation
    if actor.kind == "anonymous":
        raise Unauthorized("The log is read by auditors: sign in as one")
    raise Forbidden("The log is read by auditors; an administrator is not one")


def whole_log(actor: Actor) -> None:
    """Raises Forbidden (Unauthorized) for whoever is no auditor of the city."""
    if scope_of(actor) != WHOLE:
        raise Forbidden("This is told to auditors of the city, not to those of one department")


def may_read(actor: Actor, row: Row) -> bool:
    """May this row be shown: to auditors, to who did it, to the parties it is about?"""
    if AUDITOR in actor.roles and actor.organisation in (CITY, row.organisation, row.owner):
        return True
    if actor.kind != "anonymous" and (
        actor.id == row.actor or (bool(actor.person) and actor.person == row.person)
    ):
        return True
    own = actor.organisation
    return bool(own) and own in (row.organisation, row.owner) and bool(PARTIES & actor.roles)
