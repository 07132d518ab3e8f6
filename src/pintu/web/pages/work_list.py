"""My work: what a piece's people work through, with the deeds that each row's state allows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, PintuError, Refused, ResourceNotFound
from pintu.web.api.states import parse_time
from pintu.web.house import House, house_of
from pintu.web.pages.listing import Cell, Heading, Row, as_csv, choose, shown
from pintu.web.pages.render import page
from pintu.web.pages.session import safe_next
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

if TYPE_CHECKING:
    from pintu.kit.views import Column, WorkList

log = logging.getLogger("pintu.web")

DATA_SET = "work"
STEP = 1_000
MOST = 10_000
LONGEST_NOTE = 200


@get("/work", include_in_schema=False)
async def work_lists(request: AnyRequest) -> Response[Any]:
    """The one list there is, or all of them to choose from."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    lists = visit.work_lists()
    if len(lists) == 1:
        return Redirect(f"/work/{lists[0].name}", status_code=303)
    return page(visit, "work_lists.html", lists=lists)


@get("/work/{name:str}", include_in_schema=False)
async def work_list(request: AnyRequest, name: str, format: str = "") -> Response[Any]:
    """Rows of a list: what is wrong, where, how long, how far; `?format=csv` is the file."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    visit.whole_rows()
    return await _answer(request, house, visit, name, as_file=format == "csv")


@post("/work/{name:str}", include_in_schema=False)
async def deed(request: AnyRequest, name: str) -> Response[Any]:
    """Do one deed on one row, then show the list as it was asked for."""
    house = house_of(request)
    form = await request.form()
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    visit = enter_form(request, house)
    declared = find_list(visit, name)
    action, row = str(form.get("action", "")), str(form.get("row", ""))
    note = str(form.get("note", "")).strip()
    if action not in declared.actions:
        raise BadRequestData(f"Work list {name} has no action {action[:80]!r}")
    if len(note) > LONGEST_NOTE or len(row) > 2_000:
        raise BadRequestData(f"A note is at most {LONGEST_NOTE} characters long")
    assert house.rooms.work is not None
    try:
        await house.rooms.work.do(name, row, action=action, actor=visit.actor.id, note=note)
    except Refused as error:
        return await _answer(request, house, visit, name, why=error)
    return Redirect(safe_next(str(form.get("next", f"/work/{name}"))), status_code=303)


def enter_form(request: AnyRequest, house: House) -> Visit:
    """Who acts by a form; the caller has checked its CSRF token."""
    visit = enter(request, house.rooms, data_set=DATA_SET)
    house.rooms.gate.decide(
        visit.actor, Act(deed=Deed.COMMAND, tenant=visit.tenant, data_set=DATA_SET)
    )
    return visit


def find_list(visit: Visit, name: str) -> WorkList:
    """A work list of this tenant; ResourceNotFound names it."""
    for one in visit.work_lists():
        if one.name == name:
            return one
    raise ResourceNotFound(f"Work list {name[:80]} does not exist")


async def _answer(
    request: AnyRequest,
    house: House,
    visit: Visit,
    name: str,
    *,
    as_file: bool = False,
    why: PintuError | None = None,
) -> Response[Any]:
    declared = find_list(visit, name)
    failed = ""
    try:
        found = await all_rows(house, name)
    except PintuError as error:  # the city stands without this piece; the page says so
        log.warning("Work list %s cannot be read: %s", name, error)
        found, failed = [], error.detail
    headings = [
        Heading(name=one.name, title=visit.words.pick(one.title), kind=one.kind)
        for one in declared.columns
    ]
    rows = [row_of(one, declared, visit) for one in found[:MOST]]
    listing = choose(request, headings, rows)
    if as_file and not failed:
        return as_csv(name, listing, visit.words.iso)
    status = 503 if failed else why.status if why is not None else 200
    return page(
        visit,
        "work_list.html",
        status,
        declared=declared,
        listing=listing,
        rows=shown(listing),
        failed=failed,
        why=why.detail if why is not None else "",
        cut=len(found) > MOST,
        may_act=visit.signed_in and visit.may(Deed.COMMAND, DATA_SET),
    )


async def all_rows(house: House, name: str) -> list[dict[str, Any]]:
    """Every row, at most one more than a page can filter."""
    found: list[dict[str, Any]] = []
    work = house.rooms.work
    while work is not None and len(found) <= MOST:
        part = await work.rows(name, limit=STEP, offset=len(found))
        found += part
        if len(part) < STEP:
            break
    return found


def row_of(told: dict[str, Any], declared: WorkList, visit: Visit) -> Row:
    """A service's row as cells in the visitor's language."""
    return Row(
        id=str(told.get("id", "")),
        cells={
            one.name: _cell(told.get(one.name), one, declared, visit) for one in declared.columns
        },
        extra=[one for one in declared.actions if one in told.get("actions", ())],
    )


def _cell(value: Any, column: Column, declared: WorkList, visit: Visit) -> Cell:
    words = visit.words
    if value is None or value == "":
        return Cell(text="–", key=None)
    if column.kind == "entity":
        return Cell(text=str(value).rpartition(":")[2], key=str(value), link=str(value))
    if column.kind in ("age", "time"):
        at_us = parse_time(str(value))
        return Cell(text=words.time(at_us), key=at_us or None, at_us=at_us)
    if isinstance(value, dict):  # a coded value that brings its own title
        return Cell(
            text=words.pick(value.get("title", {})) or str(value.get("value", "")),
            key=words.pick(value.get("title", {})),
            word=str(value.get("value", "")),
        )
    if column.kind == "number":
        return Cell(text=words.number(value), key=value)
    told = words.pick(declared.words.get(str(value), {})) if column.kind == "state" else ""
    return Cell(text=told or str(value), key=told or str(value), word=str(value))
