"""Writing attributes of one entity: append, update, partial update, replace, delete (5.6.2 to
5.6.5, 5.6.19).
"""

from __future__ import annotations

from typing import Any

from pintu.kernel.context import write
from pintu.kernel.context.read import Nulls, read_attribute, read_fragment
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import Outcome
from pintu.web.ngsi_ld.answers import Deferred, empty, plain
from pintu.web.ngsi_ld.guard import allow_fragment
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import flag, options
from pintu.web.ngsi_ld.provision import submit
from pintu.web.ngsi_ld.temporal_writing import bury_attribute

APPEND_PARAMS = frozenset(("options", "type", "local"))
DELETE_PARAMS = frozenset(("datasetId", "deleteAll", "type", "local"))
_APPEND_OPTIONS = frozenset(("noOverwrite",))


def append_attributes(call: Call) -> Result:
    """5.6.3: add attributes, overwriting unless options=noOverwrite; 204, or 207 when some were
    left.
    """
    keep = "noOverwrite" in options(call.params, _APPEND_OPTIONS)
    id, fragment = _fragment(call, "none")
    transform = write.append(fragment, no_overwrite=keep)
    return submit(call, transform, id, lambda outcome: _updated(call, outcome))


def update_attributes(call: Call) -> Result:
    """5.6.2: overwrite attributes that are there; 204, or 207 naming those that are not."""
    id, fragment = _fragment(call, "update")
    return submit(call, write.update(fragment), id, lambda outcome: _updated(call, outcome))


def patch_attribute(call: Call) -> Result:
    """5.6.4: change members of one attribute instance; 204, 404 when it is not there."""
    id, name = _target(call)
    name, attribute = read_attribute(call.document, call.parts[1], call.terms)
    transform = write.patch_attribute(name, attribute)
    return submit(call, transform, id, lambda _: empty(call))


def replace_attribute(call: Call) -> Result:
    """5.6.19: put another instance in the place of one that is there; 204."""
    id, name = _target(call)
    name, attribute = read_attribute(
        call.document, call.parts[1], call.terms, nulls="none", partial=False
    )
    transform = write.replace_attribute(name, attribute)
    return submit(call, transform, id, lambda _: empty(call))


def delete_attribute(call: Call) -> Result:
    """5.6.5: take away the default instance, that of datasetId, or with deleteAll=true every
    one; 204.
    """
    id, name = _target(call)
    dataset, every = call.params.get("datasetId"), flag(call.params, "deleteAll")
    if dataset is not None:
        if dataset != "@none":
            uri(dataset, "datasetId")
        if every:
            raise BadRequestData("datasetId and deleteAll=true exclude each other")
    wanted = None if dataset == "@none" else dataset
    transform = write.delete_attribute(name, dataset_id=wanted, delete_all=every)
    done = submit(call, transform, id, lambda _: empty(call))
    return _or_in_history(call, done, (id, name, wanted), every=every)


async def _or_in_history(
    call: Call, done: Deferred, what: tuple[str, str, str | None], *, every: bool
) -> Response:
    """The answer; an attribute of an entity that only history knows is deleted there."""
    response = await done
    if response.status == 404 and call.projection.whole:
        id, name, dataset = what
        if await bury_attribute(call, id, name, dataset, every=every):
            return empty(call)
    return response


def _fragment(call: Call, nulls: Nulls) -> tuple[str, dict[str, Any]]:
    id = uri(call.parts[0], "Entity id")
    call.document.pop("id", None)  # the path names the entity (5.6.2.4); a fragment need not agree
    fragment = read_fragment(call.document, call.terms, nulls=nulls)
    allow_fragment(call, fragment)
    return id, fragment


def _target(call: Call) -> tuple[str, str]:
    id = uri(call.parts[0], "Entity id")
    written = call.parts[1]
    if not written or any(character in written for character in "<>\"'=;()[]{}| "):
        raise BadRequestData(f"{written[:100]!r} is not an attribute name")
    name = call.terms.stored(written)
    allow_fragment(call, {name: None})
    return id, name


def _updated(call: Call, outcome: Outcome) -> Response:
    """204 when everything asked for was done, else 207 with what was and what was not, by full
    names (5.2.18).
    """
    detail = outcome.detail
    left = getattr(detail, "not_updated", None)
    if not left:
        return empty(call)
    full = call.terms.expanded
    result = {
        "updated": [full(name) for name in detail.updated],
        "notUpdated": [{"attributeName": full(name), "reason": why} for name, why in left],
    }
    return plain(call, result, status=207)
