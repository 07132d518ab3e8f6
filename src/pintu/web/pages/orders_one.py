"""One work order: what is wrong, whose it is, how long it has, how it is known to be over."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, Conflict, Refused
from pintu.kernel.operations.orders.desk import fitting
from pintu.web.house import house_of
from pintu.web.pages.labels import alert_title, severity_title
from pintu.web.pages.orders import DATA_SET, form_of
from pintu.web.pages.orders_said import (
    ALARMS,
    DONE,
    PROOFS,
    STATES,
    cause_link,
    deadlines_said,
    deeds_offered,
    line_said,
    orders_of,
    promise_said,
    verdict_said,
    why_said,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter

if TYPE_CHECKING:
    from pintu.kernel.operations.orders import Order


@get("/orders/{id:str}", include_in_schema=False)
async def order(request: AnyRequest, id: str) -> Response[Any]:
    """One order, for the room and for the crew that has it."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    found = await orders_of(visit).get(id)
    await orders_of(visit).allow(visit.actor, found)
    return await _answer(visit, found)


@post("/orders/{id:str}", include_in_schema=False)
async def do(request: AnyRequest, id: str) -> Response[Any]:
    """Do one deed, then show how it stands."""
    visit = enter_form(request)
    form = await form_of(request)
    room = orders_of(visit)
    found = await room.get(id)
    await room.allow(visit.actor, found)
    try:
        await room.deed(
            visit.actor,
            id,
            form.get("verb", ""),
            form.get("key") or uuid.uuid4().hex,
            form.get("reason", ""),
            crew=form.get("crew", ""),
        )
    except (BadRequestData, Conflict, Refused) as error:
        why = why_said(error, visit)
        return await _answer(visit, await room.get(id), why=why, status=error.status)
    return Redirect(f"/orders/{id}", status_code=303)


def enter_form(request: AnyRequest) -> Visit:
    """Who acts on an order by a form: the room decides whether they may, after the gate."""
    return enter(request, house_of(request).rooms, data_set=DATA_SET)


async def _answer(visit: Visit, found: Order, why: str = "", status: int = 200) -> Response[Any]:
    room, words = orders_of(visit), visit.words
    responds = room.responds(visit.actor, visit.tenant)
    evidence = await room.evidence(found)
    crews = await room.desk.list_crews(found.tenant)
    working = await room.desk.on_shift(found.tenant)
    journal = visit.rooms.operations.journal if visit.rooms.operations is not None else None
    deeds = await journal.list_deeds(subject=found.subject, tenant=found.tenant) if journal else []
    names = {one.id: words.pick(one.name) for one in crews}
    return page(
        visit,
        "order.html",
        status,
        order=found,
        why=why,
        state=words.text(STATES[found.state]),
        severity=severity_title(found.severity, words),
        crew=names.get(found.crew, ""),
        deeds=deeds_offered(found, visit, room=responds, overrides=room.overrides(visit.actor)),
        crews=[
            (one.id, words.pick(one.name), works, fits)
            for one, works, fits in fitting(crews, working, found)
        ],
        deadlines=deadlines_said(found, room, words),
        promise=promise_said(found, room.service, words),
        paused=next((one for one in found.pauses if not one.until_us), None),
        alarms=[
            {
                "id": one.id,
                "title": alert_title(one.what, visit),
                "said": words.text(ALARMS.get(one.status, ALARMS["open"])),
                "stands": bool(one.status) and one.status not in ("cleared", "resolved", "closed"),
                "since_us": one.since_us,
                "over_us": one.changed_us,
            }
            for one in evidence.alarms
        ],
        measured_us=evidence.measured_us,
        verdict=verdict_said(room.judged(found, evidence), words),
        proof=words.text(PROOFS.get(found.proof, "")),
        causes=[cause_link(one, words) for one in found.causes],
        lines=[line_said(one, visit, names) for one in deeds if one.verb in DONE],
        key=uuid.uuid4().hex,
        responds=responds,
    )


PAGES: Final[tuple[Any, ...]] = (order, do)
