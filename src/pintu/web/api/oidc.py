"""OpenID Connect out: where programs ask who somebody is, and where people let them."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlencode

import orjson
from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadInput, BadRequestData, PintuError, Unauthorized, Unavailable
from pintu.kernel.identity import Session
from pintu.kernel.identity.oidc.provider import Asked, Provider
from pintu.kernel.identity.words import Person
from pintu.web.house import house_of
from pintu.web.pages.account import organisation_name
from pintu.web.pages.account_houses import going
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

MOST_FORM: Final = 20_000
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
PUBLIC: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
AT_ONCE_S: Final = 60
TOLD: Final = {
    "openid": mark("that it is you, by a number that is yours here"),
    "profile": mark("your name and login"),
    "organisation": mark("for whom you act, and what you are there"),
    "offline_access": mark("the same again later, until you or we end it"),
}


def room_of(request: AnyRequest) -> Provider:
    """The room; Unavailable in a house without accounts."""
    room = house_of(request).rooms.provider
    if room is None:
        raise Unavailable("This city has no accounts to tell of")
    return room


def issuer_of(request: AnyRequest) -> str:
    """The name of this city as an issuer: always the same, whatever a Host header says."""
    settings = house_of(request).rooms.settings
    return settings.public_url or settings.address


def told(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """JSON."""
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers=headers or NO_STORE,
    )


@get("/.well-known/openid-configuration", include_in_schema=False)
async def configuration(request: AnyRequest) -> Response[bytes]:
    """Discovery (OpenID Connect Discovery 1.0, 4)."""
    return told(room_of(request).document(issuer_of(request)), headers=PUBLIC)


@get("/oidc/jwks", include_in_schema=False)
async def keys(request: AnyRequest) -> Response[bytes]:
    """The public keys of our tokens."""
    return told(await room_of(request).key.public(), headers=PUBLIC)


def once_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Parameters that may not come twice (RFC 6749, 3.1); BadRequestData."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequestData("A parameter comes twice", error="invalid_request")
    return found


# --- the front: a browser -----------------------------------------------------------------------
@get("/oidc/authorize", include_in_schema=False)
async def authorize(request: AnyRequest) -> Response[Any]:
    """A program sends a browser here to learn who sits there."""
    query = request.scope["query_string"].decode("latin-1")
    if request.headers.get("sec-fetch-site") == "cross-site" and "pintu_session" not in (
        request.cookies
    ):
        # a session's cookie does not come along from another site; from our own page it does
        return going(request, f"/oidc/authorize?{query}")
    return await _authorize(request, query, agreed=False)


@post("/oidc/authorize", include_in_schema=False)
async def consent(request: AnyRequest) -> Response[Any]:
    """Somebody lets the program know, or does not."""
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    query = str(form.get("query", ""))[:MOST_FORM]
    if form.get("answer") != "yes":
        room = room_of(request)
        parameters = once_each(parse_qsl(query, keep_blank_values=True))
        _, redirect = await room.client_of(parameters)
        error = {"error": "access_denied", "state": parameters.get("state", "")}
        return _back(request, redirect, error)
    return await _authorize(request, query, agreed=True)


async def _authorize(request: AnyRequest, query: str, *, agreed: bool) -> Response[Any]:
    room = room_of(request)
    parameters = once_each(parse_qsl(query, keep_blank_values=True, max_num_fields=50))
    client, redirect = await room.client_of(parameters)
    try:
        asked = room.read(client, redirect, parameters)
    except BadRequestData as error:
        refused = {"error": error.extra["error"], "error_description": error.detail}
        return _back(request, redirect, {**refused, "state": parameters.get("state", "")[:1_000]})
    visit, person, session = _who(request)
    now_us = visit.rooms.identity.people.clock.now_us()
    if person is None or session is None or _too_old(asked, session, now_us):
        if "none" in asked.prompt:
            return _back(request, redirect, {"error": "login_required", "state": asked.state})
        return Redirect("/sign-in?" + urlencode({"next": f"/oidc/authorize?{query}"}))
    if not agreed and await room.needs_consent(asked, person.id):
        if "none" in asked.prompt:
            return _back(request, redirect, {"error": "consent_required", "state": asked.state})
        return page(
            visit,
            "consent.html",
            client=client,
            host=redirect.partition("://")[2].partition("/")[0],
            person=person,
            organisation=organisation_name(visit, visit.actor.organisation)
            if visit.actor.organisation
            else "",
            told=[visit.words.text(TOLD[one]) for one in asked.scopes],
            query=query,
        )
    if agreed:
        await room.programs.consent(person.id, client.id, asked.scopes)
    code = await room.code(asked, person.id, visit.actor.organisation, session.strong_us)
    return _back(request, redirect, {"code": code, "state": asked.state})


def _who(request: AnyRequest) -> tuple[Visit, Person | None, Session | None]:
    rooms = house_of(request).rooms
    visit = enter(request, rooms, None)
    session = rooms.identity.find_session(raw_headers(request))
    return visit, rooms.identity.people.find_person(visit.actor.person), session


def _too_old(asked: Asked, session: Session, now_us: int) -> bool:
    """Whether the program wants the person to sign in again."""
    age_s = (now_us - session.strong_us) / 1_000_000
    if "login" in asked.prompt and age_s > AT_ONCE_S:
        return True
    return asked.max_age_s is not None and age_s > max(asked.max_age_s, 1)


def _back(request: AnyRequest, redirect: str, answer: dict[str, str]) -> Response[Any]:
    """Back to the program; from a page of ours over a page, because our policy lets no form lead
    elsewhere."""
    query = urlencode({**{k: v for k, v in answer.items() if v}, "iss": issuer_of(request)})
    url = f"{redirect}{'&' if '?' in redirect else '?'}{query}"
    if request.headers.get("sec-fetch-site", "none") in ("none", "cross-site"):
        return Redirect(url, status_code=303, headers=NO_STORE)
    return going(request, url)


# --- the back: a program ------------------------------------------------------------------------
async def form_of(request: AnyRequest) -> dict[str, str]:
    """The fields of a program's form, each once."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    raw = await request.body()
    if kind != "application/x-www-form-urlencoded" or len(raw) > MOST_FORM:
        raise BadRequestData("The body is no form", error="invalid_request")
    text = raw.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise BadRequestData("The form has too many fields", error="invalid_request") from error
    return once_each(pairs)


