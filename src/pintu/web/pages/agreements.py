"""Agreements: what waits for the visitor, how their organisation stands, and all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get

from pintu.kernel.errors import PintuError, Unavailable
from pintu.web.house import house_of
from pintu.web.pages.agreements_parties import organisation_name, waits_for
from pintu.web.pages.agreements_view import terms_seen
from pintu.web.pages.agreements_words import code_said, left, state_said
from pintu.web.pages.listing import Cell, Heading, Row, as_csv, choose, shown
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement, Recall

DATA_SET: Final = "agreements"
COLUMNS: Final = (
    ("data_set", mark("Data set"), "text"),
    ("state", mark("State"), "state"),
    ("provider", mark("From whom"), "state"),
    ("consumer", mark("Who gets it"), "state"),
    ("purpose", mark("What for"), "state"),
    ("fields", mark("Fields"), "number"),
    ("until", mark("Until"), "text"),
    ("changed", mark("Changed"), "text"),
)
ASKED: Final = {
    "requested": mark("To approve"),
    "escalated": mark("To approve: the deadline passed"),
    "approved": mark("To sign"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """One thing that waits for the visitor."""

    id: str
    asks: str
    sentence: str
    button: str
    reason: str = ""
    due_us: int = 0
    from_us: int = 0
    late: bool = False
    place: str = ""


def enter_exchange(request: AnyRequest) -> Visit:
    """A visit of a page that narrows itself to what the visitor's organisation may know; what it
    tells comes from rooms that decide for themselves."""
    return enter(request, house_of(request).rooms, data_set=DATA_SET)


def room_of(visit: Visit) -> Any:
    """The room of agreements; Unavailable in a city that has none."""
    room = getattr(visit.rooms, "agreements", None)
    if room is None:
        raise Unavailable("This city keeps no agreements")
    return room


@get("/agreements", include_in_schema=False)
async def agreements(request: AnyRequest, format: str = "") -> Response[Any]:
    """What is mine to do first, then every agreement I may know of."""
    visit = enter_exchange(request)
    words = visit.words
    failed = ""
    found: list[Agreement] = []
    todo: list[Todo] = []
    standing: list[dict[str, Any]] = []
    try:
        room = room_of(visit)
        found = room.list_for(visit.actor, closed=True)
        todo = [*await _recalls(room, visit), *_waiting(found, visit)]
        standing = await _standing(room, visit)
    except PintuError as error:  # the page says that nothing is lost
        failed = error.detail
    headings = [
        Heading(name=name, title=words.text(title), kind=kind) for name, title, kind in COLUMNS
    ]
    listing = choose(request, headings, [row_of(one, visit) for one in found])
    if format == "csv" and not failed:
        return as_csv("agreements", listing, words.iso)
    todo.sort(key=lambda one: one.due_us or 1 << 62)
    return page(
        visit,
        "agreements.html",
        503 if failed else 200,
        listing=listing,
        rows=shown(listing),
        mine=todo,
        late=any(one.late for one in todo),
        standing=standing,
        organisation=organisation_name(visit, visit.actor.organisation),
        may_request=may_request(visit),
        failed=failed,
        state_said=state_said,
        left=left,
    )


def may_request(visit: Visit) -> bool:
    """Whether to offer the form; the room decides."""
    return bool(visit.actor.organisation and visit.actor.roles & {"officer", "owner"})


def _waiting(found: list[Agreement], visit: Visit) -> list[Todo]:
    words = visit.words
    told = []
    for one in found:
        deed = waits_for(one, visit.actor)
        if not deed:
            continue
        told.append(
            Todo(
                id=f"{one.id}?version={one.version}",
                asks=words.text(ASKED[one.state]),
                sentence=terms_seen(one.terms, visit).sentence,
                button=words.text("Look and decide"),
                reason=one.reason,
                due_us=one.due_us,
                from_us=one.changed_us,
                late=bool(one.due_us) and one.due_us < words.now_us,
            )
        )
    return told


async def _recalls(room: Any, visit: Visit) -> list[Todo]:
    words, actor = visit.words, visit.actor
    if not actor.organisation or not actor.roles & {"officer", "owner"}:
        return []
    asked: list[Recall] = await room.list_recalls(actor)
    return [
        Todo(
            id=one.agreement.partition("/")[0],
            asks=words.text("To answer: delete what was kept"),
            sentence=words.text("%(who)s asks you to delete what you keep of %(what)s")
            % {"who": organisation_name(visit, one.provider), "what": one.data_set},
            button=words.text("Answer"),
            due_us=one.due_us,
            from_us=one.asked_us,
            late=one.due_us < words.now_us,
            place="recalls",
        )
        for one in asked
        if one.open and one.holder == actor.organisation
    ]


async def _standing(room: Any, visit: Visit) -> list[dict[str, Any]]:
    if not visit.actor.organisation or not visit.actor.roles:
        return []
    words = visit.words
    told = await room.standing(visit.actor.organisation)
    return [
        {"title": title, "count": count, "bad": bad and count > 0}
        for title, count, bad in (
            (words.text("Requests that wait for us"), told.requests_open, False),
            (words.text("Requests past their deadline"), told.requests_overdue, True),
            (words.text("Recalls to answer"), told.recalls_open, False),
            (words.text("Recalls past their deadline"), told.recalls_overdue, True),
            (words.text("Limits broken"), told.limits_broken, True),
            (words.text("Answered in time, of all answered"), told.in_time, False),
        )
    ]


def row_of(one: Agreement, visit: Visit) -> Row:
    """One agreement of the list."""
    words, terms = visit.words, one.terms
    seen = terms_seen(terms, visit)
    return Row(
        id=f"{one.id}?version={one.version}",
        extra=one.name,
        cells={
            "data_set": Cell(text=seen.data_set, key=seen.data_set),
            "state": Cell(
                text=state_said(one.state, words), key=state_said(one.state, words), word=one.state
            ),
            "provider": Cell(text=seen.provider, key=seen.provider, word=terms.provider),
            "consumer": Cell(text=seen.consumer, key=seen.consumer, word=terms.consumer),
            "purpose": Cell(
                text=seen.purpose, key=code_said("purpose", terms.purpose, words),
                word=terms.purpose,
            ),
            "fields": Cell(text=str(len(terms.fields)), key=len(terms.fields)),
            "until": Cell(text=seen.until, key=terms.until_us or None, at_us=terms.until_us),
            "changed": Cell(
                text=words.time(one.changed_us), key=one.changed_us, at_us=one.changed_us
            ),
        },
    )  # fmt: skip
