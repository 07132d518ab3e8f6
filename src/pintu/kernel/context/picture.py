"""One attribute as somebody sees it: normalized, concise or simplified, with their names (4.5.2 to
4.5.24)."""

from __future__ import annotations

from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.context.languages import Ranges, best_text
from pintu.kernel.context.members import DESCRIBING, SEALED, SYSTEM, TYPE_OF, VALUE_OF, instances
from pintu.kernel.jsonld import Terms

_PLAIN_MEMBERS: Final = frozenset({"type", "unitCode", "observedAt", "datasetId", "lang"})
_UNTOUCHED: Final = {
    kind: _PLAIN_MEMBERS | {member}
    for kind, member in VALUE_OF.items()
    if kind not in ("VocabProperty", "LanguageProperty")
}
"""Members that need no translation, by attribute type: an instance with no others is shown as it
is."""
_WORDS: Final = frozenset({"objectType", "valueType"})


class Painter:
    """Shows stored attributes; nothing stored is changed, and what needs no change is passed on."""

    __slots__ = ("_core", "_format", "_ranges", "_sys_attrs", "_terms", "_times")

    def __init__(
        self, terms: Terms, format: str, ranges: Ranges | None, *, sys_attrs: bool = False
    ) -> None:
        self._terms = terms
        self._core = terms.is_core
        self._ranges = ranges
        self._sys_attrs = sys_attrs
        self._format = format
        self._times: dict[int, str] = {}

    def attribute(self, kept: list[dict[str, Any]], stamps: list[list[int]] | None = None) -> Any:
        """The instances that are shown, as one value; `stamps` are their [created, modified] in
        µs."""
        if self._format == "simplified":
            return self._simplified_all(kept)
        if len(kept) == 1:
            return self._shown(kept[0], None if stamps is None else stamps[0])
        shown = []
        for index, instance in enumerate(kept):
            item = self._shown(instance, None if stamps is None else stamps[index])
            shown.append(item if item.__class__ is dict and _is_reified(item) else {"value": item})
        return shown

    def instance(self, instance: dict[str, Any]) -> Any:
        """The only instance of an attribute, without times; not for the simplified form."""
        if self._format == "concise":
            return self._concise(instance, None)
        return self._normalized(instance, None)

    def _shown(self, instance: dict[str, Any], stamps: Any) -> Any:
        if self._format == "concise":
            return self._concise(instance, stamps)
        return self._normalized(instance, stamps)

    def _normalized(self, instance: dict[str, Any], stamps: Any) -> dict[str, Any]:
        if stamps is None:
            untouched = _UNTOUCHED.get(instance["type"])
            if untouched is not None and instance.keys() <= untouched:
                return instance
            return self._members(instance, None)
        shown = self._members(instance, stamps)
        shown["createdAt"] = self._time(stamps[0])
        shown["modifiedAt"] = self._time(stamps[1])
        return shown

    def _time(self, at_us: int) -> str:
        """Most attributes of an entity share their times: each is written out once."""
        text = self._times.get(at_us)
        if text is None:
            text = self._times[at_us] = iso(at_us)
        return text

    def _members(self, instance: dict[str, Any], stamps: Any) -> dict[str, Any]:
        """All members under the caller's names; the language chosen, sub-attributes painted."""
        kind = instance["type"]
        member = VALUE_OF[kind]
        chosen = kind == "LanguageProperty" and self._ranges is not None
        shown: dict[str, Any] = {"type": "Property" if chosen else kind}
        for key, value in instance.items():
            if key == member:
                if chosen and self._ranges is not None:
                    shown["lang"], shown["value"] = best_text(value, self._ranges)
                else:
                    shown[member] = self._words(value) if kind == "VocabProperty" else value
            elif key == "type":
                continue
            elif key in _PLAIN_MEMBERS or key == "entityIdSealed":
                shown[key] = value
            elif key == "expiresAt":
                if self._sys_attrs:
                    shown[key] = value
            elif key in _WORDS or key in SEALED:
                if not (chosen and key == "valueType"):
                    shown[key] = self._words(value)
            else:
                kept = instances(value)
                same = None if stamps is None else [stamps] * len(kept)
                shown[self._terms.shown(key)] = self.attribute(kept, same)
        return shown

    def _words(self, value: Any) -> Any:
        if self._core:
            return value
        if value.__class__ is list:
            return [self._terms.shown(item) for item in value]
        return self._terms.shown(value)

    def _concise(self, instance: dict[str, Any], stamps: Any) -> Any:
        """Without what can be inferred: the type always, the object around a bare value if it has
        no more."""
        shown = self._normalized(instance, stamps)
        kind = shown["type"]
        value = shown.get("value")
        if len(shown) == 2:
            if kind == "GeoProperty" or (kind == "Property" and not _is_ambiguous(value)):
                return value
            if kind == "Property" and _is_geometry_like(value):
                return shown
        if kind == "Property" and _is_geometry_like(value):
            return shown
        return {key: item for key, item in shown.items() if key != "type"}

    def _simplified_all(self, kept: list[dict[str, Any]]) -> Any:
        if len(kept) == 1:
            return self._simplified(kept[0])
        return {
            "dataset": {item.get("datasetId", "@none"): self._simplified(item) for item in kept}
        }

    def _simplified(self, instance: dict[str, Any]) -> Any:
        """The value alone, wrapped where it would be taken for something else (4.5.4)."""
        kind = instance["type"]
        value = instance[VALUE_OF[kind]]
        if kind == "LanguageProperty":
            if self._ranges is not None:
                return best_text(value, self._ranges)[1]
            return {"languageMap": value}
        if kind == "VocabProperty":
            return {"vocab": self._words(value)}
        if kind == "JsonProperty":
            return {"json": value}
        if kind == "ListRelationship":
            return [item["object"] if item.__class__ is dict else item for item in value]
        return value


def _is_reified(value: dict[str, Any]) -> bool:
    return not TYPE_OF.keys().isdisjoint(value)


def _is_geometry_like(value: Any) -> bool:
    return value.__class__ is dict and "coordinates" in value


def _is_ambiguous(value: Any) -> bool:
    """Whether a bare value would be read back as something else than this value."""
    if value.__class__ is dict:
        return (
            "type" in value
            or _is_reified(value)
            or value.keys() == {"dataset"}
            or (bool(value) and value.keys() <= DESCRIBING | SYSTEM)
        )
    if value.__class__ is list:
        return any(item.__class__ is dict for item in value)
    return False