def shown_secret(request: AnyRequest, form: dict[str, str]) -> tuple[str, str]:
    """(program, secret) as a program shows them: in the header or in the form, not in both."""
    raw = request.headers.get("authorization", "")
    scheme, _, told_ = raw.partition(" ")
    if not raw:
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        pair = base64.b64decode(told_, validate=True).decode()
    except ValueError as error:
        raise Unauthorized("Authorization cannot be read", error="invalid_client") from error
    if scheme.lower() != "basic" or "client_secret" in form:
        raise Unauthorized("A program shows its secret in one way", error="invalid_client")
    id, _, secret = pair.partition(":")
    return unquote_plus(id), unquote_plus(secret)


def refused(error: PintuError) -> Response[bytes]:
    """A refusal as RFC 6749, 5.2 wants it."""
    word = str(error.extra.get("error", "invalid_request"))
    status = 401 if word in ("invalid_client", "invalid_token") else 400
    headers = dict(NO_STORE)
    if status == 401:
        scheme = "Basic" if word == "invalid_client" else "Bearer"
        headers["WWW-Authenticate"] = f'{scheme} realm="pintu", error="{word}"'
    return told({"error": word, "error_description": error.detail}, status, headers)


@post("/oidc/token", include_in_schema=False, status_code=200)
async def token(request: AnyRequest) -> Response[bytes]:
    """Codes and refresh tokens for tokens."""
    try:
        form = await form_of(request)
        secret = shown_secret(request, form)
        return told(await room_of(request).answer(form, secret, issuer_of(request)))
    except (BadInput, Unauthorized) as error:
        return refused(error)


@post("/oidc/revoke", include_in_schema=False, status_code=200)
async def revoke(request: AnyRequest) -> Response[bytes]:
    """A program gives back what it had (RFC 7009)."""
    try:
        form = await form_of(request)
        await room_of(request).revoke(form.get("token", ""), shown_secret(request, form))
    except (BadInput, Unauthorized) as error:
        return refused(error)
    return told({})


@get("/oidc/userinfo", include_in_schema=False)
async def userinfo(request: AnyRequest) -> Response[bytes]:
    """Who it is, for an access token."""
    scheme, _, access = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not access:
            raise Unauthorized("An access token is needed", error="invalid_token")
        return told(await room_of(request).userinfo(access.strip()))
    except Unauthorized as error:
        return refused(error)


PAGES: Final[tuple[Any, ...]] = (
    configuration,
    keys,
    authorize,
    consent,
    token,
    revoke,
    userinfo,
)
