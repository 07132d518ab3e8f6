"""The left rail: the pages of somebody's own work, by what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pintu.kernel.access import Deed

if TYPE_CHECKING:
    from pintu.web.visit import Visit

Entry = tuple[str, str, str]


def _member(visit: Visit) -> bool:
    return bool(visit.actor.roles - {"resident"}) or "admin" in visit.actor.grants


def _operates(visit: Visit) -> bool:
    """Whoever runs the city; anybody at the city's own screens, as before there were people."""
    return not visit.actor.person or visit.may(Deed.OPERATE)


def _manages(visit: Visit) -> bool:
    """Whoever makes accounts: the administrator, an organisation's owner for its members."""
    room = visit.rooms.sign_in
    return room is not None and room.may_manage(visit.actor)


def _resident(visit: Visit) -> bool:
    return bool(visit.actor.person)


def _looks_up(visit: Visit) -> bool:
    return bool(visit.actor.organisation and visit.actor.roles & {"clerk", "steward", "owner"})


def _audits(visit: Visit) -> bool:
    return "auditor" in visit.actor.roles


def _not_resident(visit: Visit) -> bool:
    return not visit.actor.person or _member(visit)


def _responds(visit: Visit) -> bool:
    """Whoever works in the operations room."""
    return visit.signed_in and visit.may(Deed.RESPOND)


def _in_a_crew(visit: Visit) -> bool:
    return "crew" in visit.actor.roles


SHOWN_TO: Final[dict[str, Callable[[Visit], bool]]] = {
    "/duty": _responds,
    "/roster": _responds,
    "/handover": _responds,
    "/plays": _responds,
    "/ledger": _responds,
    "/incidents": _responds,
    "/orders": _responds,
    "/events-plan": _responds,
    "/my-orders": _in_a_crew,
    "/agreements": _member,
    "/look-up": _looks_up,
    "/auditing": _audits,
    "/my-records": _resident,
    "/notices": _resident,
    "/people": _manages,
    "/islands": _not_resident,
    "/linkage": _not_resident,
    "/boards": _not_resident,
    "/work": _not_resident,
    "/wall": _not_resident,
    "/streets": _not_resident,
    "/data-sets": _not_resident,
    "/nodes": _operates,
    "/subscriptions": _operates,
    "/neighbours": _operates,
    "/sources": _operates,
    "/quarantine": _operates,
    "/pieces": _operates,
    "/vocabulary": _operates,
    "/system": _operates,
}
"""Address → to whom it is shown; what is not named is shown to everybody. The page behind asks
again."""


OWN: Final = (
    "/duty", "/incidents", "/my-orders", "/orders", "/plays", "/ledger", "/handover", "/",
    "/look-up", "/agreements", "/auditing", "/my-records", "/notices",
)  # fmt: skip
"""What a person came for stands first in their rail: on a phone only a few entries are in sight."""


def rail_of(visit: Visit, entries: tuple[Entry, ...]) -> list[Entry]:
    """The entries of this visit, in their order; of a person their own work first."""
    found = [one for one in entries if (shown := SHOWN_TO.get(one[0])) is None or shown(visit)]
    if visit.actor.person:
        found.sort(key=lambda one: OWN.index(one[0]) if one[0] in OWN else len(OWN))
    return found


def unread_of(visit: Visit) -> int:
    """How many notices this person has not read; 0 where nobody keeps any."""
    if not visit.actor.person:
        return 0
    count = getattr(getattr(visit.rooms, "notices", None), "unread", None)
    return int(count(visit.actor)) if count is not None else 0
