"""What a snapshot's queries find, taken at one moment (5.16.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pintu.kernel.context.read import read_entity
from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError, TooLarge
from pintu.kernel.federation.snapshots.words import MOST_ENTITIES, Snapshot
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld.agreed import page_of
from pintu.web.ngsi_ld.answers import JSON
from pintu.web.ngsi_ld.asking import read_selection
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.paging import Window
from pintu.web.ngsi_ld.querying import read_query

if TYPE_CHECKING:
    from pintu.kernel.federation.snapshots import Snapshots

_PAGE = 1000


async def fill(call: Call, room: Snapshots, snapshot: Snapshot) -> None:
    """Ask every query, keep what was found, and say how it went."""
    found: dict[str, Record] = {}
    details: list[dict[str, Any]] = []
    for query in snapshot.queries:
        try:
            records = await _asked(call, query)
            for record in records:
                found.setdefault(record.id, record)
            details.append({"resultStatus": "success" if records else "empty"})
        except PintuError as error:
            details.append({"resultStatus": "failure", "error": error.problem()})
    good = sum(one["resultStatus"] == "success" for one in details)
    status = "success" if good == len(details) else "partial" if good else "failure"
    try:
        await room.fill(snapshot, found.values())
    except PintuError as error:
        status = "failure"
        details.append({"resultStatus": "failure", "error": error.problem()})
    current = room.find(snapshot.tenant, snapshot.id)
    if current is not None:
        done = msgspec.structs.replace(
            current, status=status, details=tuple(details), entities=len(found)
        )
        await room.change(done)


async def _asked(call: Call, query: dict[str, Any]) -> list[Record]:
    """The entities of one query: here in one look at the store, else page by page."""
    federation = call.rooms.federation
    registered = federation is not None and federation.registry.any(call.tenant_name)
    if registered and call.params.get("local") != "true":
        return await _everywhere(call, query)
    params = read_query(query)
    selectors: list[dict[str, Any]] = params.pop("entities", None) or [{}]
    found: list[Record] = []
    for selector in selectors:
        asked = read_selection(
            params | selector, call.terms, call.tenant, call.projection, Window(MOST_ENTITIES)
        )
        page = await settled(call.rooms.store.select(asked))
        found += page_of(call, page.records)
        if len(found) > MOST_ENTITIES:
            raise TooLarge(f"A query of a snapshot finds more than {MOST_ENTITIES} entities")
    return found


async def _everywhere(call: Call, query: dict[str, Any]) -> list[Record]:
    """The entities of one query over all sources (5.7.2.4), put together as any query's."""
    from pintu.web.ngsi_ld.routes import ROUTES

    operation, _ = ROUTES.find("POST", b"/ngsi-ld/v1/entityOperations/query")
    found: list[Record] = []
    while True:
        params = {"limit": str(_PAGE), "offset": str(len(found))}
        page = msgspec.structs.replace(
            call, operation=operation, params=params, document=dict(query), accept=JSON, parts=()
        )
        handler = operation.distributed or operation.handler
        result = handler(page)
        response = result if isinstance(result, Response) else await result
        if response.status != 200:
            raise PintuError(f"A query of a snapshot was answered with {response.status}")
        members = orjson.loads(response.body)
        now_us = call.rooms.clock.now_us()
        for number, member in enumerate(members, len(found)):
            found.append(_record(read_entity(member, call.terms), number, now_us))
        if len(members) < _PAGE:
            return found
        if len(found) >= MOST_ENTITIES:
            raise TooLarge(f"A query of a snapshot finds more than {MOST_ENTITIES} entities")


def _record(entity: dict[str, Any], number: int, now_us: int) -> Record:
    said = entity["type"]
    types = (said,) if isinstance(said, str) else tuple(said)
    return Record(number, entity["id"], types, orjson.dumps(entity), now_us, now_us)
