"""Many entities in one request: create, upsert, update, merge, delete (5.6.7 to 5.6.10, 5.6.20).

A batch becomes one submission to the store, in order, so that of two entities of one id the later
sees the earlier; each fails alone. Reading is done in slices between which the loop may turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pintu.kernel.context import write
from pintu.kernel.context.read import read_entity, read_fragment
from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    InvalidRequest,
    PintuError,
    TooLarge,
)
from pintu.kernel.jsonld import Terms
from pintu.kernel.store.port import Op, Outcome
from pintu.web.ngsi_ld.answers import empty, plain
from pintu.web.ngsi_ld.guard import allow_entity, allow_fragment, within_rows
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import options

PARAMS = frozenset(("options", "local"))
SLICE = 100
_MOST = 10_000
_UPSERT = frozenset(("replace", "update"))
_UPDATE = frozenset(("noOverwrite", "replace"))

Maker = Callable[[Call, dict[str, Any]], Op]


class _Plan(msgspec.Struct, gc=False):
    """What a batch came to before the store saw it: operations, and the members that cannot be
    read.
    """

    ops: list[Op]
    errors: list[dict[str, Any]]


def create_batch(call: Call) -> Result:
    """5.6.7: 201 with the ids, 207 when some were not created."""

    def make(call: Call, entity: dict[str, Any]) -> Op:
        allow_entity(call, entity)
        return Op(call.tenant, entity["id"], None, write.create(entity))

    return _run(call, make, _created_all)


def upsert_batch(call: Call) -> Result:
    """5.6.8: create or replace (options=update: add to); 201 with the new ids, 204 when none is
    new.
    """
    asked = options(call.params, _UPSERT)
    if len(asked) > 1:
        raise BadRequestData("options has both replace and update")
    maker = write.upsert_append if "update" in asked else write.upsert_replace

    def make(call: Call, entity: dict[str, Any]) -> Op:
        allow_entity(call, entity)
        return Op(call.tenant, entity["id"], within_rows(call, maker(entity), entity["id"]))

    return _run(call, make, _created_new)


def update_batch(call: Call) -> Result:
    """5.6.9: append attributes to entities that are there (options=noOverwrite keeps those
    present).
    """
    keep = "noOverwrite" in options(call.params, _UPDATE)

    def make(call: Call, entity: dict[str, Any]) -> Op:
        allow_fragment(call, entity)
        transform = write.append(entity, no_overwrite=keep)
        return Op(call.tenant, entity["id"], within_rows(call, transform, entity["id"]))

    return _run(call, make, _done, read_addition)


def merge_batch(call: Call) -> Result:
    """5.6.20: merge each into the entity that is there; 204 or 207."""

    def make(call: Call, entity: dict[str, Any]) -> Op:
        allow_fragment(call, entity)
        return Op(call.tenant, entity["id"], within_rows(call, write.merge(entity), entity["id"]))

    return _run(call, make, _done, read_part)


async def delete_batch(call: Call) -> Response:
    """5.6.10: delete by a list of ids; 204 or 207."""
    check_size(call.document)
    ops: list[Op] = []
    errors: list[dict[str, Any]] = []
    for member in call.document:
        try:
            id = uri(member, "Entity id")
            ops.append(Op(call.tenant, id, within_rows(call, write.delete(), id)))
        except PintuError as error:
            errors.append(failed(str(member)[:200], error))
    outcomes = await call.rooms.store.submit(ops, call.actor_id) if ops else []
    return _done(call, _Plan(ops, errors), outcomes)


def read_part(member: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """A fragment of an entity that names its id."""
    id = uri(member.get("id"), "Entity id")
    return {**read_fragment(member, terms, nulls="merge"), "id": id}


def read_addition(member: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """A fragment to append, in which nothing can be deleted."""
    id = uri(member.get("id"), "Entity id")
    return {**read_fragment(member, terms, nulls="none"), "id": id}


async def _run(
    call: Call,
    make: Maker,
    answer: Callable[[Call, _Plan, list[Outcome]], Response],
    read: Callable[[dict[str, Any], Terms], dict[str, Any]] = read_entity,
) -> Response:
    check_size(call.document)
    plan = _Plan([], [])

    def read_at(start: int) -> None:
        _read_slice(call, lambda m, t: make(call, read(m, t)), plan, start)

    if len(call.document) <= SLICE:
        read_at(0)
        handed = _hand_in(call, plan)
    else:
        async with call.rooms.batches.turn:
            call.rooms.batches.check_room(call.rooms.store, len(call.document))
            for start in range(0, len(call.document), SLICE):
                if start:
                    await asyncio.sleep(0)
                read_at(start)
            handed = _hand_in(call, plan)
    return answer(call, plan, await handed if handed is not None else [])


def _hand_in(call: Call, plan: _Plan) -> Awaitable[list[Outcome]] | None:
    """Give the store what was read, if anything."""
    return call.rooms.store.submit(plan.ops, call.actor_id) if plan.ops else None


def _read_slice(
    call: Call, make: Callable[[dict[str, Any], Terms], Op], plan: _Plan, start: int
) -> None:
    contexts = call.contexts
    for index, member in enumerate(call.document[start : start + SLICE], start):
        try:
            terms: Any = call.terms if contexts is None else contexts[index]
            if not isinstance(terms, Terms):
                raise terms
            if not isinstance(member, dict):
                raise InvalidRequest(f"Member {index} of the batch is not a JSON object")
            plan.ops.append(make(member, terms))
        except PintuError as error:
            plan.errors.append(failed(id_of(member), error))


def id_of(member: Any) -> str:
    """The id a member of a batch names, as far as it can be read."""
    found = member.get("id") if isinstance(member, dict) else None
    return found[:2048] if isinstance(found, str) else ""


def check_size(document: Any) -> None:
    """Raise BadRequestData for an empty batch, TooLarge for one over the limit."""
    if not document:
        raise BadRequestData("The batch is empty")
    if None in document:
        raise BadRequestData(f"Member {document.index(None)} of the batch is null")
    if len(document) > _MOST:
        raise TooLarge(f"The batch has {len(document)} members, at most {_MOST} are allowed")


def failed(id: str, error: PintuError) -> dict[str, Any]:
    """One member of `errors` (5.2.17)."""
    return {"entityId": id, "error": error.problem()}


def _sorted_out(plan: _Plan, outcomes: list[Outcome]) -> tuple[list[str], list[dict[str, Any]]]:
    """Ids that went well, each once, and all errors."""
    good: dict[str, None] = {}
    errors = list(plan.errors)
    for op, outcome in zip(plan.ops, outcomes, strict=True):
        left = getattr(outcome.detail, "not_updated", None)
        if outcome.error is not None:
            errors.append(failed(op.id, outcome.error))
        elif left:
            why = "; ".join(reason for _, reason in left)
            errors.append(failed(op.id, AlreadyExists(why)))
        else:
            good[op.id] = None
    return list(good), errors


def _created_all(call: Call, plan: _Plan, outcomes: list[Outcome]) -> Response:
    good, errors = _sorted_out(plan, outcomes)
    if errors:
        return plain(call, {"success": good, "errors": errors}, status=207)
    return plain(call, good, status=201)


def _created_new(call: Call, plan: _Plan, outcomes: list[Outcome]) -> Response:
    good, errors = _sorted_out(plan, outcomes)
    if errors:
        return plain(call, {"success": good, "errors": errors}, status=207)
    new = {
        op.id: None
        for op, outcome in zip(plan.ops, outcomes, strict=True)
        if outcome.verb == "created"
    }
    return plain(call, list(new), status=201) if new else empty(call)


def _done(call: Call, plan: _Plan, outcomes: list[Outcome]) -> Response:
    good, errors = _sorted_out(plan, outcomes)
    if errors:
        return plain(call, {"success": good, "errors": errors}, status=207)
    return empty(call)
