"""My account: for whom I act, how I sign in, where I am signed in, whom I may act for."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadInput, BadRequestData, Refused, Unauthorized
from pintu.kernel.identity import Proof, Session
from pintu.kernel.identity.delegating import GRANTS
from pintu.kernel.identity.words import CITY, ROLES, Delegation, Person
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.pages.session import (
    MAX_FORM,
    room_of,
    safe_next,
    site,
    with_session,
)
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

METHODS: Final = {
    "password": mark("with a password"),
    "passkey": mark("with a passkey"),
    "oidc": mark("with another house's account"),
    "link": mark("with a link"),
    "demo": mark("as one of the demo's people"),
}
KINDS: Final = {
    "parent": mark("as a parent"),
    "guardian": mark("as a guardian"),
    "carer": mark("as a carer"),
    "company": mark("for a firm"),
}
SCOPES: Final = {
    "look": mark("look at records"),
    "object": mark("object to a value"),
    "consent": mark("agree or refuse"),
}
DONE: Final = {
    "password": mark("The password is changed; other browsers were signed out."),
    "ended": mark("That session has ended."),
    "passkey": mark("The passkey is kept."),
    "removed": mark("The passkey is removed."),
    "delegation": mark("The delegation has ended."),
}


def enter_account(request: AnyRequest) -> tuple[Visit, Person, Session]:
    """A visit of who is signed in with an account; Unauthorized for anybody else."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, None)
    person = rooms.identity.people.find_person(visit.actor.person) if visit.actor.person else None
    session = rooms.identity.find_session(raw_headers(request))
    if person is None or session is None:
        raise Unauthorized("This page is a person's own: sign in with an account")
    return visit, person, session


async def checked(request: AnyRequest) -> tuple[Visit, Person, Session, dict[str, str]]:
    """The same for a form of ours, and its fields."""
    form = await request.form()
    told = {name: str(value)[:MAX_FORM] for name, value in form.items()}
    house_of(request).rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    return *enter_account(request), told


def organisation_name(visit: Visit, id: str) -> str:
    """What an organisation is called in the visitor's language."""
    found = visit.rooms.identity.people.find_organisation(id)
    if found is None:
        return visit.words.text("the city") if id == CITY else id
    return visit.words.pick(found.name) or id


def role_name(visit: Visit, role: str) -> str:
    """What a role is called."""
    return visit.words.pick(ROLES[role]) if role in ROLES else role


def standing(visit: Visit, person: Person) -> list[dict[str, Any]]:
    """Each organisation somebody belongs to, with what they are there."""
    known: dict[str, list[str]] = {}
    for one in person.memberships:
        known.setdefault(one.organisation, []).append(role_name(visit, one.role))
    return [
        {"id": id, "name": organisation_name(visit, id), "roles": roles}
        for id, roles in known.items()
    ]


def delegated(visit: Visit, one: Delegation) -> dict[str, Any]:
    """A delegation as a page tells it; whom it is about is a digest, of which some signs show."""
    words = visit.words
    return {
        "id": one.id,
        "kind": words.text(KINDS[one.kind]),
        "scopes": [words.text(SCOPES[scope]) for scope in one.scopes if scope in SCOPES],
        "subject": one.from_subject[:8],
        "until_us": one.until_us,
        "who": visit.rooms.identity.people.name_of(one.proved_by),
        "person": visit.rooms.identity.people.name_of(one.to_person),
        "reason": one.reason,
    }


@get("/account", include_in_schema=False)
async def account(request: AnyRequest, done: str = "") -> Response[Any]:
    """Everything about who asks."""
    visit, person, session = enter_account(request)
    return await shown(request, (visit, person, session), done=DONE.get(done, ""))


