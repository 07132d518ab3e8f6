"""The incident room: one incident with its reasons, its alarms, what lies inside, what was done and
what may be done now."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, Conflict, ResourceNotFound
from pintu.kernel.operations.incidents import states
from pintu.kernel.operations.incidents.graph import Thing
from pintu.kernel.operations.incidents.inside import Inside, inside
from pintu.kernel.operations.incidents.telling import entity_id
from pintu.kernel.operations.incidents.words import Incident
from pintu.web.pages.area_svg import area_svg
from pintu.web.pages.incidents import enter_room, form_of
from pintu.web.pages.incidents_beside import all_clear, beside, send
from pintu.web.pages.incidents_said import (
    GRADES,
    OUTCOMES,
    SHORT,
    STATES,
    alarm_said,
    areas_of,
    incidents_of,
    line_said,
    reasons_said,
    who_said,
)
from pintu.web.pages.labels import severity_title, type_label, value_label
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.room import Incidents
    from pintu.kernel.operations.incidents.words import Alarm

AT_ONCE: Final = 25
FOR_AREA: Final = 5_000
LISTED: Final = 30
NEAR: Final = 40


@get("/incidents/{id:str}", include_in_schema=False)
async def incident(request: AnyRequest, id: str, start: int = 0) -> Response[Any]:
    """One incident as it is now; `?start=` further alarms."""
    visit = enter_room(request)
    return await _answer(visit, await found_for(visit, id), start=max(start, 0))


@post("/incidents/{id:str}", include_in_schema=False)
async def act(request: AnyRequest, id: str) -> Response[Any]:
    """Do one deed, then show how it stands."""
    visit = enter_room(request)
    form = await form_of(request)
    room = incidents_of(visit)
    try:
        done = await deed(room, visit, id, form)
    except (BadRequestData, Conflict) as error:
        found = await found_for(visit, id)
        return await _answer(visit, found, why=error.detail, status=error.status)
    return Redirect(f"/incidents/{quote(done.id)}", status_code=303)


async def found_for(visit: Visit, id: str) -> Incident:
    """An incident of the visitor's tenant; ResourceNotFound for any other."""
    found = await incidents_of(visit).get(id)
    if found.tenant != visit.tenant:
        raise ResourceNotFound(f"Incident {id[:80]} does not exist")
    return found


async def deed(room: Incidents, visit: Visit, id: str, told: dict[str, Any]) -> Incident:
    """One deed as a form or a program tells it: `deed` and what it needs. Raises BadRequestData
    for a deed there is none of, and what the room raises."""
    who, tenant = visit.actor.id, visit.tenant
    reason = str(told.get("reason", ""))
    name = str(told.get("deed", ""))
    if name == "acknowledge":
        return await room.acknowledge(id, who, tenant=tenant, reason=reason)
    if name == "assign":
        to = str(told.get("to") or who)
        return await room.assign(id, to, who, tenant=tenant, reason=reason)
    if name == "grade":
        grade = int(told["grade"]) if str(told.get("grade", "")).isdigit() else 0
        return await room.grade(id, grade, who, tenant=tenant, reason=reason)
    if name == "close":
        outcome = str(told.get("outcome", ""))
        return await room.close(id, outcome, who, tenant=tenant, reason=reason)
    if name == "reopen":
        return await room.reopen(id, who, tenant=tenant, reason=reason)
    if name == "merge":
        others = told.get("other[]") or told.get("others") or []
        return await room.merge(list(map(str, others)), id, who, tenant=tenant, reason=reason)
    if name in ("send", "all_clear"):
        found = await found_for(visit, id)
        await (send(visit, found, told) if name == "send" else all_clear(visit, found))
        return found
    if name == "split":
        numbers = told.get("alarm[]") or told.get("alarms") or []
        chosen = [int(one) for one in map(str, numbers) if one.isdigit()]
        return await room.split(id, chosen, who, tenant=tenant, reason=reason)
    raise BadRequestData(f"{name[:40]!r} is no deed of an incident")


