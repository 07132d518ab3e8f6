"""What types and attributes there are, here and at context sources (5.7.5 to 5.7.10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import orjson

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.federation import Share, Wanted
from pintu.kernel.federation.forwarding import Answer, Failed, Question, warning
from pintu.kernel.jsonld import Terms
from pintu.kernel.store.port import Kind
from pintu.web.ngsi_ld.answers import Pairs
from pintu.web.ngsi_ld.discovery import (
    Tell,
    attribute_told,
    attributes_told,
    kinds_here,
    type_told,
    types_told,
)
from pintu.web.ngsi_ld.distributed_read import warned
from pintu.web.ngsi_ld.distributed_read_asking import Speech, speech
from pintu.web.ngsi_ld.distributed_read_gathering import came, federation
from pintu.web.ngsi_ld.info import alias
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import flag

MOST: int = 20_000
"""Types or attributes of one answer that are looked at."""
Read = Callable[[Any, Terms], list[Kind]]


def list_types(call: Call) -> Result:
    """5.7.5 and 5.7.6 over all sources."""
    details = flag(call.params, "details")
    operation = "retrieveEntityTypeDetails" if details else "retrieveEntityTypes"
    reading = _detailed_types if details else _types
    return _told(call, types_told, (Wanted(operation=operation), "types"), reading)


def retrieve_type(call: Call) -> Result:
    """5.7.7 over all sources."""
    name = call.terms.stored(call.parts[0])
    types = TypeSelection((frozenset((name,)),))
    wanted = Wanted(operation="retrieveEntityTypeInfo", types=types)
    return _told(call, type_told, (wanted, "types/"), _type)


def list_attributes(call: Call) -> Result:
    """5.7.8 and 5.7.9 over all sources."""
    details = flag(call.params, "details")
    operation = "retrieveAttrTypeDetails" if details else "retrieveAttrTypes"
    reading = _detailed_attributes if details else _attributes
    return _told(call, attributes_told, (Wanted(operation=operation), "attributes"), reading)


def retrieve_attribute(call: Call) -> Result:
    """5.7.10 over all sources."""
    names = frozenset((call.terms.stored(call.parts[0]),))
    wanted = Wanted(operation="retrieveAttrTypeInfo", names=names)
    return _told(call, attribute_told, (wanted, "attributes/"), _attribute)


def _told(call: Call, tell: Tell, asked: tuple[Wanted, str], read: Read) -> Result:
    wanted, path = asked
    if call.projection.seen is not None:  # an agreement is about what is here
        return call.operation.handler(call)
    shares = federation(call).registry.matching(call.tenant_name, wanted)
    by_source: dict[str, list[Share]] = {}
    for share in shares:
        by_source.setdefault(share.registration.id, []).append(share)
    if not by_source:
        return call.operation.handler(call)
    return _all(call, tell, (list(by_source.values()), path), read)


async def _all(
    call: Call, tell: Tell, asked: tuple[list[list[Share]], str], read: Read
) -> Response:
    groups, path = asked
    answers = await asyncio.gather(*(_ask(call, shares, path, read) for shares in groups))
    kinds = kinds_here(call)
    warnings: Pairs = ()
    for found, warned_of in answers:
        kinds += found
        warnings += warned_of

    async def told() -> Response:
        return tell(call, kinds)

    return await warned(call, warnings, told())


async def _ask(call: Call, shares: list[Share], path: str, read: Read) -> tuple[list[Kind], Pairs]:
    """What one source has, cut to what it is registered for."""
    registration, sources = shares[0].registration, federation(call).sources
    assert sources is not None
    failed: Failed
    try:
        spoken = await speech(call, registration)
        answer = await sources.ask(registration, _question(call, path, spoken), came(call))
        if isinstance(answer, Answer):
            own = answer.headers.get("ngsild-warning")
            passed: Pairs = () if not own else ((b"ngsild-warning", own.encode("latin-1")),)
            if answer.status == 404:
                return [], passed
            kinds = read(_json(answer.body), spoken.terms)[:MOST]
            return [one for kind in kinds for one in _cut(call, kind, shares)], passed
        failed = answer
    except (PintuError, KeyError, TypeError, ValueError) as error:
        detail = error.detail if isinstance(error, PintuError) else "not what was asked for"
        failed = Failed("invalid", f"{registration.id}: {detail}")
    return [], (warning(failed, alias(call.rooms, call.tenant_name)),)


def _question(call: Call, path: str, spoken: Speech) -> Question:
    query = "details=true" if flag(call.params, "details") else ""
    if path.endswith("/"):
        stored = call.terms.stored(call.parts[0])
        path += quote(spoken.terms.shown(stored), safe="")
    return Question("GET", path, query, spoken.headers)


def _cut(call: Call, kind: Kind, shares: list[Share]) -> list[Kind]:
    """A kind as far as it is registered and the gate shows it."""
    types: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for share in shares:
        registered = frozenset().union(*(one.types for one in share.selectors))
        types.update(one for one in kind.types if not registered or one in registered)
        pairs.update(pair for pair in kind.attributes if share.lets(pair[0]))
    allowed = call.projection.types
    types = types if allowed is None else types & allowed
    if kind.types and not types:
        return []
    seen = tuple(sorted(pair for pair in pairs if call.projection.lets(pair[0])))
    if not kind.types and not seen:
        return []
    return [Kind(tuple(sorted(types)), seen, kind.count)]


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The answer is not JSON: {error}") from error


# --- reading the answers ------------------------------------------------------------------------
def _names(found: Any, terms: Terms) -> tuple[str, ...]:
    """Stored names of a list of names."""
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadRequestData("The answer has no list of names")
    return tuple(terms.stored(one) for one in found[:MOST])


def _types(found: Any, terms: Terms) -> list[Kind]:
    return [Kind((name,), (), 1) for name in _names(found["typeList"], terms)]


def _detailed_types(found: Any, terms: Terms) -> list[Kind]:
    return [
        Kind(
            _names([one["typeName"]], terms),
            tuple((name, "Property") for name in _names(one.get("attributeNames", []), terms)),
            1,
        )
        for one in found[:MOST]
    ]


def _type(found: Any, terms: Terms) -> list[Kind]:
    pairs = []
    for one in found.get("attributeDetails", [])[:MOST]:
        name = _names([one["attributeName"]], terms)[0]
        pairs += [(name, str(kind)[:100]) for kind in one.get("attributeTypes") or ["Property"]]
    return [Kind(_names([found["typeName"]], terms), tuple(pairs), _count(found, "entityCount"))]


def _attributes(found: Any, terms: Terms) -> list[Kind]:
    return [Kind((), ((name, "Property"),), 1) for name in _names(found["attributeList"], terms)]


def _detailed_attributes(found: Any, terms: Terms) -> list[Kind]:
    return [
        Kind(
            _names(one.get("typeNames", []), terms),
            tuple((name, "Property") for name in _names([one["attributeName"]], terms)),
            1,
        )
        for one in found[:MOST]
    ]


def _attribute(found: Any, terms: Terms) -> list[Kind]:
    name = _names([found["attributeName"]], terms)[0]
    pairs = tuple((name, str(kind)[:100]) for kind in found.get("attributeTypes") or ["Property"])
    return [Kind(_names(found.get("typeNames", []), terms), pairs, _count(found, "attributeCount"))]


def _count(found: Any, member: str) -> int:
    count = found.get(member, 0)
    return count if isinstance(count, int) and 0 <= count < 10**12 else 0
