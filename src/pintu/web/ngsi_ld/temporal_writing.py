"""Writing histories: entities, attributes and instances of the past (5.6.11 to 5.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.context.members import is_null_instance
from pintu.kernel.context.scalars import check_name
from pintu.kernel.context.temporal import Evolution, Instance, Series, fold
from pintu.kernel.context.temporal import writing as told
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    InvalidRequest,
    ResourceNotFound,
    TooComplex,
)
from pintu.kernel.store.port import Op, settled
from pintu.web.ngsi_ld.answers import empty
from pintu.web.ngsi_ld.guard import allow_names, check_words
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.params import flag
from pintu.web.ngsi_ld.provision import same_id
from pintu.web.ngsi_ld.temporal_seeing import ROWS, past_of

if TYPE_CHECKING:
    from pintu.kernel.context.record import Transform
    from pintu.kernel.store.port import Change
    from pintu.web.ngsi_ld.operation import Call

DELETE_PARAMS: Final = frozenset(("datasetId", "deleteAll", "local"))
LOCATION: Final = b"/ngsi-ld/v1/temporal/entities/"


async def create_history(call: Call) -> Response:
    """5.6.11: tell instances of an entity; 201 when nothing was known of it, else 204."""
    id, types, instances = told.read_history(call.document, call.terms)
    allow(call, instances)
    check_vocabulary(call, id, types, instances)
    known = await _known(call, id)
    types = types if known is None else tuple(sorted({*known.types, *types}))
    await _submit(call, id, told.record(types, instances))
    if known is not None:
        return empty(call)
    return Response(201, b"", ((b"location", LOCATION + id.encode()), *call.echo))


async def append_history(call: Call) -> Response:
    """5.6.12: tell instances of an entity that is known; 204, 404 when it is not."""
    id = uri(call.parts[0], "Entity id")
    same_id(call.document, id)
    instances = told.read_instances(call.document, call.terms)
    if not instances:
        raise InvalidRequest("The fragment has no attribute")
    allow(call, instances)
    known = await _there(call, id)
    check_vocabulary(call, id, known.types, instances)
    await _submit(call, id, told.record(known.types, instances))
    return empty(call)


async def delete_history(call: Call) -> Response:
    """5.6.16: all that is known of an entity's past; the entity itself stays as it is."""
    id = uri(call.parts[0], "Entity id")
    allow(call, {})
    known = await _there(call, id)
    await _submit(call, id, told.erase_all(known.types))
    return empty(call)


async def delete_attribute_history(call: Call) -> Response:
    """5.6.13: the past of an attribute: of its default instance, of one data set, or all of it."""
    if b"/attrs//" in call.request.path:
        raise BadRequestData("The path names no attribute")
    id, name = target(call)
    dataset, every = call.params.get("datasetId"), flag(call.params, "deleteAll")
    if dataset is not None and dataset != "@none":
        uri(dataset, "datasetId")
    if dataset is not None and every:
        raise BadRequestData("datasetId and deleteAll=true exclude each other")
    wanted = None if dataset == "@none" else dataset
    known = await _there(call, id)
    try:
        evolution = await _evolution(call, id, name)
        found = [one.dataset for one in _series(evolution, name)]
        if not found or (not every and wanted not in found):
            raise ResourceNotFound(f"{id} has no history of {call.parts[1][:100]} there")
    except TooComplex:  # so long a history is not read to be deleted
        pass
    await _submit(call, id, told.erase(known.types, name, None if every else [wanted]))
    return empty(call)


async def patch_instance(call: Call) -> Response:
    """5.6.14: change one instance; 204."""
    id, name = target(call)
    instance_id = uri(call.parts[2], "Instance id")
    evolution = await _evolution(call, id, name)
    series, instance = _instance(evolution, name, instance_id)
    if name == "scope":
        [changed] = told.read_instances({"scope": call.document}, call.terms)["scope"]
        document = {**instance.document, **changed}
    else:
        document = told.amended(call.parts[1], instance, call.document, call.terms)
    await _submit(call, id, told.amend(evolution.types, series, instance, document))
    return empty(call)


