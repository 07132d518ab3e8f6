"""A purge where sources are registered for what it selects (5.6.21): each purges its own."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import orjson

from pintu.kernel.context.picking import split_names
from pintu.kernel.errors import Conflict, PintuError
from pintu.kernel.federation.forwarding import Answer, looped
from pintu.kernel.federation.splitting import TAKING
from pintu.kernel.federation.words import Share, Wanted
from pintu.web.ngsi_ld.answers import empty, plain
from pintu.web.ngsi_ld.asking import read_selection
from pintu.web.ngsi_ld.distributed_write import AT_ONCE, barred, looping
from pintu.web.ngsi_ld.distributed_write_parts import (
    came,
    came_round,
    error_of,
    partial_errors,
    query_of,
    question,
    sources,
    spelling,
)
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.paging import Window

_ABLE = "purgeEntity"
Errors = list[dict[str, Any]]


def purge_entities(call: Call) -> Result:
    """5.6.21, distributed: 204, or 207 naming what was not purged and by whom."""
    shares = _shares(call)
    if came(call).returned and not any(one.registration.mode in TAKING for one in shares):
        return looping(call)
    return _purged(call, shares) if shares else call.operation.handler(call)


def _shares(call: Call) -> list[Share]:
    federation = call.rooms.federation
    if federation is None or federation.sources is None:
        return []
    asked = read_selection(call.params, call.terms, call.tenant, call.projection, Window(1))
    dropped = split_names(call.params["drop"], "drop") if "drop" in call.params else ()
    wanted = Wanted(
        ids=asked.ids, id_pattern=call.params.get("idPattern"), types=asked.types,
        names=frozenset(call.terms.stored(name) for name in dropped), scope=asked.scope,
    )  # fmt: skip
    way, found = came(call), dict[str, Share]()
    for share in federation.registry.matching(call.tenant_name, wanted):
        registration = share.registration
        takes = registration.mode in TAKING
        copies = registration.mode == "inclusive" and _ABLE in registration.operations
        if takes or (copies and not looped(registration, way)):
            found.setdefault(registration.id, share)
    return list(found.values())


async def _purged(call: Call, shares: list[Share]) -> Response:
    here = await _here(call)  # first: what is wrong with the request is found here
    if here is not None and here.status >= 400:
        return here
    forbidden, turns = barred(call, wipes=True), asyncio.Semaphore(AT_ONCE)
    parts = [_there(call, share, turns, forbidden) for share in shares]
    there = await asyncio.gather(*parts)
    said: dict[str, Any] = orjson.loads(here.body) if here is not None else {}
    errors: Errors = [*said.get("errors", ()), *(error for some in there for error in some)]
    if not errors:
        return empty(call)
    return plain(call, {"success": said.get("success", []), "errors": errors}, status=207)


async def _here(call: Call) -> Response | None:
    """The local broker's answer; None when all is well."""
    result = call.operation.handler(call)
    response = result if isinstance(result, Response) else await result
    return None if response.status == 204 else response


async def _there(
    call: Call, share: Share, turns: asyncio.Semaphore, forbidden: PintuError | None
) -> Errors:
    registration = share.registration
    if forbidden is not None:
        return [_error("", forbidden.problem(), registration.id)]
    if _ABLE not in registration.operations:
        why = f"{registration.id} has a part, and is not registered for the operation"
        return [_error("", Conflict(why).problem(), registration.id)]
    try:
        spelled = await spelling(call, registration, call.terms)
    except PintuError as wrong:
        return [_error("", wrong.problem(), registration.id)]
    query = query_of(call, spelled)
    if registration.node and share.ids and "id" not in call.params:
        query += f"&id={quote(','.join(share.ids), safe=':,')}"  # a node of ours: never wider
    asker = sources(call)
    assert asker is not None
    async with turns:
        sent = question("DELETE", "entities", query, spelled)
        found = await asker.ask(registration, sent, came(call))
    if came_round(registration.mode in TAKING, found):
        return []
    problem = error_of(found, registration)
    if problem is not None:
        return [_error("", problem, registration.id)]
    if isinstance(found, Answer) and found.status == 207:
        named = partial_errors(found, registration)
        return [_error(id, one, registration.id) for id, one in named.items()]
    return []


def _error(id: str, problem: dict[str, Any], registration: str) -> dict[str, Any]:
    named = {"entityId": id} if id else {}
    return {**named, "error": problem, "registrationId": registration}
