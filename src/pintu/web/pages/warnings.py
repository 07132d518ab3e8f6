"""Warnings as pages: what is in force, what waits for a second person, one warning, writing one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError, Refused, ResourceNotFound
from pintu.kernel.operations.warnings.entity import alert_id, area_of
from pintu.kernel.operations.warnings.words import CATEGORIES as KINDS_OF_DANGER
from pintu.kernel.operations.warnings.words import SEVERITIES as WORDS
from pintu.web.api.warnings import (
    DATA_SET,
    get_warning,
    may_see,
    message_of,
    messages_for,
    our_name,
    room_of,
    vouched,
)
from pintu.web.house import house_of
from pintu.web.pages.area_svg import area_svg, canvas_svg
from pintu.web.pages.incidents_said import STATES as INCIDENT_STATES
from pintu.web.pages.render import page
from pintu.web.pages.warnings_form import Sender, message_from, wall_time
from pintu.web.pages.warnings_words import (
    CATEGORIES,
    CERTAINTIES,
    EFFECTS,
    KINDS,
    PLAYS,
    RECEIPTS,
    RESPONSES,
    SEVERITIES,
    STATUSES,
    URGENCIES,
    VERBS,
    choices,
    headline,
    in_language,
    shown,
)
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.warnings import PublicWarning
    from pintu.kernel.operations.warnings.words import Kept

RANK: Final = ("critical", "high", "medium", "low", "informational")
DONE: Final = {
    "issued": mark("The warning is in force. People and plans follow it now."),
    "proposed": mark("Written. It takes effect when a second person approves it."),
    "updated": mark("The warning goes on with its new content."),
    "cancelled": mark("The warning is over; everybody who got it is told."),
    "withdrawn": mark("The message was taken back; nothing happened because of it."),
    "acknowledged": mark("Noted that you have seen it."),
    "settled": mark("Noted which warning is followed; what the others set going is taken back."),
    "kept": mark("The message was kept and changed nothing; its reason is below."),
    "known": mark("That message was here already."),
}
OF_SEVERITY: Final = {house: cap for cap, house in WORDS.items() if cap != "Unknown"}
OF_CATEGORY: Final = {house: cap for cap, house in reversed(KINDS_OF_DANGER.items())}
"""The house's words → CAP's."""
HOUR_US: Final = 3_600_000_000


@get("/warnings", include_in_schema=False)
async def warnings(request: AnyRequest, done: str = "") -> Response[Any]:
    """In force, worst first; what waits; what is over; messages that changed nothing."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    return await _desk(visit, done=done)


async def _desk(visit: Visit, *, done: str = "", why: str = "", status: int = 200) -> Response[Any]:
    room, works = room_of(visit.rooms), visit.may(Deed.RESPOND)
    found = [one for one in await room.recent(visit.tenant) if may_see(visit, one)]
    live = [shown(one, visit.words) for one in found if one.in_force]
    live.sort(key=lambda one: (RANK.index(one["severity"]), -one["changed_us"]))
    return page(
        visit,
        "warnings.html",
        status,
        live=live,
        over=[shown(one, visit.words) for one in found if not one.in_force][:20],
        waiting=[_waits(visit, one) for one in await room.waiting(visit.tenant)] if works else [],
        odd=[_kept(visit, one) for one in await room.unfounded(visit.tenant)] if works else [],
        works=works,
        done=visit.words.text(DONE.get(done, "")),
        why=why,
    )


def _waits(visit: Visit, kept: Kept) -> dict[str, Any]:
    info = in_language(kept.message, visit.words)
    return {
        **_kept(visit, kept),
        "instruction": info.instruction if info else kept.message.note,
        "area": "; ".join(one.description for one in info.areas) if info else "",
        "severity_said": visit.words.text(SEVERITIES[info.severity]) if info else "",
        "mine": kept.who == visit.actor.id,
    }


def _kept(visit: Visit, kept: Kept) -> dict[str, Any]:
    words = visit.words
    return {
        "number": kept.number,
        "kind": words.text(KINDS[kept.message.msg_type]),
        "title": headline(kept.message, words),
        "sender": kept.message.sender,
        "effect": words.text(EFFECTS.get(kept.effect, kept.effect)),
        "reason": words.text(kept.reason),
        "who": (visit.rooms.identity.people.name_of(kept.who) or kept.who) if kept.who else "",
        "at_us": kept.at_us,
        "status_said": words.text(STATUSES[kept.message.status]),
    }


