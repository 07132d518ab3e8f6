"""Writing one entity or its attributes where sources are registered for parts of it (4.3.6, 5.6).

The caller's rights are decided here, on the whole of what is asked; a source decides again about
its part. All parts are done side by side, and each is told: 201 or 204 when all went well, the
problem itself when there was but one part, else 207. Nothing is acknowledged that was not done.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import PINTU_ERRORS, Conflict, Forbidden, PintuError
from pintu.kernel.federation.forwarding import Answer, Question, looped
from pintu.kernel.federation.splitting import Leg, Split, divide, part, split
from pintu.kernel.federation.words import Wanted
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld import distributed_write_checks as checks
from pintu.web.ngsi_ld.answers import PROBLEM, empty, plain
from pintu.web.ngsi_ld.distributed_write_checks import Asked
from pintu.web.ngsi_ld.distributed_write_parts import (
    came,
    came_round,
    error_of,
    made_one,
    partial_errors,
    partial_names,
    query_of,
    question,
    segment,
    sources,
    spelling,
    written,
)
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result

AT_ONCE: Final = 16
"""Sources written to at the same time by one request."""


class Done(msgspec.Struct, frozen=True, gc=False):
    """What became of one part; `left` are attributes that were not written, with reasons."""

    names: frozenset[str]
    error: dict[str, Any] | None = None
    left: Mapping[str, str] = {}
    registration: str = ""  # "": the local broker
    some: bool = False  # a 207: not all of it
    made: bool = False  # a 201: it was not there before


Check = Callable[[Call], Asked]


# --- the operations -----------------------------------------------------------------------------
def create_entity(call: Call) -> Result:
    """5.6.1, distributed."""
    return write(call, checks.creating)


def replace_entity(call: Call) -> Result:
    """5.6.18, distributed."""
    return write(call, checks.replacing)


def merge_entity(call: Call) -> Result:
    """5.6.17, distributed."""
    return write(call, checks.merging)


def delete_entity(call: Call) -> Result:
    """5.6.6, distributed: every source that has some of it deletes it, and the local broker does
    if it is there.
    """
    return write(call, checks.deleting)


def append_attributes(call: Call) -> Result:
    """5.6.3, distributed."""
    return write(call, checks.appending)


def update_attributes(call: Call) -> Result:
    """5.6.2, distributed."""
    return write(call, checks.updating)


def patch_attribute(call: Call) -> Result:
    """5.6.4, distributed."""
    return write(call, checks.patching)


def replace_attribute(call: Call) -> Result:
    """5.6.19, distributed."""
    return write(call, checks.replacing_attribute)


def delete_attribute(call: Call) -> Result:
    """5.6.5, distributed."""
    return write(call, checks.deleting_attribute)


# --- divided and done ---------------------------------------------------------------------------
def write(call: Call, check: Check) -> Result:
    """The local broker alone where no source has part of the entity, at no more than that
    question.
    """
    federation = call.rooms.federation
    if federation is None or federation.sources is None:
        return call.operation.handler(call)
    asked = check(call)
    types = TypeSelection(tuple(frozenset((one,)) for one in sorted(asked.types)))
    wanted = Wanted(ids=(asked.id,), types=types if asked.types else None)
    shares = federation.registry.matching(call.tenant_name, wanted)
    if not shares:
        return call.operation.handler(call)
    return _distributed(call, asked, shares)


async def _distributed(call: Call, asked: Asked, shares: list[Any]) -> Response:
    types = asked.types or await types_here(call, asked.id, past=asked.past)
    able = frozenset((asked.able,))
    if asked.names is None:
        found = divide(asked.id, types, shares, able)
    else:
        found = split(asked.id, types, asked.names, shares, able)
    found = without_loops(call, found)
    if came(call).returned and not any(leg.takes for leg in found.legs):
        return looping(call)
    if found.alone:
        result = call.operation.handler(call)
        return result if isinstance(result, Response) else await result
    forbidden = barred(call, wipes=asked.wipes)
    turns = asyncio.Semaphore(AT_ONCE)
    work: list[Awaitable[Done | None]] = [
        _asked(call, asked, leg, turns, forbidden) for leg in found.legs
    ]
    if found.local:
        work.append(_here(call, asked, found))
    done = [one for one in await asyncio.gather(*work) if one is not None]
    return _told(call, asked, [*done, *(_refused(leg) for leg in found.refused)])


async def types_here(call: Call, id: str, *, past: bool = False) -> frozenset[str]:
    """The types of an entity as the local broker knows it, with `past` also as it knew it once;
    empty when it does not.
    """
    record = await settled(call.rooms.store.retrieve(call.tenant, id))
    if record is None and past:
        rows = await settled(call.rooms.store.history(call.tenant, id, limit=1))
        return frozenset(rows[0].types) if rows else frozenset()
    return frozenset() if record is None else frozenset(record.types)


def without_loops(call: Call, found: Split) -> Split:
    """The split without inclusive sources that the request came from: they have it already."""
    way = came(call)
    legs = tuple(leg for leg in found.legs if leg.takes or not looped(leg.registration, way))
    return found if len(legs) == len(found.legs) else dataclasses.replace(found, legs=legs)


def looping(call: Call) -> Response:
    """508 for a write that was here before: it was done then, and is not done again (6.3.18)."""
    error = {
        "type": PINTU_ERRORS + "LoopDetected",
        "title": "A loop of registrations",
        "status": 508,
        "detail": "This broker has passed the request on already",
    }
    return Response(508, orjson.dumps(error), ((b"content-type", PROBLEM), *call.echo))


def barred(call: Call, *, wipes: bool) -> PintuError | None:
    """Why a caller may not write at sources at all: what narrows the caller to some entities or
    attributes can only be held to where those are known.
    """
    projection = call.projection
    if projection.whole:
        return None
    narrow = projection.rows is not None or projection.seen is not None
    if narrow or (wipes and (projection.attributes is not None or projection.withheld)):
        return Forbidden("You may write a part of this only, which another broker cannot be asked")
    return None


async def _asked(
    call: Call, asked: Asked, leg: Leg, turns: asyncio.Semaphore, forbidden: PintuError | None
) -> Done | None:
    """One source's part; None when a copy would only have come back here."""
    registration = leg.registration
    if forbidden is not None:
        return _failed(leg, forbidden.problem())
    try:
        sent = await _question(call, asked, leg)
    except PintuError as wrong:
        return _failed(leg, wrong.problem())
    asker = sources(call)
    assert asker is not None
    async with turns:
        found = await asker.ask(registration, sent, came(call))
    if came_round(leg.takes, found):
        return None
    error = error_of(found, registration)
    if error is not None:
        return _failed(leg, error)
    if isinstance(found, Answer) and found.status == 207:
        return _partly(call, asked, leg, found)
    return Done(leg.names, registration=registration.id, made=made_one(found))


