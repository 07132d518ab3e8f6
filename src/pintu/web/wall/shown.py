"""What the wall shows: entities of a few types, as they are stored, while they are not over; pure.

Live and replayed, the wall is told of the same events: `{entities: […], gone: [ids], at_us}`.
`entities` are documents as `seen` leaves them, those that ended included (a page lets go of them by
the same words as `is_over`); `gone` are ids of entities that were deleted; `at_us` is the moment of
the last of it on the city's clock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pintu.web.api.states import is_open_alert, parse_time, value_of

ALERT: Final = "Alert"
TYPES: Final = frozenset(
    {ALERT, "Incident", "PublicWarning", "ResponsePlan", "WorkOrder", "RoadSegment"}
)
"""Everything else on the wall is a point of the map (`web/api/picture.py`)."""

ENDLESS: Final = frozenset({"RoadSegment"})
OVER: Final = frozenset(
    {
        "cancelled",
        "cleared",
        "closed",
        "completed",
        "dismissed",
        "done",
        "ended",
        "expired",
        "failed",
        "inactive",
        "merged",
        "refused",
        "resolved",
        "superseded",
        "undone",
    }
)
"""States in which a thing has left the wall."""

UNSEEN: Final = frozenset({"data", "evidence", "steps", "text", "timeline"})
"""What no wall has room for; it stands on the thing's own page."""


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
    if not ENDLESS.isdisjoint(types):
        return False
    if ALERT in types and not is_open_alert(entity, now_us):
        return True
    if value_of(entity, "status") in OVER:
        return True
    return any(0 < moment_of(entity, name) <= now_us for name in ("validTo", "expires"))


def moment_of(entity: dict[str, Any], name: str) -> int:
    """A time an entity tells of itself, in µs; 0 when it tells none."""
    told = value_of(entity, name)
    if isinstance(told, dict):
        told = told.get("@value")
    return parse_time(told) if isinstance(told, str) else 0
