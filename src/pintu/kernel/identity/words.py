"""People and organisations as everybody else knows them; `identity` keeps them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Role = Literal[
    "officer", "owner", "deputy", "steward", "clerk", "auditor", "admin", "resident",
    "duty", "supervisor", "foreman", "crew",
]  # fmt: skip

ROLES: Final[dict[str, dict[str, str]]] = {
    "officer": {"zh": "数据专员", "en": "data officer"},  # connects sources, requests, recalls
    "owner": {"zh": "数据主管", "en": "data owner"},  # approves and revokes for the organisation
    "deputy": {"zh": "副主管", "en": "deputy"},  # the same when the owner let a deadline pass
    "steward": {"zh": "数据管理员", "en": "steward"},  # corrects records, decides uncertain pairs
    "clerk": {"zh": "经办人", "en": "clerk"},  # looks up one person at a time, under agreements
    "auditor": {
        "zh": "审计员",
        "en": "auditor",
    },  # reads the log; of the city, or of one department
    "admin": {
        "zh": "系统管理员",
        "en": "administrator",
    },  # of the city only: operates, sees no person
    "duty": {"zh": "值班员", "en": "duty officer"},  # takes alarms, approves steps, commands
    "supervisor": {"zh": "带班领导", "en": "shift supervisor"},  # the second person where two must
    "foreman": {"zh": "班组长", "en": "foreman"},  # gives orders to crews, closes them
    "crew": {"zh": "外勤班组", "en": "crew"},  # does its own crew's orders, on a phone
}
"""What a member of an organisation may be there; `resident` needs no organisation."""

CITY: Final = "city"
"""The organisation a city itself is: its auditors see the whole log."""


class Organisation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A department, firm or city. `id` is short and lasting: `health`, `education`."""

    id: str
    kind: Literal["department", "firm", "city", "school", "hospital", "other"] = "department"
    name: dict[str, str] = {}
    code: str = ""  # unified social credit code (GB 32100)
    parent: str = ""
    node: str = ""  # of a joined node, "" for ours
    tenants: tuple[str, ...] = ()  # that its officers and stewards write to, "default" for ""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is in an organisation."""

    organisation: str
    role: Role


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account. What identifies a person beyond the name is kept as a keyed digest only."""

    id: str
    login: str
    name: str
    memberships: tuple[Membership, ...] = ()
    subject: str = ""  # keyed digest of the id number this account was proved for (a resident)
    disabled: bool = False


class Delegation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody acts for somebody else: a parent for a child, a carer, an employee for a firm."""

    id: str
    from_subject: str  # keyed digest of whom it is about, as in the log
    to_person: str
    kind: Literal["parent", "carer", "company", "guardian"]
    scopes: tuple[str, ...]  # "look", "object", "consent"
    since_us: int
    until_us: int
    proved_by: str  # who granted it: person:ID
    reason: str
    ended_us: int = 0
    ended_by: str = ""

    def holds(self, now_us: int) -> bool:
        """Whether it is in force."""
        return not self.ended_us and self.since_us <= now_us < self.until_us


class Glass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One breaking of the glass: an emergency's look at what a person may not see otherwise."""

    id: str
    person: str
    organisation: str
    purpose: str
    reason: str
    opened_us: int
    until_us: int
    row: int  # of the log, in which it was written before it was open
    closed_us: int = 0
    judged_by: str = ""
    judgement: Literal["", "justified", "unjustified"] = ""
    judged_us: int = 0
    note: str = ""

    def holds(self, now_us: int) -> bool:
        """Whether it is open."""
        return not self.closed_us and now_us < self.until_us
