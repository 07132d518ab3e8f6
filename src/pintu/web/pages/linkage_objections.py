"""Objections to values, as the owner's side answers them within their term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import PintuError, Refused, ResourceNotFound
from pintu.kernel.linkage.words import Ref
from pintu.web.house import house_of
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.agreements_words import code_said, codes, left, person_masked
from pintu.web.pages.board_values import called
from pintu.web.pages.linkage_hand import SESSIONS, hand_of, room_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.linkage.words import Objection

DATA_SET: Final = "linkage"
STATES: Final = {
    "open": mark("waits for your answer"),
    "late": mark("the term is over, and still to be answered"),
    "accepted": mark("accepted and corrected"),
    "refused": mark("refused"),
}
MOST_SHOWN: Final = 100


@get("/linkage-objections", include_in_schema=False)
async def objections(request: AnyRequest) -> Response[Any]:
    """Objections to the visitor's organisation, those that run out first in front."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    return await _page(visit)


@post("/linkage-objections/{number:int}", include_in_schema=False)
async def answer(request: AnyRequest, number: int) -> Response[Any]:
    """Accept with the value that is right, or refuse with a reason."""
    form = await request.form()
    house = house_of(request)
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    visit = enter(request, house.rooms, data_set=DATA_SET)
    room = room_of(visit).objections
    purpose, reason = str(form.get("purpose", "")).strip(), str(form.get("answer", "")).strip()
    if SESSIONS.find(visit) is None:
        SESSIONS.begin(visit, purpose, reason)
    hand = hand_of(visit)
    try:
        if form.get("verdict") == "accept":
            await room.accept(number, str(form.get("value", "")).strip(), reason, hand)
        else:
            await room.refuse(number, reason, hand)
    except (Refused, PintuError) as error:
        return await _page(visit, why=visit.words.pick(error.extra) or error.detail,
                           status=error.status)  # fmt: skip
    return Redirect("/linkage-objections", status_code=303)


async def _page(visit: Visit, why: str = "", status: int = 200) -> Response[Any]:
    room = room_of(visit)
    found = await room.objections.list_all(owner=visit.actor.organisation)
    open_ = [one for one in found if one.state in ("open", "late")]
    closed = sorted((one for one in found if one.answered_us), key=lambda one: -one.answered_us)
    rows = [await _shown(one, visit) for one in (*open_, *closed[:MOST_SHOWN])]
    return page(
        visit, "linkage_objections.html", status, objections=rows, why=why, waiting=len(open_),
        purposes=codes("purpose", visit.words), left=left, code_said=code_said,
    )  # fmt: skip


async def _shown(one: Objection, visit: Visit) -> dict[str, Any]:
    words = visit.words
    column, title = one.column, one.data_set
    try:
        found = visit.rooms.exchange.get(one.data_set)
        title = called(found, words)
        for known in found.columns:
            if known.name == one.column:
                column = words.pick(known.title) or one.column
    except ResourceNotFound:
        pass
    now = ""
    if one.state in ("open", "late"):
        now = await room_of(visit).said_now(Ref(one.data_set, one.key), one.column, hand_of(visit))
    return {
        "number": one.number, "data_set": title, "column": column, "key": person_masked(one.key),
        "wish": str(one.wish), "now": now, "why": one.why, "state": one.state,
        "said": words.text(STATES[one.state]), "due_us": one.due_us, "at_us": one.at_us,
        "by": organisation_name(visit, one.by), "answer": one.answer, "places": 1 + len(one.also),
        "answered_us": one.answered_us,
    }  # fmt: skip


PAGES: Final[tuple[Any, ...]] = (objections, answer)