def _partly(call: Call, asked: Asked, leg: Leg, found: Answer) -> Done:
    if asked.told == "attributes":
        named = partial_names(found)
        unclear = f"{leg.registration.id} did only some of it, and does not say what"
        left = dict.fromkeys(leg.names, unclear) if named is None else _own(call, leg, named)
        return Done(leg.names - left.keys(), left=left, registration=leg.registration.id, some=True)
    errors = partial_errors(found, leg.registration)
    error = errors.get(asked.id) or next(iter(errors.values()))
    return Done(leg.names, error, registration=leg.registration.id, some=True)


def _own(call: Call, leg: Leg, named: Mapping[str, str]) -> dict[str, str]:
    """Reasons by stored names: of a source's words only what it was asked about."""
    stored = {call.terms.stored(name): why for name, why in named.items()}
    return {name: stored[name] for name in leg.names & stored.keys()}


async def _question(call: Call, asked: Asked, leg: Leg) -> Question:
    terms = call.terms
    spelled = await spelling(call, leg.registration, terms)
    path, document = asked.path, None
    if len(call.parts) > 1 and spelled.own is not None:
        steps = asked.path.split("/")
        name = spelled.own.shown(terms.stored(call.parts[1]))
        steps[steps.index("attrs") + 1] = segment(name)
        path = "/".join(steps)
    if call.operation.body != "none":
        whole = len(call.parts) > 1 or asked.names is None
        mine = call.document if whole else part(call.document, terms, leg.names)
        document = written(spelled, terms, mine)
    return question(call.request.method, path, query_of(call, spelled), spelled, document)


