"""People and organisations, for the administrator and for an organisation's owner."""

from __future__ import annotations

from typing import Any, Final, cast

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadInput, Conflict, Forbidden
from pintu.kernel.identity.people import People
from pintu.kernel.identity.roles import ADMIN
from pintu.kernel.identity.words import CITY, ROLES, Membership, Organisation, Person, Role
from pintu.web.house import house_of
from pintu.web.pages.account import organisation_name, role_name, standing
from pintu.web.pages.listing import Cell, Heading, Row, choose
from pintu.web.pages.render import page
from pintu.web.pages.session import MAX_FORM, room_of
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

ORGANISATION_KINDS: Final = {
    "department": mark("department"),
    "firm": mark("firm"),
    "city": mark("city"),
    "school": mark("school"),
    "hospital": mark("hospital"),
    "other": mark("other"),
}
COLUMNS: Final = (
    ("name", mark("Name"), "text"),
    ("login", mark("Login"), "text"),
    ("roles", mark("What they are"), "text"),
    ("state", mark("State"), "state"),
)


def people_of(visit: Visit) -> People:
    """The room of accounts."""
    return visit.rooms.identity.people


def enter_people(request: AnyRequest) -> Visit:
    """A visit of who manages accounts; Forbidden says who does."""
    visit = enter(request, house_of(request).rooms, None)
    if not room_of(request).may_manage(visit.actor):
        raise Forbidden("Only the administrator or an organisation's owner manages accounts")
    return visit


def is_admin(actor: Actor) -> bool:
    """Whether somebody manages every account."""
    return ADMIN in actor.grants or "*" in actor.grants


async def checked(request: AnyRequest) -> tuple[Visit, dict[str, str]]:
    """The same for a form of ours, and its fields."""
    form = await request.form()
    told = {name: str(value)[:MAX_FORM] for name, value in form.items()}
    house_of(request).rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    return enter_people(request), told


def mine(request: AnyRequest, visit: Visit) -> list[Person]:
    """The accounts somebody manages."""
    room = room_of(request)
    return [one for one in people_of(visit).list_people() if room.may_manage(visit.actor, one)]


def places(visit: Visit) -> list[tuple[str, str]]:
    """(id, name) of the organisations in which somebody gives roles."""
    if not is_admin(visit.actor):
        own = visit.actor.organisation
        return [(own, organisation_name(visit, own))]
    known = [(one.id, organisation_name(visit, one.id)) for one in people_of(visit).organisations()]
    if all(id != CITY for id, _ in known):
        known.insert(0, (CITY, organisation_name(visit, CITY)))
    return known


def roles_offered(visit: Visit) -> list[tuple[str, str]]:
    """(role, name) that somebody may give."""
    return [
        (role, role_name(visit, role)) for role in ROLES if role != ADMIN or is_admin(visit.actor)
    ]


def memberships_of(visit: Visit, told: dict[str, str]) -> list[Membership]:
    """The roles that a form gives, in organisations where who asks may give them: fields called
    `role.ORGANISATION.ROLE`."""
    allowed = {id for id, _ in places(visit)}
    offered = {role for role, _ in roles_offered(visit)}
    found = []
    for name in told:
        kind, _, rest = name.partition(".")
        organisation, _, role = rest.rpartition(".")
        if kind != "role":
            continue
        if organisation not in allowed or role not in offered:
            raise Forbidden(f"You cannot give the role {role[:40]!r} in {organisation[:80]!r}")
        found.append(Membership(organisation=organisation, role=cast("Role", role)))
    return found


@get("/people", include_in_schema=False)
async def people(request: AnyRequest) -> Response[Any]:
    """The accounts somebody manages, and the organisations there are."""
    return await shown(request, enter_people(request))


