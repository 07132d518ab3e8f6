"""Snapshots over HTTP: make, clone, look at, change, delete, purge (5.16), and read within one
(6.3.22).
"""

from __future__ import annotations

import copy
from typing import Any, Final
from urllib.parse import quote

import msgspec

from pintu.kernel.access import Deed
from pintu.kernel.context.match import attributes_of, match_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import And, Or, Q
from pintu.kernel.errors import (
    BadRequestData,
    OperationNotSupported,
    ResourceNotFound,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.federation.members import moment_of
from pintu.kernel.federation.snapshots import Snapshot, Snapshots
from pintu.kernel.federation.snapshots.keeping import new_id
from pintu.kernel.federation.snapshots.words import (
    LONGEST_LIFE_S,
    MOST_QUERIES,
    USUAL_LIFE_S,
    USUAL_PRIORITY,
)
from pintu.kernel.jsonld import CORE
from pintu.web.ngsi_ld.answers import data, empty
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, page_headers, window
from pintu.web.ngsi_ld.querying import read_query
from pintu.web.ngsi_ld.routing import Methods
from pintu.web.ngsi_ld.snapshots_filling import fill

HEADER: Final = b"ngsild-snapshot"
_PATH = "/ngsi-ld/v1/snapshots/"
_WITHIN = frozenset(
    (
        "queryEntities", "queryEntitiesByPost", "retrieveEntity", "listEntityTypes",
        "retrieveEntityType", "listAttributes", "retrieveAttribute",
    )
)  # fmt: skip
_CHANGED: Final = frozenset(("snapshotPriority", "expiresAt"))
_MEMBERS: Final = _CHANGED | {"id", "type", "snapshotQueries"}
_ASKED_OF: Final = frozenset(
    (
        "id", "type", "snapshotStatus", "snapshotPriority", "createdAt", "modifiedAt", "lastUsedAt",
        "expiresAt",
    )
)  # fmt: skip
_EVERYBODYS = frozenset(("admin", "open"))
_PRIORITY_LIMIT = 100


# --- the resource -------------------------------------------------------------------------------
async def create(call: Call) -> Response:
    """5.16.1: 201 with Location; its entities come while it is `preparing`."""
    room = _room(call)
    document = call.document
    _known(document, _MEMBERS)
    queries = document.get("snapshotQueries")
    if not isinstance(queries, list) or not 0 < len(queries) <= MOST_QUERIES:
        raise BadRequestData(f"A snapshot needs 1 to {MOST_QUERIES} snapshotQueries")
    for query in queries:
        if not isinstance(query, dict):
            raise BadRequestData("A member of snapshotQueries is not a Query")
        read_query(query)
    made = _made(call, document, tuple(queries))
    await room.add(made)
    room.later(fill(call, room, made))
    return _created(call, made)


async def clone(call: Call) -> Response:
    """5.16.2: another snapshot of the same entities, with a life and a priority of its own."""
    room, of = _found(call)
    document = call.document
    _known(document, _CHANGED | {"id", "type"})
    if of.status == "preparing":
        raise OperationNotSupported(f"Snapshot {of.id} is still being prepared")
    made = _made(call, document, of.queries)
    made = msgspec.structs.replace(
        made, held=of.held, details=of.details, status=of.status, entities=of.entities,
        priority=document.get("snapshotPriority", of.priority),
    )  # fmt: skip
    await room.add(made)
    return _created(call, made)


def retrieve(call: Call) -> Result:
    """5.16.3: its status, and what became of each query."""
    return data(call, _found(call)[1].shown())


def query(call: Call) -> Result:
    """A page of all that the caller may see, oldest first: our addition."""
    room, part = _room(call), window(call.params)
    mine = [one for one in room.of(call.tenant_name) if _sees(call, one)]
    page = mine[part.offset : part.offset + part.limit]
    more = page_headers(
        call.request.path, call.request.query, part,
        more=len(mine) > part.offset + part.limit, count=len(mine) if part.count else None,
    )  # fmt: skip
    return data(call, [one.shown() for one in page], *more)


async def update(call: Call) -> Response:
    """5.16.4: another priority or end; 200 with what it is now."""
    room, before = _found(call, owned=True)
    document = call.document
    _known(document, _CHANGED | {"id", "type"})
    now_us = call.rooms.clock.now_us()
    made = msgspec.structs.replace(
        before,
        priority=_priority(document, before.priority),
        expires_us=_end(document, now_us, before.expires_us),
        modified_us=now_us,
    )
    await room.change(made)
    return data(call, made.shown())


async def delete(call: Call) -> Response:
    """5.16.5: 204."""
    room, gone = _found(call, owned=True)
    await room.remove([gone])
    return empty(call)


async def purge(call: Call) -> Response:
    """5.16.7: delete all that match a q about members of snapshots; 204."""
    room = _room(call)
    if "q" not in call.params:
        raise BadRequestData("A purge of snapshots needs a q")
    q = parse_q(call.params["q"], CORE)
    if not _names(q) <= _ASKED_OF:
        raise BadRequestData(f"q asks for members of a snapshot: {', '.join(sorted(_ASKED_OF))}")
    gone = [
        one for one in room.of(call.tenant_name) if _owns(call, one) and match_q(_described(one), q)
    ]
    if gone:
        await room.remove(gone)
    return empty(call)


# --- reading within one -------------------------------------------------------------------------
async def within(call: Call) -> Response:
    """A read of a snapshot's entities instead of those that change (6.3.22), as far as the caller
    may see them today. Raises ResourceNotFound for a snapshot that is not there.
    """
    if call.operation.deed is not Deed.READ:
        raise OperationNotSupported("A snapshot does not change: NGSILD-Snapshot is for reading")
    if call.operation.name not in _WITHIN:
        raise OperationNotSupported(f"{call.operation.name} has no answer within a snapshot")
    room = _room(call)
    name = call.request.headers[HEADER].decode("latin-1").strip()
    found = room.get(call.tenant_name, name)
    if found.status == "preparing":
        raise Unavailable(f"Snapshot {name} is still being prepared", retryAfter=1)
    rooms = copy.copy(call.rooms)
    store: Any = await room.frozen(found)
    rooms.store = store
    call.rooms = rooms
    call.echo = (*call.echo, (HEADER, name.encode("latin-1")))
    result = call.operation.handler(call)
    return result if isinstance(result, Response) else await result


# --- read, checked, shown -----------------------------------------------------------------------
def _room(call: Call) -> Snapshots:
    federation = getattr(call.rooms, "federation", None)
    room: Snapshots | None = getattr(federation, "snapshots", None)
    if room is None:
        raise Unavailable("This city keeps no snapshots")
    if call.projection.basis == "demo":
        raise Unauthorized("Who keeps snapshots says who they are: show a token or sign in")
    return room


def _found(call: Call, *, owned: bool = False) -> tuple[Snapshots, Snapshot]:
    room, id = _room(call), uri(call.parts[0], "Snapshot id")
    found = room.get(call.tenant_name, id)
    if not (_owns(call, found) if owned else _sees(call, found)):
        raise ResourceNotFound(f"Snapshot {id} does not exist")
    return room, found


def _sees(call: Call, one: Snapshot) -> bool:
    """Who is told that a snapshot is there: its queries may tell what its maker looks for."""
    return _owns(call, one)


def _owns(call: Call, one: Snapshot) -> bool:
    return call.projection.basis in _EVERYBODYS or (
        call.actor_id == one.owner and call.actor_id != "anonymous"
    )


def _known(document: dict[str, Any], members: frozenset[str] | set[str]) -> None:
    strange = document.keys() - members
    if strange:
        told = ", ".join(sorted(strange))[:200]
        raise BadRequestData(f"A snapshot cannot be given {told}")
    if document.get("type", "Snapshot") != "Snapshot":
        raise BadRequestData("The type of a snapshot is Snapshot")


def _made(call: Call, document: dict[str, Any], queries: tuple[dict[str, Any], ...]) -> Snapshot:
    now_us = call.rooms.clock.now_us()
    id = uri(document["id"], "id") if "id" in document else new_id()
    return Snapshot(
        id=id, tenant=call.tenant_name, held=new_id(), owner=call.actor_id, queries=queries,
        priority=_priority(document, USUAL_PRIORITY), created_us=now_us, modified_us=now_us,
        used_us=now_us, expires_us=_end(document, now_us, now_us + USUAL_LIFE_S * 1_000_000),
    )  # fmt: skip


def _priority(document: dict[str, Any], otherwise: int) -> int:
    told = document.get("snapshotPriority", otherwise)
    if type(told) is not int or not 0 <= told <= _PRIORITY_LIMIT:
        raise BadRequestData(f"snapshotPriority is not a whole number of 0 to {_PRIORITY_LIMIT}")
    return told


def _end(document: dict[str, Any], now_us: int, otherwise: int) -> int:
    told = document.get("expiresAt")
    if told is None:
        return otherwise
    end_us = moment_of(told, "expiresAt")
    if end_us <= now_us:
        raise BadRequestData(f"expiresAt {told} is over")
    return min(end_us, now_us + LONGEST_LIFE_S * 1_000_000)


def _created(call: Call, made: Snapshot) -> Response:
    location = (_PATH + quote(made.id, safe=":")).encode()
    return Response(201, b"", ((b"location", location), *call.echo))


def _names(q: Q) -> frozenset[str]:
    if isinstance(q, (And, Or)):
        return frozenset().union(*(_names(part) for part in q.parts))
    return attributes_of(q)


def _described(one: Snapshot) -> dict[str, Any]:
    """A snapshot's members as an entity's attributes, for q."""
    return {
        name: value if name in ("id", "type") else {"type": "Property", "value": value}
        for name, value in one.shown().items()
    }


_LOCAL = frozenset(("local",))
TABLE: dict[str, Methods] = {
    "snapshots": {
        "GET": Operation(
            name="querySnapshots", clause="5.16", handler=query, params=PAGE_PARAMS | _LOCAL,
            offer="data",
        ),
        "POST": Operation(
            name="createSnapshot", clause="5.16.1", handler=create, body="one", params=_LOCAL,
        ),
        "DELETE": Operation(
            name="purgeSnapshots", clause="5.16.7", handler=purge, params=_LOCAL | {"q"},
        ),
    },
    "snapshots/{id}": {
        "GET": Operation(
            name="retrieveSnapshotStatus", clause="5.16.3", handler=retrieve, params=_LOCAL,
            offer="data",
        ),
        "PATCH": Operation(
            name="updateSnapshotStatus", clause="5.16.4", handler=update, body="one",
            merge_patch=True, params=_LOCAL, offer="data",
        ),
        "DELETE": Operation(
            name="deleteSnapshot", clause="5.16.5", handler=delete, params=_LOCAL,
        ),
    },
    "snapshots/{id}/clone": {
        "POST": Operation(
            name="cloneSnapshot", clause="5.16.2", handler=clone, body="one", params=_LOCAL,
        ),
    },
}  # fmt: skip
"""Whoever may read may keep what they read; they see and delete their own."""

BESIDE: Final = frozenset(one.name for methods in TABLE.values() for one in methods.values()) | {
    "listContexts", "addContext", "serveContext", "deleteContext", "retrieveSourceIdentity",
}  # fmt: skip
"""Operations to which the header NGSILD-Snapshot says nothing."""
