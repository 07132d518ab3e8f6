"""Retrieving and querying entities here and at context sources (4.3.6, 5.7.1, 5.7.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import orjson

from pintu.kernel.context.linking import Look
from pintu.kernel.context.match import geometry_test, match_q, matches
from pintu.kernel.context.parse import parse_geo, parse_q, parse_types
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.federation import Registration, Wanted
from pintu.kernel.federation.arrived import Part
from pintu.kernel.store.port import Page, settled
from pintu.web.ngsi_ld.agreed import cut, there
from pintu.web.ngsi_ld.answers import GEO_JSON, Pairs, problem
from pintu.web.ngsi_ld.asking import read_selection
from pintu.web.ngsi_ld.consumption import Query, answer, entity_told, read_asked, shown
from pintu.web.ngsi_ld.distributed_read_asking import (
    BATCHING,
    FILTERS,
    QUERYING,
    RETRIEVING,
    Asked,
)
from pintu.web.ngsi_ld.distributed_read_gathering import (
    Gathering,
    Leg,
    Pieces,
    alongside,
    legs_of,
)
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.looking import read_view
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.paging import Window, window
from pintu.web.ngsi_ld.params import flag
from pintu.web.ngsi_ld.picking import read_tree
from pintu.web.ngsi_ld.querying import read_query

MOST_SPLIT = 10_000
"""Entities of one source that a query of split entities looks at."""
_COUNTED = 1000
"""Entities of one source that are looked at to count each once."""
_PICKED_HEADS = frozenset(("id", "type", "scope"))


# --- one entity -------------------------------------------------------------------------------
def retrieve_entity(call: Call) -> Result:
    """5.7.1 over all sources: what each has of one entity, put together."""
    id = uri(call.parts[0], "Entity id")
    wanted = _wanted(call, call.params, ids=(id,))
    legs = legs_of(call, wanted, RETRIEVING)
    if not legs:
        return call.operation.handler(call)
    return _retrieve(call, id, Gathering(call, legs, asked_of(call, call.params)))


async def _retrieve(call: Call, id: str, gathering: Gathering) -> Response:
    read_view(call.params, call.terms, call.projection, call.accept)  # mistakes before questions
    here = call.rooms.store.retrieve(call.tenant, id)
    own = await alongside(gathering.ask(), _one(here))
    pieces = gathering.union(own).get(id)
    record = gathering.merged(pieces, gathering.claims) if pieces else None
    told = entity_told(call, id, _let(call, record), finder(call))
    return await warned(call, gathering.warnings, told)


def finder(call: Call) -> Look:
    """How entities that others lead to are found, wherever they are."""
    return partial(_find, call)


async def _find(call: Call, id: str) -> Record | None:
    gathering = Gathering(call, legs_of(call, Wanted(ids=(id,)), RETRIEVING), Asked())
    own = await alongside(gathering.ask(), _one(call.rooms.store.retrieve(call.tenant, id)))
    pieces = gathering.union(own).get(id)
    record = gathering.merged(pieces, gathering.claims) if pieces else None
    return there(call, _let(call, record))


async def _one(here: Record | Awaitable[Record | None] | None) -> list[Record]:
    found = await settled(here)
    return [] if found is None else [found]


# --- queries ----------------------------------------------------------------------------------
def query_entities(call: Call) -> Result:
    """5.7.2 by parameters over all sources."""
    part = cut(call, window(call.params))
    return _query(call, dict(call.params), part, QUERYING)


def query_by_post(call: Call) -> Result:
    """5.7.2 by a Query document over all sources."""
    part = cut(call, window(call.params))
    params = read_query(call.document)
    for name in ("options", "format", "lang", "geometryProperty", "explain", "splitEntities"):
        if name in call.params:
            params.setdefault(name, call.params[name])
    return _query(call, params, part, BATCHING)


def _query(call: Call, params: dict[str, Any], part: Window, operations: tuple[str, ...]) -> Result:
    query = read_asked(call, params, part)
    gatherings = []
    selectors: list[dict[str, Any]] = params.get("entities") or [{}]
    for selector in selectors:
        told = {name: value for name, value in params.items() if name != "entities"} | selector
        legs = legs_for(call, told, operations)
        gatherings.append((told, Gathering(call, legs, asked_of(call, told, part))))
    if not any(gathering.legs for _, gathering in gatherings):
        params.pop("csf", None)
        return answer(query)
    if "orderBy" in params:
        raise BadRequestData("orderBy orders what is here only: with it, local=true is needed")
    if query.join is not None:
        query.join.look = finder(call)
    return _union(query, gatherings)


def legs_for(call: Call, params: dict[str, Any], operations: tuple[str, ...]) -> list[Leg]:
    """The sources to ask for what one selector of a query wants, where it wants it."""
    legs = legs_of(call, _wanted(call, params), operations)
    place = _place(call, params) if legs else None
    return legs if place is None else [leg for leg in legs if place(leg.share.registration)]


def _place(call: Call, params: dict[str, Any]) -> Callable[[Registration], bool] | None:
    """Whether a source that says where its things are can have some in the place asked for (5.2.9):
    only what lies apart for certain is not asked."""
    get = params.get
    geo = parse_geo(
        get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), call.terms
    )
    if geo is None or geo.geoproperty != "location" or geo.relation == "disjoint":
        return None
    if geo.relation == "near":
        if geo.max_distance_m is None:
            return None
        wide = dataclasses.replace(geo, min_distance_m=None)
    else:
        wide = dataclasses.replace(geo, relation="intersects")
    test = geometry_test(wide)
    return lambda source: "location" not in source.places or test(source.places["location"])


async def _union(query: Query, gatherings: list[tuple[dict[str, Any], Gathering]]) -> Response:
    call, part = query.call, query.part
    found: dict[str, Record] = {}
    count = 0
    warnings: Pairs = ()
    for params, gathering in gatherings:
        records, counted = await gathered(query, params, gathering)
        before = len(found)
        for record in records:
            found.setdefault(record.id, record)
        count += counted - (len(records) - (len(found) - before))
        warnings += gathering.warnings
    records = list(found.values())[part.offset : part.offset + part.limit + 1]
    page = Page(records, count if part.count else None, "distributed")
    told = shown(query, page)
    return await warned(call, tuple(dict.fromkeys(warnings)), told)


async def gathered(
    query: Query, params: dict[str, Any], gathering: Gathering, kept: Pieces | None = None
) -> tuple[list[Record], int]:
    """The entities of one selector as far as the page reaches, and how many there are of it; what
    each was made of is put into `kept`."""
    call, part, asked = query.call, query.part, gathering.asked
    whole = dict(params)
    whole.pop("csf", None)
    reach = Window(asked.reach - 1, 0, part.count)
    selection = _selection(query, whole, reach)
    local = selection
    if asked.split:
        kept = {name: value for name, value in whole.items() if name not in (*FILTERS, "attrs")}
        local = _selection(query, kept, reach, narrowed=False)
    pages: list[Page] = []
    own = await alongside(gathering.ask(), _select(call, local, pages))
    claims = gathering.claims
    checked = selection if asked.split else None
    later = {leg.share.registration.id for leg in gathering.legs if leg.unfiltered}
    found: list[Record] = []
    together = gathering.union(own)
    first = await _completed(gathering, together, part, own)
    if kept is not None:
        kept.update(first)
    for pieces in first.values():
        record = _let(call, gathering.merged(pieces, claims))
        if record is None:
            continue
        test = checked or (selection if _from(pieces, later) else None)
        if test is None or _matches(test, record):
            found.append(record)
    return found, _counted(gathering, pages[0], together, found)


def _from(pieces: list[Record | Part], later: set[str]) -> bool:
    """Whether an entity comes from one source alone, and that was not told the filters."""
    only = pieces[0]
    return len(pieces) == 1 and not isinstance(only, Record) and only.source in later


async def _completed(
    gathering: Gathering, together: Pieces, part: Window, own: list[Record]
) -> Pieces:
    """The union, with what sources that have more than they told have of the page's entities."""
    if not any(leg.more for leg in gathering.legs):
        return together
    ids = list(together)[part.offset : part.offset + part.limit + 1]
    await gathering.complete(ids)
    return gathering.union(own)


