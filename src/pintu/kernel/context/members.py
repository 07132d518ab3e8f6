"""The words inside an attribute: which member carries its value, which describe it, which may not
be there."""

from __future__ import annotations

from typing import Any, Final

from pintu.kernel.jsonld import NULL

VALUE_OF: Final[dict[str, str]] = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""Attribute type → the member that holds its value (4.5.2 to 4.5.24)."""

TYPE_OF: Final[dict[str, str]] = {
    "value": "Property",
    "object": "Relationship",
    "languageMap": "LanguageProperty",
    "vocab": "VocabProperty",
    "json": "JsonProperty",
    "valueList": "ListProperty",
    "objectList": "ListRelationship",
}
"""Value member → the attribute type a concise representation means by it."""

UNITLESS: Final = frozenset(VALUE_OF) - {"Property", "GeoProperty", "ListProperty"}
SYSTEM: Final = frozenset({"createdAt", "modifiedAt", "deletedAt"})
"""Made by the system: ignored on input wherever they stand."""

DESCRIBING: Final = frozenset(
    {"observedAt", "unitCode", "datasetId", "expiresAt", "valueType", "objectType", "instanceId"}
)
"""Non-reified members that describe an attribute instance."""

OUTPUT_ONLY: Final = frozenset(
    {
        "previousValue",
        "previousObject",
        "previousLanguageMap",
        "previousVocab",
        "previousJson",
        "previousValueList",
        "previousObjectList",
    }
)
SEALED: Final = frozenset({"entityIdSealed", "entityTypeSealed"})
NOT_ATTRIBUTES: Final = (
    frozenset(TYPE_OF)
    | DESCRIBING - {"expiresAt"}
    | OUTPUT_ONLY
    | SEALED
    | {"entity", "entityList"}
)
"""Core terms that mean something else than an attribute, at the level of an entity (4.5.1)."""

ENTITY_MEMBERS: Final = frozenset({"id", "type", "scope", "expiresAt", "@context"}) | SYSTEM


def is_null_instance(instance: Any) -> bool:
    """Whether an attribute instance of a fragment says "delete me" (4.5.0)."""
    if instance.__class__ is str:
        return bool(instance == NULL)
    kind = instance.get("type")
    value = instance.get(VALUE_OF.get(kind, "value"))
    if value.__class__ is str:
        return bool(value == NULL)
    if kind == "LanguageProperty":
        return bool(value == {"@none": NULL})
    if value.__class__ is list:
        return value in ([NULL], [{"object": NULL}])
    return False


def instances(attribute: Any) -> list[Any]:
    """The instances of a stored attribute, one or several, as a list."""
    return attribute if attribute.__class__ is list else [attribute]


def has_null(value: Any) -> bool:
    """Whether an NGSI-LD Null stands anywhere inside a value."""
    if value.__class__ is str:
        return bool(value == NULL)
    if value.__class__ is dict:
        return any(has_null(item) for item in value.values())
    if value.__class__ is list:
        return any(has_null(item) for item in value)
    return False
