"""Major events as pages: plans, one plan while it runs, its checks, its report, writing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError, Refused
from pintu.web.api.events_plan import DATA_SET, get_plan, room_of
from pintu.web.house import house_of
from pintu.web.pages.area_svg import area_svg
from pintu.web.pages.events_form import plan_from, typed
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.events import EventPlan, Round
    from pintu.kernel.operations.events.report import Report

STATES: Final = {
    "draft": mark("draft: waits for a second person"),
    "approved": mark("approved: begins by itself"),
    "running": mark("running"),
    "over": mark("over"),
    "called_off": mark("called off"),
}
ROUNDS: Final = {
    "due": mark("due"),
    "half": mark("waits for the second person"),
    "done": mark("done"),
    "missed": mark("missed"),
}
USUAL_BOUNDS: Final = (120.0, 30.0, 120.4, 30.4)
"""Where the map begins in a city without anything on it."""

KINDS: Final = {
    "incident": mark("Incidents"),
    "order": mark("Work orders"),
    "play": mark("Plans"),
    "warning": mark("Warnings"),
    "shift": mark("Shifts"),
    "event": mark("This event"),
    "command": mark("Commands"),
    "ring": mark("Rings"),
}
DONE: Final = {
    "saved": mark("The plan is kept. A second person approves it."),
    "approved": mark("Approved. It begins by itself at its time."),
    "called": mark("The event is called off."),
    "looked": mark("Noted what you found."),
}


@get("/events-plan", include_in_schema=False)
async def events_plan(request: AnyRequest, done: str = "") -> Response[Any]:
    """Every plan: what runs, what comes, what is over."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    plans = await room_of(visit.rooms).list_plans(visit.tenant)
    order = ("running", "draft", "approved", "over", "called_off")
    plans.sort(key=lambda one: order.index(one.state))
    return page(
        visit,
        "events_plan.html",
        plans=[_shown(visit, one) for one in plans],
        done=visit.words.text(DONE.get(done, "")),
    )


def _shown(visit: Visit, plan: EventPlan) -> dict[str, Any]:
    words, name_of = visit.words, visit.rooms.identity.people.name_of
    return {
        "id": plan.id,
        "title": words.pick(plan.title),
        "state": plan.state,
        "said": words.text(STATES[plan.state]),
        "from_us": plan.from_us,
        "until_us": plan.until_us,
        "zones": [
            {"title": words.pick(one.title) or one.name, "steps": one.steps} for one in plan.zones
        ],
        "checks": len(plan.checks),
        "posts": [
            {
                "who": name_of(one.person),
                "post": one.post,
                "since_us": one.since_us,
                "until_us": one.until_us,
            }
            for one in plan.posts
        ],
        "least": words.text(plan.least),
        "by": name_of(plan.by),
        "approved_by": name_of(plan.approved_by) if plan.approved_by else "",
        "mine": plan.by == visit.actor.id,
    }


