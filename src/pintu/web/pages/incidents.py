"""The incidents of the city, gravest first; what was only an alarm; how right detectors were."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Deed
from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.incidents.words import RINGS, SEVERITIES
from pintu.web.house import house_of
from pintu.web.pages.incidents_said import (
    GRADES,
    SHORT,
    STATES,
    alarm_said,
    detector_said,
    incidents_of,
    responds,
    who_said,
)
from pintu.web.pages.labels import severity_title, value_label
from pintu.web.pages.listing import Cell, Heading, Row, as_csv, choose, shown
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.words import Incident

COLUMNS: Final = (
    ("grade", mark("Grade"), "state"),
    ("name", mark("What happened"), "text"),
    ("state", mark("State"), "state"),
    ("alarms", mark("Alarms"), "number"),
    ("confidence", mark("Confidence"), "number"),
    ("category", mark("Category"), "state"),
    ("assigned", mark("Whose"), "state"),
    ("opened", mark("Since"), "time"),
)
LOOSE: Final = 60
PAST: Final = 1_000


def enter_room(request: AnyRequest) -> Visit:
    """A visit of somebody who works in the operations room."""
    visit = enter(request, house_of(request).rooms, None)
    responds(visit)
    return visit


async def form_of(request: AnyRequest) -> dict[str, Any]:
    """The fields of a form of ours; a name that comes more than once is a list under `NAME[]`."""
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    told: dict[str, Any] = {name: str(value)[:1_000].strip() for name, value in form.items()}
    for name in form:
        told[f"{name}[]"] = [str(value)[:100] for value in form.getall(name, [])]
    return told


@get("/incidents", include_in_schema=False)
async def incidents(request: AnyRequest, format: str = "", which: str = "") -> Response[Any]:
    """What happened and is not over, gravest first; `?which=ended` what was; `?format=csv`."""
    visit = enter_room(request)
    return await _answer(request, visit, ended=which == "ended", as_file=format == "csv")


@post("/incidents", include_in_schema=False)
async def report(request: AnyRequest) -> Response[Any]:
    """Somebody saw something: an alarm like any other, which opens or joins an incident."""
    visit = enter_room(request)
    form = await form_of(request)
    try:
        told = {name: form.get(name, "") for name in ("text", "category", "severity", "source")}
        told |= {name: degrees(form.get(name, "")) for name in ("lon", "lat")}
        key = form.get("key") or uuid.uuid4().hex
        await incidents_of(visit).report(told, visit.actor.id, tenant=visit.tenant, key=key)
    except BadRequestData as error:
        return await _answer(request, visit, why=error.detail, status=error.status)
    return Redirect("/incidents?told=1", status_code=303)


def degrees(text: str) -> float | None:
    """A number of degrees as somebody typed it; None for nothing. Raises BadRequestData."""
    try:
        return float(text) if text else None
    except ValueError as error:
        raise BadRequestData(f"{text[:40]!r} is not a number of degrees") from error


async def _answer(
    request: AnyRequest,
    visit: Visit,
    *,
    ended: bool = False,
    as_file: bool = False,
    why: str = "",
    status: int = 200,
) -> Response[Any]:
    room, words = incidents_of(visit), visit.words
    live = await room.list_open(visit.tenant)
    found = live
    if ended:
        found = await room.list_incidents(visit.tenant, ("closed", "merged"), limit=PAST)
    headings = [
        Heading(name=name, title=words.text(title), kind=kind) for name, title, kind in COLUMNS
    ]
    listing = choose(request, headings, [_row(one, visit) for one in found])
    if as_file:
        return as_csv("incidents", listing, words.iso)
    loose = [] if ended else await room.list_loose(visit.tenant, limit=LOOSE)
    return page(
        visit,
        "incidents.html",
        status,
        listing=listing,
        rows=shown(listing),
        ended=ended,
        again=again_of(request),
        why=why,
        told="told" in request.query_params,
        tally=_tally(live, visit),
        loose=[alarm_said(one, visit) | {"waits": one.open} for one in loose],
        detectors=[detector_said(one, visit) for one in await room.list_detectors(visit.tenant)],
        severities=[(one, severity_title(one, words)) for one in reversed(SEVERITIES)],
        categories=categories(visit),
        severity_title=lambda one: severity_title(one, words),
        key=uuid.uuid4().hex,
        grades=GRADES,
    )


def again_of(request: AnyRequest) -> str:
    """The address of the same list once more."""
    return f"/incidents?{request.url.query}" if request.url.query else "/incidents"


def categories(visit: Visit) -> list[tuple[str, str]]:
    """(code, as people say it) of the kinds of alarms."""
    from pintu.vocabulary import vocabulary

    lists = [one for one in vocabulary().code_lists() if one.name == "alertCategory"]
    return [
        (code.value, value_label("category", code.value, visit.words))
        for one in lists
        for code in one.codes
    ]


def _tally(live: list[Incident], visit: Visit) -> list[tuple[str, int, bool]]:
    words = visit.words
    unseen = [one for one in live if one.state == "open"]
    grave = sum(one.grade >= RINGS for one in unseen)
    return [
        (words.text("grave and not seen yet"), grave, True),
        (words.text("not seen yet"), len(unseen), False),
        (words.text("taken on"), sum(one.state == "acknowledged" for one in live), False),
        (words.text("over, to be closed"), sum(one.quiet for one in live), False),
    ]


def _row(one: Incident, visit: Visit) -> Row:
    words = visit.words
    name = words.pick(one.name) or one.id
    state = words.text(STATES[one.state])
    alarms = f"{words.number(one.alarms_open)} / {words.number(one.alarms)}"
    whose = who_said(one.assigned, visit) if one.assigned else "–"
    category = value_label("category", one.category, words)
    cells = {
        "grade": Cell(text=words.text(SHORT[one.grade]), key=one.grade, word=str(one.grade)),
        "name": Cell(text=name, key=name),
        "state": Cell(text=state, key=state, word=one.state),
        "alarms": Cell(text=alarms, key=one.alarms),
        "confidence": Cell(text=f"{one.confidence:.0%}", key=one.confidence),
        "category": Cell(text=category, key=category, word=one.category),
        "assigned": Cell(text=whose, key=whose, word=one.assigned),
        "opened": Cell(text=words.age(one.opened_us), key=one.opened_us, at_us=one.opened_us),
    }
    return Row(id=one.id, cells=cells, extra=one)


def may_respond(visit: Visit) -> bool:
    """Whether to show the way to this page."""
    return visit.may(Deed.RESPOND)


PAGES: Final[tuple[Any, ...]] = (incidents, report)
