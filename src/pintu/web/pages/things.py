"""The entities of a type as a list: filtered, sorted, with a page and a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from litestar import Response, get
from litestar.response import Stream

from pintu.kernel.context.parse import parse_order, parse_q
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import BadInput, Refused
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import settled
from pintu.web.agreed import answering, enter_agreed, sent, there, within
from pintu.web.api import states
from pintu.web.house import house_of
from pintu.web.pages import labels
from pintu.web.pages.listing import (
    BOM,
    PAGE,
    Cell,
    Heading,
    Listing,
    Row,
    asked_of,
    csv_headers,
    csv_lines,
    page_of,
)
from pintu.web.pages.render import page
from pintu.web.visit import NAMED, AnyRequest, Visit

if TYPE_CHECKING:
    from pintu.kernel.context.record import Record

COLUMNS = 7
STEP = 1_000
MOST_EXPORTED = 100_000
NOT_COLUMNS = ("name", "location", "description")


@get("/entities", include_in_schema=False)
async def things(request: AnyRequest, format: str = "") -> Response[Any] | Stream:
    """Entities of `?type=`, those for which `?q=` (NGSI-LD query) holds, whose id has `?id=`."""
    visit = enter_agreed(request, house_of(request).rooms)
    async with answering(visit):
        return await _things(request, visit, format)


async def _things(request: AnyRequest, visit: Visit, format: str) -> Response[Any] | Stream:
    asked = asked_of(request, ("type", "id", *NAMED))
    types = type_choices(visit)
    asked.setdefault("type", types[0][0] if types else "")
    names = column_names(visit, asked["type"])
    why = ""
    try:
        selection = selection_of(visit, asked, names)
    except (BadInput, Refused) as error:  # not to be read: the list without it, and why
        if visit.agreed:
            raise
        why = error.detail
        selection = selection_of(visit, {**asked, "q": "", "id": "", "sort": ""}, names)
    if format == "csv" and not why:
        kind = "text/csv; charset=utf-8"
        headers = csv_headers(asked["type"].rstrip("/").rpartition("/")[2])
        if not visit.agreed:
            parts = file_parts(visit, selection, names)
            return Stream(parts, media_type=kind, headers=headers)
        body, rows = await one_file(visit, selection, names)
        return await sent(visit, Response(body, media_type=kind, headers=headers), rows)
    listing = await listing_of(request, visit, selection, asked, names)
    status = 400 if why else 200
    found = page(visit, "things.html", status, listing=listing, types=types, why=why)
    return await sent(visit, found, len(listing.rows))


def type_choices(visit: Visit) -> list[tuple[str, str]]:
    """Types in use with their titles, the commonest first."""
    counts: dict[str, int] = {}
    for kind in visit.rooms.store.kinds(visit.number) if visit.number else []:
        for one in visit.types(kind.types):
            counts[one] = counts.get(one, 0) + kind.count
    common = sorted((one for one in counts if counts[one]), key=lambda one: -counts[one])
    return [(one, labels.type_label((one,), visit.words)) for one in common]


def column_names(visit: Visit, type: str) -> list[str]:
    """The attributes shown of a type: what its map layer shows first, else what it has."""
    agreed = visit.projection.attributes if visit.agreed else None
    found: dict[str, None] = {}
    for manifest in visit.rooms.pieces:
        for layer in manifest.layers:
            if layer.type == type and layer.shows and not found:
                found.update((name, None) for name in layer.shows)
    for kind in visit.rooms.store.kinds(visit.number) if visit.number and not found else []:
        if type in kind.types:
            found.update((name, None) for name, _ in kind.attributes if name not in NOT_COLUMNS)
    return [name for name in found if agreed is None or name in agreed][:COLUMNS]


def selection_of(visit: Visit, asked: dict[str, str], names: list[str]) -> Selection:
    """What the address asks of the store; Refused when a part of it cannot be read."""
    wish = asked.get("sort", "")
    name = wish.removeprefix("-")
    known = name in ("name", *names)
    chosen = Selection(
        tenant=visit.number,
        types=TypeSelection((frozenset({asked["type"]}),)) if asked["type"] else None,
        id_pattern=f".*{re.escape(asked['id'])}.*" if asked.get("id") else None,
        q=parse_q(asked["q"], CORE) if asked.get("q") else None,
        order=parse_order(f"{name};{'desc' if wish[0] == '-' else 'asc'}", CORE) if known else (),
        limit=PAGE,
        offset=(page_of(asked) - 1) * PAGE,
        count=True,
    )
    return within(visit, chosen)


async def listing_of(
    request: AnyRequest, visit: Visit, selection: Selection, asked: dict[str, str], names: list[str]
) -> Listing:
    """One page of the list."""
    headings = [Heading(name="name", title=visit.words.text("Name"))]
    headings += [
        Heading(name=name, title=labels.attribute_label(name, visit.words)) for name in names
    ]
    records: list[Record] = []
    count = 0
    if visit.number and selection.types is not None:
        found = await settled(visit.rooms.store.select(selection))
        records, count = there(visit, found.records), found.count or 0
    return Listing(
        path=request.url.path,
        asked=asked,
        headings=tuple(headings),
        rows=[row_of(record, names, visit) for record in records],
        total=count,
        whole=count,
    )


def row_of(record: Record, names: list[str], visit: Visit) -> Row:
    """An entity as cells: its name first, leading to its page."""
    entity = visit.see(orjson.loads(record.body))
    cells = {"name": Cell(text=labels.name_of(entity, visit.words), link=record.id)}
    for name in names:
        cells[name] = _cell(entity, name, visit)
    return Row(id=record.id, cells=cells, extra=0 if visit.agreed else record.modified_us)


def _cell(entity: dict[str, Any], name: str, visit: Visit) -> Cell:
    value = states.value_of(entity, name)
    attribute = entity.get(name)
    unit = labels.unit_sign(attribute.get("unitCode")) if isinstance(attribute, dict) else ""
    told = labels.value_label(name, value, visit.words) or labels.said(value, visit.words)
    return Cell(text=f"{told} {unit}".strip(), key=value)


async def file_parts(visit: Visit, selection: Selection, names: list[str]) -> AsyncIterator[bytes]:
    """The whole filtered list as CSV: id, name, plain values, when it changed; a page at a time."""
    yield BOM + csv_lines([["id", "name", *names, "modifiedAt"]])
    offset = 0
    while visit.number and selection.types is not None and offset < MOST_EXPORTED:
        step = replace(selection, offset=offset, limit=STEP, count=False)
        found = await settled(visit.rooms.store.select(step))
        records = list(found.records)
        if records:
            yield csv_lines(_line(record, names, visit) for record in records)
        if len(records) < STEP:
            return
        offset += STEP


async def one_file(visit: Visit, selection: Selection, names: list[str]) -> tuple[bytes, int]:
    """The list as CSV under an agreement, and its rows: no more of them than one call lets."""
    lines = [["id", "name", *names]]
    if visit.number and selection.types is not None:
        limit = min(STEP, visit.projection.most_rows or STEP)
        step = replace(selection, offset=0, limit=limit, count=False)
        found = await settled(visit.rooms.store.select(step))
        lines += [_line(record, names, visit) for record in there(visit, found.records)]
    return BOM + csv_lines(lines), len(lines) - 1


def _line(record: Record, names: list[str], visit: Visit) -> list[str]:
    entity = visit.see(orjson.loads(record.body))
    values = [states.value_of(entity, name) for name in names]
    told = [
        value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
        for value in values
    ]
    name = labels.name_of(entity, visit.words)
    changed = () if visit.agreed else (visit.words.iso(record.modified_us),)
    return [record.id, name, *told, *changed]
