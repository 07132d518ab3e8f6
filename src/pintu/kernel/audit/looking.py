"""Who looked at a person's record: what the person is told, and what is kept from whom.

A clerk's name is never told: the organisation, the role, what for and why are, and the row's number
to complain with. What could put somebody in danger is kept back by rules that are data: a look for
a purpose that needs time is shown later; whoever acts for somebody (a parent, a carer) sees neither
what others who act for them did, nor, under a protection, what a shelter or the police looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from pintu.kernel.audit.rows import Numbered, Row

DAY_US: Final = 86_400_000_000
LOOKS: Final = ("read", "write")
"""Rows that are looks at a record; a refusal showed nothing."""

As = Literal["self", "delegate", "counter"]
"""Who asks: the person, somebody who acts for them, or a clerk of a counter beside the person."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown later, and what only to the person: set by the city's auditor."""

    delays_days: dict[str, int] = {}  # purpose → days: {"enforcement": 90}
    guarded: tuple[str, ...] = ("enforcement", "emergency", "welfare", "treatment")
    """Purposes that nobody but the person sees under a protection."""


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """A person in danger: from whom the record's looks are kept. `organisations` are those whose
    every look is (a shelter); `alone` keeps them from the account too, where somebody may force
    the person to sign in: then only a counter tells.
    """

    subject: str  # lasting digest
    organisations: tuple[str, ...] = ()
    alone: bool = False
    since_us: int = 0
    until_us: int = 1 << 62
    ended_us: int = 0

    def holds(self, row_us: int, now_us: int) -> bool:
        """Is a look of that time kept back now? A protection that was ended opens nothing that it
        covered: the danger knows to wait."""
        end = self.ended_us or self.until_us
        return self.since_us <= now_us and row_us < end


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to know."""

    kind: As = "self"
    person: str = ""  # their account


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look as the person is told of it."""

    number: int  # to complain with
    at_us: int
    what: str  # read | write
    organisation: str
    role: str = ""
    data_set: str = ""
    owner: str = ""
    purpose: str = ""
    reason: str = ""
    agreement: str = ""
    basis: str = ""
    fields: tuple[str, ...] = ()
    acted_for: bool = False  # somebody acted for the person: organisation, reason are not told


def shown(
    rows: Iterable[Numbered],
    viewer: Viewer,
    protections: Iterable[Protection],
    *,
    rules: Rules,
    now_us: int,
) -> list[Look]:
    """The looks this viewer may know of, in the order of the rows. What is kept back leaves no
    trace: neither a gap nor a count.
    """
    guards = tuple(protections)
    return [
        look
        for one in rows
        if one.row.what in LOOKS
        and (look := _look(one, viewer, guards, rules=rules, now_us=now_us)) is not None
    ]


def _look(
    one: Numbered, viewer: Viewer, guards: tuple[Protection, ...], *, rules: Rules, now_us: int
) -> Look | None:
    row = one.row
    if now_us < row.at_us + rules.delays_days.get(row.purpose, 0) * DAY_US:
        return None
    if _delegated(row):
        own = bool(viewer.person) and row.person == viewer.person
        if viewer.kind == "delegate" and not own:
            return None
        # where somebody was when they acted for the person is told to nobody
        return Look(number=one.number, at_us=row.at_us, what=row.what, organisation="",
                    data_set=row.data_set, owner=row.owner, acted_for=True)  # fmt: skip
    if row.basis == "own" and viewer.kind == "delegate":
        return None  # when somebody reads their own page is their own affair
    if any(_kept_back(row, viewer, guard, rules, now_us) for guard in guards):
        return None
    return Look(
        number=one.number,
        at_us=row.at_us,
        what=row.what,
        organisation=row.organisation,
        role=" ".join(row.roles),
        data_set=row.data_set,
        owner=row.owner,
        purpose=row.purpose,
        reason=row.reason,
        agreement=row.agreement,
        basis="glass" if row.basis.startswith("glass") else row.basis,
        fields=row.fields,
    )


def _delegated(row: Row) -> bool:
    """Was it somebody who acts for the person, not an organisation?"""
    return row.basis.startswith("delegation") or "delegation" in row.detail


def _kept_back(row: Row, viewer: Viewer, guard: Protection, rules: Rules, now_us: int) -> bool:
    if viewer.kind == "counter" or not guard.holds(row.at_us, now_us):
        return False
    if viewer.kind == "self" and not guard.alone:
        return False
    organisations = {row.organisation, row.owner}
    return row.purpose in rules.guarded or not organisations.isdisjoint(guard.organisations)
