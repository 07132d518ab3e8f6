"""How a change of an entity is shown: what is gone as NGSI-LD Null, what it was before beside it
(5.8.6, 5.2.14 showChanges); pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.context.changes import NOT_ATTRIBUTES
from pintu.kernel.context.members import VALUE_OF, instances
from pintu.kernel.context.record import Record, Times
from pintu.kernel.context.render import View, render
from pintu.kernel.context.times import DEFAULT, time_key
from pintu.kernel.jsonld import NULL, Terms

Doc = dict[str, Any]
Gone = dict[str, list[Doc]]
"""Instances that were deleted, by stored name of their attribute."""

PREVIOUS: Final = {
    member: "previous" + member[0].upper() + member[1:] for member in set(VALUE_OF.values())
}
"""Value member → the member that tells what it was."""


def gone(before: Doc, after: Doc, names: Iterable[str]) -> Gone:
    """The instances of some attributes that were there before and are not any more."""
    found: Gone = {}
    for name in names:
        was = before.get(name)
        if was is None or name in NOT_ATTRIBUTES:
            continue
        left = {one.get("datasetId") for one in instances(after.get(name, []))}
        missing = [one for one in instances(was) if one.get("datasetId") not in left]
        if missing:
            found[name] = missing
    return found


def null_instance(instance: Doc) -> Doc:
    """What is told of an instance that is gone (4.5.0)."""
    kind = instance["type"]
    told: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
    found = {"type": kind, VALUE_OF[kind]: told}
    if "datasetId" in instance:
        found["datasetId"] = instance["datasetId"]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How one entity of a notification is shown."""

    terms: Terms
    view: View
    previous: bool = False  # with what changed attributes were before
    deleted_us: int = 0  # when what is gone went, where system times are shown
    times: Times | None = None  # of a deleted entity, where they are shown

    def shown(self, record: Record, before: Doc, changed: Iterable[str], lost: Gone) -> Doc:
        """The entity as it is, with what it lost, and what of `changed` was before."""
        view = self.view
        seen = render(record, self.terms, view)
        place: Doc = seen.get("properties", {}) if view.geojson else seen
        document: Doc = orjson.loads(record.body)
        if self.previous:
            for name in changed:
                if name in before and name in document:
                    self._put_previous(place, name, before[name], document[name])
        for name, missing in lost.items():
            kept = [] if _hidden(name, view) else [one for one in missing if _wanted(one, view)]
            if kept:
                left = [one for one in instances(document.get(name, [])) if _wanted(one, view)]
                self._put_null(place, name, kept, left)
        return seen

    def _put_previous(self, place: Doc, name: str, was: Any, now: Any) -> None:
        """Put what each instance was beside what it is."""
        shown = self.terms.shown(name)
        if shown not in place:
            return
        old = {one.get("datasetId"): one for one in instances(was)}
        new = instances(now)
        for one in new:
            former = old.get(one.get("datasetId"))
            if former is not None and (len(new) == 1 or former != one):
                place[shown] = _with_previous(place[shown], one, former, self.terms)

    def _put_null(self, place: Doc, name: str, missing: list[Doc], left: list[Doc]) -> None:
        """Put instances that are gone beside those that are left; an attribute that is gone with
        all of them is one, unless each is to tell what it was."""
        shown = self.terms.shown(name)
        if not left and len(missing) > 1 and not self.previous:
            missing = [{"type": missing[0]["type"]}]
        there = place.get(shown)
        if self.view.format == "simplified":
            place[shown] = _simplified(there, missing, left)
            return
        nulls = [self._null(name, one) for one in missing]
        if there is not None:
            listed = there if isinstance(there, list) and len(left) > 1 else [there]
            nulls = [one if isinstance(one, dict) else {"value": one} for one in listed] + nulls
        place[shown] = nulls[0] if len(nulls) == 1 else nulls

    def _null(self, name: str, instance: Doc) -> Doc:
        null = null_instance(instance)
        if self.view.format == "concise":
            del null["type"]
        if self.previous:
            null |= _previous(instance, self.terms)
        if self.view.sys_attrs and self.deleted_us:
            if self.times is not None:
                key = time_key(name, instance.get("datasetId"))
                created, modified = self.times.get(key) or self.times[DEFAULT]
                null |= {"createdAt": iso(created), "modifiedAt": iso(modified)}
            null["deletedAt"] = iso(self.deleted_us)
        return null


def _hidden(name: str, view: View) -> bool:
    if name in view.hidden or (view.allowed is not None and name not in view.allowed):
        return True
    if view.attrs is not None and name not in view.attrs:
        return True
    if view.pick is not None and name not in view.pick:
        return True
    return view.omit is not None and name in view.omit


def _wanted(instance: Doc, view: View) -> bool:
    return view.dataset_ids is None or instance.get("datasetId", "@none") in view.dataset_ids


def _with_previous(shown: Any, now: Doc, was: Doc, terms: Terms) -> Any:
    """The shown attribute with the former value put into the instance that replaced it."""
    if shown.__class__ is list and all(isinstance(one, dict) for one in shown):
        dataset = now.get("datasetId")
        return [
            _with_previous(one, now, was, terms) if one.get("datasetId") == dataset else one
            for one in shown
        ]
    member = VALUE_OF[now["type"]]
    if shown.__class__ is not dict or not ({member, "value"} & shown.keys()):
        shown = {member: shown}  # a concise value that stood alone
    return {**shown, **_previous(was, terms)}


def _previous(was: Doc, terms: Terms) -> Doc:
    member = VALUE_OF[was["type"]]
    value = was[member]
    if member == "vocab" and not terms.is_core:
        many = isinstance(value, list)
        value = [terms.shown(one) for one in value] if many else terms.shown(value)
    return {PREVIOUS[member]: value}


def _simplified(there: Any, missing: list[Doc], left: list[Doc]) -> Any:
    if there is None and len(missing) == 1 and "datasetId" not in missing[0]:
        return NULL
    dataset: Doc = {}
    if there is not None:
        several = len(left) > 1
        dataset |= there["dataset"] if several else {left[0].get("datasetId", "@none"): there}
    return {"dataset": dataset | {one.get("datasetId", "@none"): NULL for one in missing}}
