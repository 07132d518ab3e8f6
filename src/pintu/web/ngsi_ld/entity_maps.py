"""Entity maps over HTTP: made for a query or by themselves, shown, extended, deleted; pages of a
query that hold on to one (5.5.9.3, 5.5.14, 5.14).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pintu.kernel.access import Deed
from pintu.kernel.context.record import Record
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.arrived import Part
from pintu.kernel.federation.maps import HERE, EntityMap, EntityMaps
from pintu.kernel.federation.members import moment_of, seconds_of
from pintu.kernel.store.port import Page, settled
from pintu.web.ngsi_ld import consumption, distributed_read
from pintu.web.ngsi_ld.agreed import cut
from pintu.web.ngsi_ld.answers import Pairs, data, empty
from pintu.web.ngsi_ld.asking import ORDER_PARAMS, SELECT_PARAMS
from pintu.web.ngsi_ld.consumption import Query, read_asked, shown
from pintu.web.ngsi_ld.distributed_read_asking import BATCHING, QUERYING, RETRIEVING, of_ids
from pintu.web.ngsi_ld.distributed_read_gathering import Gathering
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.paging import Window, window
from pintu.web.ngsi_ld.params import flag
from pintu.web.ngsi_ld.querying import read_query
from pintu.web.ngsi_ld.routing import Methods

HEADER = b"ngsild-entitymap"
_PLACE = "/ngsi-ld/v1/entityMaps/"
_MOST = 10_000
"""Candidates of one map."""
_CHUNK = 50
_BESIDE = frozenset(("entityMapLifetime", "entityMapRetainDuration", "splitEntities"))
_OWN = frozenset(("entityMap", *_BESIDE))

Way = Callable[[Call], Result]


# --- queries that hold on to a map --------------------------------------------------------------
def query_entities(call: Call) -> Result:
    """5.7.2 by parameters, here alone; over a map where one is asked for or named."""
    if call.params.keys().isdisjoint(_OWN) and HEADER not in call.request.headers:
        return consumption.query_entities(call)
    return _by_params(call, consumption.query_entities)


def query_distributed(call: Call) -> Result:
    """The same over all sources."""
    if "entityMap" not in call.params and HEADER not in call.request.headers:
        return distributed_read.query_entities(call)
    return _by_params(call, distributed_read.query_entities)


def retrieve_entity(call: Call) -> Result:
    """5.7.1, here alone; with a map of the one entity where one is asked for or named (5.7.1.4)."""
    if not _holds(call):
        return consumption.retrieve_entity(call)
    return _one(call, consumption.retrieve_entity, ())


def retrieve_distributed(call: Call) -> Result:
    """The same over all sources."""
    if not _holds(call):
        return distributed_read.retrieve_entity(call)
    asked = {**call.params, "id": [call.parts[0]]}
    legs = distributed_read.legs_for(call, asked, RETRIEVING)
    sources = tuple(leg.share.registration.id for leg in legs)
    way = distributed_read.retrieve_entity if legs else consumption.retrieve_entity
    return _one(call, way, sources)


def _holds(call: Call) -> bool:
    """Whether a map is asked for, or named."""
    return flag(call.params, "entityMap") or HEADER in call.request.headers


async def _one(call: Call, way: Way, sources: tuple[str, ...]) -> Response:
    """What `way` answers, and the place of the map it holds on to: the named one, else a new one
    of this broker and the sources that were asked."""
    told = way(call)
    response = told if isinstance(told, Response) else await told
    if response.status != 200:
        return response
    found = _maps(call).find(_key(call), _named_by(call))
    if found is None:
        id = uri(call.parts[0], "Entity id")
        here = await settled(call.rooms.store.retrieve(call.tenant, id)) is not None
        where = ((HERE,) if here or not sources else ()) + sources
        lifetime = call.params.get("entityMapLifetime")
        seconds = None if lifetime is None else seconds_of(lifetime, "entityMapLifetime")
        found = _maps(call).make(_key(call), {id: where}, seconds)
    response.headers = (*response.headers, _header(found))
    return response


def query_by_post(call: Call) -> Result:
    """5.7.2 by a Query document, here alone or over a map."""
    return _by_document(call, consumption.query_by_post)


def query_by_post_distributed(call: Call) -> Result:
    """The same over all sources."""
    return _by_document(call, distributed_read.query_by_post)


def _by_params(call: Call, otherwise: Way) -> Result:
    params = call.params
    if not flag(params, "entityMap") and HEADER not in call.request.headers:
        return otherwise(call)
    part = cut(call, window(params))
    return _paged(call, dict(params), part, QUERYING)


def _by_document(call: Call, otherwise: Way) -> Result:
    asked = flag(call.params, "entityMap") or call.document.get("entityMap") is True
    if not asked and HEADER not in call.request.headers:
        return otherwise(call)
    part = cut(call, window(call.params))
    params = read_query(call.document)
    for name in ("options", "format", "lang", "geometryProperty", *_BESIDE):
        if name in call.params or name in call.document:
            params.setdefault(name, call.params.get(name, call.document.get(name)))
    return _paged(call, params, part, BATCHING)


async def _paged(
    call: Call, params: dict[str, Any], part: Window, operations: tuple[str, ...]
) -> Response:
    """A page of a map: of the one the caller names, else of a new one (201)."""
    query = read_asked(call, params, part)
    if query.join is not None and _registered(call):
        query.join.look = distributed_read.finder(call)
    named = _named_by(call)
    found = _maps(call).find(_key(call), named) if named else None
    warnings: Pairs = ()
    made = found is None
    if found is None:
        found, warnings = await make(call, params, operations)
    page, more = await _page(query, params, found, operations)
    told = shown(query, page)
    response = await distributed_read.warned(call, (*warnings, *more), told)
    if response.status == 200:
        response.status = 201 if made else 200
        response.headers = (*response.headers, _header(found))
    return response


async def _page(
    query: Query, params: dict[str, Any], found: EntityMap, operations: tuple[str, ...]
) -> tuple[Page, Pairs]:
    """As many entities of a map as the page holds, filters checked anew; those that no longer fit
    are taken out (5.5.9.3)."""
    call, part = query.call, query.part
    start = 0 if part.count else part.offset
    ids = list(found.sources)[start:]
    records: list[Record] = []
    gone: list[str] = []
    warnings: Pairs = ()
    for at in range(0, len(ids), _CHUNK):
        some = ids[at : at + _CHUNK]
        fitting, warned, sure = await _fitting(query, params, (found, some), operations)
        warnings += warned
        records += fitting
        if sure:
            there = {record.id for record in fitting}
            gone += [id for id in some if id not in there]
        if not part.count and len(records) > part.limit:
            break
    _maps(call).prune(found, gone)
    count = len(records) if part.count else None
    if part.count:
        records = records[part.offset :]
    page = Page(records[: part.limit + 1], count, "entity map")
    return page, tuple(dict.fromkeys(warnings))


async def _fitting(
    query: Query,
    params: dict[str, Any],
    wanted: tuple[EntityMap, list[str]],
    operations: tuple[str, ...],
) -> tuple[list[Record], Pairs, bool]:
    """Which of some entities of a map fit, asked of nobody but where the map says they are; and
    whether everybody answered."""
    found, ids = wanted
    call = query.call
    told = {name: value for name, value in params.items() if name not in ("id", "idPattern")}
    selectors: list[dict[str, Any]] = told.pop("entities", None) or [{}]
    records: dict[str, Record] = {}
    warnings: Pairs = ()
    sure = True
    for selector in selectors:
        asked = told | {key: value for key, value in selector.items() if key == "type"}
        asked["id"] = ids
        size = Window(len(ids))
        legs = distributed_read.legs_for(call, asked, operations) if _registered(call) else []
        for leg in legs:
            source = leg.share.registration.id
            mine = tuple(id for id in leg.share.ids if source in found.sources.get(id, ()))
            leg.share = of_ids(leg.share, mine)
        legs = [leg for leg in legs if leg.share.ids]
        gathering = Gathering(call, legs, distributed_read.asked_of(call, asked, size))
        part = dataclasses.replace(query, part=size)
        some, _ = await distributed_read.gathered(part, asked, gathering)
        records.update((record.id, record) for record in some)
        warnings += gathering.warnings
        sure = sure and not any(leg.failed for leg in legs)
    order = {id: at for at, id in enumerate(ids)}
    fitting = sorted(
        (one for one in records.values() if one.id in order), key=lambda r: order[r.id]
    )
    return fitting, warnings, sure


# --- making one -------------------------------------------------------------------------------
async def make(
    call: Call, params: dict[str, Any], operations: tuple[str, ...]
) -> tuple[EntityMap, Pairs]:
    """A map of everything that a query considers, here and at its sources (5.14.4.4)."""
    lifetime = params.get("entityMapLifetime", params.get("entityMapRetainDuration"))
    lifetime_s = None if lifetime is None else seconds_of(lifetime, "entityMapLifetime")
    params = {name: value for name, value in params.items() if name not in ORDER_PARAMS}
    size = Window(_MOST - 1)
    query = read_asked(call, params, size)
    sources: dict[str, tuple[str, ...]] = {}
    linked: dict[str, str] = {}
    warnings: Pairs = ()
    selectors: list[dict[str, Any]] = params.get("entities") or [{}]
    for selector in selectors:
        asked = {key: value for key, value in params.items() if key != "entities"} | selector
        legs = distributed_read.legs_for(call, asked, operations) if _registered(call) else []
        wanted = dataclasses.replace(distributed_read.asked_of(call, asked, size), maps=True)
        gathering = Gathering(call, legs, wanted)
        pieces: dict[str, list[Record | Part]] = {}
        records, _ = await distributed_read.gathered(query, asked, gathering, pieces)
        for record in records[:_MOST]:
            where = [HERE if isinstance(one, Record) else one.source for one in pieces[record.id]]
            sources[record.id] = tuple(dict.fromkeys((*sources.get(record.id, ()), *where)))
        warnings += gathering.warnings
        linked |= {leg.share.registration.id: leg.map for leg in legs if leg.map}
    call.rows = len(sources)
    made = _maps(call).make(_key(call), sources, lifetime_s)
    made.linked = linked
    return made, warnings


def create_map(call: Call) -> Result:
    """5.14.4: a map by itself, for pages to come."""
    return _created(call)


async def _created(call: Call) -> Response:
    made, warnings = await make(call, dict(call.params), QUERYING)
    return data(call, made.document(), _header(made), *warnings, status=201)


# --- the maps themselves ------------------------------------------------------------------------
def retrieve_map(call: Call) -> Result:
    """5.14.1."""
    return data(call, _named(call).document())


def update_map(call: Call) -> Result:
    """5.14.2: when it ends; all else of it is the broker's own and passed over."""
    found = _named(call)
    until = call.document.get("expiresAt")
    if until is not None:
        _maps(call).extend(found, moment_of(until, "expiresAt"))
    return empty(call)


