"""What the wall shows: entities of a few types, as they are stored, while they are not over; pure.

Live and replayed, the wall is told of the same events: `{entities: […], gone: [ids], at_us}`.
`entities` are documents as `seen` leaves them, those that ended included (a page lets go of them by
the same table, OVER); `gone` are ids of entities that were deleted; `at_us` is the moment of
the last of it on the city's clock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import quote

from pintu.web.api import states
from pintu.web.api.states import is_open_alert, parse_time, value_of

ALERT: Final = "Alert"
TYPES: Final = frozenset(
    {ALERT, "Incident", "PublicWarning", "ResponsePlan", "WorkOrder", "RoadSegment"}
)
"""Everything else on the wall is a point of the map (`web/api/picture.py`)."""

SOON: Final = frozenset({ALERT, "Incident", "PublicWarning"})
"""What walls are told at once; the rest comes with the next tick."""

OVER: Final[dict[str, frozenset[str]]] = {
    ALERT: states.OVER,
    "Incident": frozenset({"closed", "merged"}),
    "PublicWarning": frozenset({"cancelled", "expired", "replaced"}),
    "ResponsePlan": frozenset({"done", "expired", "refused", "undone"}),
    "WorkOrder": frozenset({"cancelled", "closed"}),
}
"""States in which a thing of a type has left the wall; a street never does."""

STATES: Final = ("streetState", "warningState", "status")
"""Where the types say their state; a street has a status of its road besides."""

ENDING: Final = frozenset({ALERT, "PublicWarning"})
"""What ends by itself at its `validTo`."""

UNSEEN: Final = frozenset({"causes", "data", "evidence", "instruction", "reasons", "watchedBy"})
"""What no wall has room for; it stands on the thing's own page."""


PAGES_OF: Final = {
    "Incident": "/incidents/",
    "PublicWarning": "/warnings/",
    "ResponsePlan": "/plays/",
    "WorkOrder": "/orders/",
}
"""Types with a page of their own in the operations room: its address, before the local id."""


def page_of(id: str, types: Collection[str]) -> str:
    """The address of a thing's page."""
    for name in types:
        if name in PAGES_OF:
            return PAGES_OF[name] + quote(id.rpartition(":")[2], safe="")
    return "/entities/" + quote(id, safe=":")


def on_wall(types: Collection[str]) -> bool:
    """Whether entities of these types are told to walls."""
    return not TYPES.isdisjoint(types)


def seen(entity: dict[str, Any]) -> dict[str, Any]:
    """The stored document without what no wall shows."""
    if UNSEEN.isdisjoint(entity):
        return entity
    return {name: value for name, value in entity.items() if name not in UNSEEN}


def is_over(entity: dict[str, Any], now_us: int) -> bool:
    """Whether it has left the wall: by its state, or because its time is up."""
    types = entity.get("type", ())
    types = (types,) if isinstance(types, str) else types
    for name in types:
        if name == ALERT and not is_open_alert(entity, now_us):
            return True
        if name in ENDING and 0 < moment_of(entity, "validTo") <= now_us:
            return True
        if state_of(entity) in OVER.get(name, ()):
            return True
    return False


def state_of(entity: dict[str, Any]) -> str:
    """The word for its state; empty when it tells none."""
    for name in STATES:
        told = value_of(entity, name)
        if isinstance(told, str):
            return told
    return ""


def moment_of(entity: dict[str, Any], name: str) -> int:
    """A time an entity tells of itself, in µs; 0 when it tells none."""
    told = value_of(entity, name)
    if isinstance(told, dict):
        told = told.get("@value")
    return parse_time(told) if isinstance(told, str) else 0
