"""Notices: what the city has to tell a person, newest first."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import Unauthorized
from pintu.web.house import house_of
from pintu.web.pages.rail import unread_of
from pintu.web.pages.render import page
from pintu.web.pages.session import safe_next
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

MOST: Final = 200


def enter_person(request: AnyRequest) -> Visit:
    """A visit of a person's own page; Unauthorized for who is nobody in particular."""
    visit = enter(request, house_of(request).rooms, None)
    if not visit.actor.person:
        raise Unauthorized("This page is a person's own: sign in with an account")
    return visit


@get("/notices", include_in_schema=False)
async def notices(request: AnyRequest) -> Response[Any]:
    """The newest notices of who asks."""
    visit = enter_person(request)
    room = getattr(visit.rooms, "notices", None)
    found = await room.list_for(visit.actor, limit=MOST) if room is not None else []
    told = [
        {
            "text": visit.words.pick(one.text),
            "link": safe_next(one.link) if one.link else "",
            "at_us": one.at_us,
            "read": bool(one.read_us),
        }
        for one in found
    ]
    return page(visit, "notices.html", notices=told, fresh=unread_of(visit))


@post("/notices/read", include_in_schema=False)
async def read(request: AnyRequest) -> Response[Any]:
    """All of them are read."""
    visit = enter_person(request)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    room = getattr(visit.rooms, "notices", None)
    if room is not None:
        await room.mark_read(visit.actor)
    return Redirect("/notices", status_code=303)


PAGES: Final[tuple[Any, ...]] = (notices, read)
