"""Histories as somebody sees them: normalized, concise, or values with their times (4.5.6 to
4.5.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pintu.kernel.clock import iso
from pintu.kernel.context.languages import Ranges, best_text, read_ranges
from pintu.kernel.context.members import VALUE_OF
from pintu.kernel.context.picture import Painter
from pintu.kernel.context.temporal.aggregating import aggregated
from pintu.kernel.context.temporal.choosing import Chosen
from pintu.kernel.context.temporal.words import INSTANCE, Doc, Instance, Series
from pintu.kernel.jsonld import Terms

Form = Literal["normalized", "concise", "temporalValues", "aggregatedValues"]
VALUES_OF: Final[dict[str, str]] = {
    "Property": "values",
    "GeoProperty": "values",
    "Relationship": "objects",
    "LanguageProperty": "languageMaps",
    "VocabProperty": "vocabs",
    "JsonProperty": "jsons",
    "ListProperty": "valueLists",
    "ListRelationship": "objectLists",
}
"""Attribute type → the member of the simplified temporal representation (4.5.9)."""

_SCOPE_MEMBERS: Final = ("type", "value", "observedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How histories are to be shown. Names of `pick` and `omit` are stored names, with id, type and
    scope among them.
    """

    form: Form = "normalized"
    sys_attrs: bool = False
    lang: str | None = None
    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    ids: bool = True  # with instance ids

    def wants(self, name: str) -> bool:
        """Is a member shown?"""
        return (self.pick is None or name in self.pick) and name not in self.omit


def show(chosen: Chosen, terms: Terms, look: Look) -> Doc:
    """One entity with its history, with the names of the caller's @context; without @context."""
    evolution = chosen.evolution
    shown: Doc = {}
    if look.wants("id"):
        shown["id"] = evolution.id
    if look.wants("type"):
        names = [terms.shown(name) for name in evolution.types]
        shown["type"] = names[0] if len(names) == 1 else names
    shower = _Shower(chosen, terms, look)
    if chosen.scope is not None and look.wants("scope") and look.form != "aggregatedValues":
        shown["scope"] = shower.scope(chosen.scope)
    if look.sys_attrs:
        shown["createdAt"] = iso(evolution.created_us)
        shown["modifiedAt"] = iso(evolution.modified_us)
        if evolution.deleted_us:
            shown["deletedAt"] = iso(evolution.deleted_us)
    by_name: dict[str, list[Series]] = {}
    for series in chosen.series:
        if look.wants(series.name):
            by_name.setdefault(series.name, []).append(series)
    for name, found in by_name.items():
        shown[terms.shown(name)] = shower.attribute(found)
    return shown


