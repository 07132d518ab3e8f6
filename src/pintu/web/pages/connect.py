"""Connecting a source without code: which door, what it is told, how it is, starting and
stopping it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import ConfigurationError, ResourceNotFound, StateConflict
from pintu.kernel.intake.doors.register import DOORS, find_door
from pintu.kernel.intake.doors.secrets import read_secret, write_secret
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile
from pintu.web.house import House, house_of
from pintu.web.pages.connect_broken import (
    broken_page,
    broken_sources,
    read_content,
    read_mappings,
)
from pintu.web.pages.connect_differing import differing
from pintu.web.pages.connect_form import name_of, read_source
from pintu.web.pages.connect_said import in_language, said_each
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.intake import Source
    from pintu.web.rooms import Rooms

DATA_SET = "sources"
LINES_SHOWN = 20


@get("/connect", include_in_schema=False)
async def doors(request: AnyRequest) -> Response[Any]:
    """Every way in, and what is connected already."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, data_set=DATA_SET)
    return page(
        visit,
        "connect.html",
        doors=list_doors(),
        connected=[shown(rooms, one, visit) for one in list_sources(rooms)],
        broken=broken_sources(rooms, visit),
        may=visit.may(Deed.OPERATE, DATA_SET),
    )


@get("/connect/new/{door:str}", include_in_schema=False)
async def new_source(request: AnyRequest, door: str) -> Response[Any]:
    """The form of one door."""
    visit = enter(request, house_of(request).rooms, Deed.OPERATE, DATA_SET)
    return page(visit, "connect_settings.html", **_form(door_called(door), None, {}))


@post("/connect/new/{door:str}", include_in_schema=False)
async def made_source(request: AnyRequest, door: str) -> Response[Any]:
    """Keep what was told; the source does not run before somebody looked, mapped and tried."""
    house = house_of(request)
    form, visit = await operate(request, house)
    word = door_called(door)
    taken = [one.name for one in house.rooms.configuration.list_saved("sources")]
    title = str(form.get("title.en", "")) or str(form.get("title.zh", ""))
    try:
        name = name_of(str(form.get("name", "")), title, taken)
        source, secret = read_source(word, form, name, visit.words)
        return _keep(house, visit, source, secret, over=0)
    except ConfigurationError as error:
        values = _form(word, None, form) | {"mistakes": said_each(error, visit.words)}
        return page(visit, "connect_settings.html", 400, **values)


@get("/connect/{name:str}/settings", include_in_schema=False)
async def settings(request: AnyRequest, name: str) -> Response[Any]:
    """What a source was told, to be changed."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, Deed.OPERATE, DATA_SET)
    source, version = read_saved(rooms, name)
    return page(
        visit,
        "connect_settings.html",
        **_form(door_called(source.door), source, {}) | {"version": version},
    )


@post("/connect/{name:str}/settings", include_in_schema=False)
async def changed_settings(request: AnyRequest, name: str) -> Response[Any]:
    """Keep what was changed; StateConflict when somebody else was quicker."""
    house = house_of(request)
    form, visit = await operate(request, house)
    before, _ = read_saved(house.rooms, name)
    word = door_called(before.door)
    version = int(str(form.get("version", "0")) or 0)
    try:
        source, secret = read_source(word, form, name, visit.words)
        kept = msgspec.structs.replace(
            source, enabled=before.enabled, mappings=before.mappings, tenant=before.tenant
        )
        return _keep(house, visit, kept, secret, over=version)
    except (ConfigurationError, StateConflict) as error:
        mistakes = said_each(error, visit.words)
        values = _form(word, before, form) | {"mistakes": mistakes, "version": version}
        return page(visit, "connect_settings.html", 400, **values)


@get("/connect/{name:str}", include_in_schema=False)
async def one_source(request: AnyRequest, name: str) -> Response[Any]:
    """One source: how it is, what it brought, what could not be read, and what may be done."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, data_set=DATA_SET)
    try:
        source, version = read_saved(rooms, name)
        door = door_called(source.door)
    except ConfigurationError as error:
        return broken_page(rooms, visit, name, error)
    return page(
        visit,
        "connect_source.html",
        source=source,
        door=door,
        version=version,
        shown=shown(rooms, source, visit),
        runs=await rooms.runs.list_runs(name, limit=LINES_SHOWN) if door.kind == "load" else [],
        mappings=read_mappings(rooms, visit, source),
        differing=await differing(rooms, source),
        in_language=in_language,
        may=visit.may(Deed.OPERATE, DATA_SET),
    )


@post("/connect/{name:str}/{deed:str}", include_in_schema=False)
async def act(request: AnyRequest, name: str, deed: str) -> Response[Any]:
    """start, stop, run, or forget one source."""
    house = house_of(request)
    _, visit = await operate(request, house)
    rooms = house.rooms
    if deed == "forget":  # also one whose file cannot be read
        rooms.configuration.delete("sources", name)
        write_secret(rooms.settings.data, name, "")
        return Redirect("/connect", status_code=303)
    source, version = read_saved(rooms, name)
    if deed == "run":
        await rooms.runs.ask(name, by=visit.actor.id)
    elif deed in ("start", "stop"):
        if deed == "start" and not source.mappings:
            raise StateConflict(
                f"Source {name} has no mapping yet: look at it, then map it",
                zh=f"来源 {name} 还没有映射：请先查看，再映射",
            )
        changed = msgspec.structs.replace(source, enabled=deed == "start")
        save(rooms, visit, changed, over=version)
    else:
        raise ResourceNotFound(f"Nothing called {deed[:40]!r} can be done with a source")
    return Redirect(f"/connect/{name}", status_code=303)