async def shown(
    request: AnyRequest,
    who: tuple[Visit, Person, Session],
    *,
    done: str = "",
    why: str = "",
    status: int = 200,
) -> Response[Any]:
    """The page, and what came of a deed."""
    visit, person, session = who
    rooms, room, words = visit.rooms, room_of(request), visit.words
    browsers = rooms.identity.browsers
    holding = rooms.delegations.holding(person.id) if rooms.delegations is not None else []
    about = rooms.identity.people.delegations(subject=person.subject) if person.subject else []
    now_us = rooms.identity.people.clock.now_us()
    sessions = [
        {
            "name": one.name,
            "label": one.label,
            "method": words.text(METHODS[one.method]) if one.method in METHODS else one.method,
            "created_us": one.created_us,
            "seen_us": one.seen_us,
            "mine": one.hash == session.hash,
        }
        for one in browsers.of_person(person.id)
    ]
    return page(
        visit,
        "account.html",
        status,
        person=person,
        standing=standing(visit, person),
        acting=visit.actor.organisation,
        passkeys=await room.passkeys.list_of(person.id),
        can_passkey=site(request) is not None,
        has_password=await room.has_password(person.id),
        strong=browsers.is_strong(session),
        sessions=sessions,
        holding=[delegated(visit, one) for one in holding],
        about=[delegated(visit, one) for one in about if one.holds(now_us)],
        joined=await rooms.issuers.joined(person.id) if rooms.issuers is not None else [],
        knows_glass=bool(visit.actor.roles - {"resident", "admin"}),
        may_grant=bool(visit.actor.roles & GRANTS),
        issuers=[] if rooms.issuers is None else rooms.issuers.offered(),
        done=words.text(done) if done else "",
        why=why,
    )


@post("/account/act-for", include_in_schema=False)
async def act_for(request: AnyRequest) -> Response[Any]:
    """Act for another of one's organisations from now on: with other rights comes a new cookie."""
    visit, person, session, told = await checked(request)
    wish = told.get("organisation", "")
    if not any(one.organisation == wish for one in person.memberships):
        raise BadRequestData(f"You do not belong to {wish[:80]!r}")
    browsers = visit.rooms.identity.browsers
    proof = Proof(person=person.id, method=session.method, label=session.label, acting=wish)
    opened = await browsers.open_for_person(proof, instead=session, proved_us=session.strong_us)
    await visit.rooms.identity.people.note(
        "acts for another organisation", by=visit.actor.id, person=person.id, organisation=wish
    )
    return with_session(request, opened, safe_next(told.get("next") or "/account"))


@post("/account/password", include_in_schema=False)
async def password(request: AnyRequest) -> Response[Any]:
    """Another password; every other browser is signed out, this one gets a new cookie."""
    visit, person, session, told = await checked(request)
    browsers = visit.rooms.identity.browsers
    try:
        if told.get("password") != told.get("again"):
            raise BadInput("The two passwords are not the same")
        await room_of(request).change_password(
            person.id,
            told.get("old", ""),
            told.get("password", ""),
            strong=browsers.is_strong(session),
        )
    except (Refused, BadInput) as error:
        return await shown(request, (visit, person, session), why=error.detail, status=error.status)
    await browsers.end_all(person.id, but=session)
    proof = Proof(
        person=person.id, method=session.method, label=session.label, acting=session.acting
    )
    opened = await browsers.open_for_person(proof, instead=session)
    return with_session(request, opened, "/account?done=password")


@post("/account/sessions/{name:str}", include_in_schema=False)
async def end_session(request: AnyRequest, name: str) -> Response[Any]:
    """Sign out one other browser, or (`others`) all of them."""
    visit, person, session, _ = await checked(request)
    browsers = visit.rooms.identity.browsers
    if name == "others":
        await browsers.end_all(person.id, but=session)
    else:
        await browsers.end(person.id, name)
    return Redirect("/account?done=ended", status_code=303)


@post("/account/passkeys/{id:str}", include_in_schema=False)
async def remove_passkey(request: AnyRequest, id: str) -> Response[Any]:
    """Take away a passkey; it may be the last one only where there is a password."""
    visit, person, session, _ = await checked(request)
    room = room_of(request)
    known = await room.passkeys.list_of(person.id)
    if len(known) == 1 and not await room.has_password(person.id):
        why = visit.words.text(
            "Set a password first: without it nobody could sign in here any more."
        )
        return await shown(request, (visit, person, session), why=why, status=409)
    await room.passkeys.remove(person.id, id, by=visit.actor.id)
    return Redirect("/account?done=removed", status_code=303)


@post("/account/delegations/{id:str}", include_in_schema=False)
async def end_delegation(request: AnyRequest, id: str) -> Response[Any]:
    """End a delegation to or about who asks."""
    visit, person, session, told = await checked(request)
    if visit.rooms.delegations is not None:
        try:
            await visit.rooms.delegations.end(visit.actor, id, told.get("reason", ""))
        except BadInput as error:
            return await shown(
                request, (visit, person, session), why=error.detail, status=error.status
            )
    return Redirect("/account?done=delegation", status_code=303)


PAGES: Final[tuple[Any, ...]] = (
    account,
    act_for,
    password,
    end_session,
    remove_passkey,
    end_delegation,
)
