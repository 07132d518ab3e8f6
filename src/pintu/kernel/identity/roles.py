"""What a role lets a person do with the city's open data; what is about persons the gate decides.

| role | grants |
|---|---|
| any member of an organisation | reads the tenant the city shows |
| officer, steward | also write to the tenants of their organisation |
| duty, supervisor | also work in the operations room and command devices of those tenants |
| foreman | also works in the operations room of those tenants |
| admin of the organisation `city` | operates the city: accounts, sources, tokens |

An administrator's grant opens no data set with persons and no log: only members of the owning
organisation, an agreement or a broken glass do. A resident's account without an organisation reads
the tenant shown, as anybody may at the city's own screens. A person has the roles of one
organisation at a time, the one they act for: a city's auditor acts for `city`.
"""

from __future__ import annotations

from typing import Final

from pintu.kernel.identity.words import Organisation, Person

ADMIN: Final = "admin"

WRITES: Final = frozenset(("officer", "steward"))
"""Roles that write to the tenants of their organisation."""

MAKES_PEOPLE: Final = frozenset(("owner",))
"""Roles that make accounts and give roles in their own organisation (never `admin`)."""


RESPONDS: Final = frozenset(("duty", "supervisor", "foreman"))
"""Roles that work in the operations room; a crew does its own orders only and needs no grant."""

COMMANDS: Final = frozenset(("duty", "supervisor"))
"""Roles that send commands to devices."""


def acting_for(person: Person, wish: str) -> str:
    """The organisation somebody acts for: the one wished for if they are a member, else their
    first; "" for a person without any."""
    if any(one.organisation == wish for one in person.memberships):
        return wish
    return person.memberships[0].organisation if person.memberships else ""


def roles_in(person: Person, organisation: str) -> frozenset[str]:
    """What somebody is in an organisation; a proved resident without one is `resident`."""
    if not organisation:
        return frozenset(("resident",)) if person.subject else frozenset()
    return frozenset(one.role for one in person.memberships if one.organisation == organisation)


def grants_of(
    organisation: Organisation | None, roles: frozenset[str], shown: str
) -> frozenset[str]:
    """The grants of the table above; `shown` is the tenant of the city's screens."""
    if ADMIN in roles:  # `People` gives it in the organisation `city` only
        return frozenset((ADMIN,))
    grants = {f"read:{shown or 'default'}"}
    if organisation is not None and roles & WRITES:
        for tenant in organisation.tenants:
            grants |= {f"read:{tenant or 'default'}", f"write:{tenant or 'default'}"}
    if organisation is not None and roles & RESPONDS:
        for tenant in organisation.tenants:
            grants |= {f"read:{tenant or 'default'}", f"respond:{tenant or 'default'}"}
            if roles & COMMANDS:
                grants.add(f"command:{tenant or 'default'}")
    return frozenset(grants)