async def _here(call: Call, asked: Asked, found: Split) -> Done | None:
    """The local broker's part, done by the handler that does all of it where nobody takes any;
    None where there was none to do.
    """
    mine, taken = call, asked.names is not None and found.left != asked.names
    if taken and len(call.parts) < 2:
        document = part(call.document, call.terms, found.left)
        mine = msgspec.structs.replace(call, document=document, encoded=b"")
    try:
        result = call.operation.handler(mine)
        response = result if isinstance(result, Response) else await result
    except PintuError as error:
        return Done(found.left, error.problem())
    if response.status < 300 and response.status != 207:
        return Done(found.left, made=response.status == 201)
    said = orjson.loads(response.body)
    if response.status == 207 and "notUpdated" in said:
        left = {call.terms.stored(o["attributeName"]): o["reason"] for o in said["notUpdated"]}
        return Done(found.left - left.keys(), left=left, some=True)
    if asked.names is None and response.status == 404 and any(leg.takes for leg in found.legs):
        return None  # a source has all there is of it
    return Done(found.left, said)


def _refused(leg: Leg) -> Done:
    why = f"{leg.registration.id} has this part, and is not registered for the operation"
    return _failed(leg, Conflict(why).problem())


def _failed(leg: Leg, error: dict[str, Any]) -> Done:
    return Done(leg.names, error, registration=leg.registration.id)


# --- told ---------------------------------------------------------------------------------------
def _told(call: Call, asked: Asked, done: list[Done]) -> Response:
    """201 or 204; the one part's problem; or 207 with every part's."""
    if asked.lone:
        done = [one for one in done if not _not_there(one)] or done[:1]
    bad = [one for one in done if one.error is not None or one.left]
    if not bad:
        made = asked.able == "createEntity" or any(one.made for one in done)
        if not (asked.location and made):
            return empty(call)
        return Response(201, b"", ((b"location", asked.location), *call.echo))
    only = done[0]
    if len(done) == 1 and only.error is not None and not only.some:
        headers = ((b"content-type", PROBLEM), *call.echo)
        return Response(only.error["status"], orjson.dumps(only.error), headers)
    return plain(call, _result(call, asked, done, bad), status=207)


def _not_there(one: Done) -> bool:
    return one.error is not None and one.error["status"] == 404


def _result(call: Call, asked: Asked, done: list[Done], bad: list[Done]) -> dict[str, Any]:
    """UpdateResult (5.2.18) for what writes attributes, else BatchOperationResult (5.2.16)."""
    if asked.told == "entity":
        return {"success": [], "errors": [_error(asked.id, one) for one in bad]}
    full = call.terms.expanded
    updated, left = dict[str, None](), []
    for one in done:
        why = one.left if one.error is None else dict.fromkeys(one.names, one.error["detail"])
        if one.error is None:
            updated |= dict.fromkeys(full(name) for name in sorted(one.names))
        for name, reason in sorted(why.items()):
            told = {"attributeName": full(name), "reason": reason}
            left.append(told | ({"registrationId": one.registration} if one.registration else {}))
    return {"updated": list(updated), "notUpdated": left}


def _error(id: str, one: Done) -> dict[str, Any]:
    told: dict[str, Any] = {"entityId": id, "error": one.error}
    return told | {"registrationId": one.registration} if one.registration else told
