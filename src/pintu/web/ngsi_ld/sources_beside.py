"""What a new registration is checked against: the network it leads into, the entities that are
here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import RegistrationConflict, Unavailable
from pintu.kernel.federation.words import Information, Registration
from pintu.kernel.store.port import settled

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

RESOLVED_WITHIN_S = 0.5
_IDS_AT_ONCE = 500
_PATTERNS = 50
"""Patterns of a redirect that are looked up among the entities here; more would cost too much."""


async def check_endpoint(rooms: Rooms, registration: Registration) -> None:
    """Raise Forbidden for an address that calls may not go to. A name nobody can resolve now may be
    one later; one that leads back here is a loop, which is found when it is asked (6.3.17, 6.3.18).
    """
    parts = urlsplit(registration.endpoint)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(RESOLVED_WITHIN_S):
            await rooms.egress.reach(host, port)
    except (Unavailable, TimeoutError):
        return


async def check_entities(rooms: Rooms, tenant: int, registration: Registration) -> None:
    """Raise RegistrationConflict when the broker holds itself what the source is to hold alone
    (5.9.2.4): attributes of an exclusive registration, entities of a redirect.
    """
    if registration.mode not in ("exclusive", "redirect") or not tenant:
        return
    for information in registration.information:
        for selection in _selections(tenant, information):
            page = await settled(rooms.store.select(selection))
            for record in page.records:
                _refuse(registration, information, orjson.loads(record.body))


def _refuse(registration: Registration, information: Information, document: dict[str, Any]) -> None:
    if registration.mode == "exclusive":
        held = sorted(information.names & document.keys())
        if held:
            raise RegistrationConflict(
                f"{document['id']} has {held[0]} here: an exclusive source holds it alone"
            )
    else:
        raise RegistrationConflict(f"{document['id']} is here: a redirect holds none here")


def _selections(tenant: int, information: Information) -> list[Selection]:
    """What to look for among the entities here, the ids of one information together."""
    names = tuple(sorted(information.names))
    if not information.selectors:
        return [Selection(tenant=tenant, attributes=names, limit=1)]
    found: list[Selection] = []
    fixed = [one.id for one in information.selectors if one.id]
    for start in range(0, len(fixed), _IDS_AT_ONCE):
        ids = tuple(fixed[start : start + _IDS_AT_ONCE])
        found.append(Selection(tenant=tenant, ids=ids, attributes=names, limit=1))
    loose = [one for one in information.selectors if not one.id]
    for one in loose[:_PATTERNS]:
        types = TypeSelection(tuple(frozenset((name,)) for name in sorted(one.types)))
        found.append(
            Selection(
                tenant=tenant, types=types, id_pattern=one.id_pattern or None, attributes=names,
                limit=1,
            )
        )  # fmt: skip
    return found