async def delete_instance(call: Call) -> Response:
    """5.6.15: one instance; 204."""
    id, name = target(call)
    instance_id = uri(call.parts[2], "Instance id")
    evolution = await _evolution(call, id, name)
    series, instance = _instance(evolution, name, instance_id)
    await _submit(call, id, told.amend(evolution.types, series, instance, None))
    return empty(call)


async def bury_attribute(
    call: Call, id: str, name: str, dataset: str | None, *, every: bool
) -> bool:
    """Deleting an attribute of an entity that only history knows leaves a tombstone there (5.6.5);
    False: not even history knows it.
    """
    if await settled(call.rooms.store.retrieve(call.tenant, id)) is not None:
        return False
    if await _known(call, id) is None:
        return False
    evolution = await _evolution(call, id, name)
    gone = [
        one
        for one in _series(evolution, name)
        if (every or one.dataset == dataset) and not one.instances[-1].deleted_us
    ]
    if not gone:
        return False
    await _submit(call, id, told.bury(evolution.types, gone))
    return True


# --- what is there ------------------------------------------------------------------------------
async def _known(call: Call, id: str) -> Change | None:
    """The newest row of an entity that has a past; None: nothing is known of it."""
    [*rows] = await settled(call.rooms.store.history(call.tenant, id, limit=1))
    if not rows or (rows[0].verb == "erased" and rows[0].changed is None):
        return None
    return rows[0]


async def _there(call: Call, id: str) -> Change:
    found = await _known(call, id)
    if found is None:
        raise ResourceNotFound(f"{id} has no history")
    return found


async def _evolution(call: Call, id: str, name: str) -> Evolution:
    rows = await settled(past_of(call).rows(call.tenant, id, limit=ROWS))
    evolution = fold(id, rows, (name,))
    if not evolution.known:
        raise ResourceNotFound(f"{id} has no history")
    return evolution


def _series(evolution: Evolution, name: str) -> list[Series]:
    if name == "scope":
        return [evolution.scope] if evolution.scope.instances else []
    return [one for one in evolution.series.get(name, {}).values() if one.instances]


def _instance(evolution: Evolution, name: str, id: str) -> tuple[Series, Instance]:
    for series in _series(evolution, name):
        for one in series.instances:
            if series.id_of(one) == id:
                return series, one
    raise ResourceNotFound(f"{evolution.id} has no instance {id[:200]} of that attribute")


# --- doing --------------------------------------------------------------------------------------
def target(call: Call) -> tuple[str, str]:
    """(entity, stored name of the attribute) of the path; raises BadRequestData, Forbidden."""
    id = uri(call.parts[0], "Entity id")
    written = check_name(call.parts[1], "Attribute")
    name = "scope" if written == "scope" else call.terms.stored(written)
    allow(call, {name: None})
    return id, name


def allow(call: Call, instances: dict[str, Any]) -> None:
    """Histories are written by whoever may write all of an entity: what rows it belonged to then
    is not known.
    """
    projection = call.projection
    if projection.rows is not None or projection.seen is not None:
        raise Forbidden("You may not write history: only some of the entities are yours")
    if not projection.whole:
        allow_names(projection, instances)
        if not instances and (projection.attributes is not None or projection.withheld):
            raise Forbidden("You may not delete a history of which you see only a part")


def check_vocabulary(
    call: Call, id: str, types: tuple[str, ...], instances: dict[str, Any]
) -> None:
    """The past of a strict tenant is told in the vocabulary's words, too."""
    if call.tenant_name not in call.rooms.settings.strict_tenants:
        return
    kind: Any = types[0] if len(types) == 1 else list(types)
    for name, members in instances.items():
        for one in members if name != "scope" else ():
            if not is_null_instance(one):
                check_words({"id": id, "type": kind, name: one})


async def _submit(call: Call, id: str, transform: Transform) -> None:
    [outcome] = await call.rooms.store.submit([Op(call.tenant, id, transform)], call.actor_id)
    if outcome.error is not None:
        raise outcome.error
