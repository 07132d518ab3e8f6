"""Plays: what playbooks propose, what people approved, how it goes, and taking it back."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, Conflict, Missing, Refused, ResourceNotFound
from pintu.web.pages.operations_sentences import in_language
from pintu.web.pages.orders import enter_room, form_of
from pintu.web.pages.plays_said import (
    cause_said,
    groups_said,
    line_said,
    play_said,
    plays_of,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit

NOT_DONE: Final = (BadRequestData, Conflict, Refused, Missing)
LINES: Final = 200
SHOWN_TARGETS: Final = 100


@get("/plays", include_in_schema=False)
async def plays(request: AnyRequest, cause: str = "", part: str = "") -> Response[Any]:
    """The newest plays, and the playbooks that can be proposed (for `?cause=incident:ID`)."""
    visit = enter_room(request)
    return await _list(visit, cause=cause[:200], part=part == "rows")


@post("/plays", include_in_schema=False)
async def propose(request: AnyRequest) -> Response[Any]:
    """Propose a playbook for a cause, or (deed `dry`) show what it would do."""
    visit = enter_room(request)
    form = await form_of(request)
    cause, book = form.get("cause", ""), form.get("playbook", "")
    room = plays_of(visit)
    area = await room.area_of(visit.tenant, cause) if cause else None
    where: dict[str, Any] = {"area": area, "tenant": visit.tenant}
    try:
        if not cause:
            raise BadRequestData("A plan needs a cause, such as incident:17")
        if form.get("deed") == "dry":
            dry = await room.dry_run(visit.actor, book, cause, **where)
            return await _one(visit, dry)
        made = await room.propose(visit.actor, book, cause, **where)
    except NOT_DONE as error:
        told = in_language(error.detail, visit.words.lang)
        return await _list(visit, cause=cause, why=told, status=error.status)
    return Redirect(f"/plays/{made.id}", status_code=303)


async def _list(
    visit: Visit, *, cause: str = "", why: str = "", part: bool = False, status: int = 200
) -> Response[Any]:
    room = plays_of(visit)
    found = await room.list_for(cause) if cause else await room.list_plays(visit.tenant)
    rows = [play_said(visit, one) for one in found if one.tenant == visit.tenant]
    stop = visit.rooms.commands.stops.of(visit.tenant)
    values: dict[str, Any] = {"rows": rows, "cause": cause, "stop": stop}
    if part:
        return page(visit, "part_plays.html", status, **values)
    books = [
        {
            "name": one.name,
            "title": visit.words.pick(one.title),
            "about": visit.words.pick(one.about),
            "steps": sum(len(group.steps) for group in one.groups),
            "built_in": one.built_in,
        }
        for one in room.list_playbooks()
    ]
    return page(
        visit,
        "plays.html",
        status,
        why=why,
        books=books,
        broken=room.mistakes(),
        named=cause_said(cause, visit.words) if cause else None,
        **values,
    )


@get("/plays/{id:str}", include_in_schema=False)
async def play(request: AnyRequest, id: str, part: str = "", step: int = -1) -> Response[Any]:
    """One play: its groups, its steps, its story; `?step=` lists the things of one step."""
    visit = enter_room(request)
    found = await _mine(visit, id)
    return await _one(visit, found, part=part == "steps", step=step)


@post("/plays/{id:str}", include_in_schema=False)
async def decide(request: AnyRequest, id: str) -> Response[Any]:
    """Approve or refuse a group, take the play back, let it go on after a stop."""
    visit = enter_room(request)
    form = await form_of(request)
    room, found = plays_of(visit), await _mine(visit, id)
    deed, group, reason = (form.get(name, "") for name in ("deed", "group", "reason"))
    try:
        if deed == "approve":
            await room.approve(visit.actor, id, group)
        elif deed == "refuse":
            await room.refuse(visit.actor, id, group, reason)
        elif deed == "undo":
            await room.undo_play(visit.actor, id, reason)
        elif deed == "go_on":
            await room.go_on(visit.actor, id)
        else:
            raise BadRequestData(f"{deed[:50]!r} is nothing that can be done with a plan")
    except NOT_DONE as error:
        found = await room.get(id)
        told = in_language(
            error.detail or error.title, visit.words.lang, visit.rooms.commands.guarding
        )
        return await _one(visit, found, why=told, status=error.status)
    return Redirect(f"/plays/{id}", status_code=303)


async def _mine(visit: Visit, id: str) -> Any:
    """A play of the visit's tenant; another tenant's does not exist here."""
    found = await plays_of(visit).get(id)
    if found.tenant != visit.tenant:
        raise ResourceNotFound(f"Play {id} does not exist")
    return found


async def _one(
    visit: Visit,
    found: Any,
    *,
    why: str = "",
    part: bool = False,
    step: int = -1,
    status: int = 200,
) -> Response[Any]:
    room = visit.rooms.operations
    journal = room.journal if room is not None else None
    deeds = []
    if journal is not None and not found.dry:
        deeds = await journal.list_deeds(subject=f"play:{found.id}", limit=LINES)
    things = []
    if not found.dry and 0 <= step < len(found.steps):
        things = await plays_of(visit).targets(found.id, step)
    live = found.state in ("proposed", "running", "halted", "undoing") and not found.dry
    values: dict[str, Any] = {
        **play_said(visit, found),
        "groups": groups_said(visit, found),
        "live": live,
        "things": things[:SHOWN_TARGETS],
        "why_said": partial(
            in_language, lang=visit.words.lang, guarding=visit.rooms.commands.guarding
        ),
        "things_count": len(things),
        "chosen": step,
    }
    if part:
        return page(visit, "part_play.html", status, **values)
    return page(
        visit,
        "play.html",
        status,
        why=why,
        lines=[line_said(visit, one) for one in reversed(deeds)],
        stop=visit.rooms.commands.stops.of(visit.tenant),
        may_undo=found.state in ("proposed", "running", "halted", "done", "failed"),
        **values,
    )


PAGES: Final[tuple[Any, ...]] = (plays, propose, play, decide)
