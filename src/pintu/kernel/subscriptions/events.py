"""What one change of an entity means to those who wait for it: which attributes came, changed or
went (5.8.6); computed once a change and only as far as somebody asks."""

from __future__ import annotations

from typing import Any, Final

import orjson

from pintu.kernel.context.changes import NOT_ATTRIBUTES
from pintu.kernel.context.match.values import found_at, leaves
from pintu.kernel.context.members import instances
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Path
from pintu.kernel.store.port import Change
from pintu.kernel.store.rows import cell_of
from pintu.kernel.subscriptions.words import Trigger

Doc = dict[str, Any]

_SCALARS: Final = frozenset((str, int, float, bool))
_NONE: Final[frozenset[Trigger]] = frozenset()
_CREATED: Final = frozenset({Trigger.ATTRIBUTE_CREATED})
_UPDATED: Final = frozenset({Trigger.ATTRIBUTE_UPDATED})
_DELETED: Final = frozenset({Trigger.ATTRIBUTE_DELETED})
_ENTITY: Final = {
    "created": frozenset({Trigger.ENTITY_CREATED}),
    "replaced": frozenset({Trigger.ENTITY_UPDATED}),
    "updated": frozenset({Trigger.ENTITY_UPDATED}),
    "deleted": frozenset({Trigger.ENTITY_DELETED}),
}
_POSSIBLE: Final = {
    "created": _ENTITY["created"] | _CREATED,
    "replaced": _ENTITY["replaced"] | _CREATED | _UPDATED | _DELETED,
    "updated": _ENTITY["updated"] | _CREATED | _UPDATED | _DELETED,
    "deleted": _ENTITY["deleted"] | _DELETED,
}
"""Triggers a verb can hold for at all."""

_NO_DOC: Final[Doc] = {}


class Event:
    """One change, looked at; documents are decoded when somebody needs them and at most once.

    What is remembered has a slot of its own: a `cached_property` takes a lock each time.
    """

    __slots__ = (
        "_after", "_attributes", "_before", "_leaves", "_names", "change", "entity", "possible",
    )  # fmt: skip

    def __init__(self, change: Change) -> None:
        self.change = change
        self._before: Doc | None = None
        self._after: Doc | None = None
        self._names: tuple[str, ...] | None = change.changed
        self._attributes: dict[str, frozenset[Trigger]] | None = None
        self.entity = _ENTITY.get(change.verb, _NONE)
        self.possible = _POSSIBLE.get(change.verb, _NONE)
        self._leaves: dict[str, list[Any]] = {}

    @property
    def before(self) -> Doc:
        """The document before; empty when there was none or nobody knows it."""
        found = self._before
        if found is None:
            body = self.change.before
            found = self._before = _NO_DOC if body is None else orjson.loads(body)
        return found

    @property
    def after(self) -> Doc:
        """The document after; empty when the entity is gone."""
        found = self._after
        if found is None:
            body = self.change.body
            found = self._after = _NO_DOC if body is None else orjson.loads(body)
        return found

    @property
    def document(self) -> Doc:
        """What conditions are asked of: the entity as it is, or as it was when it is gone."""
        return self.before if self.change.verb == "deleted" else self.after

    @property
    def record(self) -> Record | None:
        """What conditions on system times are asked of; None for a row nobody knows them of."""
        change = self.change
        if not change.created_us:
            return None
        return Record(
            0, change.id, change.types, b"", change.created_us, change.at_us, change.times
        )

    def leaves(self, name: str) -> list[Any]:
        """The scalars that comparisons with an attribute look at."""
        found = self._leaves.get(name)
        if found is None:
            held = found_at(self.document, Path(name))
            found = [one for kind, value in held for one in leaves(kind, value)]
            found = self._leaves[name] = [one for one in found if one.__class__ in _SCALARS]
        return found

    def numbers(self, name: str) -> list[float]:
        """The numbers among them."""
        return [one for one in self.leaves(name) if one.__class__ is int or one.__class__ is float]

    def cells(self, name: str) -> list[int] | None:
        """Cells of the grid in which the points of an attribute lie; None when it is no point."""
        found: list[int] = []
        for kind, value in found_at(self.document, Path(name)):
            if kind != "GeoProperty" or value.__class__ is not dict:
                continue
            if value.get("type") != "Point":
                return None
            place = value["coordinates"]
            found.append(cell_of(place[0], place[1]))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes that were written or deleted, by stored name."""
        if self._names is None:
            found = {**self.before, **self.after}
            self._names = tuple(name for name in found if name not in NOT_ATTRIBUTES)
        return self._names

    @property
    def attributes(self) -> dict[str, frozenset[Trigger]]:
        """What became of each attribute that was touched; what only history learned is left out."""
        if self._attributes is None:
            self._attributes = self._became()
        return self._attributes

    def _became(self) -> dict[str, frozenset[Trigger]]:
        before, after = self.before, self.after
        found: dict[str, frozenset[Trigger]] = {}
        for name in self.names:
            if name in NOT_ATTRIBUTES:
                continue
            was, now = before.get(name), after.get(name)
            if was is None:
                told = _NONE if now is None else _CREATED
            elif now is None:
                told = _DELETED
            elif was.__class__ is dict and now.__class__ is dict and _one(was) == _one(now):
                told = _NONE if was == now and self._late(name, now) else _UPDATED
            else:
                told = _several(was, now)
                if told is _UPDATED and was == now and self._late(name, now):
                    told = _NONE
            if told:
                found[name] = told
        return found

    @property
    def members(self) -> bool:
        """Whether anything but attributes changed: types, scope or the end of the entity."""
        return any(name in NOT_ATTRIBUTES for name in self.change.changed or ())

    @property
    def _payload(self) -> Doc:
        return orjson.loads(self.change.payload) if self.change.payload else _NO_DOC

    def _late(self, name: str, now: Any) -> bool:
        """Whether the log row says another value than the present one: a reading that came too
        late changed the past alone."""
        change = self.change
        if change.verb != "updated":
            return False
        told = self._payload.get(name, now)
        return bool(told != now)


def _one(instance: Doc) -> Any:
    return instance.get("datasetId")


def _several(was: Any, now: Any) -> frozenset[Trigger]:
    """What became of an attribute of several instances: each counts for itself."""
    old = {one.get("datasetId"): one for one in instances(was)}
    new = {one.get("datasetId"): one for one in instances(now)}
    found: set[Trigger] = set()
    if not new.keys() <= old.keys():
        found |= _CREATED
    if not old.keys() <= new.keys():
        found |= _DELETED
    if any(key in old and old[key] != one for key, one in new.items()):
        found |= _UPDATED
    return frozenset(found) or _UPDATED