def _counted(gathering: Gathering, page: Page, together: Pieces, found: list[Record]) -> int:
    """How many entities there are: each once where all were looked at; else what the sources count
    without those that were seen twice."""
    here = page.count or 0
    partly = here > len(page.records) or any(leg.more for leg in gathering.legs)
    if gathering.asked.split or not partly:
        return len(found)
    told = sum(
        len(leg.parts) if leg.count is None else leg.count
        for leg in gathering.legs
        if leg.failed is None
    )
    pieces = sum(len(one) for one in together.values())
    return here + told - (pieces - len(together))


async def _select(call: Call, selection: Selection, pages: list[Page]) -> list[Record]:
    page = await settled(call.rooms.store.select(selection))
    pages.append(page)
    return page.records


def _selection(
    query: Query, params: dict[str, Any], reach: Window, *, narrowed: bool = True
) -> Selection:
    call = query.call
    selection = read_selection(params, call.terms, call.tenant, call.projection, reach)
    picked = query.tree.attributes(call.terms) if narrowed else ()
    if picked and not selection.attributes:
        selection = dataclasses.replace(selection, attributes=picked)
    return selection


def _matches(selection: Selection, record: Record) -> bool:
    return matches(orjson.loads(record.body), selection, record)


# --- what both have ---------------------------------------------------------------------------
def _wanted(call: Call, params: dict[str, Any], ids: tuple[str, ...] = ()) -> Wanted:
    """What is looked for among the registrations: entities, attributes, csf."""
    terms = call.terms
    types, csf = params.get("type"), params.get("csf")
    asked = params.get("id")
    if asked is not None and not ids:
        members = asked if isinstance(asked, list) else asked.split(",")
        ids = tuple(uri(one.strip(), "id") for one in members)
    names, must = _names(call, params)
    return Wanted(
        ids=ids,
        id_pattern=None if ids else params.get("idPattern"),
        types=None if types is None else parse_types(types, terms),
        names=names if must else frozenset(),
        csf=None if csf is None else parse_q(csf, terms),
        dataset_ids=_datasets(params),
    )


