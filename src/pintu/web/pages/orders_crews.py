"""Crews: who goes out together, what for, and when they work."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, Refused
from pintu.kernel.operations.orders.words import KINDS, Crew, Shift
from pintu.web.house import house_of
from pintu.web.pages.orders import enter_room
from pintu.web.pages.orders_said import orders_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.identity.words import Person

DAY_US: Final = 86_400_000_000
PLACE: Final = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*[,，]\s*(-?\d{1,2}(?:\.\d+)?)\s*")


@get("/crews", include_in_schema=False)
async def crews(request: AnyRequest) -> Response[Any]:
    """Every crew with its people and its shifts of the next week."""
    return await _answer(enter_room(request))


@post("/crews", include_in_schema=False)
async def save(request: AnyRequest) -> Response[Any]:
    """Make or change a crew."""
    visit = enter_room(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    try:
        people = {one.id for one in crew_people(visit)}
        crew = Crew(
            id=str(form.get("id", "")).strip(),
            tenant=visit.tenant,
            name={"zh": str(form.get("zh", "")).strip(), "en": str(form.get("en", "")).strip()},
            kinds=tuple(str(one) for one in form.getall("kinds", [])),
            place=place_said(str(form.get("place", ""))),
        )
        members = [one for one in map(str, form.getall("members", [])) if one in people]
        await orders_of(visit).desk.save_crew(visit.actor, crew, members)
    except (BadRequestData, Refused) as error:
        return await _answer(visit, why=error.detail, status=error.status)
    return Redirect("/crews", status_code=303)


@post("/crews/{id:str}/shifts", include_in_schema=False)
async def plan_shift(request: AnyRequest, id: str) -> Response[Any]:
    """A crew works then; or, with `drop`, does not."""
    visit = enter_room(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    desk, drop = orders_of(visit).desk, str(form.get("drop", ""))
    try:
        if drop:
            number = int(drop) if drop.isascii() and drop.isdigit() and len(drop) < 16 else 0
            await desk.drop_shift(visit.actor, id, number)
        else:
            zone = visit.words.tz
            since_us = minute_us(str(form.get("since", "")), zone)
            until_us = minute_us(str(form.get("until", "")), zone)
            shift = Shift(crew=id, since_us=since_us, until_us=until_us)
            await desk.add_shift(visit.actor, shift)
    except (BadRequestData, Refused) as error:
        return await _answer(visit, why=error.detail, status=error.status)
    return Redirect("/crews", status_code=303)


def place_said(text: str) -> tuple[float, float] | None:
    """(longitude, latitude) out of `120.2, 30.2`; None of nothing, BadRequestData of anything
    else."""
    if not text.strip():
        return None
    found = PLACE.fullmatch(text)
    if found is None or abs(float(found[1])) > 180 or abs(float(found[2])) > 90:
        raise BadRequestData(f"Place {text[:40]!r} is not a longitude and a latitude")
    return float(found[1]), float(found[2])


def minute_us(text: str, zone: str) -> int:
    """µs of a local minute as a browser sends it; BadRequestData for what is none."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequestData(f"Time {text[:40]!r} is not a date and a time") from error
    if told.tzinfo is None:
        told = told.replace(tzinfo=ZoneInfo(zone))
    return int(told.timestamp() * 1e6)


def crew_people(visit: Visit) -> list[Person]:
    """The accounts that may be in a crew: of the visitor's organisation, with the role `crew`."""
    mine = visit.actor.organisation
    return [
        one
        for one in visit.rooms.identity.people.list_people()
        if not one.disabled
        and any(
            m.role == "crew" and (not mine or mine == "city" or m.organisation == mine)
            for m in one.memberships
        )
    ]


async def _answer(visit: Visit, why: str = "", status: int = 200) -> Response[Any]:
    desk, words = orders_of(visit).desk, visit.words
    people = crew_people(visit)
    names = {one.id: one.name for one in people}
    working = await desk.on_shift(visit.tenant)
    told = []
    for crew in await desk.list_crews(visit.tenant):
        members = await desk.members(visit.actor, crew.id)
        shifts = await desk.shifts(crew.id, words.now_us, words.now_us + 7 * DAY_US)
        told.append(
            {
                "id": crew.id,
                "crew": crew,
                "name": words.pick(crew.name),
                "works": crew.id in working,
                "kinds": [words.pick(KINDS[one]) for one in crew.kinds],
                "members": [names.get(one, one) for one in members],
                "member_ids": members,
                "shifts": shifts,
            }
        )
    day = datetime.fromtimestamp(words.now_us / 1e6, ZoneInfo(words.tz)).strftime("%Y-%m-%d")
    return page(
        visit,
        "crews.html",
        status,
        crews=told,
        people=[(one.id, one.name, one.login) for one in people],
        kinds=[(id, words.pick(name)) for id, name in KINDS.items()],
        why=why,
        since=f"{day}T08:00",
        until=f"{day}T20:00",
    )


PAGES: Final[tuple[Any, ...]] = (crews, save, plan_shift)
