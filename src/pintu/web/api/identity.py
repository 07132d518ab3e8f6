"""Passkeys over HTTP: what a browser asks while somebody makes or shows one."""

from __future__ import annotations

from typing import Any, Final

import orjson
from litestar import Response, post

from pintu.kernel.errors import BadRequestData, Forbidden, InvalidRequest
from pintu.web.house import house_of
from pintu.web.pages.account import enter_account
from pintu.web.pages.session import caller_of, room_of, safe_next, site, welcome
from pintu.web.visit import AnyRequest, raw_headers

MOST: Final = 40_000


async def body_of(request: AnyRequest) -> dict[str, str]:
    """The members of a small JSON object of texts, sent by a page of ours; InvalidRequest."""
    house_of(request).rooms.identity.check_csrf(raw_headers(request))
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InvalidRequest("The body is not application/json")
    raw = await request.body()
    if len(raw) > MOST:
        raise InvalidRequest("The body is too long")
    try:
        told = orjson.loads(raw)
    except ValueError as error:
        raise InvalidRequest("The body is not JSON") from error
    if not isinstance(told, dict):
        raise InvalidRequest("The body is not a JSON object")
    return {str(name): value for name, value in told.items() if isinstance(value, str)}


def site_here(request: AnyRequest) -> tuple[str, str]:
    """(relying party, origin); BadRequestData where the address is a number."""
    found = site(request)
    if found is None:
        raise BadRequestData("Passkeys need an address with a name; this one is a number")
    return found


def plain(text: str, status: int = 200) -> Response[bytes]:
    """JSON as it is, kept by nobody."""
    headers = {"Cache-Control": "no-store"}
    return Response(
        text.encode(), status_code=status, media_type="application/json", headers=headers
    )


@post("/identity/passkeys/offer", summary="What a browser needs to make a passkey")
async def offer(request: AnyRequest) -> Response[bytes]:
    """For who signed in minutes ago: a passkey added by a stolen session would outlive it."""
    await body_of(request)
    _, person, session = enter_account(request)
    if not house_of(request).rooms.identity.browsers.is_strong(session):
        raise Forbidden("Sign in again before you add a passkey", again=True)
    return plain(await room_of(request).passkeys.offer(person, site_here(request)))


@post("/identity/passkeys", summary="Keep a passkey that a browser made", status_code=201)
async def add(request: AnyRequest) -> Response[bytes]:
    """`answer`: the credential as JSON text; `name`: its owner's word for it."""
    told = await body_of(request)
    _, person, _ = enter_account(request)
    room = room_of(request)
    name = room.checked_name(told.get("name", ""))
    await room.passkeys.add(person, told.get("answer", ""), site_here(request), name)
    return plain('{"next":"/account?done=passkey"}', 201)


@post("/identity/passkeys/challenge", summary="What a browser needs to show a passkey")
async def challenge(request: AnyRequest) -> Response[bytes]:
    """For anybody: whose passkey it is, the passkey says."""
    await body_of(request)
    return plain(await room_of(request).passkeys.challenge(site_here(request)))


@post("/identity/passkeys/sign-in", summary="Sign in with a passkey")
async def sign_in(request: AnyRequest) -> Response[Any]:
    """`answer`: the assertion as JSON text; the session comes as a cookie."""
    told = await body_of(request)
    room = room_of(request)
    proof = await room.by_passkey(told.get("answer", ""), site_here(request), caller_of(request))
    go_on = safe_next(told.get("next"))
    opened = await welcome(request, proof, go_on)
    answer = plain(orjson.dumps({"next": go_on}).decode())
    answer.cookies.extend(opened.cookies)
    return answer


HANDLERS: Final[tuple[Any, ...]] = (offer, add, challenge, sign_in)
