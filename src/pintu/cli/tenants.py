"""`pintu tenant`: counties hosted in one city, each with its own key, limits and an end."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.door import city_door
from pintu.cli.entities import NGSI_LD, export
from pintu.cli.shell import CityClient, Data, err, out, settings_of
from pintu.cli.tokens import open_identity
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import BadRequestData, PintuError, ResourceNotFound
from pintu.kernel.identity import Identity
from pintu.kernel.limits import Allowed, Hosted, read_hosted
from pintu.kernel.limits.words import KIND, plain
from pintu.settings import Settings

app = typer.Typer(
    help="Hosted tenants: create, list, limit, suspend, resume, export, delete.",
    no_args_is_help=True,
)

WORDS = ("read", "write", "command", "register", "operate")
OWN = "default"
PAGE = 500
PATIENCE_S = 10.0

Name = Annotated[str, typer.Argument(help="Small letters, digits and _: county_a.")]
Requests = Annotated[float | None, typer.Option(help="Requests a second.")]
Burst = Annotated[int | None, typer.Option(help="Requests at once. [default: 2 s worth]")]
Entities = Annotated[int | None, typer.Option(help="Entities at most.")]
Subscriptions = Annotated[int | None, typer.Option(help="Subscriptions at most.")]
Registrations = Annotated[int | None, typer.Option(help="Registrations of sources at most.")]
Size = Annotated[int | None, typer.Option("--bytes", help="Bytes of entities at most.")]
Days = Annotated[int | None, typer.Option(help="Days its readings are kept at most.")]


@app.command()
def create(
    name: Name,
    zh: Annotated[str, typer.Option("--zh", help="What it is called in Chinese.")] = "",
    en: Annotated[str, typer.Option("--en", help="What it is called in English.")] = "",
    requests_per_s: Requests = None,
    burst: Burst = None,
    entities: Entities = None,
    subscriptions: Subscriptions = None,
    registrations: Registrations = None,
    size: Size = None,
    history_days: Days = None,
    data: Data = None,
) -> int:
    """Make a tenant: its file with limits, and its own key, shown once."""
    settings = settings_of(data)
    configuration = _configuration(settings)
    if name == OWN:
        raise BadRequestData(f"{OWN} is what grants call the city's own tenant: name another")
    if configuration.find(KIND, name) is not None:
        raise BadRequestData(f"Tenant {name} is hosted here already")
    title = {lang: text for lang, text in (("zh", zh), ("en", en)) if text}
    limits = Allowed(
        requests_per_s=requests_per_s, burst=burst, entities=entities,
        subscriptions=subscriptions, registrations=registrations, bytes=size,
        history_days=history_days,
    )  # fmt: skip
    hosted = read_hosted(plain(Hosted(title=title, limits=limits)))
    _save(configuration, name, hosted, over=0)
    grants = [f"{word}:{name}" for word in WORDS]
    with open_identity(settings) as identity:
        secret, token = asyncio.run(identity.create_token(f"tenant {name}", grants))
    typer.echo(secret)
    out.print(f"[dim]tenant {name}, token {token.id}; shown once[/]")
    return 0


@app.command("list")
def list_(data: Data = None) -> int:
    """Every hosted tenant, its state and limits."""
    table = Table("name", "title", "state", "limits", "sources", box=None)
    configuration = _configuration(settings_of(data))
    for saved in configuration.list_saved(KIND):
        try:
            hosted = read_hosted(saved.content)
        except PintuError as error:
            table.add_row(saved.name, "", "a mistake", escape(error.detail), "")
            continue
        told = plain(hosted).get("limits", {})
        limits = ", ".join(f"{key} {value}" for key, value in told.items())
        sources = ", ".join(f"{one} {x.updates_per_s:g}/s" for one, x in hosted.sources.items())
        state = "suspended" if hosted.suspended else "open"
        title = escape(next(iter(hosted.title.values()), ""))
        table.add_row(saved.name, title, state, limits, escape(sources))
    for mistake in configuration.mistakes(KIND):
        err.print(mistake, markup=False)
    out.print(table)
    return 0


@app.command()
def limit(
    name: Name,
    requests_per_s: Requests = None,
    burst: Burst = None,
    entities: Entities = None,
    subscriptions: Subscriptions = None,
    registrations: Registrations = None,
    size: Size = None,
    history_days: Days = None,
    data: Data = None,
) -> int:
    """Set limits; what is not named stays, 0 takes a limit away. A running city sees it in 1 s."""
    configuration = _configuration(settings_of(data))
    saved = configuration.get(KIND, name)
    told: dict[str, Any] = dict(plain(read_hosted(saved.content)).get("limits", {}))
    asked = {
        "requests_per_s": requests_per_s, "burst": burst, "entities": entities,
        "subscriptions": subscriptions, "registrations": registrations, "bytes": size,
        "history_days": history_days,
    }  # fmt: skip
    told |= {key: value for key, value in asked.items() if value is not None}
    content = {**saved.content, "limits": {k: v for k, v in told.items() if v}}
    _save(configuration, name, read_hosted(content), over=saved.version)
    out.print(f"tenant {name} has other limits", markup=False)
    return 0


@app.command()
def suspend(name: Name, data: Data = None) -> int:
    """Let nobody ask or write to it; nothing of it is lost. A running city sees it in 1 s."""
    return _switch(settings_of(data), name, suspended=True)


@app.command()
def resume(name: Name, data: Data = None) -> int:
    """Open a suspended tenant again."""
    return _switch(settings_of(data), name, suspended=False)


@app.command("export")
def export_(
    name: Name,
    file: Annotated[str, typer.Argument(help="Where to; '-' is standard output.")] = "-",
    data: Data = None,
) -> int:
    """Write every entity of a tenant as one line of NGSI-LD JSON."""
    _configuration(settings_of(data)).get(KIND, name)
    return export(file, tenant=name, type_=None, times=True, data=data)


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> int:
    """End its keys, delete its subscriptions, registrations, entities and their history."""
    settings = settings_of(data)
    configuration = _configuration(settings)
    hosted = read_hosted(configuration.get(KIND, name).content)
    if hosted.suspended:
        raise PintuError(f"Tenant {name} is suspended; resume it, then delete it")
    if not yes and not typer.confirm(f"Delete everything of tenant {name}?"):
        return 1
    with open_identity(settings) as identity:
        keys = asyncio.run(_revoke(identity, name))
    # what is asked here is asked of the tenant, which its limits would soon have enough of
    unlimited = msgspec.structs.replace(hosted, limits=Allowed())
    _save(configuration, name, unlimited, over=configuration.get(KIND, name).version)
    with city_door(settings) as door:
        told = {part: _empty(door, name, part) for part in ("subscriptions",
                                                             "csourceRegistrations")}  # fmt: skip
        told["entities"] = _entities(door, name)
    configuration.delete(KIND, name)
    counted = ", ".join(f"{count:,} {part}" for part, count in told.items())
    out.print(f"tenant {name} is gone: {keys} keys ended; {counted} deleted", markup=False)
    return 0


async def _revoke(identity: Identity, name: str) -> int:
    """End every key that opens this tenant and no other."""
    ended = 0
    for token in identity.list_tokens():
        own = all(one.rpartition(":")[2] == name for one in token.grants)
        if own and token.revoked_us is None:
            await identity.revoke_token(token.id)
            ended += 1
    return ended


def _empty(door: CityClient, name: str, part: str) -> int:
    headers, gone = {"NGSILD-Tenant": name}, 0
    while True:
        path = f"{NGSI_LD}/{part}?limit={PAGE}"
        if part == "csourceRegistrations":
            path += "&idPattern=.*"
        answer = _patiently(door, "GET", path, headers)
        if answer.status_code == 404:
            return gone
        found = door.checked(answer).json()
        for one in found:
            _gone(door, f"{NGSI_LD}/{part}/{quote(one['id'], safe=':')}", headers)
        gone += len(found)
        if len(found) < PAGE:
            return gone


def _entities(door: CityClient, name: str) -> int:
    headers, gone = {"NGSILD-Tenant": name}, 0
    answer = _patiently(door, "GET", f"{NGSI_LD}/types", headers)
    if answer.status_code == 404:
        return gone
    for kind in door.checked(answer).json().get("typeList", []):
        while True:
            path = f"{NGSI_LD}/entities?type={quote(kind, safe=':')}&pick=id&limit={PAGE}"
            found = door.checked(_patiently(door, "GET", path, headers)).json()
            if not found:
                break
            for one in found:
                for part in ("temporal/entities", "entities"):
                    _gone(door, f"{NGSI_LD}/{part}/{quote(one['id'], safe=':')}", headers)
            gone += len(found)
    return gone


def _gone(door: CityClient, path: str, headers: dict[str, str]) -> None:
    """Delete one; somebody else may have been quicker. What stays would be found for ever."""
    answer = _patiently(door, "DELETE", path, headers)
    if answer.status_code != 404:
        door.checked(answer)


def _patiently(door: CityClient, method: str, path: str, headers: dict[str, str]) -> Any:
    """An answer; a running city learns within a second that the tenant has no limits any more."""
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = door.send(method, path, headers=headers)
        if answer.status_code != 429 or time.monotonic() > until:
            return answer
        time.sleep(0.1)


def _switch(settings: Settings, name: str, *, suspended: bool) -> int:
    configuration = _configuration(settings)
    saved = configuration.get(KIND, name)
    hosted = msgspec.structs.replace(read_hosted(saved.content), suspended=suspended)
    _save(configuration, name, hosted, over=saved.version)
    out.print(f"tenant {name} is {'suspended' if suspended else 'open'}", markup=False)
    return 0


def _configuration(settings: Settings) -> Configuration:
    if not settings.data.is_dir():
        raise ResourceNotFound(f"There is no city at {settings.data}")
    return Configuration(settings.data / "config", CityClock())


def _save(configuration: Configuration, name: str, hosted: Hosted, *, over: int) -> None:
    configuration.save(KIND, name, plain(hosted), by="pintu tenant", over=over)
