"""One write in progress: what happens to the decoded copy of a record, and what is reported of
it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.context.encode import exact_json
from pintu.kernel.context.late import Late, without_late
from pintu.kernel.context.members import instances, is_null_instance
from pintu.kernel.context.merging import by_dataset, joined, merge_attribute, whole
from pintu.kernel.context.record import Effect, Put, Record
from pintu.kernel.context.times import Stamps
from pintu.kernel.jsonld import NULL

NOT_ATTRIBUTES: Final = frozenset({"id", "type", "scope", "expiresAt"})
"""Members of a stored document that are no attributes."""


class UpdateResult(msgspec.Struct):
    """What was updated and what was not, with reasons (5.2.18); names are stored names."""

    updated: list[str] = []
    not_updated: list[tuple[str, str]] = []


class Change:
    """A decoded copy of a record, changed step by step; `effect` is what becomes of it."""

    __slots__ = ("_body", "changed", "clock", "entity", "late", "result")

    def __init__(self, record: Record, now_us: int) -> None:
        self.clock = Stamps(record, now_us)
        self.entity: dict[str, Any] = orjson.loads(record.body)
        self._body = record.body
        self.changed: list[str] = []
        self.late: dict[str, Late] = {}
        self.result = UpdateResult(updated=[], not_updated=[])

    def effect(self) -> Effect:
        """What the store is to keep."""
        if self.late:
            return self._with_late()
        return Put(
            entity=self.entity,
            verb="updated",
            changed=tuple(self.changed),
            times=self.clock.times,
            detail=self.result,
        )

    def _with_late(self) -> Put:
        """The document without the late readings, the log row with them."""
        changed = tuple(dict.fromkeys((*self.changed, *self.late)))
        told = {name: self.entity.get(name) for name in changed}
        for name, late in self.late.items():
            present = self.entity.get(name)
            told[name] = joined({**({} if present is None else by_dataset(present)), **late})
        return Put(
            entity=self.entity,
            verb="updated",
            changed=changed,
            body=None if self.changed else self._body,
            times=self.clock.times,
            detail=self.result,
            payload=exact_json(told),
        )

    def newer(self, name: str, attribute: Any) -> Any:
        """What of an attribute is not older than what is stored, or None; the rest is kept as
        late."""
        present = self.entity.get(name)
        if present is None:
            return attribute
        if present.__class__ is dict and attribute.__class__ is dict:  # the common case at a glance
            known, at = present.get("observedAt"), attribute.get("observedAt")
            if at is None or known is None or (len(at) == len(known) and at >= known):
                return attribute
        fresh, late = without_late(name, present, attribute)
        if late:
            self.late[name] = late
        return fresh

    def add_types(self, types: Any) -> None:
        """Types not yet there are added; none is ever taken away (4.16)."""
        if types is None:
            return
        had = self.entity["type"]
        names = {*_listed(had), *_listed(types)}
        if len(names) != len(_listed(had)):
            self.entity["type"] = sorted(names)
            self.changed.append("type")

    def set_scope(self, scope: Any, *, extend: bool = False) -> None:
        """Replace the scopes, or with `extend` add those that are missing; an NGSI-LD Null
        deletes."""
        self.changed.append("scope")
        if scope == NULL:
            self.entity.pop("scope", None)
        elif extend and "scope" in self.entity:
            self.entity["scope"] = list(dict.fromkeys([*self.entity["scope"], *scope]))
        else:
            self.entity["scope"] = scope

    def set_expiry(self, fragment: dict[str, Any]) -> None:
        """Take over the fragment's expiresAt; an NGSI-LD Null deletes."""
        expires_at = fragment.get("expiresAt")
        if expires_at is None:
            return
        self.changed.append("expiresAt")
        if expires_at == NULL:
            self.entity.pop("expiresAt", None)
        else:
            self.entity["expiresAt"] = expires_at

    def put_attribute(self, name: str, attribute: Any, *, overwrite: bool) -> None:
        """Replace or add each instance; an NGSI-LD Null deletes the instance it names."""
        present = self.entity.get(name)
        found = {} if present is None else by_dataset(present)
        done = False
        for instance in instances(attribute):
            dataset_id = None if instance.__class__ is str else instance.get("datasetId")
            there = dataset_id in found
            if is_null_instance(instance):
                if not there:
                    self.refuse(name, dataset_id, "does not exist")
                    continue
                del found[dataset_id]
                self.clock.gone(name, dataset_id)
            elif there and not overwrite:
                self.refuse(name, dataset_id, "already exists")
                continue
            else:
                found[dataset_id] = whole(name, instance)
                self.clock.written(name, dataset_id, there)
            done = True
        if done:
            self.keep(name, joined(found))

    def merge_attribute(
        self, name: str, attribute: Any, observed_at: str | None, lang: str | None
    ) -> None:
        """Merge one attribute of a fragment (5.6.17)."""
        present = self.entity.get(name)
        if observed_at is not None and present is not None:
            attribute = _observed(present, attribute, observed_at)
        there = set() if present is None else by_dataset(present).keys()
        merged = merge_attribute(name, present, attribute, lang)
        for instance in instances(attribute):
            dataset_id = None if instance.__class__ is str else instance.get("datasetId")
            if is_null_instance(instance):
                self.clock.gone(name, dataset_id)
            else:
                self.clock.written(name, dataset_id, dataset_id in there)
        if merged is not None or present is not None:
            self.keep(name, merged)

    def keep(self, name: str, attribute: Any) -> None:
        """Store the attribute (None: it is gone) and report it as updated."""
        if attribute is None:
            self.entity.pop(name, None)
        else:
            self.entity[name] = attribute
        self.changed.append(name)
        self.result.updated.append(name)

    def refuse(self, name: str, dataset_id: str | None, why: str) -> None:
        """Report an instance as not updated, with the reason."""
        which = (
            f"{name} {why}" if dataset_id is None else f"{name} with datasetId {dataset_id} {why}"
        )
        self.result.not_updated.append((name, f"Attribute {which}"))


def _observed(present: Any, attribute: Any, observed_at: str) -> Any:
    """The fragment's instances with the common observedAt where the present one has its own
    (5.6.17)."""
    found = by_dataset(present)
    out = []
    for instance in instances(attribute):
        if instance.__class__ is not str and "observedAt" not in instance:
            target = found.get(instance.get("datasetId"))
            if target is not None and "observedAt" in target and not is_null_instance(instance):
                renewed = instance.copy()
                renewed["observedAt"] = observed_at
                instance = renewed
        out.append(instance)
    return out if attribute.__class__ is list else out[0]


def _listed(value: Any) -> list[Any]:
    return value if value.__class__ is list else [value]
