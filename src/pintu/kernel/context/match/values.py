"""Where a path leads in a stored document: instances, sub-attributes, then into the value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pintu.kernel.context.match.text import instant_text
from pintu.kernel.context.members import VALUE_OF
from pintu.kernel.context.record import Record, Times
from pintu.kernel.context.selection import Path
from pintu.kernel.jsonld import CORE

Doc = dict[str, Any]
Found = tuple[str, Any]
"""The kind of an attribute (its NGSI-LD type, or "" for plain members) and what it holds."""

SYSTEM_TIMES = ("createdAt", "modifiedAt")
_ENTITY_MEMBERS = frozenset({"id", "type", "scope", "expiresAt"})
_MISSING = object()


def vocab_iri(stored: str) -> str:
    """The full IRI of a stored vocabulary value; values of q are compared with that (4.9)."""
    return stored if ":" in stored else CORE.expanded(stored)


def found_at(doc: Doc, path: Path, record: Record | None = None) -> list[Found]:
    """Everything the path leads to, one entry an attribute instance; empty when it leads nowhere.

    System times need the record; without it they do not exist.
    """
    name = path.attribute
    if not path.subs:
        if name in SYSTEM_TIMES:
            return _plain(_entity_time(record, name), path.trail)
        if name in _ENTITY_MEMBERS:
            return _plain(doc.get(name, _MISSING), path.trail)
    attribute = doc.get(name)
    if attribute is None:
        return []
    if path.subs and path.subs[-1] in SYSTEM_TIMES:
        return _attribute_times(doc, path, record)
    instances = attribute if type(attribute) is list else [attribute]
    for sub in path.subs:
        instances = list(_step(instances, sub))
    found = []
    for instance in instances:
        if type(instance) is dict:
            one = _held(instance, path.trail)
        else:
            one = ("", instance) if not path.trail else None
        if one is not None:
            found.append(one)
    return found


def _step(instances: list[Any], sub: str) -> Iterator[Any]:
    for instance in instances:
        if type(instance) is dict and sub in instance:
            inner = instance[sub]
            if type(inner) is list:
                yield from inner
            else:
                yield inner


def _held(instance: Doc, trail: tuple[str, ...]) -> Found | None:
    kind = instance.get("type", "")
    member = VALUE_OF.get(kind, "value")
    if member not in instance:
        return None
    value = instance[member]
    if not trail:
        return (kind, value)
    if kind == "LanguageProperty":
        return _in_language(value, trail)
    if kind == "Property" and type(value) is dict and "@value" in value and "@value" not in trail:
        value = value["@value"]
    value = follow(value, trail)
    return None if value is _MISSING else ("", value)


def _in_language(value: Any, trail: tuple[str, ...]) -> Found | None:
    if len(trail) != 1 or type(value) is not dict:
        return None
    if trail[0] == "*":
        return ("LanguageProperty", value)
    return ("", value[trail[0]]) if trail[0] in value else None


def follow(value: Any, trail: tuple[str, ...]) -> Any:
    """Walk into a compound value as ECMAScript member expressions do; `_MISSING` if undefined."""
    for name in trail:
        if type(value) is dict and name in value:
            value = value[name]
        elif type(value) is list and name.isdecimal() and len(name) < 7 and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _plain(value: Any, trail: tuple[str, ...]) -> list[Found]:
    return [] if trail or value is _MISSING or value is None else [("", value)]


def _entity_time(record: Record | None, name: str) -> Any:
    if record is None:
        return None
    return instant_text(record.created_us if name == "createdAt" else record.modified_us)


def _attribute_times(doc: Doc, path: Path, record: Record | None) -> list[Found]:
    """Times of attribute instances; sub-attributes share those of their attribute."""
    if record is None or path.trail:
        return []
    owner = Path(path.attribute, path.subs[:-1])
    if not found_at(doc, owner):
        return []
    attribute = doc[path.attribute]
    which = 0 if path.subs[-1] == "createdAt" else 1
    times = times_of(record)
    default = times.get("*") or [record.created_us, record.created_us]
    texts = []
    for instance in attribute if type(attribute) is list else [attribute]:
        dataset = instance.get("datasetId")
        key = path.attribute if dataset is None else f"{path.attribute} {dataset}"
        texts.append(("", instant_text((times.get(key) or default)[which])))
    return texts


def times_of(record: Record) -> Times:
    """The record's attribute times, parsed; empty when none differs from the entity's creation."""
    if record.times is None:
        return {}
    parsed: Times = orjson.loads(record.times)
    return parsed


def leaves(kind: str, value: Any) -> list[Any]:
    """The scalars that comparisons look at: list elements, languages, IRIs of vocabulary values."""
    shape = type(value)
    if kind == "VocabProperty":
        return [vocab_iri(v) for v in (value if shape is list else [value]) if type(v) is str]
    if kind == "LanguageProperty":
        texts: list[Any] = []
        for text in value.values() if shape is dict else ():
            texts.extend(text) if type(text) is list else texts.append(text)
        return texts
    if kind == "ListRelationship":
        held = value if shape is list else [value]
        return [one.get("object") if type(one) is dict else one for one in held]
    if shape is list:
        return [_unwrapped(v) if type(v) is dict else v for v in value if type(v) is not list]
    if shape is dict:
        return [value["@value"]] if "@value" in value else []
    return [value]


def _unwrapped(value: dict[str, Any]) -> Any:
    return value.get("@value", value)
