"""Mapping a source without code: what is there, which word each column becomes, and a dry run."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Deed
from pintu.kernel.errors import (
    BadRequestData,
    ConfigurationError,
    PintuError,
    ResourceNotFound,
)
from pintu.kernel.exchange.catalogue import write_data_set
from pintu.kernel.intake.doors.seen import RECORDS
from pintu.kernel.intake.doors.words import SourceFile, TableSeen
from pintu.kernel.intake.mapping import (
    compile_mapping,
    guess_mapping,
    guess_table,
    read_mapping,
    write_mapping,
)
from pintu.kernel.intake.mapping.words import FieldKind, Mapping, PersonMark
from pintu.web.house import House, house_of
from pintu.web.pages.connect import (
    DATA_SET,
    around,
    door_called,
    operate,
    read_saved,
    save,
)
from pintu.web.pages.connect_asking import asked_of
from pintu.web.pages.connect_form import name_of, read_mapping_form, text
from pintu.web.pages.connect_looks import table_called
from pintu.web.pages.connect_said import in_language, said, said_each
from pintu.web.pages.connect_tables import data_set_of
from pintu.web.pages.connect_trial import known_words, try_mapping
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

KINDS = get_args(FieldKind)
MARKS = get_args(PersonMark)
CROWDED = 60
"""A table with more columns hides those that nothing is made of until somebody asks."""

FRAMES = ("WGS-84", "CGCS2000", "GCJ-02", "BD-09", "EPSG:4549", "EPSG:4528", "EPSG:3857")
"""Frames offered; any `EPSG:n` may be typed."""


@get("/connect/{name:str}/look", include_in_schema=False)
async def look(request: AnyRequest, name: str) -> Response[Any]:
    """What is at the other side: tables, columns, how full and how different they are.

    A look that takes long is waited for by the page itself, which asks `?wait=1`."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, DATA_SET)
    source, _ = read_saved(house.rooms, name)
    if "wait" in request.query_params:
        with contextlib.suppress(PintuError):  # the page that comes next says so
            await seen(house, source)
        return Response(b"", status_code=204)
    again = "again" in request.query_params
    try:
        tables = await seen_soon(house, source, again=again)
    except PintuError as error:
        return _not_seen(visit, source, error)
    if tables is None:
        return _looking(visit, source)
    told: dict[str, Any] = {"tables": tables, "failed": "", "in_language": in_language}
    return page(visit, "connect_look.html", source=source, **told)


