"""Purge: delete, or take attributes away from, everything that a selection matches (5.6.21)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import orjson

from pintu.kernel.context import write
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.record import Effect, Keep, Put, Record, Transform
from pintu.kernel.context.times import times_of
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import Op, settled
from pintu.web.ngsi_ld.answers import empty, plain
from pintu.web.ngsi_ld.asking import SELECT_PARAMS, read_selection, refuse_too_wide
from pintu.web.ngsi_ld.guard import MEMBERS, allow_names, within_rows
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.paging import Window

PARAMS = SELECT_PARAMS | {"keep", "drop", "local"}
_PAGE = 1000


async def purge_entities(call: Call) -> Response:
    """Select first, then write in pages; an entity that changed in between is judged again by
    its rows.

    204, or 207 naming the entities that could not be purged.
    """
    params = call.params
    refuse_too_wide(params, call.terms)
    if "keep" in params and "drop" in params:
        raise BadRequestData("keep and drop exclude each other")
    ids = await _select(call)
    errors = []
    for start in range(0, len(ids), _PAGE):
        ops = [Op(call.tenant, id, _transform(call, id)) for id in ids[start : start + _PAGE]]
        outcomes = await call.rooms.store.submit(ops, call.actor_id)
        errors += [
            {"entityId": op.id, "error": outcome.error.problem()}
            for op, outcome in zip(ops, outcomes, strict=True)
            if outcome.error is not None and outcome.error.status != 404
        ]
    if errors:
        failed = {error["entityId"] for error in errors}
        good = [id for id in ids if id not in failed]
        return plain(call, {"success": good, "errors": errors}, status=207)
    return empty(call)


async def _select(call: Call) -> list[str]:
    selection = read_selection(call.params, call.terms, call.tenant, call.projection, Window(_PAGE))
    ids: list[str] = []
    while True:
        page = await settled(
            call.rooms.store.select(dataclasses.replace(selection, offset=len(ids)))
        )
        ids += [record.id for record in page.records]
        if len(page.records) <= _PAGE:
            return ids


def _transform(call: Call, id: str) -> Transform:
    params, stored = call.params, call.terms.stored
    if "keep" in params:
        kept = frozenset(stored(name) for name in split_names(params["keep"], "keep"))
        return within_rows(call, _taking(kept=kept, lets=call.projection.lets), id)
    if "drop" in params:
        dropped = frozenset(stored(name) for name in split_names(params["drop"], "drop"))
        allow_names(call.projection, dict.fromkeys(dropped))
        return within_rows(call, _taking(dropped=dropped), id)
    return within_rows(call, write.delete(), id)


def _taking(
    *,
    kept: frozenset[str] | None = None,
    dropped: frozenset[str] = frozenset(),
    lets: Callable[[str], bool] = lambda _: True,
) -> Transform:
    """A transform that takes whole attributes away; an entity that has none of them is left
    alone, and so is what the gate does not let through.
    """

    def take(record: Record | None, now_us: int) -> Effect:
        if record is None:
            return Keep()
        entity = orjson.loads(record.body)
        names = entity.keys() - MEMBERS
        gone = sorted(filter(lets, names & dropped if kept is None else names - kept))
        if not gone:
            return Keep()
        for name in gone:
            del entity[name]
        times = {
            key: value
            for key, value in times_of(record).items()
            if key.partition(" ")[0] not in gone
        }
        return Put(entity=entity, verb="updated", changed=tuple(gone), times=times)

    return take
