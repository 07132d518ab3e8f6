"""What is there of a stored document for somebody under an agreement: the agreed types and
attributes, masks put on; pure.

Whoever shows, joins, sorts or counts afterwards works on this document and knows nothing else, so
that no representation (concise, GeoJSON, inline joins, languages) can let out what was taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from pintu.kernel.access.masks import Mask, masked
from pintu.kernel.context.members import VALUE_OF, instances

MOST_BYTES: Final = 32_000_000
"""Of narrowed documents kept by all narrowings of a process together."""

_TEXT_OF: Final = ("Property", "VocabProperty")
_UNSEEN: Final = object()
_MEMBERS: Final = frozenset(("id", "type", "scope", "expiresAt"))
_SCOPE: Final = ("scope", Mask())
"""Of what an entity has besides attributes only a scope can be agreed on, and only as it is."""


class Kept:
    """The room that narrowings share: when it is full, all of them forget."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._bytes = most, 0
        self.generation = 0

    def take(self, size: int) -> None:
        """Make room for some bytes more."""
        self._bytes += size + 200
        if self._bytes > self._most:
            self._bytes = 0
            self.generation += 1


class Narrowing:
    """Implements `Projection.seen`. What a document becomes depends on its bytes alone, so that it
    is remembered by them: a page that is read again costs a look-up an entity."""

    def __init__(
        self,
        types: frozenset[str],
        fields: Mapping[str, Mask],
        test: Callable[[dict[str, Any]], bool] | None,
        *,
        key: bytes,
        kept: Kept,
    ) -> None:
        """`test` tells the rows that may be seen; `key` is of pseudonyms."""
        self._types, self._test, self._key = types, test, key
        self._fields = [
            (name, None if mask.kind == "plain" else mask)
            for name, mask in fields.items()
            if mask.kind != "drop" and (name not in _MEMBERS or (name, mask) == _SCOPE)
        ]
        self._kept, self._generation = kept, kept.generation
        self._known: dict[bytes, bytes | None] = {}

    def __call__(self, body: bytes) -> bytes | None:
        """The document as it is there; None when it is not."""
        known: Any = self._known.get(body, _UNSEEN)
        if known is not _UNSEEN:
            found: bytes | None = known
            return found
        if self._generation != self._kept.generation:
            self._known, self._generation = {}, self._kept.generation
        entity = self.entity(orjson.loads(body))
        found = None if entity is None else orjson.dumps(entity)
        self._kept.take(len(body) + len(found or b""))
        self._known[body] = found
        return found

    def entity(self, entity: dict[str, Any]) -> dict[str, Any] | None:
        """The same of a document that was read already; fields stand in the agreement's order, so
        that a place tells nothing either."""
        told = entity["type"]
        types = [told] if isinstance(told, str) else told
        kinds = [one for one in types if one in self._types]
        if not kinds or (self._test is not None and not self._test(entity)):
            return None
        shown: dict[str, Any] = {
            "id": entity["id"],
            "type": kinds[0] if len(kinds) == 1 else kinds,
        }
        for name, mask in self._fields:
            attribute = entity.get(name)
            if mask is not None:
                attribute = masked_attribute(mask, attribute, self._key)
            if attribute is not None:
                shown[name] = attribute
        return shown


def masked_attribute(mask: Mask, attribute: Any, key: bytes) -> dict[str, Any] | None:
    """The default instance of an attribute with a mask on: type and value, nothing beside them.
    Times, units, languages, sub-attributes and further instances would tell of the value."""
    found = None if attribute is None else _default(attribute)
    kind = "Property" if found is None else found.get("type", "Property")
    value = None if found is None else found.get(VALUE_OF.get(kind, "value"))
    if isinstance(value, dict) and "@value" in value:
        value = value["@value"]
    if mask.kind == "yes_no":
        return {"type": "Property", "value": masked(mask, value, key)}
    if value is None:
        return None
    if mask.kind == "pseudonym":
        return {"type": "Property", "value": masked(mask, value, key)}
    if kind == "GeoProperty":
        return _place(mask, value, key)
    if kind not in _TEXT_OF:
        return None
    told = masked(mask, value, key)
    return None if told is None else {"type": "Property", "value": told}


def _default(attribute: Any) -> dict[str, Any] | None:
    for one in instances(attribute):
        if isinstance(one, dict) and "datasetId" not in one and "expiresAt" not in one:
            return one
    return None


def _place(mask: Mask, value: Any, key: bytes) -> dict[str, Any] | None:
    """A point moved to the corner of its cell; of other shapes nothing is told."""
    if mask.kind != "generalise" or mask.step <= 0 or not isinstance(value, dict):
        return None
    place = value.get("coordinates")
    if value.get("type") != "Point" or not isinstance(place, list):
        return None
    moved = masked(mask, place[:2], key)
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": moved}}