@get("/connect/{name:str}/mapping", include_in_schema=False)
async def mapping(request: AnyRequest, name: str, table: str = "") -> Response[Any]:
    """The mapping of one table: the saved one, else a guess; `?target=`, `?type=` guess again."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, DATA_SET)
    source, _ = read_saved(house.rooms, name)
    try:
        tables = await seen_soon(house, source)
    except PintuError as error:
        return _not_seen(visit, source, error)
    if tables is None:
        return _looking(visit, source)
    if not table and len(tables) != 1:
        return Redirect(f"/connect/{name}/look", status_code=303)
    found = table_called(tables, table)
    saved = saved_for(house.rooms, source, found)
    asked = {one: request.query_params.get(one, "") for one in ("target", "type")}
    questions: list[Any] = []
    if saved is not None and not any(asked.values()):
        chosen = read_mapping(saved.content)
    else:
        own = mapping_name(house.rooms, source, found)
        chosen, questions = guessed(house.rooms, source, found, own=own, **asked)
    version = saved.version if saved else 0
    return _page(visit, source, found, chosen, questions=questions, version=version)


@post("/connect/{name:str}/mapping", include_in_schema=False)
async def keep_mapping(request: AnyRequest, name: str, table: str = "") -> Response[Any]:
    """Keep the mapping as a readable file, then try it; what is wrong comes back with the form."""
    house = house_of(request)
    form, visit = await operate(request, house)
    rooms = house.rooms
    source, version = read_saved(rooms, name)
    found = table_called(await seen(house, source), table)
    own = mapping_name(rooms, source, found)
    content = read_mapping_form(form, own)
    if source.door == "database":
        content["records"] = found.name  # which of the tables it reads
    elif door_called(source.door).kind == "device":
        content["records"] = found.name.partition(RECORDS)[2]
    try:
        chosen = read_mapping(content)
        compiled_or_raise(rooms, chosen, source)
    except ConfigurationError as error:
        shown = msgspec.convert(content, Mapping, strict=False)
        mistakes = said_each(error, visit.words)
        version = int(text(form, "version") or 0)
        return _page(visit, source, found, shown, version=version, mistakes=mistakes)
    over = int(text(form, "version") or 0)
    rooms.configuration.save("mappings", own, write_mapping(chosen), by=visit.actor.id, over=over)
    if chosen.target == "table":
        entry = data_set_of(chosen, source)
        rooms.configuration.save("datasets", entry.name, write_data_set(entry), by=visit.actor.id)
    if own not in source.mappings:
        settings = source.settings
        if source.door == "mqtt" and len(await seen(house, source)) > 1:
            # the messages of the other topics are not for this mapping
            settings = {**settings, "tables": [f"{found.name.partition(RECORDS)[0]} = {own}"]}
        changed = msgspec.structs.replace(
            source, mappings=[*source.mappings, own], settings=settings
        )
        save(rooms, visit, changed, over=version)
    return Redirect(f"/connect/{name}/try?table={quote(found.name)}", status_code=303)


@get("/connect/{name:str}/try", include_in_schema=False)
async def trial(request: AnyRequest, name: str, table: str = "") -> Response[Any]:
    """A dry run on the sample: what would be new, changed or the same, and what cannot be read."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, DATA_SET)
    rooms = house.rooms
    source, _ = read_saved(rooms, name)
    try:
        tables = await seen_soon(house, source)
    except PintuError as error:
        return _not_seen(visit, source, error)
    if tables is None:
        return _looking(visit, source)
    if not table and len(tables) != 1:
        return Redirect(f"/connect/{name}/look", status_code=303)
    found = table_called(tables, table)
    saved = saved_for(rooms, source, found)
    if saved is None:
        return Redirect(f"/connect/{name}/mapping?table={quote(found.name)}", status_code=303)
    chosen = read_mapping(saved.content)
    try:
        tried = await try_mapping(rooms, visit, chosen, source, found)
    except ConfigurationError as error:
        mistakes = said_each(error, visit.words)
        return _page(visit, source, found, chosen, version=saved.version, mistakes=mistakes)
    return page(visit, "connect_try.html", source=source, table=found, tried=tried, mapping=saved)


@post("/connect/{name:str}/frame", include_in_schema=False)
async def change_frame(request: AnyRequest, name: str, table: str = "") -> Response[Any]:
    """Read the coordinates of a saved mapping in the frame that the dry run offered; try again."""
    house = house_of(request)
    form, visit = await operate(request, house)
    source, _ = read_saved(house.rooms, name)
    found = table_called(await seen(house, source), table)
    saved = saved_for(house.rooms, source, found)
    frame = text(form, "frame")
    if saved is None or frame not in FRAMES:
        raise BadRequestData(f"Frame {frame[:40]!r} is none that was offered for {name}")
    chosen = msgspec.structs.replace(read_mapping(saved.content), frame=frame)
    content = write_mapping(chosen)
    house.rooms.configuration.save(
        "mappings", saved.name, content, by=visit.actor.id, over=int(text(form, "version") or 0)
    )
    return Redirect(f"/connect/{name}/try?table={quote(found.name)}", status_code=303)


