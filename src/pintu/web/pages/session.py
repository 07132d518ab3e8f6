"""Signing in with a token, signing out, and the language and look a visitor keeps."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from pintu.kernel.errors import Refused
from pintu.kernel.identity import COOKIE
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, enter, raw_headers

MAX_FORM = 8_192


def safe_next(wish: str | None) -> str:
    """A path of this city, never another site."""
    path = wish or "/"
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


@get("/sign-in", include_in_schema=False)
async def sign_in(request: AnyRequest, code: str = "") -> Response[Any]:
    """The form for a token; with `code` a link that the city printed is used up instead."""
    house = house_of(request)
    visit = enter(request, house.rooms, None)
    if code:
        peer = request.client.host if request.client else ""
        try:
            opened = await house.rooms.identity.open_session_by_link(code, peer=peer)
        except Refused as error:
            return page(visit, "sign_in.html", error.status, why=error.detail, next="/")
        return with_session(request, opened, "/")
    return page(visit, "sign_in.html", why="", next=safe_next(request.query_params.get("next")))


@post("/sign-in", include_in_schema=False)
async def open_session(request: AnyRequest) -> Response[Any]:
    """Open a session with a token and go where the visitor wanted."""
    house = house_of(request)
    form = await request.form()
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    token = str(form.get("token", ""))[:MAX_FORM]
    go_on = safe_next(str(form.get("next", "/")))
    peer = request.client.host if request.client else ""
    try:
        opened = await house.rooms.identity.open_session(token, peer=peer)
    except Refused as error:
        visit = enter(request, house.rooms, None)
        return page(visit, "sign_in.html", error.status, why=error.detail, next=go_on)
    return with_session(request, opened, go_on)


def with_session(request: AnyRequest, opened: Any, go_on: str) -> Response[Any]:
    """To the next page with the cookie of a session that was just opened."""
    secure = request.url.scheme == "https"
    cookie = Cookie(
        key=COOKIE,
        value=opened.cookie,
        max_age=opened.max_age_s,
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    return Redirect(go_on, status_code=303, cookies=[cookie])


@post("/sign-out", include_in_schema=False)
async def sign_out(request: AnyRequest) -> Response[Any]:
    """End the session everywhere."""
    house = house_of(request)
    headers = raw_headers(request)
    form = await request.form()
    house.rooms.identity.check_csrf(headers, str(form.get("csrf", "")))
    await house.rooms.identity.close_session(headers)
    cookie = Cookie(key=COOKIE, value="", max_age=0, httponly=True, samesite="strict")
    return Redirect("/", status_code=303, cookies=[cookie])