@get("/events-plan/{id:str}", include_in_schema=False)
async def event_plan(request: AnyRequest, id: str, done: str = "") -> Response[Any]:
    """One plan: its zones, what is due now, and its report as far as it is."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    return await _one(visit, await get_plan(visit, id), done=done)


async def _one(
    visit: Visit, plan: EventPlan, *, done: str = "", why: str = "", status: int = 200
) -> Response[Any]:
    room, words = room_of(visit.rooms), visit.words
    rounds = await room.rounds(plan.id)
    return page(
        visit,
        "event_plan.html",
        status,
        one=_shown(visit, plan),
        plan=plan,
        picture=area_svg(
            [zone.area for zone in plan.zones],
            visit.rooms.basemap,
            words.text("Zones of the event"),
        ),
        due=[_round(visit, plan, one) for one in rounds if one.state in ("due", "half")],
        checks=[_check(visit, plan, one, rounds) for one in plan.checks],
        report=_report(visit, await room.report(plan.id)),
        done=words.text(DONE.get(done, "")),
        why=why,
    )


def _round(visit: Visit, plan: EventPlan, one: Round) -> dict[str, Any]:
    check = plan.check(one.check)
    zone = plan.zone(check.zone) if check is not None else None
    words = visit.words
    return {
        "check": one.check,
        "title": words.pick(check.title) if check else one.check,
        "zone": (words.pick(zone.title) or zone.name) if zone else "",
        "until_us": one.until_us,
        "state": one.state,
        "said": words.text(ROUNDS[one.state]),
        "mine": visit.actor.id in one.by,
    }


def _check(visit: Visit, plan: EventPlan, check: Any, rounds: list[Round]) -> dict[str, Any]:
    mine = [one for one in rounds if one.check == check.name]
    return {
        "title": visit.words.pick(check.title) or check.name,
        "usual_min": check.every_min,
        "now_min": check.every_min / 2,
        "two": check.two,
        "tally": [
            (visit.words.text(said), count)
            for state, said in ROUNDS.items()
            if (count := sum(one.state == state for one in mine))
        ],
        "wrong": sum(one.wrong for one in mine),
        "notes": [one.note for one in mine if one.note][-5:],
    }


def _report(visit: Visit, report: Report) -> dict[str, Any]:
    words = visit.words
    share = report.checks_done_share
    return {
        "kinds": [
            (words.text(KINDS.get(kind, kind)), sum(verbs.values()))
            for kind, verbs in report.kinds.items()
        ],
        "zones": report.zones,
        "share": None if share is None else round(share * 100),
        "answered": report.answered,
        "median_s": report.answered_s_median,
        "longest_s": report.answered_s_longest,
        "deeds": report.deeds,
    }


# --- writing --------------------------------------------------------------------------------------
@get("/events-plan-new", include_in_schema=False)
async def new(request: AnyRequest, change: str = "") -> Response[Any]:
    """A form for a plan, empty or as one stands."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    fields = typed(await get_plan(visit, change), visit.words.tz) if change else {}
    return await _form_page(request, visit, fields)


async def _form_page(
    request: AnyRequest, visit: Visit, fields: dict[str, str], why: str = ""
) -> Response[Any]:
    picture = await house_of(request).pictures.of(visit.number)
    return page(
        visit,
        "event_plan_new.html",
        400 if why else 200,
        fields=fields,
        why=why,
        bounds=picture.points.view() or USUAL_BOUNDS,
    )


@post("/events-plan-new", include_in_schema=False)
async def write(request: AnyRequest) -> Response[Any]:
    """Keep the plan; a second person approves it."""
    visit, told = await _form(request)
    try:
        plan = plan_from(told, tenant=visit.tenant, zone=visit.words.tz)
        kept = await room_of(visit.rooms).save(visit.actor, plan)
    except Refused:
        raise
    except PintuError as error:
        return await _form_page(request, visit, told, error.detail)
    return Redirect(f"/events-plan/{quote(kept.id)}?done=saved", status_code=303)


@post("/events-plan/{id:str}", include_in_schema=False)
async def decide(request: AnyRequest, id: str) -> Response[Any]:
    """Approve it, call it off, or say what a check found."""
    visit, told = await _form(request)
    room, plan, deed = room_of(visit.rooms), await get_plan(visit, id), told.get("deed", "")
    try:
        if deed == "approve":
            seen = told.get("seen", "")
            await room.approve(visit.actor, id, seen_us=int(seen) if seen.isdigit() else 0)
            said = "approved"
        elif deed == "call_off":
            await room.call_off(visit.actor, id, told.get("reason", ""))
            said = "called"
        else:
            wrong, note = deed == "wrong", told.get("note", "")
            await room.look(visit.actor, id, told.get("check", ""), wrong=wrong, note=note)
            said = "looked"
    except PintuError as error:
        return await _one(visit, plan, why=error.detail, status=error.status)
    return Redirect(f"/events-plan/{quote(id)}?done={said}", status_code=303)


async def _form(request: AnyRequest) -> tuple[Visit, dict[str, str]]:
    visit = enter(request, house_of(request).rooms, None)
    act = Act(deed=Deed.RESPOND, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    form = await request.form()
    told = {name: str(value) for name, value in form.items()}
    visit.rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    return visit, told


PAGES: Final[tuple[Any, ...]] = (events_plan, event_plan, new, write, decide)