def delete_map(call: Call) -> Result:
    """5.14.3."""
    _maps(call).remove(_key(call), uri(call.parts[0], "Entity map id"))
    return empty(call)


def _named(call: Call) -> EntityMap:
    return _maps(call).get(_key(call), uri(call.parts[0], "Entity map id"))


def _named_by(call: Call) -> str:
    """The id of the map that a request names in its header; empty when it names none."""
    return call.request.headers.get(HEADER, b"").decode("latin-1").rstrip("/").rpartition("/")[2]


def _maps(call: Call) -> EntityMaps:
    federation = call.rooms.federation
    if federation is None or federation.maps is None:
        raise BadRequestData("This broker keeps no entity maps")
    return federation.maps


def _key(call: Call) -> tuple[str, str]:
    """Whose maps: a map tells which entities somebody may see, so nobody else is shown it."""
    return call.tenant_name, f"{call.actor_id} {call.projection.agreement}"


def _header(found: EntityMap) -> tuple[bytes, bytes]:
    return HEADER, (_PLACE + found.id).encode()


def _registered(call: Call) -> bool:
    federation = call.rooms.federation
    return (
        federation is not None
        and federation.registry.any(call.tenant_name)
        and call.params.get("local") != "true"
    )


_LOCAL = frozenset(("local",))
_WHAT = SELECT_PARAMS | _LOCAL | _OWN | {"pick", "omit", "lang", "join", "joinLevel", "options"}

TABLE: dict[str, Methods] = {
    "entityMaps": {
        "GET": Operation(
            name="createEntityMap", clause="5.14.4", handler=create_map, params=_WHAT,
            offer="data",
        ),
    },
    "entityMaps/{id}": {
        "GET": Operation(
            name="retrieveEntityMap", clause="5.14.1", handler=retrieve_map, params=_LOCAL,
            offer="data",
        ),
        "PATCH": Operation(
            name="updateEntityMap", clause="5.14.2", handler=update_map, deed=Deed.READ,
            body="one", merge_patch=True, params=_LOCAL,
        ),
        "DELETE": Operation(
            name="deleteEntityMap", clause="5.14.3", handler=delete_map, deed=Deed.READ,
            params=_LOCAL,
        ),
    },
}  # fmt: skip
