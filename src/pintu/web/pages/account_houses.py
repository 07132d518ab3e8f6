"""Signing in with an account of another house, and joining one to one's own."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.identity.oidc.issuers import STATE_S, Issuers
from pintu.web.house import house_of
from pintu.web.pages.account import checked
from pintu.web.pages.render import page
from pintu.web.pages.session import caller_of, is_secure, safe_next, shown, welcome
from pintu.web.visit import AnyRequest, enter, raw_headers

BROWSER: Final = "pintu_oidc"
BACK: Final = "/sign-in/back"


def room_of(request: AnyRequest) -> Issuers:
    """The houses that are configured."""
    room = house_of(request).rooms.issuers
    if room is None:
        raise Unavailable("No other house's accounts open doors here")
    return room


def base_of(request: AnyRequest) -> str:
    """The city's own address, as browsers see it."""
    public = house_of(request).rooms.settings.public_url
    return public or str(request.base_url).rstrip("/")


def going(request: AnyRequest, url: str) -> Response[Any]:
    """A page of ours that goes on to another address: a form may not lead elsewhere by itself
    (our own policy), and a cookie for our pages alone is not sent on the way back from one."""
    visit = enter(request, house_of(request).rooms, None)
    return page(visit, "going.html", url=url)


@post("/sign-in/with/{name:str}", include_in_schema=False)
async def begin(request: AnyRequest, name: str) -> Response[Any]:
    """Go to another house to sign in there."""
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    return await _begin(request, name, safe_next(str(form.get("next", "/"))))


@post("/account/join/{name:str}", include_in_schema=False)
async def join(request: AnyRequest, name: str) -> Response[Any]:
    """The same to join the account there to one's own here."""
    _, person, _, _ = await checked(request)
    return await _begin(request, name, "/account", person=person.id)


async def _begin(request: AnyRequest, name: str, go_on: str, person: str = "") -> Response[Any]:
    try:
        begun = await room_of(request).begin(name, base_of(request) + BACK, go_on, person=person)
    except PintuError as error:
        return shown(request, go_on, why=error.detail, status=error.status)
    answer = going(request, begun.url)
    answer.cookies.append(
        Cookie(
            key=BROWSER,
            value=begun.browser,
            max_age=STATE_S,
            path=BACK,
            httponly=True,
            secure=is_secure(request),
            samesite="lax",
        )
    )
    return answer


@get(BACK, include_in_schema=False)
async def back(request: AnyRequest) -> Response[Any]:
    """Somebody comes back from another house, with a code or a refusal."""
    told = {name: value[:4_000] for name, value in request.query_params.items()}
    browser = request.cookies.get(BROWSER, "")[:200]
    try:
        came = await room_of(request).finish(told, browser, caller_of(request).label)
        opened = await welcome(request, came.proof, came.go_on)
    except PintuError as error:
        return shown(request, "/", why=error.detail, status=error.status)
    answer = going(request, came.go_on)
    answer.cookies.extend(opened.cookies)
    answer.cookies.append(Cookie(key=BROWSER, value="", max_age=0, path=BACK, httponly=True))
    return answer


@post("/account/part", include_in_schema=False)
async def part(request: AnyRequest) -> Response[Any]:
    """An account of another house opens one's own no longer."""
    _, person, _, told = await checked(request)
    await room_of(request).part(person.id, told.get("issuer", ""))
    return Redirect("/account", status_code=303)


PAGES: Final[tuple[Any, ...]] = (begin, join, back, part)