class _Shower:
    """Shows the attributes of one entity."""

    __slots__ = ("_asked", "_chosen", "_look", "_painter", "_ranges", "_terms")

    def __init__(self, chosen: Chosen, terms: Terms, look: Look) -> None:
        self._chosen = chosen
        self._asked = chosen.asked
        self._look = look
        self._terms = terms
        ranges: Ranges | None = read_ranges(look.lang) if look.lang is not None else None
        self._ranges = ranges
        self._painter = Painter(terms, "normalized", ranges, sys_attrs=look.sys_attrs)

    def attribute(self, found: list[Series]) -> Any:
        """All series of one attribute."""
        form = self._look.form
        if form == "temporalValues" or form == "aggregatedValues":
            blocks = [block for one in found for block in self._blocks(one)]
            return blocks[0] if len(blocks) == 1 else blocks
        if self._look.sys_attrs or not self._look.ids or form == "concise":
            return [self._instance(one, instance) for one in found for instance in one.instances]
        return [shown for one in found for shown in self._plain(one)]

    def _plain(self, series: Series) -> Iterator[Doc]:
        """Normalized instances with their ids: what is asked for nearly always."""
        paint, tag = self._painter.instance, series.tag
        for one in series.instances:
            place = f"-{one.place}" if one.place else ""
            id = f"{INSTANCE}{one.position:x}-{tag}{place}"
            shown = {**paint(one.document), "instanceId": id}
            if one.deleted_us:
                shown["deletedAt"] = iso(one.deleted_us)
            yield shown

    def scope(self, series: Series) -> Any:
        """Scopes are shown like a Property (4.5.6)."""
        if self._look.form == "temporalValues":
            pairs = [[one.document["value"], self._time(one)] for one in series.instances]
            return {"type": "Property", "values": pairs}
        shown = []
        for one in series.instances:
            item: Doc = {key: one.document[key] for key in _SCOPE_MEMBERS if key in one.document}
            shown.append(self._described(item, series, one))
        return shown

    # --- normalized and concise ----------------------------------------------------------------
    def _instance(self, series: Series, instance: Instance) -> Doc:
        painted = self._painter.instance(instance.document)
        shown = dict(painted)
        if self._look.form == "concise" and _is_clear(shown):
            del shown["type"]
        return self._described(shown, series, instance)

    def _described(self, shown: Doc, series: Series, instance: Instance) -> Doc:
        look = self._look
        if look.ids:
            shown["instanceId"] = series.id_of(instance)
        if look.sys_attrs:
            shown["createdAt"] = iso(instance.created_us)
            shown["modifiedAt"] = iso(instance.modified_us)
        if instance.deleted_us:
            shown["deletedAt"] = iso(instance.deleted_us)
        return shown

    # --- values with their times ---------------------------------------------------------------
    def _blocks(self, series: Series) -> list[Doc]:
        """One block, or one for each type the attribute had."""
        kinds: dict[str, list[Instance]] = {}
        for one in series.instances:
            kinds.setdefault(one.document["type"], []).append(one)
        if not kinds:
            kinds["Property"] = []
        return [self._block(kind, series.of(found)) for kind, found in kinds.items()]

    def _block(self, kind: str, series: Series) -> Doc:
        if self._look.form == "aggregatedValues":
            block = aggregated(kind, series, self._chosen)
        else:
            block = self._pairs(kind, series)
        if series.dataset is not None:
            block = {"type": block.pop("type"), "datasetId": series.dataset, **block}
        return block

    def _pairs(self, kind: str, series: Series) -> Doc:
        if kind == "LanguageProperty" and self._ranges is not None:
            pairs = []
            for one in series.instances:
                _, text = best_text(one.document["languageMap"], self._ranges)
                pairs.append([text, self._time(one)])
            return {"type": "Property", "values": pairs}
        simple = self._simple(kind)
        pairs = [[simple(one.document), self._time(one)] for one in series.instances]
        return {"type": kind, VALUES_OF[kind]: pairs}

    def _simple(self, kind: str) -> Any:
        member = VALUE_OF[kind]
        if kind == "VocabProperty":
            return lambda document: {"vocab": self._words(document[member])}
        if kind in ("LanguageProperty", "JsonProperty"):
            return lambda document: {member: document[member]}
        if kind == "ListRelationship":
            return lambda document: [
                item["object"] if item.__class__ is dict else item for item in document[member]
            ]
        return lambda document: document[member]

    def _words(self, value: Any) -> Any:
        if value.__class__ is list:
            return [self._terms.shown(item) for item in value]
        return self._terms.shown(value)

    def _time(self, instance: Instance) -> str:
        name = self._asked.timeproperty
        if name == "observedAt":
            return str(instance.document["observedAt"])
        if name == "deletedAt":
            return iso(instance.deleted_us)
        return iso(instance.created_us if name == "createdAt" else instance.modified_us)


def _is_clear(shown: Doc) -> bool:
    """Can the type be told from what holds the value (4.5.1)?"""
    if shown["type"] != "Property":
        return bool(shown["type"] != "GeoProperty")
    value = shown.get("value")
    return not (isinstance(value, dict) and "coordinates" in value)
