"""`pintu person` and `pintu organisation`: accounts, also while the city runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar, cast

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.identity import People
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.roles import ADMIN
from pintu.kernel.identity.signing_in import SignIn
from pintu.kernel.identity.words import Membership, Organisation, Person, Role
from pintu.kernel.tables import CityTables, open_tables
from pintu.processes.lock import prepare_folder, running_city
from pintu.settings import Settings

T = TypeVar("T")
BY = "command line"
OPERATOR = Actor(id=BY, grants=frozenset((ADMIN,)))

person_app = typer.Typer(
    help="Accounts: create, list, roles, sign-in links, disable.", no_args_is_help=True
)
organisation_app = typer.Typer(
    help="Organisations: departments, firms, schools.", no_args_is_help=True
)

Login = Annotated[str, typer.Argument(help="The login.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="ROLE@ORGANISATION, e.g. owner@health or admin@city; repeat it."),
]


@person_app.command("create")
def create_person(
    login: Login,
    name: Annotated[str, typer.Argument(help="What they are called.")],
    role: Roles = None,
    data: Data = None,
) -> int:
    """Make an account and print a link that sets its password once, within a day."""
    settings = settings_of(data)
    told = [_membership(one) for one in role or []]
    with _room(settings) as (people, tables):
        person = _run(lambda: people.create_person(login, name, None, told, by=BY))
        code = _run(lambda: _sign_in(people, tables).make_link(OPERATOR, person.id))
    _say_link(settings, code)
    return 0


@person_app.command("list")
def list_people(data: Data = None) -> int:
    """Every account, by login."""
    table = Table("login", "name", "roles", "state", box=None)
    with _room(settings_of(data)) as (people, _):
        for one in people.list_people():
            roles = ", ".join(f"{its.role}@{its.organisation}" for its in one.memberships)
            cells = (one.login, one.name, roles, "disabled" if one.disabled else "in use")
            table.add_row(*(escape(cell) for cell in cells))
    out.print(table)
    return 0


@person_app.command()
def roles(login: Login, role: Roles = None, data: Data = None) -> int:
    """What somebody is from now on, instead of what they were."""
    told = [_membership(one) for one in role or []]
    with _room(settings_of(data)) as (people, _):
        _run(lambda: people.set_memberships(_find(people, login).id, told, by=BY))
    out.print(f"{login}: {', '.join(role or []) or 'no role'}", markup=False)
    return 0


@person_app.command()
def link(login: Login, data: Data = None) -> int:
    """A link that sets an account's password once, within a day; waiting after wrong passwords
    ends too."""
    settings = settings_of(data)
    with _room(settings) as (people, tables):
        room, id = _sign_in(people, tables), _find(people, login).id
        _run(lambda: room.unlock(OPERATOR, id))
        code = _run(lambda: room.make_link(OPERATOR, id))
    _say_link(settings, code)
    return 0


@person_app.command()
def disable(login: Login, data: Data = None) -> int:
    """Nobody signs in to this account; who is signed in is nobody within 0.2 s."""
    with _room(settings_of(data)) as (people, _):
        _run(lambda: people.disable(_find(people, login).id, by=BY))
    out.print(f"{login} is disabled", markup=False)
    return 0


@person_app.command()
def enable(login: Login, data: Data = None) -> int:
    """An account may be used again."""
    with _room(settings_of(data)) as (people, _):
        _run(lambda: people.enable(_find(people, login).id, by=BY))
    out.print(f"{login} is enabled", markup=False)
    return 0


@organisation_app.command("create")
def create_organisation(
    id: Annotated[str, typer.Argument(help="Short and lasting: health.")],
    zh: Annotated[str, typer.Option(help="What people call it, in Chinese.")] = "",
    en: Annotated[str, typer.Option(help="What people call it, in English.")] = "",
    kind: Annotated[
        str, typer.Option(help="department, firm, city, school, hospital or other.")
    ] = "department",
    code: Annotated[str, typer.Option(help="Unified social credit code.")] = "",
    data: Data = None,
) -> int:
    """Make an organisation."""
    if kind not in ("department", "firm", "city", "school", "hospital", "other"):
        raise BadRequestData(f"{kind[:40]!r} is no kind of organisation")
    names = {lang: text for lang, text in (("zh", zh), ("en", en)) if text}
    made = Organisation(id=id, kind=cast("Any", kind), name=names, code=code)
    with _room(settings_of(data)) as (people, _):
        _run(lambda: people.create_organisation(made, by=BY))
    out.print(f"organisation {id} is made", markup=False)
    return 0


@organisation_app.command("list")
def list_organisations(data: Data = None) -> int:
    """Every organisation, by id."""
    table = Table("id", "kind", "name", "code", "members", box=None)
    with _room(settings_of(data)) as (people, _):
        for one in people.organisations():
            name = one.name.get("zh") or one.name.get("en", "")
            members = str(len(people.members(one.id)))
            cells = (one.id, one.kind, name, one.code, members)
            table.add_row(*(escape(cell) for cell in cells))
    out.print(table)
    return 0


@contextmanager
def _room(settings: Settings) -> Iterator[tuple[People, CityTables]]:
    prepare_folder(settings.data)
    tables = open_tables(settings.data, settings.store)
    try:
        yield People(tables, CityClock()), tables
    finally:
        tables.close()


def _sign_in(people: People, tables: CityTables) -> SignIn:
    return SignIn(tables, people, Notices(tables, CityClock(), people))


def _run(work: Callable[[], Awaitable[T]]) -> T:
    async def wait() -> T:
        return await work()

    return asyncio.run(wait())


def _find(people: People, login: str) -> Person:
    found = people.find_login(login)
    if found is None:
        raise ResourceNotFound(f"Nobody has the login {login[:80]!r}")
    return found


def _membership(text: str) -> Membership:
    role, _, organisation = text.partition("@")
    return Membership(organisation=organisation, role=cast("Role", role))


def _say_link(settings: Settings, code: str) -> None:
    address = settings.public_url or running_city(settings.data) or settings.address
    typer.echo(f"{address}/sign-in/link?code={code}")