# --- what these pages share -------------------------------------------------------------------
def guessed(
    rooms: Rooms, source: SourceFile, table: TableSeen, *, own: str, target: str, type: str
) -> tuple[Mapping, list[Any]]:
    """A mapping to begin with, and what only a person can tell."""
    if target == "table":
        guess = guess_table(table, known_words(), name=own)
    else:
        guess = guess_mapping(table, known_words(), name=own, type=type)
    return guess.mapping, guess.questions


async def seen(house: House, source: SourceFile, *, again: bool = False) -> list[TableSeen]:
    """The tables of a source, looked at when nobody did lately."""
    door = door_called(source.door)
    return await house.looks.at(door, source, around(house.rooms, source.name), again=again)


async def seen_soon(
    house: House, source: SourceFile, *, again: bool = False
) -> list[TableSeen] | None:
    """As `seen`; None when it takes longer than a page should."""
    door = door_called(source.door)
    return await house.looks.soon(door, source, around(house.rooms, source.name), again=again)


def _not_seen(visit: Visit, source: SourceFile, error: PintuError) -> Response[Any]:
    if isinstance(error, ResourceNotFound):  # no file yet is no failure
        why = said(error, visit.words)
        return page(visit, "connect_look.html", source=source, tables=[], failed="", why=why)
    failed = said(error, visit.words)
    return page(visit, "connect_look.html", source=source, tables=[], failed=failed)


def _looking(visit: Visit, source: SourceFile) -> Response[Any]:
    return page(visit, "connect_wait.html", source=source)


def mapping_name(rooms: Rooms, source: SourceFile, table: TableSeen) -> str:
    """The mapping's file: the one this table has, else the source's name or with the table's."""
    for name in source.mappings:
        saved = rooms.configuration.find("mappings", name)
        if saved is None:
            continue
        if source.door != "database" or saved.content.get("records") == table.name:
            return name
    if not source.mappings:
        return source.name
    return name_of("", f"{source.name}_{table.name}", source.mappings)


def saved_for(rooms: Rooms, source: SourceFile, table: TableSeen) -> Any:
    """The saved mapping of a table of a source, or None."""
    return rooms.configuration.find("mappings", mapping_name(rooms, source, table))


def compiled_or_raise(rooms: Rooms, chosen: Mapping, source: SourceFile) -> None:
    """What only the vocabulary knows to be wrong; ConfigurationError."""
    compile_mapping(chosen, known_words(), source=source.name)


def _page(
    visit: Visit,
    source: SourceFile,
    table: TableSeen,
    chosen: Mapping,
    *,
    questions: Sequence[Any] = (),
    version: int = 0,
    mistakes: Sequence[str] = (),
) -> Response[Any]:
    words = known_words()
    of = {column: one for one in chosen.fields for column in columns_of(one.source)[:1]}
    seen_columns = {one.name for one in table.columns}
    rows = [(at, of.get(one.name), one) for at, one in enumerate(table.columns)]
    used_with = {
        column: columns_of(one.source)[0]
        for one in chosen.fields
        for column in columns_of(one.source)[1:]
    }
    others = [one for one in chosen.fields if not set(columns_of(one.source)) & seen_columns]
    return page(
        visit,
        "connect_mapping.html",
        400 if mistakes else 200,
        source=source,
        table=table,
        mapping=chosen,
        of=of,
        others=others,
        rows=rows,
        crowded=len(rows) > CROWDED and any(field for _, field, _ in rows),
        used_with=used_with,
        questions=asked_of(questions, [one.name for one in table.columns], chosen),
        version=version,
        mistakes=mistakes,
        types=words.types(),
        attributes=words.attributes(chosen.type) if chosen.type else {},
        columns_of=columns_of,
        in_language=in_language,
        kinds=KINDS,
        marks=MARKS,
        frames=FRAMES,
    )


def columns_of(source: str | list[str]) -> list[str]:
    """The columns a field is read from."""
    return [source] if isinstance(source, str) and source else list(source or [])


PAGES = (look, mapping, keep_mapping, trial, change_frame)