@get("/warnings/{id:str}", include_in_schema=False)
async def warning(request: AnyRequest, id: str, done: str = "") -> Response[Any]:
    """One warning: what it says, where, what follows from it, every message and deed."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    return await _one(visit, await get_warning(visit, id), done=done)


async def _one(
    visit: Visit, found: PublicWarning, *, done: str = "", why: str = "", status: int = 200
) -> Response[Any]:
    words, room, works = visit.words, room_of(visit.rooms), visit.may(Deed.RESPOND)
    area = area_of(found)
    areas = [area] if area is not None else []
    others = [await room.get(id) for id in found.contradicts]
    return page(
        visit,
        "warning.html",
        status,
        one=shown(found, words),
        warning=found,
        picture=area_svg(areas, visit.rooms.basemap, words.text("Where the warning holds")),
        told_in=[info.language for info in found.message.infos],
        others=[shown(one, words) for one in others if may_see(visit, one)],
        messages=[_kept(visit, one) for one in await messages_for(visit, found)],
        deeds=await _deeds(visit, found) if works else [],
        plays=await _plays(visit, found),
        incidents=await _incidents(visit, found) if works else [],
        receipts=await _receipts(visit, found) if works else {},
        works=works,
        ours=found.message.sender == our_name(visit.rooms),
        done=words.text(DONE.get(done, "")),
        why=why,
    )


async def _deeds(visit: Visit, found: PublicWarning) -> list[dict[str, Any]]:
    assert visit.rooms.operations is not None
    deeds = await visit.rooms.operations.journal.list_deeds(subject=found.cause, limit=200)
    name_of = visit.rooms.identity.people.name_of
    return [
        {
            "at_us": one.at_us,
            "who": name_of(one.who) or one.who,
            "what": visit.words.text(VERBS.get(one.verb, one.verb)),
            "reason": one.reason,
        }
        for one in reversed(deeds)
    ]


async def _plays(visit: Visit, found: PublicWarning) -> list[dict[str, Any]]:
    plays = visit.rooms.operations.plays if visit.rooms.operations is not None else None
    if plays is None:
        return []
    return [
        {
            "id": one.id,
            "title": visit.words.pick(one.title),
            "state": visit.words.text(PLAYS.get(one.state, one.state)),
            "steps": len(one.steps),
            "targets": sum(step.targets for step in one.steps),
        }
        for one in await plays.list_for(found.cause)
    ]


async def _incidents(visit: Visit, found: PublicWarning) -> list[dict[str, Any]]:
    """The incidents a warning is about: those it names, and the one its own alarm belongs to."""
    room = visit.rooms.operations.incidents if visit.rooms.operations is not None else None
    if room is None:
        return []
    raised = await room.incident_of(visit.tenant, alert_id(found))
    told = []
    for id in dict.fromkeys([*found.message.incidents, raised]):
        with contextlib.suppress(ResourceNotFound):  # a word of another city's
            one = await room.get(id)
            if one.tenant == visit.tenant:
                name, state = visit.words.pick(one.name) or one.id, INCIDENT_STATES[one.state]
                told.append({"id": one.id, "name": name, "state": visit.words.text(state)})
    return told


async def _receipts(visit: Visit, found: PublicWarning) -> dict[str, int]:
    """State → how many messages of this warning are in it."""
    notifier = visit.rooms.operations.notifier if visit.rooms.operations is not None else None
    if notifier is None:
        return {}
    tally: dict[str, int] = {}
    for one in await notifier.list_receipts(visit.tenant, subject=found.cause):
        said = visit.words.text(RECEIPTS.get(one.state, one.state))
        tally[said] = tally.get(said, 0) + 1
    return tally


# --- writing --------------------------------------------------------------------------------------
@get("/warnings-new", include_in_schema=False)
async def new(
    request: AnyRequest, update: str = "", cancel: str = "", incident: str = ""
) -> Response[Any]:
    """A form for a warning, an update of one of ours, or its end; `?incident=` for an incident."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    before = await get_warning(visit, update or cancel) if update or cancel else None
    kind = "Update" if update else "Cancel" if cancel else "Alert"
    return _form_page(visit, kind, before, await _about(visit, incident) if incident else {})


async def _about(visit: Visit, id: str) -> dict[str, str]:
    """The fields of a form that an incident fills: what, how bad, where."""
    room = visit.rooms.operations.incidents if visit.rooms.operations is not None else None
    if room is None:
        return {}
    one = await room.get(id)
    if one.tenant != visit.tenant:
        raise ResourceNotFound(f"Incident {id[:80]} does not exist")
    told = {"incident": one.id, "severity": OF_SEVERITY.get(one.severity, "Moderate"),
            "category": OF_CATEGORY.get(one.category, "Other"), "certainty": "Observed",
            "urgency": "Immediate"}  # fmt: skip
    for lang in ("zh", "en"):
        told |= {f"headline_{lang}": one.name.get(lang, "")[:160]}
    if one.lon is not None and one.lat is not None:
        told["circle"] = f"{one.lat},{one.lon} {max(one.radius_m / 1000, 0.3):.1f}"
    return told


def _form_page(
    visit: Visit, kind: str, before: PublicWarning | None, told: dict[str, str], why: str = ""
) -> Response[Any]:
    words, now_us = visit.words, visit.rooms.clock.now_us()
    fields = {
        "begins": wall_time(now_us, words.tz),
        "ends": wall_time(now_us + 6 * HOUR_US, words.tz),
        "category": "Met",
        "severity": "Severe",
        "urgency": "Expected",
        "certainty": "Likely",
        "issuer": words.text("City operations centre"),
        **(_filled(before, words.tz) if before is not None else {}),
        **told,
    }
    return page(
        visit,
        "warning_new.html",
        400 if why else 200,
        kind=kind,
        kind_said=words.text(KINDS[kind]),
        before=shown(before, words) if before is not None else None,
        fields=fields,
        categories=choices(CATEGORIES, words),
        severities=choices(SEVERITIES, words),
        urgencies=choices(URGENCIES, words),
        certainties=choices(CERTAINTIES, words),
        responses=choices(RESPONSES, words),
        canvas=canvas_svg(visit.rooms.basemap, words.text("Draw the area")),
        why=why,
    )


