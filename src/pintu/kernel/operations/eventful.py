"""Major events joined to incidents, the duty desk and the roster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.operations.events import EventPlan, MajorEvents
from pintu.kernel.operations.roster.words import Shift

if TYPE_CHECKING:
    from pintu.kernel.access import Actor
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.tables import CityTables


def open_events(room: OperationsRoom, rooms: Any, tables: CityTables) -> MajorEvents:
    """The room of major events; what it asks of others is found when it is needed."""
    events = MajorEvents(tables, rooms.timers, rooms.clock, rooms.gate, room.journal)
    joined = Joined(room)
    events.where, events.ring = joined.where, joined.ring
    events.staff, events.unstaff = joined.staff, joined.unstaff
    return events


class Joined:
    """What other parts do for an event."""

    def __init__(self, room: OperationsRoom) -> None:
        self._room = room

    async def where(self, subject: str) -> tuple[float, float, str] | None:
        """An incident's place and severity."""
        incidents = self._room.incidents
        if incidents is None:
            return None
        one = await incidents.get(subject.partition(":")[2])
        if one.lon is None or one.lat is None:
            return None
        return one.lon, one.lat, one.severity

    async def ring(self, plan: EventPlan, subject: str, severity: str, key: str) -> None:
        """The duty desk rings, or rings on as something worse."""
        duty = self._room.duty
        if duty is None:
            return
        text = {lang: f"{title} · {subject}" for lang, title in plan.title.items()}
        kind, _, id = subject.partition(":")
        link = f"/incidents/{id}" if kind == "incident" else f"/events-plan/{plan.id}"
        level: Any = severity
        await duty.ring(plan.tenant, subject, level, text, key=key, link=link)

    async def staff(self, actor: Actor, plan: EventPlan) -> None:
        """The event's own shifts stand in the roster."""
        roster = self._room.roster
        if roster is None:
            return
        for number, post in enumerate(plan.posts):
            shift = Shift(
                id=f"event-{plan.id}-{number}",
                tenant=plan.tenant,
                person=post.person,
                post=post.post,  # type: ignore[arg-type]
                since_us=post.since_us,
                until_us=post.until_us,
                event=plan.id,
            )
            await roster.add_shift(actor, shift)

    async def unstaff(self, actor: Actor, plan: EventPlan) -> None:
        """Shifts of an event that was called off are nobody's any more."""
        roster = self._room.roster
        if roster is None:
            return
        for one in roster.shifts(plan.tenant, plan.from_us, plan.until_us, event=plan.id):
            await roster.remove_shift(actor, plan.tenant, one.id)
