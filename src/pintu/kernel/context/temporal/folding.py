"""From rows of the log to what became of an entity: every write becomes instances (4.5.6, 4.5.7).

An attribute that a row holds as one instance was written then. Of several instances those were
that differ from what was there: the row holds all of them, whichever was written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.context.late import is_late, last_write_holds
from pintu.kernel.context.members import is_null_instance
from pintu.kernel.context.temporal.words import (
    Doc,
    Evolution,
    Instance,
    Row,
    Series,
    tombstone,
)

_HEAD: Final = frozenset({"id", "type", "scope", "expiresAt"})
Live = dict[str | None, Doc]
"""The instances of one attribute that are there, by data set."""


def fold(id: str, rows: Iterable[Row], names: Collection[str] | None = None) -> Evolution:
    """What became of an entity, from rows of its chain, oldest first: whole lives, or a part.

    `names` are the stored names that are asked for (None: all); no other is decoded further than
    its row. Rows of an earlier life count; what was erased does not.
    """
    folding = Folding(id, names)
    folding.take_all(rows)
    return folding.done()


class Folding:
    """The same a part at a time, for whoever has other things to do in between."""

    __slots__ = (
        "_by_time", "_found", "_gap", "_hot", "_last", "_live", "_names", "_present", "_quoted",
        "_scoped", "_told",
    )  # fmt: skip

    def __init__(self, id: str, names: Collection[str] | None) -> None:
        self._found = Evolution(id, series={})
        self._names = None if names is None else frozenset(names)
        self._quoted = [] if names is None else [f'"{name}"'.encode() for name in names]
        self._live: dict[str, Live] = {}
        self._hot: dict[str, tuple[Live, list[Instance]]] = {}
        """Attributes that have one instance alone: what there is, and where it is told."""
        self._scoped = names is None or "scope" in names
        self._told: set[str] = set()
        self._last = 0  # the row before
        self._gap = False  # some were left out
        self._by_time: dict[tuple[str, str | None], _ByTime] = {}
        self._present: tuple[str, ...] = ()

    def done(self) -> Evolution:
        """The types are those it had last, and those that were told of its past."""
        found = self._found
        found.types = tuple(sorted(self._told.union(self._present)))
        return found

    def take_all(self, rows: Iterable[Row]) -> None:
        """Rows in order; nearly all of them write one instance of a few attributes anew."""
        found, hot, names, loads = self._found, self._hot, self._names, orjson.loads
        quoted, last, at_us = self._quoted, self._last, 0
        for row in rows:
            position, at_us = row.position, row.at_us
            if not found.created_us:
                found.created_us = at_us
            if row.previous != last:
                self._gap = True
            last = position
            if row.verb != "updated":
                self._other(row)
                continue
            found.known = True
            self._present = row.types
            payload = row.payload
            if names is not None:
                for name_in_it in quoted:
                    if name_in_it in payload:
                        break
                else:
                    continue
            for name, attribute in loads(payload).items():
                if names is not None and name not in names:
                    continue
                if attribute.__class__ is dict:
                    if name in hot and "datasetId" not in attribute:
                        live, instances = hot[name]
                        live[None] = attribute
                        instances.append(Instance(attribute, position, 0, at_us, at_us))
                    else:
                        self._single(row, name, attribute)
                elif name == "scope":
                    self._scopes(row, attribute)
                elif name not in _HEAD:
                    self._several(row, name, attribute)
        self._last = last
        found.modified_us = at_us or found.modified_us

    def _other(self, row: Row) -> None:
        verb, at_us, found = row.verb, row.at_us, self._found
        found.known = True
        if verb == "created" or verb == "replaced":
            self._present = row.types
            found.deleted_us = 0
            self._whole(row, orjson.loads(row.payload))
        elif verb == "recorded":
            self._told.update(row.types)
            if self._concerned(row):
                self._recorded(row, orjson.loads(row.payload))
        elif verb == "amended":
            self._amended(row, orjson.loads(row.payload))
        elif verb == "erased":
            self._erased(row)
        else:
            found.deleted_us = at_us
            self._whole(row, {})

    def _concerned(self, row: Row) -> bool:
        """Whether a row may hold what is asked for."""
        payload, concerned = row.payload, self._names is None
        for quoted in self._quoted:
            concerned = concerned or quoted in payload
        return concerned

    # --- the present changed -------------------------------------------------------------------
    def _single(self, row: Row, name: str, instance: Doc) -> None:
        """The attribute is one instance now: that one was written, unless others were deleted."""
        same = False
        dataset = instance.get("datasetId")
        live = self._live.get(name)
        if live is None:
            live = self._live[name] = {}
        elif len(live) > 1 or dataset not in live:
            self._found.unsure = self._found.unsure or self._gap
            same = live.get(dataset) == instance
            for gone in [key for key in live if key != dataset]:
                self._gone(row, name, gone, live.pop(gone))
        live[dataset] = instance
        at_us = row.at_us
        instances = self._found.one(name, dataset).instances
        if not same:
            instances.append(Instance(instance, row.position, 0, at_us, at_us))
        if dataset is None:
            self._hot[name] = live, instances
        else:
            self._hot.pop(name, None)

    def _several(self, row: Row, name: str, attribute: Any) -> None:
        """The attribute is these instances now, or none."""
        self._hot.pop(name, None)
        live = self._live.setdefault(name, {})
        self._found.unsure = self._found.unsure or self._gap
        told: Live = {one.get("datasetId"): one for one in attribute or ()}
        holds = row.verb != "updated" or last_write_holds(row.source)
        if not told and not live:  # nobody told what it was
            self._gone(row, name, None, {"type": "Property"})
        for gone in [key for key in live if key not in told]:
            self._gone(row, name, gone, live.pop(gone))
        for dataset, instance in told.items():
            known = live.get(dataset)
            if known == instance:
                continue
            at_us = row.at_us
            instances = self._found.one(name, dataset).instances
            if known is None or holds or not is_late(known, instance):
                live[dataset] = instance
            elif instances and instances[-1].document == instance:
                continue  # a late one, told again with others
            instances.append(Instance(instance, row.position, 0, at_us, at_us))

    def _gone(self, row: Row, name: str, dataset: str | None, instance: Doc) -> None:
        document = tombstone(instance.get("type", "Property"), dataset)
        series = self._found.one(name, dataset)
        at_us = row.at_us
        series.instances.append(Instance(document, row.position, 0, at_us, at_us, at_us))

    def _whole(self, row: Row, document: Doc) -> None:
        """The entity is this document now, or nothing."""
        for name in [name for name in self._live if name not in document]:
            live = self._live.pop(name)
            self._hot.pop(name, None)
            for dataset, instance in live.items():
                self._gone(row, name, dataset, instance)
        if self._scoped:
            self._scopes(row, document.get("scope"))
        names = self._names
        for name, attribute in document.items():
            if name in _HEAD or (names is not None and name not in names):
                continue
            if attribute.__class__ is dict:
                self._single(row, name, attribute)
            else:
                self._several(row, name, attribute)

    def _scopes(self, row: Row, scopes: list[str] | None) -> None:
        """Scopes are a Property in time (4.5.6, 4.18)."""
        instances, at_us = self._found.scope.instances, row.at_us
        there = bool(instances) and not instances[-1].deleted_us
        if not scopes:
            if there:
                document: Doc = {"type": "Property", "value": []}
                instances.append(Instance(document, row.position, 0, at_us, at_us, at_us))
            return
        value = scopes[0] if len(scopes) == 1 else scopes
        if there and instances[-1].document["value"] == value:
            return
        document = {"type": "Property", "value": value, "observedAt": iso(at_us)}
        instances.append(Instance(document, row.position, 0, at_us, at_us))

    # --- only history was told -----------------------------------------------------------------
    def _recorded(self, row: Row, payload: Doc) -> None:
        names, at_us = self._names, row.at_us
        for name, attribute in payload.items():
            if names is not None and name not in names:
                continue
            told = attribute if attribute.__class__ is list else [attribute]
            places: dict[str | None, int] = {}
            for instance in told:
                dataset = instance.get("datasetId")
                place = places[dataset] = places.get(dataset, -1) + 1
                series = self._series(name, dataset)
                gone = name != "scope" and is_null_instance(instance)
                gone = gone or (name == "scope" and not instance["value"])
                known = self._told_before(series, instance)
                if known is not None:
                    known.document, known.modified_us = instance, at_us
                    continue
                made = Instance(instance, row.position, place, at_us, at_us, at_us if gone else 0)
                series.instances.append(made)

    def _told_before(self, series: Series, instance: Doc) -> Instance | None:
        """What was observed at the same time: it is told anew, not twice (5.6.11)."""
        at = instance.get("observedAt")
        if at is None:
            return None
        key = (series.name, series.dataset)
        by_time = self._by_time.get(key)
        if by_time is None:
            by_time = self._by_time[key] = _ByTime()
        return by_time.find(series, at)

    def _series(self, name: str, dataset: str | None) -> Series:
        return self._found.scope if name == "scope" else self._found.one(name, dataset)

    def _amended(self, row: Row, payload: Doc) -> None:
        """An instance was changed or deleted by its id. One that lies outside of these rows comes
        in as it is now.
        """
        name, id, instance = payload["attribute"], payload["instanceId"], payload["instance"]
        if self._names is not None and name not in self._names:
            return
        dataset = payload.get("datasetId")
        series = self._series(name, dataset)
        position, place = where(id)
        for index, known in enumerate(series.instances):
            if known.position == position and known.place == place:
                self._by_time.pop((name, dataset), None)
                if instance is None:
                    del series.instances[index]
                else:
                    known.document, known.modified_us = instance, row.at_us
                return
        if instance is not None:
            created_us = payload["created"]
            series.instances.append(Instance(instance, position, place, created_us, row.at_us))

    def _erased(self, row: Row) -> None:
        found = self._found
        self._by_time.clear()
        self._hot.clear()
        if row.changed is None:
            found.series.clear()
            found.scope.instances.clear()
            self._told.clear()
            found.known = False
            return
        datasets = orjson.loads(row.payload)
        for name in row.changed:
            if name == "scope":
                found.scope.instances.clear()
                continue
            gone = datasets.get(name)
            known = found.series.get(name, {})
            for dataset in list(known) if gone is None else gone:
                known.pop(dataset, None)
            if not known:
                found.series.pop(name, None)


class _ByTime:
    """The instances of a series by what they were observed at, as far as it was looked through."""

    __slots__ = ("_found", "_seen")

    def __init__(self) -> None:
        self._found: dict[str, Instance] = {}
        self._seen = 0

    def find(self, series: Series, at: str) -> Instance | None:
        """The newest instance of that time."""
        instances = series.instances
        for one in instances[self._seen :] if self._seen else instances:
            observed = one.document.get("observedAt")
            if observed is not None:
                self._found[observed] = one
        self._seen = len(instances)
        return self._found.get(at)


def where(id: str) -> tuple[int, int]:
    """(position, place) of an instance id; (0, 0) for one that is none of ours."""
    parts = id.rpartition(":")[2].split("-")
    try:
        return int(parts[0], 16), int(parts[2]) if len(parts) > 2 else 0
    except (ValueError, IndexError):
        return 0, 0