def _datasets(params: dict[str, Any]) -> tuple[str, ...]:
    """The data sets asked for; the default instance is any source's."""
    named = split_names(params["datasetId"], "datasetId") if "datasetId" in params else ()
    return () if "@none" in named else named


def _names(call: Call, params: dict[str, Any]) -> tuple[frozenset[str], bool]:
    """The attributes that are to be told, and whether an entity has to have one of them."""
    terms = call.terms
    if "attrs" in params:
        named = params["attrs"]
        members = named if isinstance(named, list) else named.split(",")
        return frozenset(terms.stored(one.strip()) for one in members), True
    tree = read_tree(params)
    if tree.pick is None:
        return frozenset(), True
    names = frozenset(terms.stored(one) for one in tree.pick if one not in _PICKED_HEADS)
    return names, bool(tree.attributes(terms))


def asked_of(call: Call, params: dict[str, Any], part: Window | None = None) -> Asked:
    """What every source is asked for; without a part, one entity."""
    names, must = _names(call, params)
    allowed = call.projection.attributes
    if allowed is not None:
        names = names & allowed if names else allowed
    split = flag(params, "splitEntities")
    reach = 1
    if part is not None:
        reach = part.offset + part.limit + 1
        if part.count:
            reach = max(reach, _COUNTED)
        if split:
            reach = MOST_SPLIT
    beside = frozenset[str]()
    if call.accept == GEO_JSON and names:
        shape = params.get("geometryProperty")
        beside = frozenset(("location" if shape is None else call.terms.stored(shape),))
    if split:
        names, must = frozenset() if allowed is None else allowed, True
    return Asked(
        params=params, names=names, must=must, picks="pick" in params, beside=beside, reach=reach,
        count=part is not None and part.count and not split, split=split,
    )  # fmt: skip


def _let(call: Call, record: Record | None) -> Record | None:
    """The record when the gate's rows have it, wherever it came from; narrowing is done where it is
    shown."""
    projection = call.projection
    if record is None or projection.whole:
        return record
    if projection.seen is not None:
        return None if projection.seen(record.body) is None else record
    rows = projection.rows
    if rows is not None and not match_q(orjson.loads(record.body), rows):
        return None
    return record


async def warned(
    call: Call, warnings: Pairs, told: Result | Coroutine[Any, Any, Response]
) -> Response:
    """The answer with its warnings, also when it is a problem (6.3.17)."""
    try:
        response = told if isinstance(told, Response) else await told
    except PintuError as error:
        response = problem(error, call.echo)
    if warnings:
        response.headers = (*response.headers, *warnings)
    return response
