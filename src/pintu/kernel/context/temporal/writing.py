"""What is written to a history alone: read from its representation, and told to the log (5.6.11 to
5.6.16)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson

from pintu.kernel.context.attributes import AttributeReader
from pintu.kernel.context.members import (
    ENTITY_MEMBERS,
    SYSTEM,
    TYPE_OF,
    VALUE_OF,
    is_null_instance,
)
from pintu.kernel.context.read import read_attribute, read_entity
from pintu.kernel.context.record import Effect, Record, Tell, Transform
from pintu.kernel.context.scalars import check_scopes, check_time
from pintu.kernel.context.temporal.words import Doc, Instance, Series, tombstone
from pintu.kernel.context.values import UPDATE_NULLS
from pintu.kernel.context.write import overlaid, same_type
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms

INSTANCE_LIMIT: Final = 10_000
"""Instances one request may bring."""


def read_history(document: Doc, terms: Terms) -> tuple[str, tuple[str, ...], Doc]:
    """(id, sorted stored types, `{name: [instances]}`) of a temporal representation (5.2.20).

    Raises BadRequestData naming the member that is wrong.
    """
    head = {name: document[name] for name in ("id", "@id", "type", "@type") if name in document}
    entity = read_entity(head, terms)
    types = entity["type"]
    listed = (types,) if types.__class__ is str else tuple(sorted(types))
    return entity["id"], listed, read_instances(document, terms)


def read_instances(document: Doc, terms: Terms) -> Doc:
    """`{stored name: [instances]}` of the attributes of a temporal representation or fragment.

    Raises BadRequestData; the NGSI-LD Null may stand as a value, for an instance that says:
    deleted.
    """
    reader = AttributeReader(terms, nulls=UPDATE_NULLS)
    found: Doc = {}
    count = 0
    for name, value in document.items():
        if name == "scope":
            told, stored_name = _scopes(value), name
        elif name in ENTITY_MEMBERS or name in ("@id", "@type"):
            if name == "expiresAt":
                check_time(value, name)
            continue
        else:
            stored_name = reader.name(name, name)
            told = _instances(reader, stored_name, name, value)
        if stored_name in found:
            raise BadRequestData(f"{name} is there twice, under two names")
        found[stored_name] = told
        count += len(told)
        if count > INSTANCE_LIMIT:
            raise BadRequestData(f"A request may bring {INSTANCE_LIMIT} instances")
    return found


def _instances(reader: AttributeReader, stored: str, name: str, value: Any) -> list[Doc]:
    members = value if _are_instances(value) else [value]
    told = [reader.attribute(stored, member, name) for member in members]
    if not all(one.__class__ is dict for one in told):
        raise BadRequestData(f"{name} is neither an attribute instance nor a list of them")
    return told


def _are_instances(value: Any) -> bool:
    return (
        value.__class__ is list
        and bool(value)
        and all(
            item.__class__ is dict
            and (item.get("type") in VALUE_OF or not TYPE_OF.keys().isdisjoint(item))
            for item in value
        )
    )


def _scopes(value: Any) -> list[Doc]:
    """Scopes as they are, or as a temporal Property (4.5.6)."""
    if not (_are_instances(value) or (value.__class__ is dict and "value" in value)):
        return [_scope(value)]
    told = []
    for item in value if value.__class__ is list else [value]:
        if item.get("type", "Property") != "Property" or "value" not in item:
            raise BadRequestData("scope is not a Property")
        strange = item.keys() - {"type", "value", "observedAt", "instanceId"} - SYSTEM
        if strange:
            raise BadRequestData(f"scope has no member {min(strange)}")
        one = _scope(item["value"])
        if "observedAt" in item:
            one["observedAt"] = check_time(item["observedAt"], "observedAt of scope")
        told.append(one)
    return told


def _scope(value: Any) -> Doc:
    scopes = [] if value == [] else check_scopes(value)
    return {"type": "Property", "value": scopes[0] if len(scopes) == 1 else scopes}


def amended(name: str, instance: Instance, fragment: Any, terms: Terms) -> Doc:
    """The instance with what a fragment changes of it (5.6.14); raises BadRequestData."""
    stored, told = read_attribute(fragment, name, terms)
    if told.__class__ is list:
        if len(told) != 1:
            raise BadRequestData(f"{name} is not one instance")
        [told] = told
    if told.__class__ is not dict or is_null_instance(told):
        raise BadRequestData(f"{name} cannot be deleted by a change of one instance")
    document = instance.document
    if told.get("datasetId", document.get("datasetId")) != document.get("datasetId"):
        raise BadRequestData(f"The datasetId of {name} cannot be changed")
    same_type(stored, document, told)
    return overlaid(stored, document, told)


# --- what the log is told -----------------------------------------------------------------------
def record(types: Collection[str], told: Doc) -> Transform:
    """Instances that only history is to know; the types join those that are known (5.6.11)."""
    payload = orjson.dumps(told)

    def transform(present: Record | None, _now_us: int) -> Effect:
        known = present.types if present is not None else ()
        return Tell(
            verb="recorded",
            types=tuple(sorted({*known, *types})),
            payload=payload,
            changed=tuple(told),
        )

    return transform


def amend(
    types: Collection[str], series: Series, instance: Instance, document: Doc | None
) -> Transform:
    """The instance is this document from now on; None: there is none."""
    payload = {
        "attribute": series.name,
        "datasetId": series.dataset,
        "instanceId": series.id_of(instance),
        "instance": document,
        "created": instance.created_us,
    }
    return _told(Tell("amended", tuple(types), orjson.dumps(payload), (series.name,)))


def erase(types: Collection[str], name: str, datasets: list[str | None] | None) -> Transform:
    """An attribute has no past any more, or these data sets of it."""
    return _told(Tell("erased", tuple(types), orjson.dumps({name: datasets}), (name,)))


def erase_all(types: Collection[str]) -> Transform:
    """The entity has no past any more."""
    return _told(Tell("erased", tuple(types)))


def bury(types: Collection[str], gone: list[Series]) -> Transform:
    """Attributes of an entity that only history knows are deleted: they leave tombstones."""
    told: Doc = {}
    for series in gone:
        kind = series.instances[-1].document["type"]
        scope = {"type": "Property", "value": []}
        one = scope if series.name == "scope" else tombstone(kind, series.dataset)
        told.setdefault(series.name, []).append(one)
    return record(types, told)


def _told(tell: Tell) -> Transform:
    def transform(present: Record | None, _now_us: int) -> Effect:
        return tell

    return transform
