"""Work orders: the ranked queue, what ended, and opening one by hand."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, Refused
from pintu.kernel.operations.orders.routes import plan
from pintu.kernel.operations.orders.words import KINDS, SEVERITIES
from pintu.web.house import house_of
from pintu.web.pages.agreements_words import left
from pintu.web.pages.labels import severity_title
from pintu.web.pages.listing import Cell, Heading, Row, as_csv, choose, shown
from pintu.web.pages.orders_said import STATES, orders_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.orders import Crew, Order, Ranked

DATA_SET: Final = "orders"
COLUMNS: Final = (
    ("rank", mark("Rank"), "number"),
    ("what", mark("What and where"), "text"),
    ("severity", mark("Severity"), "state"),
    ("state", mark("State"), "state"),
    ("crew", mark("Crew"), "state"),
    ("due", mark("Next deadline"), "time"),
    ("why", mark("Why in this place"), "text"),
)


def enter_room(request: AnyRequest) -> Visit:
    """A visit of somebody who works in the operations room."""
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return visit


async def form_of(request: AnyRequest) -> dict[str, str]:
    """The fields of a form of ours."""
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    return {name: str(value)[:1_000].strip() for name, value in form.items()}


@get("/orders", include_in_schema=False)
async def orders(request: AnyRequest, format: str = "", which: str = "") -> Response[Any]:
    """What is to be done, most urgent first; `?which=ended` what was; `?format=csv` the file."""
    visit = enter_room(request)
    return await _answer(request, visit, ended=which == "ended", as_file=format == "csv")


@post("/orders", include_in_schema=False)
async def open_one(request: AnyRequest) -> Response[Any]:
    """Open an order by hand, then show it."""
    visit = enter_room(request)
    form = await form_of(request)
    try:
        made = await orders_of(visit).open_order(
            visit.actor,
            visit.tenant,
            form.get("words") or form.get("what", ""),
            form.get("target", ""),
            cause=form.get("cause", ""),
            severity=form.get("severity", "medium"),
            key=form.get("key") or uuid.uuid4().hex,
        )
    except (BadRequestData, Refused) as error:
        return await _answer(request, visit, why=error.detail, status=error.status)
    return Redirect(f"/orders/{made.id}", status_code=303)


async def _answer(
    request: AnyRequest,
    visit: Visit,
    *,
    ended: bool = False,
    as_file: bool = False,
    why: str = "",
    status: int = 200,
) -> Response[Any]:
    room, words = orders_of(visit), visit.words
    crews = {one.id: one for one in await room.desk.list_crews(visit.tenant)}
    ranked = await room.queue(visit.tenant)
    if ended:
        rows = [
            _row(None, one, crews, visit)
            for one in await room.list_orders(visit.tenant, finished=True)
        ]
    else:
        rows = [_row((n, one), one.order, crews, visit) for n, one in enumerate(ranked, 1)]
    headings = [
        Heading(name=name, title=words.text(title), kind=kind)
        for name, title, kind in COLUMNS
        if not ended or name not in ("rank", "why")
    ]
    listing = choose(request, headings, rows)
    if as_file:
        return as_csv("orders", listing, words.iso)
    chosen = crews.get(listing.asked.get("crew", ""))
    return page(
        visit,
        "orders.html",
        status,
        listing=listing,
        rows=shown(listing),
        ended=ended,
        why=why,
        crews=list(crews.values()),
        chosen=chosen,
        route=await _route(visit, chosen, ranked) if chosen is not None and not ended else None,
        kinds=KINDS,
        severities=[(one, severity_title(one, words)) for one in SEVERITIES],
        key=uuid.uuid4().hex,
        tally=_tally(ranked, visit),
        target=str(request.query_params.get("target", ""))[:500],
        cause=str(request.query_params.get("cause", ""))[:200],
    )


async def _route(visit: Visit, crew: Crew, ranked: list[Ranked]) -> Any:
    mine = [one for one in ranked if one.order.crew == crew.id]
    return await asyncio.to_thread(plan, mine, crew.place)


def _tally(ranked: list[Ranked], visit: Visit) -> list[tuple[str, int, bool]]:
    words = visit.words
    return [
        (words.text("to be given"), sum(one.order.state == "open" for one in ranked), False),
        (words.text("late"), sum(one.late for one in ranked), True),
        (words.text("escalated"), sum(one.order.level > 0 for one in ranked), False),
        (words.text("waiting for proof"), sum(o.order.state == "reported" for o in ranked), False),
        (words.text("suspended"), sum(one.order.state == "suspended" for one in ranked), False),
    ]


def _row(
    place: tuple[int, Ranked] | None, order: Order, crews: dict[str, Crew], visit: Visit
) -> Row:
    words = visit.words
    crew = crews.get(order.crew)
    late = place is not None and place[1].late
    due_us = place[1].due_us if place is not None else order.closed_us
    said = words.time(due_us) if place is None else left(due_us, words)
    name = f"{words.pick(order.what)} · {order.where or order.target.rpartition(':')[2]}"
    cells = {
        "rank": Cell(text=str(place[0]), key=place[0]) if place else Cell(text="–"),
        "what": Cell(text=name, key=name),
        "severity": Cell(
            text=severity_title(order.severity, words),
            key=-SEVERITIES.index(order.severity),
            word=order.severity,
        ),
        "state": Cell(text=words.text(STATES[order.state]), key=order.state, word=order.state),
        "crew": Cell(
            text=words.pick(crew.name) if crew else "–", key=order.crew or None, word=order.crew
        ),
        "due": Cell(text=said, key=due_us or None, at_us=due_us),
        "why": Cell(text=_points(place[1], visit) if place else "–"),
    }
    return Row(id=order.id, cells=cells, extra={"late": late, "level": order.level})


def _points(one: Ranked, visit: Visit) -> str:
    words = visit.words
    parts = [
        (words.text("severity"), one.severity),
        (words.text("time used"), one.lateness),
        (words.text("escalated"), one.escalation),
    ]
    return " + ".join(f"{title} {points}" for title, points in parts if points)


PAGES: Final[tuple[Any, ...]] = (orders, open_one)
