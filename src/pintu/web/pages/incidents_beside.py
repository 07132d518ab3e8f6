"""What other parts of the room did because of an incident, and what they may be asked to do from
its page: plans, orders, warnings, the all-clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shapely.geometry import shape

from pintu.kernel.errors import BadRequestData, PintuError, StateConflict, Unavailable
from pintu.kernel.operations.orders.words import KINDS
from pintu.kernel.operations.warnings.entity import area_of as place_of
from pintu.web.api.warnings import may_see
from pintu.web.pages.warnings_words import headline

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.words import Alarm, Incident
    from pintu.kernel.operations.orders import Orders
    from pintu.kernel.operations.warnings import PublicWarning
    from pintu.web.visit import Visit

RAISED: Final = "urn:ngsi-ld:Alert:operations:warning-"
"""Alerts that stand for warnings among those of detectors."""

BY_CATEGORY: Final = {
    "streetlight": "repair_lamp",
    "energy": "restore_power",
    "naturalDisaster": "pump",
    "weather": "clear_road",
    "traffic": "clear_road",
    "security": "secure",
}
"""Category of an incident → the kind of work that is offered first."""


async def beside(visit: Visit, found: Incident, alarms: list[Alarm]) -> dict[str, Any]:
    """Plans, orders and warnings of an incident; what is offered to be done."""
    cause = f"incident:{found.id}"
    told: dict[str, Any] = {"cause": cause, "plays": [], "orders": [], "crews": []}
    words, room = visit.words, visit.rooms.operations
    for name in ("plays", "orders"):
        part = getattr(room, name, None)
        if part is None:
            continue
        try:
            rows = await part.list_for(cause)
        except PintuError:  # the incident is shown whatever another part of the room says
            continue
        told[name] = [
            {
                "id": one.id,
                "title": words.pick(getattr(one, "title", "") or getattr(one, "what", "")),
                "state": one.state,
                "at_us": getattr(one, "created_us", 0) or getattr(one, "opened_us", 0),
            }
            for one in rows
            if one.tenant == visit.tenant
        ]
    told["warnings"] = await warnings_of(visit, found, alarms)
    told["kinds"] = [(code, words.pick(said)) for code, said in KINDS.items()]
    told["kind"] = BY_CATEGORY.get(found.category, "inspect")
    told["target"] = target_of(found, alarms)
    orders = getattr(room, "orders", None)
    if orders is not None and found.live:
        crews = await orders.desk.list_crews(visit.tenant)
        told["crews"] = [(one.id, words.pick(one.name)) for one in crews]
    ended: Any = getattr(room, "ended", None)
    told["unheard"] = await ended.unheard(found) if ended and found.state == "closed" else []
    return told


def target_of(found: Incident, alarms: list[Alarm]) -> str:
    """The thing an order is about: the cause, else what its first alarm is about, else that alarm
    itself; "" when there is none."""
    if found.cause.startswith("urn:"):
        return found.cause
    named = next((one.source for one in alarms if one.source.startswith("urn:")), "")
    return named or (alarms[0].alert if alarms else "")


async def warnings_of(visit: Visit, found: Incident, alarms: list[Alarm]) -> list[dict[str, Any]]:
    """Warnings that are about an incident, raised an alarm in it, or hold where it is."""
    room = getattr(visit.rooms.operations, "warnings", None)
    if room is None:
        return []
    raised = {one.alert.removeprefix(RAISED) for one in alarms if one.alert.startswith(RAISED)}
    listed = []
    for one in await room.recent(visit.tenant):
        if not may_see(visit, one):
            continue
        about = found.id in one.message.incidents or one.id in raised
        if about or (one.in_force and found.live and covers(one, found)):
            listed.append(
                {
                    "id": one.id,
                    "title": headline(one.message, visit.words),
                    "state": one.state,
                    "severity": one.message.severity,
                    "about": about,
                    "until_us": one.until_us,
                }
            )
    return listed


def covers(warning: PublicWarning, found: Incident) -> bool:
    """Whether an incident lies where a warning holds."""
    area = place_of(warning)
    if area is None or found.lon is None or found.lat is None:
        return False
    return bool(shape(area).covers(shape({"type": "Point", "coordinates": (found.lon, found.lat)})))


async def send(visit: Visit, found: Incident, told: dict[str, Any]) -> None:
    """Open a work order for an incident, and give it to a crew where one is named. The same `key`
    again is the same order."""
    orders: Orders | None = getattr(visit.rooms.operations, "orders", None)
    if orders is None:
        raise Unavailable("This city has no work orders")
    if not found.live:
        raise StateConflict(f"Incident {found.id} is {found.state}: nobody is sent")
    key, target = str(told.get("key", "")), str(told.get("target", ""))
    if not key:
        raise BadRequestData("An order needs a key")
    made = await orders.open_order(
        visit.actor,
        visit.tenant,
        str(told.get("words") or told.get("what") or "inspect"),
        target,
        cause=f"incident:{found.id}",
        severity=found.severity,
        key=key,
    )
    crew = str(told.get("crew", ""))
    if crew and made.state == "open":
        await orders.deed(visit.actor, made.id, "assign", f"{key}/assign", crew=crew)


async def all_clear(visit: Visit, found: Incident) -> None:
    """A person confirms that everybody hears that an incident is over, also by loudspeakers and
    groups. StateConflict while it is not closed."""
    ended = getattr(visit.rooms.operations, "ended", None)
    if ended is None:
        raise Unavailable("This city sends no messages")
    if found.state != "closed":
        raise StateConflict(f"Incident {found.id} is {found.state}: it is not over")
    await ended.tell(found, f"confirmed/{found.closed_us}", public=True)
