"""Signing in and out: a password, a passkey, another house's account, a token; links."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from pintu.kernel.errors import BadInput, Refused, Unavailable
from pintu.kernel.identity import COOKIE, Opened, Proof
from pintu.kernel.identity.passkeys import site_of
from pintu.kernel.identity.signing_in import KNOWN_S, Caller, SignIn
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, enter, raw_headers

MAX_FORM: Final = 8_192
KNOWN: Final = "pintu_known"
BROWSERS: Final = ("Edg", "OPR", "Firefox", "MicroMessenger", "Chrome", "Safari")
SYSTEMS: Final = ("Android", "iPhone", "iPad", "HarmonyOS", "Windows", "Mac OS X", "Linux")


def safe_next(wish: str | None) -> str:
    """A path of this city, never another site."""
    path = wish or "/"
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path[:2_000]


def caller_of(request: AnyRequest) -> Caller:
    """Who knocks, as far as a browser tells."""
    told = request.headers.get("user-agent", "")[:500]
    browser = next((one for one in BROWSERS if one in told), "")
    system = next((one for one in SYSTEMS if one in told), "")
    label = " · ".join(
        one.replace("Edg", "Edge").replace("OPR", "Opera") for one in (browser, system) if one
    )
    headers = raw_headers(request)
    peer = request.client.host if request.client else ""
    return Caller(
        address=house_of(request).rooms.identity.caller(headers, peer),
        label=label,
        known=request.cookies.get(KNOWN, "")[:200],
    )


def room_of(request: AnyRequest) -> SignIn:
    """The room people sign in through; Unavailable in a house without one."""
    room = house_of(request).rooms.sign_in
    if room is None:
        raise Unavailable("Nobody signs in with an account here")
    return room


def site(request: AnyRequest) -> tuple[str, str] | None:
    """(relying party, origin) for passkeys; None where the address is a number."""
    public = house_of(request).rooms.settings.public_url
    secure = request.url.scheme == "https"
    return site_of(public, request.headers.get("host", ""), secure)


def shown(request: AnyRequest, go_on: str, *, why: str = "", status: int = 200) -> Response[Any]:
    """The page to sign in at."""
    visit = enter(request, house_of(request).rooms, None)
    rooms = visit.rooms
    return page(
        visit,
        "sign_in.html",
        status,
        why=why,
        next=go_on,
        accounts=rooms.sign_in is not None,
        passkeys=rooms.sign_in is not None and site(request) is not None,
        issuers=[] if rooms.issuers is None else rooms.issuers.offered(),
    )


@get("/sign-in", include_in_schema=False)
async def sign_in(request: AnyRequest, code: str = "") -> Response[Any]:
    """The form; with `code` a link that the city printed is used up instead."""
    house = house_of(request)
    if code:
        peer = request.client.host if request.client else ""
        try:
            opened = await house.rooms.identity.open_session_by_link(code, peer=peer)
        except Refused as error:
            return shown(request, "/", why=error.detail, status=error.status)
        return with_session(request, opened, "/")
    return shown(request, safe_next(request.query_params.get("next")))


@post("/sign-in", include_in_schema=False)
async def open_session(request: AnyRequest) -> Response[Any]:
    """Open a session with a password or a token, and go where the visitor wanted."""
    identity = house_of(request).rooms.identity
    form = await request.form()
    headers = raw_headers(request)
    identity.check_csrf(headers, str(form.get("csrf", "")))
    go_on = safe_next(str(form.get("next", "/")))
    peer = request.client.host if request.client else ""
    try:
        if form.get("login"):
            login, password = str(form["login"])[:200], str(form.get("password", ""))[:MAX_FORM]
            proof = await room_of(request).by_password(login, password, caller_of(request))
            return await welcome(request, proof, go_on)
        token = str(form.get("token", ""))[:MAX_FORM]
        opened = await identity.open_session(token, peer=peer)
        await identity.close_session(headers)
    except Refused as error:
        return shown(request, go_on, why=error.detail, status=error.status)
    return with_session(request, opened, go_on)


@get("/sign-in/link", include_in_schema=False)
async def link(request: AnyRequest, code: str = "") -> Response[Any]:
    """The form for a new password behind a one-time link."""
    visit = enter(request, house_of(request).rooms, None)
    person = await room_of(request).link_of(code)
    return page(
        visit, "sign_in_link.html", 200 if person else 404, code=code, person=person, why=""
    )


@post("/sign-in/link", include_in_schema=False)
async def use_link(request: AnyRequest) -> Response[Any]:
    """Set the password of whoever the link was made for, and sign them in."""
    rooms = house_of(request).rooms
    form = await request.form()
    rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    code, room = str(form.get("code", ""))[:200], room_of(request)
    person = await room.link_of(code)
    new, again = (str(form.get(name, ""))[:MAX_FORM] for name in ("password", "again"))
    try:
        if new != again:
            raise BadInput("The two passwords are not the same")
        proof = await room.by_link(code, new, caller_of(request))
    except (Refused, BadInput) as error:
        visit = enter(request, rooms, None)
        told = {"code": code, "person": person, "why": error.detail}
        return page(visit, "sign_in_link.html", error.status, **told)
    await rooms.identity.browsers.end_all(proof.person)
    return await welcome(request, proof, "/account")


async def welcome(request: AnyRequest, proof: Proof, go_on: str) -> Response[Any]:
    """A new session for who was recognised, in place of the one before."""
    rooms = house_of(request).rooms
    opened = await rooms.identity.open_for_person(proof, raw_headers(request))
    answer = with_session(request, opened, go_on)
    kept = Cookie(
        key=KNOWN,
        value=await room_of(request).remember(proof.person),
        max_age=KNOWN_S,
        path="/sign-in",
        httponly=True,
        secure=is_secure(request),
        samesite="strict",
    )
    answer.cookies.append(kept)
    return answer


def is_secure(request: AnyRequest) -> bool:
    """Whether the browser came over TLS, here or at the proxy before us."""
    public = house_of(request).rooms.settings.public_url
    return request.url.scheme == "https" or public.startswith("https://")


def session_cookie(request: AnyRequest, opened: Opened) -> Cookie:
    """The cookie of a session: for the browser only, for this city only."""
    return Cookie(
        key=COOKIE,
        value=opened.cookie,
        max_age=opened.max_age_s,
        httponly=True,
        secure=is_secure(request),
        samesite="strict",
    )


def with_session(request: AnyRequest, opened: Opened, go_on: str) -> Response[Any]:
    """Go on with a session just opened."""
    return Redirect(go_on, status_code=303, cookies=[session_cookie(request, opened)])


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


PAGES: Final[tuple[Any, ...]] = (sign_in, open_session, link, use_link, sign_out)