async def shown(
    request: AnyRequest, visit: Visit, *, why: str = "", typed: dict[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:  # fmt: skip
    """The page, and what a deed failed for."""
    words = visit.words
    headings = [
        Heading(name=name, title=words.text(title), kind=kind) for name, title, kind in COLUMNS
    ]
    listing = choose(request, headings, [row_of(visit, one) for one in mine(request, visit)])
    return page(
        visit,
        "people.html",
        status,
        listing=listing,
        organisations=[
            {
                "id": one.id,
                "name": organisation_name(visit, one.id),
                "kind": words.text(ORGANISATION_KINDS[one.kind]),
                "code": one.code,
                "members": len(people_of(visit).members(one.id)),
            }
            for one in people_of(visit).organisations()
        ],
        admin=is_admin(visit.actor),
        kinds=[(word, words.text(title)) for word, title in ORGANISATION_KINDS.items()],
        places=places(visit),
        roles=roles_offered(visit),
        typed=typed or {},
        why=why,
    )


def row_of(visit: Visit, person: Person) -> Row:
    """One account in the list."""
    roles = "; ".join(
        f"{one['name']}: {', '.join(one['roles'])}" for one in standing(visit, person)
    )
    off = visit.words.text("disabled") if person.disabled else visit.words.text("in use")
    return Row(
        id=person.id,
        cells={
            "name": Cell(text=person.name, key=person.name),
            "login": Cell(text=person.login, key=person.login),
            "roles": Cell(text=roles or "–", key=roles or None),
            "state": Cell(text=off, key=off, word="no" if person.disabled else "yes"),
        },
    )


@post("/people", include_in_schema=False)
async def create(request: AnyRequest) -> Response[Any]:
    """Make an account; its owner gets a link, or comes in by passkey or another house."""
    visit, told = await checked(request)
    organisation, role = told.get("organisation", ""), told.get("role", "")
    fields = {f"role.{organisation}.{role}": "yes"} if organisation and role else {}
    try:
        if not fields and not is_admin(visit.actor):
            raise BadInput("An account needs a role in your organisation")
        made = await people_of(visit).create_person(
            told.get("login", ""),
            told.get("name", ""),
            None,
            memberships_of(visit, fields),
            by=visit.actor.id,
        )
    except (BadInput, Conflict) as error:
        return await shown(request, visit, why=error.detail, typed=told, status=error.status)
    return Redirect(f"/people/{made.id}", status_code=303)


@post("/people/organisations", include_in_schema=False)
async def create_organisation(request: AnyRequest) -> Response[Any]:
    """Make an organisation; the administrator only."""
    visit, told = await checked(request)
    if not is_admin(visit.actor):
        raise Forbidden("Only the administrator makes organisations")
    names = {lang: told[f"name.{lang}"] for lang in ("zh", "en") if told.get(f"name.{lang}")}
    kind = told.get("kind", "department")
    try:
        if kind not in ORGANISATION_KINDS:
            raise BadInput(f"{kind[:40]!r} is no kind of organisation")
        made = Organisation(
            id=told.get("id", "").strip(),
            kind=cast("Any", kind),
            name=names,
            code=told.get("code", "").strip().upper(),
            parent=told.get("parent", ""),
        )
        await people_of(visit).create_organisation(made, by=visit.actor.id)
    except (BadInput, Conflict) as error:
        return await shown(request, visit, why=error.detail, typed=told, status=error.status)
    return Redirect("/people#organisations", status_code=303)


@get("/people/{id:str}", include_in_schema=False)
async def person(request: AnyRequest, id: str) -> Response[Any]:
    """One account."""
    return await one_shown(request, enter_people(request), id)


async def one_shown(
    request: AnyRequest, visit: Visit, id: str, *, why: str = "", link: str = "", status: int = 200
) -> Response[Any]:
    """One account and what came of a deed; Forbidden for who does not manage it."""
    room, found = room_of(request), people_of(visit).get_person(id)
    if not room.may_manage(visit.actor, found):
        raise Forbidden("This account is not yours to manage")
    held = {f"role.{one.organisation}.{one.role}" for one in found.memberships}
    return page(
        visit,
        "person.html",
        status,
        person=found,
        standing=standing(visit, found),
        places=places(visit),
        roles=roles_offered(visit),
        held=held,
        has_password=await room.has_password(id),
        passkeys=await room.passkeys.list_of(id),
        sessions=len(visit.rooms.identity.browsers.of_person(id)),
        why=why,
        link=link,
    )


@post("/people/{id:str}/{deed:str}", include_in_schema=False)
async def do(request: AnyRequest, id: str, deed: str) -> Response[Any]:
    """One deed on one account: roles, link, disable, enable, unlock, rename, sign-out."""
    visit, told = await checked(request)
    room, found = room_of(request), people_of(visit).get_person(id)
    if not room.may_manage(visit.actor, found):
        raise Forbidden("This account is not yours to manage")
    try:
        link = await _deed(request, visit, (found, deed), told)
    except (BadInput, Conflict) as error:
        return await one_shown(request, visit, id, why=error.detail, status=error.status)
    if link:
        return await one_shown(request, visit, id, link=link)
    return Redirect(f"/people/{id}", status_code=303)


async def _deed(
    request: AnyRequest, visit: Visit, what: tuple[Person, str], told: dict[str, str]
) -> str:
    """Do it; the address of a link, where one was made."""
    found, deed = what
    room, known, by = room_of(request), people_of(visit), visit.actor.id
    browsers = visit.rooms.identity.browsers
    if deed == "roles":
        await known.set_memberships(found.id, memberships_of(visit, told), by=by)
    elif deed == "link":
        code = await room.make_link(visit.actor, found.id)
        here = visit.rooms.settings.public_url or str(request.base_url).rstrip("/")
        return f"{here}/sign-in/link?code={code}"
    elif deed in ("disable", "enable"):
        if found.id == visit.actor.person:
            raise Forbidden("Nobody disables their own account")
        await (known.disable if deed == "disable" else known.enable)(found.id, by=by)
        await browsers.end_all(found.id)
    elif deed == "unlock":
        await room.unlock(visit.actor, found.id)
    elif deed == "rename":
        await known.rename(found.id, told.get("name", ""), by=by)
    elif deed == "sign-out":
        await browsers.end_all(found.id)
    else:
        raise BadInput(f"{deed[:40]!r} is nothing that is done to an account")
    return ""


PAGES: Final[tuple[Any, ...]] = (people, create, create_organisation, person, do)