def _filled(before: PublicWarning, zone: str) -> dict[str, str]:
    """The fields of the form as the warning has them now."""
    fields = {"status": before.message.status, "scope": before.message.scope,
              "ends": wall_time(before.until_us, zone), "begins": wall_time(before.from_us, zone),
              "restriction": before.message.restriction}  # fmt: skip
    for info in before.message.infos:
        suffix = "_en" if info.language.lower().startswith("en") else "_zh"
        for name in ("headline", "event", "description", "instruction"):
            fields[f"{name}{suffix}"] = getattr(info, name)
        fields |= {"category": info.categories[0], "severity": info.severity,
                   "urgency": info.urgency, "certainty": info.certainty,
                   "issuer": info.sender_name}  # fmt: skip
        fields |= {f"does_{one}": "1" for one in info.responses}
        for area in info.areas[:1]:
            fields[f"area{suffix}"] = area.description
            for ring in area.polygons[:1]:
                fields["polygon"] = " ".join(f"{a},{b}" for a, b in ring[:-1])
            for a, b, radius in area.circles[:1]:
                fields["circle"] = f"{a},{b} {radius}"
    return fields


@post("/warnings-new", include_in_schema=False)
async def write(request: AnyRequest) -> Response[Any]:
    """Keep the message; for the public it waits for a second person."""
    visit, told = await _form(request)
    room, before = room_of(visit.rooms), None
    try:
        if told.get("before"):
            before = await get_warning(visit, told["before"])
        sender = Sender(
            name=our_name(visit.rooms),
            zone=visit.words.tz,
            now_us=visit.rooms.clock.now_us(),
        )
        taken = await room.take(visit.actor, message_from(told, sender, before), visit.tenant)
    except Refused:
        raise
    except PintuError as error:
        return _form_page(visit, told.get("kind", "Alert"), before, told, error.detail)
    place = f"/warnings/{taken.warning.id}" if taken.warning else "/warnings"
    return Redirect(f"{place}?done={quote(taken.effect)}", status_code=303)


@post("/warnings-take", include_in_schema=False)
async def take_file(request: AnyRequest) -> Response[Any]:
    """A CAP document that a person brings as a file."""
    visit, told = await _form(request)
    form = await request.form()
    try:
        upload: Any = form.get("document")
        document: bytes = await upload.read() if hasattr(upload, "read") else b""
        document = document or told.get("text", "").encode()
        message = vouched(visit.rooms, message_of(document), document)
        room = room_of(visit.rooms)
        taken = await room.take(visit.actor, message, visit.tenant, document=document)
    except Refused:
        raise
    except PintuError as error:
        return await _desk(visit, why=error.detail, status=error.status)
    place = f"/warnings/{taken.warning.id}" if taken.warning else "/warnings"
    return Redirect(f"{place}?done={quote(taken.effect)}", status_code=303)


@post("/warnings/{id:str}/decide", include_in_schema=False)
async def decide(request: AnyRequest, id: str) -> Response[Any]:
    """Seen, or: this is the one that is followed."""
    visit, told = await _form(request)
    room, found = room_of(visit.rooms), await get_warning(visit, id)
    try:
        if told.get("deed") == "settle":
            await room.settle(visit.actor, id, told.get("reason", ""))
            return Redirect(f"/warnings/{id}?done=settled", status_code=303)
        await room.acknowledge(visit.actor, id)
    except PintuError as error:
        return await _one(visit, found, why=error.detail, status=error.status)
    return Redirect(f"/warnings/{id}?done=acknowledged", status_code=303)


@post("/warnings-messages/{number:int}", include_in_schema=False)
async def second(request: AnyRequest, number: int) -> Response[Any]:
    """The second person approves a message that waits, or refuses it."""
    visit, told = await _form(request)
    room = room_of(visit.rooms)
    try:
        if told.get("deed") == "approve":
            taken = await room.approve(visit.actor, number)
        else:
            taken = await room.withdraw(visit.actor, number, told.get("reason", ""))
    except PintuError as error:
        return await _desk(visit, why=error.detail, status=error.status)
    place = f"/warnings/{taken.warning.id}" if taken.warning else "/warnings"
    return Redirect(f"{place}?done={quote(taken.effect)}", status_code=303)


async def _form(request: AnyRequest) -> tuple[Visit, dict[str, str]]:
    """Who works in the operations room, and the fields of a form of ours."""
    visit = enter(request, house_of(request).rooms, None)
    act = Act(deed=Deed.RESPOND, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    form = await request.form()
    told = {name: str(value) for name, value in form.items() if not hasattr(value, "read")}
    visit.rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    return visit, told


PAGES: Final[tuple[Any, ...]] = (warnings, warning, new, write, take_file, decide, second)
