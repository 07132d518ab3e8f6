"""A write checked whole, as the local broker would check it, before any part of it is forwarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pintu.kernel.context.parse import parse_types
from pintu.kernel.context.read import read_attribute, read_entity, read_fragment
from pintu.kernel.federation.splitting import names_of
from pintu.web.ngsi_ld.distributed_write_parts import segment
from pintu.web.ngsi_ld.guard import allow_entity, allow_fragment
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.params import options
from pintu.web.ngsi_ld.provision import same_id

_LOCATION: Final = b"/ngsi-ld/v1/entities/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One checked write: whom it is about, what it writes, how it is forwarded."""

    id: str
    types: frozenset[str]  # empty: not known
    names: frozenset[str] | None  # None: it names none, as deleting an entity
    able: str  # the operation a source must be registered for (4.20)
    path: str  # below /ngsi-ld/v1/
    told: Literal["entity", "attributes"] = "entity"  # BatchOperationResult, UpdateResult
    wipes: bool = False  # also what the caller may not see would go
    location: bytes = b""  # of what is made, for 201
    past: bool = False  # about a history: of an entity that need not be there any more
    lone: bool = False  # only one of all has it: that others do not is no failure


def creating(call: Call) -> Asked:
    """A new entity. Raises BadRequestData, Forbidden."""
    entity = read_entity(call.document, call.terms)
    allow_entity(call, entity)
    return Asked(
        id=entity["id"], types=_types(entity), names=names_of(call.document, call.terms),
        able="createEntity", path="entities", location=_LOCATION + entity["id"].encode(),
    )  # fmt: skip


def replacing(call: Call) -> Asked:
    """An entity in place of another. Raises BadRequestData, Forbidden."""
    id = _id(call)
    entity = read_entity({"id": id, **call.document}, call.terms)
    allow_entity(call, entity)
    return Asked(
        id=id, types=_types(entity), names=names_of(call.document, call.terms),
        able="replaceEntity", path=f"entities/{segment(id)}", wipes=True,
    )  # fmt: skip


def merging(call: Call) -> Asked:
    """A fragment to merge. Raises BadRequestData, Forbidden."""
    id = _id(call)
    said = {call.params.get("options", ""), call.params.get("format", "")}
    simplified = not said.isdisjoint(("keyValues", "simplified"))
    fragment = read_fragment(call.document, call.terms, simplified=simplified)
    allow_fragment(call, fragment)
    return _fragment(call, id, fragment, "mergeEntity", "")


def appending(call: Call) -> Asked:
    """Attributes to add. Raises BadRequestData, Forbidden."""
    id = _entity(call)
    options(call.params, frozenset(("noOverwrite",)))
    fragment = read_fragment(call.document, call.terms, nulls="none")
    allow_fragment(call, fragment)
    return _fragment(call, id, fragment, "appendAttrs", "/attrs/")


def updating(call: Call) -> Asked:
    """Attributes to overwrite. Raises BadRequestData, Forbidden."""
    id = _entity(call)
    fragment = read_fragment(call.document, call.terms, nulls="update")
    allow_fragment(call, fragment)
    return _fragment(call, id, fragment, "updateEntity", "/attrs/")


def _fragment(call: Call, id: str, fragment: dict[str, Any], able: str, below: str) -> Asked:
    types, names = _types(fragment) or _hinted(call), names_of(call.document, call.terms)
    return Asked(
        id=id, types=types, names=names, able=able,
        path=f"entities/{segment(id)}{below}", told="attributes" if below else "entity",
    )  # fmt: skip


def deleting(call: Call) -> Asked:
    """An entity to delete. Raises BadRequestData, Forbidden."""
    id = uri(call.parts[0], "Entity id")
    return Asked(
        id=id, types=_hinted(call), names=None, able="deleteEntity",
        path=f"entities/{segment(id)}", wipes=True,
    )  # fmt: skip


def patching(call: Call) -> Asked:
    """Members of one attribute. Raises BadRequestData, Forbidden."""
    name, _ = read_attribute(call.document, call.parts[1], call.terms)
    return _attribute(call, name, "updateAttrs")


def replacing_attribute(call: Call) -> Asked:
    """An attribute in place of another. Raises BadRequestData, Forbidden."""
    name, _ = read_attribute(call.document, call.parts[1], call.terms, nulls="none", partial=False)
    return _attribute(call, name, "replaceAttrs")


def deleting_attribute(call: Call) -> Asked:
    """An attribute to take away. Raises BadRequestData, Forbidden."""
    return _attribute(call, call.terms.stored(call.parts[1]), "deleteAttrs")


def _attribute(call: Call, name: str, able: str) -> Asked:
    id = uri(call.parts[0], "Entity id")
    allow_fragment(call, {name: None})
    path = f"entities/{segment(id)}/attrs/{segment(call.parts[1])}"
    return Asked(id=id, types=_hinted(call), names=frozenset((name,)), able=able, path=path)


def _id(call: Call) -> str:
    id = uri(call.parts[0], "Entity id")
    same_id(call.document, id)
    return id


def _entity(call: Call) -> str:
    """The entity of the path; a fragment of attributes need not agree about it."""
    call.document.pop("id", None)
    return uri(call.parts[0], "Entity id")


def _types(document: Mapping[str, Any]) -> frozenset[str]:
    found = document.get("type", ())
    return frozenset((found,)) if isinstance(found, str) else frozenset(found)


def _hinted(call: Call) -> frozenset[str]:
    """The types of the parameter `type`; empty when it says none, or of several at once."""
    kind = call.params.get("type")
    if kind is None:
        return frozenset()
    some = parse_types(kind, call.terms)
    if some is None or any(len(one) > 1 for one in some.any_of):
        return frozenset()
    return frozenset().union(*some.any_of)
