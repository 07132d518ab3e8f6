"""Breaking the glass, and what auditors say of it."""

from __future__ import annotations

from typing import Any, Final, cast

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadInput, Conflict, Refused, ResourceNotFound, Unavailable
from pintu.kernel.identity.glass import MAY_BREAK, MOST_MINUTES, BreakGlass
from pintu.kernel.identity.words import CITY, Glass
from pintu.web.pages.account import checked, enter_account, organisation_name
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit
from pintu.web.words import mark

PURPOSES: Final = (
    ("rescue", mark("to save life or health")),
    ("disaster", mark("disaster or fire")),
    ("missing", mark("a missing or endangered person")),
    ("outbreak", mark("an outbreak of disease")),
)
JUDGEMENTS: Final = {
    "": mark("waiting for an auditor's judgement"),
    "justified": mark("justified"),
    "unjustified": mark("not justified"),
}


def room_of(visit: Visit) -> BreakGlass:
    """The room; Unavailable where nobody can break any glass."""
    if visit.rooms.glass is None:
        raise Unavailable("There is no glass to break here")
    return visit.rooms.glass


def told(visit: Visit, one: Glass) -> dict[str, Any]:
    """One breaking as a page tells it."""
    people, words = visit.rooms.identity.people, visit.words
    now_us = people.clock.now_us()
    purpose = dict(PURPOSES).get(one.purpose)
    return {
        "id": one.id,
        "who": people.name_of(one.person),
        "organisation": organisation_name(visit, one.organisation),
        "purpose": words.text(purpose) if purpose else one.purpose,
        "reason": one.reason,
        "opened_us": one.opened_us,
        "until_us": one.closed_us or one.until_us,
        "open": one.holds(now_us),
        "judgement": words.text(JUDGEMENTS[one.judgement]),
        "judged": bool(one.judgement),
        "judged_by": people.name_of(one.judged_by) if one.judged_by else "",
        "judged_us": one.judged_us,
        "note": one.note,
        "row": one.row,
        "mine": one.person == visit.actor.person,
        "may_judge": may_judge(visit.actor, one, now_us),
    }


def may_judge(actor: Actor, one: Glass, now_us: int) -> bool:
    """Whether to offer the form; the room asks again."""
    its = actor.organisation in (CITY, one.organisation) and "auditor" in actor.roles
    return its and not one.judgement and not one.holds(now_us) and one.person != actor.person


def shown(
    request: AnyRequest, visit: Visit, *, strong: bool, why: str = "", status: int = 200
) -> Response[Any]:
    """The page with every breaking the visitor may know of."""
    found = [told(visit, one) for one in room_of(visit).list_for(visit.actor)]
    return page(
        visit,
        "glass.html",
        status,
        glasses=found,
        one=None,
        mine=next((one for one in found if one["mine"] and one["open"]), None),
        may_break=bool(visit.actor.roles & MAY_BREAK),
        strong=strong,
        purposes=[(word, visit.words.text(title)) for word, title in PURPOSES],
        minutes=(5, 15, 30, MOST_MINUTES),
        why=why,
    )


@get("/glass", include_in_schema=False)
async def glasses(request: AnyRequest) -> Response[Any]:
    """What is open, and what waits for a judgement."""
    visit, _, session = enter_account(request)
    return shown(request, visit, strong=visit.rooms.identity.browsers.is_strong(session))


@post("/glass", include_in_schema=False)
async def break_glass(request: AnyRequest) -> Response[Any]:
    """Open it: written down and told to every auditor before anything may be seen."""
    visit, _, session, form = await checked(request)
    strong = visit.rooms.identity.browsers.is_strong(session)
    minutes = form.get("minutes", "15")
    try:
        await room_of(visit).open_glass(
            visit.actor,
            form.get("purpose", ""),
            form.get("reason", ""),
            int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 4 else 0,
            strong=strong,
        )
    except (BadInput, Conflict, Refused, Unavailable) as error:
        return shown(request, visit, strong=strong, why=error.detail, status=error.status)
    return Redirect("/glass", status_code=303)


@post("/glass/close", include_in_schema=False)
async def close_glass(request: AnyRequest) -> Response[Any]:
    """Close one's own before its time."""
    visit, _, _, _ = await checked(request)
    await room_of(visit).close(visit.actor)
    return Redirect("/glass", status_code=303)


@get("/glass/{id:str}", include_in_schema=False)
async def glass(request: AnyRequest, id: str) -> Response[Any]:
    """One breaking: who, why, how long, and what was said of it."""
    visit, _, _ = enter_account(request)
    return one_shown(visit, id)


def one_shown(visit: Visit, id: str, *, why: str = "", status: int = 200) -> Response[Any]:
    """One breaking and what came of a deed; ResourceNotFound for who may not know of it."""
    found = visit.rooms.identity.people.find_glass(id)
    if found is None or not room_of(visit).may_see(visit.actor, found):
        raise ResourceNotFound(f"No glass {id[:40]!r} was broken")
    return page(visit, "glass.html", status, one=told(visit, found), glasses=[], mine=None, why=why)


@post("/glass/{id:str}/judge", include_in_schema=False)
async def judge(request: AnyRequest, id: str) -> Response[Any]:
    """An auditor's word."""
    visit, _, _, form = await checked(request)
    word = form.get("judgement", "")
    try:
        await room_of(visit).judge(visit.actor, id, cast("Any", word), form.get("note", ""))
    except (BadInput, Conflict) as error:
        return one_shown(visit, id, why=error.detail, status=error.status)
    return Redirect(f"/glass/{id}", status_code=303)


PAGES: Final[tuple[Any, ...]] = (glasses, break_glass, close_glass, glass, judge)
