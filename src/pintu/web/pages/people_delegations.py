"""Letting somebody act for somebody else: an officer grants it on proof, and ends it."""

from __future__ import annotations

from typing import Any, Final, cast

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import (
    BadInput,
    BadRequestData,
    Conflict,
    Forbidden,
    Refused,
    Unavailable,
)
from pintu.kernel.identity.citizens import read_credit_code, read_id_number
from pintu.kernel.identity.delegating import GRANTS, SCOPES, Delegations
from pintu.kernel.identity.words import Delegation
from pintu.web.pages.account import KINDS, checked, delegated, enter_account
from pintu.web.pages.account import SCOPES as SCOPE_NAMES
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit

DAY_US: Final = 86_400_000_000


def room_of(visit: Visit) -> Delegations:
    """The room, for an officer, owner or steward; Forbidden says so."""
    if not visit.actor.roles & GRANTS:
        raise Forbidden("Only an officer, owner or steward lets somebody act for somebody else")
    if visit.rooms.delegations is None:
        raise Unavailable("Nobody acts for anybody else here")
    return visit.rooms.delegations


@get("/people/delegations", include_in_schema=False)
async def delegations(request: AnyRequest) -> Response[Any]:
    """Those in force that who asks granted, and a form for another."""
    return shown(enter_account(request)[0])


def shown(visit: Visit, *, why: str = "", status: int = 200) -> Response[Any]:
    """The page, and what a deed failed for."""
    room_of(visit)
    people, words = visit.rooms.identity.people, visit.words
    now_us = people.clock.now_us()
    mine = [
        delegated(visit, one)
        for one in people.delegations()
        if one.proved_by == visit.actor.id and one.holds(now_us)
    ]
    return page(
        visit,
        "delegations.html",
        status,
        mine=mine,
        kinds=[(word, words.text(title)) for word, title in KINDS.items()],
        scopes=[(word, words.text(SCOPE_NAMES[word])) for word in SCOPES],
        why=why,
    )


@post("/people/delegations", include_in_schema=False)
async def grant(request: AnyRequest) -> Response[Any]:
    """Grant one: the number is turned into the log's keyed digest and kept nowhere."""
    visit, _, _, told = await checked(request)
    room, people = room_of(visit), visit.rooms.identity.people
    try:
        subject = subject_of(visit, told.get("number", ""))
        person = people.find_login(told.get("login", ""))
        if person is None:
            raise BadRequestData("Nobody has this login")
        days = told.get("days", "")
        if not (days.isascii() and days.isdigit() and len(days) < 6):
            raise BadRequestData("The number of days is no number")
        now_us = people.clock.now_us()
        wish = Delegation(
            id="",
            from_subject=subject,
            to_person=person.id,
            kind=cast("Any", told.get("kind", "")),
            scopes=tuple(one for one in SCOPES if told.get(f"scope.{one}")),
            since_us=now_us,
            until_us=now_us + int(days) * DAY_US,
            proved_by=visit.actor.id,
            reason=told.get("reason", ""),
        )
        await room.grant(visit.actor, wish)
    except (BadInput, Conflict, Refused) as error:
        return shown(visit, why=error.detail, status=error.status)
    return Redirect("/people/delegations", status_code=303)


def subject_of(visit: Visit, number: str) -> str:
    """The digest of whom an identity number or credit code names; BadRequestData, Unavailable
    without a log whose key makes digests."""
    found = read_id_number(number)
    plain = found.number if found is not None else read_credit_code(number)
    if plain is None:
        raise BadRequestData("This is neither an identity number nor a credit code")
    audit = visit.rooms.identity.people.audit
    if audit is None:
        raise Unavailable("There is no log here, and so no digest of a person")
    return audit.digest(plain)


@post("/people/delegations/{id:str}/end", include_in_schema=False)
async def end(request: AnyRequest, id: str) -> Response[Any]:
    """End one."""
    visit, _, _, told = await checked(request)
    room = room_of(visit)
    try:
        await room.end(visit.actor, id, told.get("reason", ""))
    except (BadInput, Conflict) as error:
        return shown(visit, why=error.detail, status=error.status)
    return Redirect("/people/delegations", status_code=303)


PAGES: Final[tuple[Any, ...]] = (delegations, grant, end)
