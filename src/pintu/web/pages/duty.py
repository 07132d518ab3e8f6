"""The duty page: it rings until somebody has it, and is worked by keyboard."""

from __future__ import annotations

import uuid
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import PintuError
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import (
    enter_roster,
    form_of,
    name_of,
    plans,
    ring_said,
    room_of,
    shift_said,
    waited,
)
from pintu.web.static_files import ROOT
from pintu.web.visit import AnyRequest, Visit
from pintu.web.words import mark

RECENT: Final = 20
DONE: Final = {
    "answered": mark("You have it. It rings no more."),
    "drill": mark("It rings now: a drill."),
}
DRILL: Final = {"zh": "演练：请确认收到。", "en": "A drill: please answer."}


@get("/duty", include_in_schema=False)
async def duty(request: AnyRequest, part: str = "", done: str = "") -> Response[Any]:
    """What rings, who is on duty, what rang lately."""
    visit = enter_roster(request)
    return await shown(visit, part=part == "rings", done=done)


async def shown(
    visit: Visit, *, part: bool = False, done: str = "", why: str = "", status: int = 200
) -> Response[Any]:
    """The page, or the part of it that moves; `why` says what was not done."""
    room = room_of(visit)
    assert room.duty is not None and room.notifier is not None and room.roster is not None
    ringing = room.duty.ringing(visit.tenant)
    recent = [one for one in await room.duty.recent(visit.tenant, limit=RECENT) if one.by]
    receipts = await room.notifier.list_receipts(visit.tenant, limit=500) if ringing else []
    values: dict[str, Any] = {
        "ringing": [ring_said(visit, one, receipts) for one in ringing],
        "recent": [ring_said(visit, one, []) for one in recent],
        "on_duty": [shift_said(visit, one) for one in room.roster.on_duty(visit.tenant)],
        "line": [name_of(visit, one) for one in room.roster.ladder(visit.tenant)],
        "waited": lambda seconds: waited(visit, seconds),
        "why": why,
    }
    if part:
        return page(visit, "part_duty.html", status, **values)
    return page(
        visit,
        "duty.html",
        status,
        done=visit.words.text(DONE[done]) if done in DONE else "",
        ways=bool(room.ways and room.ways.of(visit.actor.person)) if visit.actor.person else True,
        drills=plans(visit),
        **values,
    )


@post("/duty/acknowledge", include_in_schema=False)
async def acknowledge(request: AnyRequest) -> Response[Any]:
    """Somebody has it."""
    visit = enter_roster(request)
    form = await form_of(request)
    room = room_of(visit)
    assert room.duty is not None
    try:
        await room.duty.acknowledge(visit.actor, form.get("ring", ""), form.get("note", "")[:500])
    except PintuError as error:
        why = str(error.extra.get("zh", "")) if visit.words.lang == "zh-CN" else ""
        return await shown(visit, why=why or error.detail, status=error.status)
    return Redirect("/duty?done=answered", status_code=303)


@post("/duty/drill", include_in_schema=False)
async def drill(request: AnyRequest) -> Response[Any]:
    """Ring to see that it rings: for those who plan the roster."""
    visit = enter_roster(request)
    await form_of(request)
    room = room_of(visit)
    assert room.duty is not None
    room.duty.may_plan(visit.actor, visit.tenant)
    subject = f"drill:{uuid.uuid4().hex[:8]}"
    await room.duty.ring(visit.tenant, subject, "low", DRILL, by=visit.actor.id)
    return Redirect("/duty?done=drill", status_code=303)


@get("/duty-worker.js", include_in_schema=False)
async def worker(request: AnyRequest) -> Response[bytes]:
    """What a browser keeps to ring while no page is open; the same for everybody."""
    house_of(request)
    body = (ROOT / "duty-worker.js").read_bytes()
    headers = {"Service-Worker-Allowed": "/duty", "Cache-Control": "no-cache"}
    return Response(body, media_type="text/javascript", headers=headers)


PAGES: Final[tuple[Any, ...]] = (duty, acknowledge, drill, worker)
