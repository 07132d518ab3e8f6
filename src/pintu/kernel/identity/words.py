"""People and organisations as everybody else knows them; `identity` keeps them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Role = Literal["officer", "owner", "deputy", "steward", "clerk", "auditor", "resident"]

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