# --- what these pages share -------------------------------------------------------------------
async def operate(request: AnyRequest, house: House) -> tuple[Any, Visit]:
    """The form of somebody who may connect sources; its CSRF token is checked first."""
    form = await request.form()
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    visit = enter(request, house.rooms, data_set=DATA_SET)
    house.rooms.gate.decide(
        visit.actor, Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    )
    return form, visit


def list_doors() -> list[Door]:
    """The doors that open here; one whose library is not installed is not offered."""
    found = []
    for name in DOORS:
        try:
            found.append(find_door(name))
        except ConfigurationError:
            continue
    return found


def door_called(name: str) -> Door:
    """A door; ResourceNotFound names those there are."""
    if name not in DOORS:
        raise ResourceNotFound(f"There is no door {name[:40]!r}; doors are: {', '.join(DOORS)}")
    return find_door(name)


def list_sources(rooms: Rooms) -> list[SourceFile]:
    """Every source that can be read."""
    found = []
    for saved in rooms.configuration.list_saved("sources"):
        try:
            found.append(read_content(saved.name, saved.content))
        except ConfigurationError:
            continue
    return found


def read_saved(rooms: Rooms, name: str) -> tuple[SourceFile, int]:
    """A source with its version; ResourceNotFound, ConfigurationError when the file is wrong."""
    saved = rooms.configuration.get("sources", name)
    return read_content(name, saved.content), saved.version


def save(rooms: Rooms, visit: Visit, source: SourceFile, *, over: int) -> None:
    """Keep a source as a readable file."""
    content = msgspec.to_builtins(source)
    rooms.configuration.save("sources", source.name, content, by=visit.actor.id, over=over)


def around(rooms: Rooms, name: str) -> Around:
    """What the door of a source may use."""
    data = rooms.settings.data
    return Around(
        data=data,
        secret=read_secret(data, name),
        egress=rooms.egress,
        clock=rooms.clock,
        folders=rooms.settings.inbox_allow,
        tables=rooms.tables,
    )


def shown(rooms: Rooms, source: SourceFile, visit: Visit) -> dict[str, Any]:
    """How a source is, as intake and the source itself say."""
    door = next((one for one in list_doors() if one.name == source.door), None)
    kind = "loads" if door is not None and door.kind == "load" else "doors"
    full = f"{kind}/{source.name}"
    heard = next((one for one in rooms.intake.sources() if one.name == full), None)
    counts = rooms.intake.quarantine.counts().get(full)
    if not source.enabled:
        state = "draft" if not source.mappings else "stopped"
    else:
        state = heard.health if heard is not None else "unknown"
    return {
        "name": source.name,
        "full": full,
        "title": visit.words.title(source.title) or source.name,
        "door": visit.words.title(door.title) if door is not None else source.door,
        "kind": door.kind if door is not None else "",
        "owner": source.owner,
        "state": state,
        "report": heard.report if heard is not None else None,
        "accepted": _accepted(heard, kind),
        "held": counts.held if counts is not None else 0,
    }


def _accepted(heard: Source | None, kind: str) -> int:
    """What came in: for a load the records it read well, which may have landed in a table."""
    if heard is None:
        return 0
    if kind == "loads" and heard.report is not None:
        return heard.report.messages - heard.report.unreadable
    return heard.accepted


def _form(door: Door, source: SourceFile | None, typed: Any) -> dict[str, Any]:
    """The values of the settings form: what was typed, else what is kept, else the default."""
    values = {
        one.name: typed.get(f"s.{one.name}")
        if f"s.{one.name}" in typed
        else _written(source.settings.get(one.name, one.default) if source else one.default)
        for one in door.settings
    }
    first = first_asked(door)
    return {
        "door": door,
        "source": source,
        "first": first,
        "others": [one for one in door.settings if one not in first],
        "values": values,
        "typed": typed,
        "mistakes": [],
        "version": 0,
    }


def first_asked(door: Door) -> list[DoorSetting]:
    """What nearly everybody must tell: what is needed, how to get in, and what comes before it."""
    secrets = [at for at, one in enumerate(door.settings) if one.kind == "secret"]
    way_in = secrets[0] + 1 if secrets else 0
    return [
        one
        for at, one in enumerate(door.settings)
        if one.required or (at < way_in and one.kind != "lines") or one.name in ("nodes", "example")
    ]


def _written(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return "\n".join(str(one) for one in value) if isinstance(value, list | tuple) else value


def _keep(
    house: House, visit: Visit, source: SourceFile, secret: str | None, *, over: int
) -> Response[Any]:
    rooms = house.rooms
    source = msgspec.structs.replace(source, tenant=source.tenant or visit.tenant)
    save(rooms, visit, source, over=over)
    if secret is not None:
        write_secret(rooms.settings.data, source.name, secret)
    house.looks.forget(source.name)
    return Redirect(f"/connect/{source.name}/look", status_code=303)


PAGES = (doors, new_source, made_source, settings, changed_settings, one_source, act)
