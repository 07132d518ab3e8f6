"""Histories over this broker and its sources: each is asked for its instances, all are put together
and only then chosen, counted, aggregated and cut (5.7.3.4, 5.7.4.4).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import orjson

from pintu.kernel.context.parse import parse_types
from pintu.kernel.context.picking import split_names
from pintu.kernel.errors import PintuError
from pintu.kernel.federation import Wanted
from pintu.kernel.federation.finding import read_span
from pintu.kernel.federation.forwarding import Answer, Failed, Question, warning
from pintu.kernel.federation.merging import Claims
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld import temporal_reading as reading
from pintu.web.ngsi_ld.distributed_read import warned
from pintu.web.ngsi_ld.distributed_read_asking import Speech, speech, type_text
from pintu.web.ngsi_ld.distributed_read_gathering import Leg, came, federation, legs_of
from pintu.web.ngsi_ld.distributed_write import AT_ONCE
from pintu.web.ngsi_ld.distributed_write_parts import segment
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.info import alias
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.temporal_asking import read_temporal_query
from pintu.web.ngsi_ld.temporal_beside import BESIDE, Beside

PAGE: Final = 100
"""Entities of one page of a source."""
PAGES: Final = 50
"""Pages of one source, of entities and of times."""
_TIMES: Final = ("timerel", "timeAt", "endTimeAt", "timeproperty", "lastN")
_FILTERS: Final = ("q", "georel", "geometry", "coordinates", "geoproperty", "scopeQ", "datasetId")
_RANGE: Final = re.compile(r"\s*date-time\s+(\S+?Z)-(\S+?Z)\s*/")
Params = dict[str, Any]


def retrieve_history(call: Call) -> Result:
    """5.7.3, distributed."""
    id = uri(call.parts[0], "Entity id")
    wanted = Wanted(ids=(id,), span=read_span(call.params))
    legs = legs_of(call, wanted, ("retrieveTemporal",))
    if not legs or _barred(call):
        return call.operation.handler(call)
    path = f"temporal/entities/{segment(id)}"
    return _told(call, legs, dict(call.params), path, reading.retrieve_history)


def query_histories(call: Call) -> Result:
    """5.7.4 by parameters, distributed."""
    return _query(call, dict(call.params), reading.query_histories)


def query_histories_by_post(call: Call) -> Result:
    """5.7.4 by a Query document, distributed: sources are asked by parameters."""
    params = read_temporal_query(call.document)
    return _query(call, params, reading.query_histories_by_post)


def _query(call: Call, params: Params, handler: Callable[[Call], Awaitable[Response]]) -> Result:
    selectors = params.pop("entities", None) or [{}]
    legs: list[Leg] = []
    for selector in selectors:
        legs += legs_of(call, _wanted(call, params | selector), ("queryTemporal",))
    if not legs or _barred(call):
        return call.operation.handler(call)
    narrowed = params if len(selectors) > 1 else params | selectors[0]
    return _told(call, legs, narrowed, "temporal/entities", handler)


def _wanted(call: Call, params: Params) -> Wanted:
    ids, kinds = params.get("id", ()), params.get("type")
    return Wanted(
        ids=tuple(split_names(ids, "id")) if ids else (),
        id_pattern=params.get("idPattern"),
        types=None if kinds is None else parse_types(kinds, call.terms),
        span=read_span(params),  # a source is not asked about times of which it has nothing (5.2.9)
    )


def _barred(call: Call) -> bool:
    """Whether a caller sees only some of it: what others tell cannot be held against that."""
    return call.projection.rows is not None or call.projection.seen is not None


async def _told(
    call: Call,
    legs: list[Leg],
    params: Params,
    path: str,
    handler: Callable[[Call], Awaitable[Response]],
) -> Response:
    beside = Beside(Claims.of(leg.share for leg in legs))
    turns = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(_asked(call, beside, leg, (path, params), turns) for leg in legs))
    token = BESIDE.set(beside)
    try:
        warnings = tuple(dict.fromkeys(one for leg in legs for one in leg.warnings))
        return await warned(call, warnings, _awaited(handler, call))
    finally:
        BESIDE.reset(token)


async def _awaited(handler: Callable[[Call], Awaitable[Response]], call: Call) -> Response:
    return await handler(call)


async def _asked(
    call: Call, beside: Beside, leg: Leg, what: tuple[str, Params], turns: asyncio.Semaphore
) -> None:
    """All that one source tells: page by page of entities, and of the times of a page."""
    path, params = what
    registration = leg.share.registration
    try:
        spoken = await speech(call, registration)
    except PintuError as error:
        return _fails(call, leg, Failed("away", error.detail))
    fields = _fields(call, leg, spoken, params)
    many = path == "temporal/entities"
    for page in range(PAGES):
        own = [*fields, ("limit", str(PAGE)), ("offset", str(page * PAGE))] if many else fields
        async with turns:
            found = await _times(call, beside, leg, (path, own, spoken))
        if not many or found < PAGE:
            return None
    return _fails(call, leg, Failed("invalid", f"{registration.id} has pages without an end"))


async def _times(
    call: Call, beside: Beside, leg: Leg, what: tuple[str, list[tuple[str, str]], Speech]
) -> int:
    """One page of entities with all its times; how many entities it has."""
    path, fields, spoken = what
    most = 0
    for _ in range(PAGES):
        query = "&".join(f"{name}={quote(value, safe=':/,*()|@')}" for name, value in fields)
        asked = Question("GET", path, query, spoken.headers)
        sources = federation(call).sources
        assert sources is not None
        found = await sources.ask(leg.share.registration, asked, came(call))
        if isinstance(found, Failed):
            _fails(call, leg, found)
            return 0
        if found.status == 404:
            return 0
        members = _members(found)
        if members is None:
            _fails(call, leg, Failed("invalid", f"{leg.share.registration.id} told no histories"))
            return 0
        for member in members:
            beside.take(leg.share, member, _terms(call, spoken))
        most = max(most, len(members))
        onward = _onward(fields, found)
        if onward is None or not members:
            return most
        fields = onward
    return most


def _terms(call: Call, spoken: Speech) -> Terms:
    return call.terms if spoken.own else spoken.terms


def _members(found: Answer) -> list[Any] | None:
    try:
        said = orjson.loads(found.body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(said, dict):
        return [said]
    return said if isinstance(said, list) else None


def _onward(fields: list[tuple[str, str]], found: Answer) -> list[tuple[str, str]] | None:
    """The parameters of the times after a page that was cut (206); None: there are none, or the
    last n were asked for, of which a page is what the source lets one have.
    """
    said = dict(fields)
    match = _RANGE.match(found.headers.get("content-range", ""))
    if found.status != 206 or match is None or "lastN" in said:
        return None
    end = match[2]
    if said.get("timeAt") == end and said.get("timerel") != "before":
        return None
    until = said.get("timeAt") if said.get("timerel") == "before" else said.get("endTimeAt")
    kept = [pair for pair in fields if pair[0] not in ("timerel", "timeAt", "endTimeAt")]
    if until is None:
        return [*kept, ("timerel", "after"), ("timeAt", end)]
    return [*kept, ("timerel", "between"), ("timeAt", end), ("endTimeAt", until)]


def _fields(call: Call, leg: Leg, spoken: Speech, params: Params) -> list[tuple[str, str]]:
    """What a source is asked: the same times, the attributes and entities it is registered for.

    It gives whole instances with their times, whatever form is asked of us.
    """
    share, terms = leg.share, spoken.terms
    fields: list[tuple[str, str]] = [(name, str(params[name])) for name in _TIMES if name in params]
    fields.append(("options", "sysAttrs"))
    names = share.names
    if "attrs" in params:
        asked = frozenset(call.terms.stored(one) for one in split_names(params["attrs"], "attrs"))
        names = asked & names if names else asked
    if names:
        fields.append(("attrs", ",".join(sorted(map(terms.shown, names)))))
    if leg.operation == "retrieveTemporal":
        return fields
    if share.types is not None:
        fields.append(("type", type_text(share.types, terms)))
    if share.ids:
        fields.append(("id", ",".join(share.ids)))
    elif share.id_pattern:
        fields.append(("idPattern", share.id_pattern))
    if spoken.own and not params.get("splitEntities"):
        told: list[tuple[str, Any]] = [(name, params[name]) for name in _FILTERS if name in params]
        fields += [(name, _text(value)) for name, value in told]
    return fields


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _fails(call: Call, leg: Leg, failed: Failed) -> None:
    leg.failed = failed
    leg.warnings.append(warning(failed, alias(call.rooms, call.tenant_name)))