async def _answer(
    visit: Visit, found: Incident, *, start: int = 0, why: str = "", status: int = 200
) -> Response[Any]:
    room, words = incidents_of(visit), visit.words
    alarms = await room.list_alarms(found.id, limit=FOR_AREA)
    shown = await room.list_alarms(found.id, limit=AT_ONCE, offset=start)
    journal = room.journal
    deeds = await journal.list_deeds(subject=f"incident:{found.id}", tenant=found.tenant)
    within = await inside(visit.rooms.store, visit.number, alarms, _causes(found))
    return page(
        visit,
        "incident.html",
        status,
        one=found,
        entity=entity_id(found.id),
        why=why,
        name=words.pick(found.name) or found.id,
        grade=words.text(GRADES[found.grade]),
        grades=[(number, words.text(SHORT[number])) for number in GRADES],
        state=words.text(STATES[found.state]),
        severity=severity_title(found.severity, words),
        category=value_label("category", found.category, words),
        by=", ".join(who_said(one, visit) for one in (found.by, *found.also) if one),
        whose=who_said(found.assigned, visit) if found.assigned else "",
        outcome=words.text(OUTCOMES[found.outcome]) if found.outcome else "",
        outcomes=[(key, words.text(said)) for key, said in OUTCOMES.items() if key != "passed"],
        reasons=reasons_said(found, visit),
        alarms=[alarm_said(one, visit) for one in shown],
        start=start,
        step=AT_ONCE,
        more=start + AT_ONCE if start + AT_ONCE < found.alarms else 0,
        severity_title=lambda one: severity_title(one, words),
        drawing=_drawing(visit, alarms),
        groups=_groups(within, visit),
        cut=within.cut,
        lines=[line_said(one, visit) for one in reversed(deeds)],
        may=states.deeds(found.state),
        staff=_staff(visit),
        others=await _others(visit, found),
        key=uuid.uuid4().hex,
        **await beside(visit, found, alarms),
    )


def _causes(found: Incident) -> tuple[str, ...]:
    return (found.cause,) if found.cause else ()


def _drawing(visit: Visit, alarms: list[Alarm]) -> Any:
    label = visit.words.text("Where it is, north is up")
    return area_svg(areas_of(alarms), visit.rooms.basemap, label)


def _groups(within: Inside, visit: Visit) -> list[dict[str, Any]]:
    """What lies inside and what depends on it, by type."""
    groups = []
    for type_ in sorted({*within.within, *within.depends}):
        here = within.within.get(type_, [])
        hang = within.depends.get(type_, [])
        both = {one.id: one for one in (*hang, *here)}
        inner = {one.id for one in here}
        groups.append(
            {
                "type": type_label((type_,), visit.words),
                "within": len(here),
                "depends": len(hang),
                "things": [_thing(one, one.id in inner, within, visit)
                           for one in list(both.values())[:LISTED]],
                "rest": max(len(both) - LISTED, 0),
            }
        )  # fmt: skip
    return sorted(groups, key=lambda one: -(one["within"] + one["depends"]))


def _thing(one: Thing, inner: bool, within: Inside, visit: Visit) -> dict[str, Any]:
    name = visit.words.pick(one.name) or one.id.rpartition(":")[2]
    return {"id": one.id, "name": name, "within": inner, "steps": within.steps.get(one.id, 0)}


def _staff(visit: Visit) -> list[tuple[str, str]]:
    """(id, name) of whom an incident may be given to: the visitor, and the room's people."""
    roster = getattr(visit.rooms.operations, "roster", None)
    people = roster.staff(visit.tenant) if roster is not None else []
    found = {visit.actor.id: who_said(visit.actor.id, visit)}
    found |= {f"person:{one.id}" if not one.id.startswith("person:") else one.id: one.name
              for one in people}  # fmt: skip
    return list(found.items())


async def _others(visit: Visit, found: Incident) -> list[tuple[str, str]]:
    """Incidents it may be one with, the nearest in time first."""
    live = await incidents_of(visit).list_open(visit.tenant)
    near = sorted(live, key=lambda one: abs(one.first_us - found.first_us))
    return [(one.id, visit.words.pick(one.name) or one.id) for one in near
            if one.id != found.id and (found.flood or not one.flood)][:NEAR]  # fmt: skip


PAGES: Final[tuple[Any, ...]] = (incident, act)
