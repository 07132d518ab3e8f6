"""From an accepted representation of an entity to its stored document, fully checked (4.5, 5.5.4).

Nothing handed in is ever changed, and what needs no change is handed back as the same object, so
that received bytes may become stored bytes.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final, Literal

from pintu.kernel.context.attributes import SPECIAL, AttributeReader
from pintu.kernel.context.members import ENTITY_MEMBERS, SYSTEM, TYPE_OF
from pintu.kernel.context.scalars import (
    check_name,
    check_scopes,
    check_time,
    check_uri,
    good_times,
    is_time,
    is_uri,
)
from pintu.kernel.context.shapes import is_plain_point
from pintu.kernel.context.values import MERGE_NULLS, NO_NULLS, UPDATE_NULLS
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, NULL, Terms

Nulls = Literal["none", "update", "merge"]
_NULLS: Final[dict[str, int]] = {"none": NO_NULLS, "update": UPDATE_NULLS, "merge": MERGE_NULLS}
TYPE_LIMIT: Final = 100
_CORE_READER: Final = AttributeReader(CORE)
_ALIASES: Final = {"@id": "id", "@type": "type"}


def read_entity(obj: Any, terms: Terms) -> dict[str, Any]:
    """The stored document of a whole entity, normalized or concise (5.2.4).

    Raises BadRequestData naming the member that is wrong.
    """
    return read_entity_bytes(obj, terms)[0]


def read_entity_bytes(obj: Any, terms: Terms) -> tuple[dict[str, Any], bool]:
    """As `read_entity`; True says that nothing was renamed, dropped or added: `obj` itself is the
    stored document, and the bytes it was decoded from may be stored as they are."""
    if obj.__class__ is not dict:
        raise BadRequestData("An entity is not a JSON object")
    document = _members(obj, _CORE_READER if terms is CORE else AttributeReader(terms))
    if "id" not in document:
        raise BadRequestData("The entity has no id")
    if "type" not in document:
        raise BadRequestData(f"Entity {document['id']} has no type")
    return document, document is obj


def read_fragment(
    obj: Any, terms: Terms, *, nulls: Nulls = "merge", simplified: bool = False
) -> dict[str, Any]:
    """The stored form of an entity fragment: any attributes, optional id, type, scope and
    expiresAt (5.4).

    `nulls` says where an NGSI-LD Null may stand (5.5.4): "none" for append and replace, "update"
    for
    update attributes, "merge" for merge. Simplified reads `options=keyValues`: every object is a
    value.
    A bare value becomes a `Bare` instance, which takes the type of the attribute it meets in a
    merge.
    Raises BadRequestData naming the member.
    """
    if obj.__class__ is not dict:
        raise BadRequestData("An entity fragment is not a JSON object")
    if terms is CORE and not simplified:
        return _members(obj, _FRAGMENT_READERS[nulls])
    return _members(obj, _fragment_reader(terms, nulls, simplified))


def _fragment_reader(terms: Terms, nulls: str, simplified: bool = False) -> AttributeReader:
    fragment = nulls == "merge"
    return AttributeReader(terms, nulls=_NULLS[nulls], fragment=fragment, simplified=simplified)


_FRAGMENT_READERS: Final = {nulls: _fragment_reader(CORE, nulls) for nulls in _NULLS}
"""They hold nothing but how they read."""


def read_attribute(
    obj: Any, name: str, terms: Terms, *, nulls: Nulls = "update", partial: bool = True
) -> tuple[str, Any]:
    """(stored name, stored attribute) of an attribute fragment (5.6.4) or, with `partial` False,
    of a
    whole attribute that replaces one (5.6.19).

    `name` is the caller's. Raises BadRequestData, also for an empty fragment and for `scope`,
    `id`, `type`.
    """
    if name in ENTITY_MEMBERS:
        raise BadRequestData(f"{name} is not an attribute")
    reader = AttributeReader(terms, nulls=_NULLS[nulls], fragment=partial)
    stored_name = reader.name(name, name)
    if obj.__class__ is dict and "@context" in obj:
        obj = {key: value for key, value in obj.items() if key != "@context"}
    if obj in ({}, []):
        raise BadRequestData(f"The fragment of attribute {name} is empty")
    if obj.__class__ is dict and name in obj and len(obj) == 1 and not _is_instance(obj):
        obj = obj[name]
    if partial and obj.__class__ is dict and "type" not in obj and not _has_value(obj):
        return stored_name, reader.instance(stored_name, obj, name, 0)
    return stored_name, reader.attribute(stored_name, obj, name)


def _has_value(obj: dict[str, Any]) -> bool:
    return not TYPE_OF.keys().isdisjoint(obj)


def _is_instance(obj: dict[str, Any]) -> bool:
    return "type" in obj or _has_value(obj)


def _members(obj: dict[str, Any], reader: AttributeReader) -> dict[str, Any]:
    """All members of an entity; `obj` itself when none had to change."""
    plain, types = reader.terms.plain, reader.terms.plain_types
    changed: dict[str, Any] | None = None
    done = 0
    for name, value in obj.items():
        if (
            (name in plain and _is_plain(value))
            or (name == "location" and _is_plain_place(value))
            or (name == "id" and is_uri(value) and value != NULL)
            or (name == "type" and value.__class__ is str and value in types)
        ):
            if changed is None:
                done += 1
                continue
            stored_name, stored = name, value
        else:
            stored_name, stored = _member(name, value, reader)
        if changed is None:
            if stored is value and stored_name == name:
                done += 1
                continue
            changed = {key: obj[key] for key in list(obj)[:done]}
        if stored is not _LEFT_OUT:
            if stored_name in changed:
                raise BadRequestData(f"{name} is there twice, under two names")
            changed[stored_name] = stored
    return obj if changed is None else changed


_LEFT_OUT: Final = object()


def _member(name: str, value: Any, reader: AttributeReader) -> tuple[str, Any]:
    name = _ALIASES.get(name, name)
    if name not in ENTITY_MEMBERS:
        stored_name = reader.name(name, name)
        if stored_name == name not in SPECIAL and len(reader.terms.plain) < reader.terms.limit:
            reader.terms.plain.add(name)
        return stored_name, reader.attribute(stored_name, value, name)
    if name == "id":
        return name, _id(value)
    if name == "type":
        return name, _types(value, reader)
    if name == "@context" or name in SYSTEM:
        return name, _LEFT_OUT
    if value.__class__ is str and value == NULL and reader.nulls:
        return name, value
    if name == "scope":
        scopes = check_scopes(value)
        return name, value if scopes == value else scopes
    stored = check_time(value, name)
    return name, value if stored == value else stored


def _id(value: Any) -> str:
    if not is_uri(value) or value == NULL:
        check_uri(None if value == NULL else value, "The id of an entity")
    return str(value)


def _types(value: Any, reader: AttributeReader) -> Any:
    """Stored type names: one as a string, several as a sorted list without doubles (4.16)."""
    if value.__class__ is str:
        return _type(value, reader)
    if value.__class__ is not list or not value or len(value) > TYPE_LIMIT:
        raise BadRequestData("type is neither a name nor a list of names")
    names = sorted({_type(item, reader) for item in value})
    stored = names[0] if len(names) == 1 else names
    return value if stored == value else stored


def _type(value: Any, reader: AttributeReader) -> str:
    if value.__class__ is str and value in reader.terms.plain_types:
        return str(value)
    if value in ("id", "type"):
        raise BadRequestData(f"{value} is a JSON-LD keyword and cannot be an entity type")
    stored = reader.terms.stored(check_name(value, "Type"))
    if stored != value:
        return stored
    if len(reader.terms.plain_types) < reader.terms.limit:
        reader.terms.plain_types.add(stored)
    return str(value)


def _is_plain(attribute: Any) -> bool:
    """Whether an attribute is valid and already stored as it stands; False only means "look
    closely".

    This is the hot path: a Property of a scalar, a Relationship to one URI or a GeoProperty with a
    Point, described by nothing but observedAt and unitCode.
    """
    if attribute.__class__ is not dict or "type" not in attribute:
        return False
    kind = attribute["type"]
    if kind == "Property":
        value: Any = attribute.get("value")
        of = value.__class__
        if of is float:
            if not isfinite(value):
                return False
        elif of is str:
            if value == NULL:
                return False
        elif of is not int and of is not bool:
            return False
    elif kind == "Relationship":
        value = attribute.get("object")
        if value == NULL or not is_uri(value):
            return False
    elif kind != "GeoProperty" or not is_plain_point(attribute.get("value")):
        return False
    left = len(attribute)
    if left == 2:
        return True
    if left == 3:
        observed_at = attribute.get("observedAt")
        if observed_at.__class__ is str and observed_at in good_times:
            return True
    return _is_plainly_described(attribute, left - 2, kind)


def _is_plain_place(attribute: Any) -> bool:
    """The same of a location, which can only be a GeoProperty (4.7.1)."""
    return (
        attribute.__class__ is dict
        and len(attribute) == 2
        and attribute.get("type") == "GeoProperty"
        and is_plain_point(attribute.get("value"))
    )


def _is_plainly_described(attribute: dict[str, Any], left: int, kind: str) -> bool:
    observed_at = attribute.get("observedAt")
    if observed_at is not None:
        if not is_time(observed_at) or "," in observed_at:
            return False
        left -= 1
    if left and kind == "Property" and "unitCode" in attribute:
        unit = attribute["unitCode"]
        if unit.__class__ is not str or not unit or len(unit) > 256 or unit == NULL:
            return False
        left -= 1
    return left == 0
