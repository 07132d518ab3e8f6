"""Entity maps of temporal queries: made for one, held on to by the next pages (5.7.3.4, 5.7.4.4,
6.35)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.maps import HERE, EntityMap, EntityMaps
from pintu.kernel.federation.members import seconds_of
from pintu.web.ngsi_ld.answers import Pairs
from pintu.web.ngsi_ld.params import flag

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.operation import Call

HEADER = b"ngsild-entitymap"
_PLACE = "/ngsi-ld/v1/entityMaps/"


def held(call: Call, params: Mapping[str, Any]) -> tuple[EntityMap | None, bool]:
    """The map the caller names, and whether one is to be made: where one is asked for, or the one
    that is named is gone.
    """
    named = _named(call)
    asked = params.get("entityMap") is True or flag(dict(call.params), "entityMap")
    if not (named or asked):
        return None, False
    found = _maps(call).find(_key(call), named) if named else None
    return found, found is None


def made(call: Call, params: Mapping[str, Any], ids: list[str]) -> EntityMap:
    """A new map of these entities, all of them here."""
    lifetime = params.get("entityMapLifetime", params.get("entityMapRetainDuration"))
    lifetime_s = None if lifetime is None else seconds_of(lifetime, "entityMapLifetime")
    found = _maps(call).make(_key(call), {id: (HERE,) for id in ids}, lifetime_s)
    found.temporal = True
    return found


def header(found: EntityMap | None) -> Pairs:
    """Where the map is."""
    return () if found is None else ((HEADER, (_PLACE + found.id).encode()),)


def of_one(call: Call, id: str) -> Pairs:
    """The same for one entity."""
    if HEADER not in call.request.headers and "entityMap" not in call.params:
        return ()
    found, making = held(call, call.params)
    return header(made(call, call.params, [id]) if making else found)


def _named(call: Call) -> str:
    text = call.request.headers.get(HEADER, b"").decode("latin-1")
    return text.rstrip("/").rpartition("/")[2]


def _maps(call: Call) -> EntityMaps:
    federation = getattr(call.rooms, "federation", None)  # a door may be built over fewer rooms
    maps: EntityMaps | None = None if federation is None else federation.maps
    if maps is None:
        raise BadRequestData("This broker keeps no entity maps")
    return maps


def _key(call: Call) -> tuple[str, str]:
    """Whose maps: a map tells which entities somebody may see, so nobody else is shown it."""
    return call.tenant_name, f"{call.actor_id} {call.projection.agreement}"
