"""The demo's people: on this machine, beside `--demo`, anybody may be each of them by a click."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post

from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.kernel.identity.browsers import Proof
from pintu.kernel.identity.words import ROLES
from pintu.web.house import house_of
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.render import page
from pintu.web.pages.session import safe_next, with_session
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

PREFIX: Final = "demo_"


def enter_demo(request: AnyRequest) -> Visit:
    """A visit of the demo on this machine; there is no such page anywhere else."""
    visit = enter(request, house_of(request).rooms, None)
    if not visit.rooms.settings.demo:
        raise ResourceNotFound("This page is the demo's alone")
    if not visit.actor.local:
        raise Forbidden("The demo's people are for who sits at this machine")
    return visit


@get("/demo-people", include_in_schema=False)
async def people(request: AnyRequest, next: str = "/") -> Response[Any]:
    """Who there is to be."""
    visit = enter_demo(request)
    words = visit.words
    told = []
    for person in visit.rooms.identity.people.list_people():
        if not person.login.startswith(PREFIX) or person.disabled:
            continue
        roles = [
            f"{organisation_name(visit, one.organisation)}: {words.pick(ROLES[one.role])}"
            for one in person.memberships
            if one.role in ROLES
        ]
        told.append(
            {"login": person.login, "name": person.name, "id": person.id,
             "roles": roles or [words.text("Resident")]}
        )  # fmt: skip
    return page(visit, "demo_people.html", people=told, next=safe_next(next))


@post("/demo-people", include_in_schema=False)
async def become(request: AnyRequest) -> Response[Any]:
    """Be one of them."""
    visit = enter_demo(request)
    form = await request.form()
    headers = raw_headers(request)
    identity = visit.rooms.identity
    identity.check_csrf(headers, str(form.get("csrf", "")))
    login = str(form.get("login", ""))
    person = identity.people.find_login(login) if login.startswith(PREFIX) else None
    if person is None:
        raise ResourceNotFound("Nobody of the demo is called that")
    opened = await identity.open_for_person(Proof(person=person.id, method="demo"), headers)
    return with_session(request, opened, safe_next(str(form.get("next", "/"))))


PAGES: Final[tuple[Any, ...]] = (people, become)
