"""Writing whole entities: create, replace, merge, delete (5.6.1, 5.6.18, 5.6.17, 5.6.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pintu.kernel.context import write
from pintu.kernel.context.parse import parse_types
from pintu.kernel.context.read import read_entity, read_entity_bytes, read_fragment
from pintu.kernel.context.record import Transform
from pintu.kernel.context.scalars import check_time
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import Op, Outcome
from pintu.web.ngsi_ld.answers import Deferred, empty, problem
from pintu.web.ngsi_ld.guard import allow_entity, allow_fragment, within_rows
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import options

MERGE_PARAMS = frozenset(("options", "format", "observedAt", "lang", "type", "local"))
_MERGE_OPTIONS = frozenset(("keyValues", "simplified", "concise", "normalized"))
_LOCATION = b"/ngsi-ld/v1/entities/"


def submit(
    call: Call, transform: Transform, id: str, finish: Callable[[Outcome], Response]
) -> Deferred:
    """Hand one operation to the store; `finish` sees an outcome without an error."""
    kind = call.params.get("type") if call.params else None
    if kind is not None:
        transform = write.only_types(parse_types(kind, call.terms), transform)
    op = Op(call.tenant, id, within_rows(call, transform, id))
    return deferred(call, [op], finish)


def deferred(call: Call, ops: list[Op], finish: Callable[[Outcome], Response]) -> Deferred:
    """The store's future of one operation as an answer."""

    def made(outcomes: list[Outcome]) -> Response:
        outcome = outcomes[0]
        if outcome.error is not None:
            return problem(outcome.error, call.echo)
        return finish(outcome)

    future: Any = call.rooms.store.submit(ops, call.actor_id)
    return Deferred(future, made, problem)


def create_entity(call: Call) -> Result:
    """5.6.1: 201 with Location; 409 AlreadyExists."""
    entity, untouched = read_entity_bytes(call.document, call.terms)
    allow_entity(call, entity)
    put = write.create(entity, call.encoded if untouched and call.encoded else None)
    id: str = entity["id"]
    location = (b"location", _LOCATION + id.encode())

    def created(_: Outcome) -> Response:
        return Response(201, b"", (location, *call.echo))

    return deferred(call, [Op(call.tenant, id, None, put)], created)


def replace_entity(call: Call) -> Result:
    """5.6.18: the whole entity but its id and creation time; 204, 404 when there is none."""
    id = uri(call.parts[0], "Entity id")
    same_id(call.document, id)
    entity = read_entity({"id": id, **call.document}, call.terms)
    allow_entity(call, entity)
    return submit(call, write.replace(entity), id, lambda _: empty(call))


def merge_entity(call: Call) -> Result:
    """5.6.17: RFC 7396 with urn:ngsi-ld:null, down into attributes; 204."""
    id = uri(call.parts[0], "Entity id")
    same_id(call.document, id)
    asked = options(call.params, _MERGE_OPTIONS) | {call.params.get("format", "")}
    fragment = read_fragment(
        call.document, call.terms, simplified=not asked.isdisjoint(("keyValues", "simplified"))
    )
    allow_fragment(call, fragment)
    observed_at = call.params.get("observedAt")
    if observed_at is not None:
        observed_at = check_time(observed_at, "Parameter observedAt")
    transform = write.merge(fragment, observed_at=observed_at, lang=call.params.get("lang"))
    return submit(call, transform, id, lambda _: empty(call))


def delete_entity(call: Call) -> Result:
    """5.6.6: 204, 404 when there is none."""
    id = uri(call.parts[0], "Entity id")
    return submit(call, write.delete(), id, lambda _: empty(call))


def same_id(document: dict[str, Any], id: str) -> None:
    """An id in the body must be the one of the path; raises BadRequestData."""
    if document.get("id", id) != id:
        raise BadRequestData(f"The body is about {str(document['id'])[:100]}, the path about {id}")
