"""What the room knows of one tenant: its streets, what watches them, what lies on them. No disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pintu.kernel.operations.streets.deriving import derive
from pintu.kernel.operations.streets.placing import Plan
from pintu.kernel.operations.streets.reading import (
    Matter,
    Watcher,
    matter_of,
    street_of,
    watcher_of,
)
from pintu.kernel.operations.streets.words import (
    BESIDE_M,
    KINDS,
    REACH_M,
    SILENT_US,
    STREET,
    Street,
)

Doc = Mapping[str, Any]


class Town:
    """Kept by documents as they change; `settle` says which streets are another now."""

    def __init__(self) -> None:
        self.streets: dict[str, Street] = {}
        self.matters: dict[str, Matter] = {}
        self.watchers: dict[str, Watcher] = {}
        self.plan = Plan(())
        self.looked_us = 0  # when coverage was reckoned last
        self.owed: set[str] = set()  # streets the city may have to be told of
        self.moved = False  # watchers came, went or moved since
        self._lies: dict[str, dict[str, tuple[str, int]]] = {}  # matter → street → how, metres
        self._on: dict[str, set[str]] = defaultdict(set)  # street → matters
        self._redrawn = False
        self._unplaced: set[str] = set()
        self._dirty: set[str] = set()

    # --- what comes in ---------------------------------------------------------------------------
    def street(self, id: str, entity: Doc | None) -> None:
        """A RoadSegment, or that it is gone."""
        made = street_of(entity) if entity is not None else None
        known = self.streets.get(id)
        if made is None:
            if known is not None:
                del self.streets[id]
                self._redrawn = True
            return
        if known is None or known.line != made.line:
            self._redrawn = True
        if known is not None:
            made.state, made.severity, made.since_us = known.state, known.severity, known.since_us
            made.causes, made.cause_count = known.causes, known.cause_count
            made.coverage, made.watched_by = known.coverage, known.watched_by
            made.length_m = known.length_m
        self.streets[id] = made
        self._dirty.add(id)
        self.owed.add(id)

    def matter(self, id: str, type: str, entity: Doc | None, now_us: int) -> None:
        """Something that may lie on streets, or that it is gone or over."""
        made = None if entity is None else matter_of(entity, type, now_us)
        if made is None:
            if self.matters.pop(id, None) is not None:
                self._lift(id)
            return
        known = self.matters.get(id)
        self.matters[id] = made
        if known is None or (known.shape, known.things) != (made.shape, made.things):
            self._unplaced.add(id)
        self._dirty.update(self._lies.get(id, ()))

    def watcher(self, id: str, type: str, entity: Doc | None, heard_us: int) -> None:
        """A thing of a type that watches streets, or that it is gone."""
        made = None if entity is None else watcher_of(entity, type, heard_us)
        known = self.watchers.get(id)
        if made is None:
            self.moved = self.watchers.pop(id, None) is not None or self.moved
            return
        if known is None or (known.lon, known.lat) != (made.lon, made.lat):
            self.moved = True
        self.watchers[id] = made

    def take(self, id: str, types: Iterable[str], entity: Doc | None, at_us: int) -> None:
        """Whatever it is."""
        for type in types:
            if type == STREET:
                self.street(id, entity)
            elif type in KINDS:
                self.matter(id, type, entity, at_us)
            elif type in REACH_M:
                self.watcher(id, type, entity, at_us)

    def missing(self) -> list[str]:
        """Things that what is not placed yet is about, and that are not known here."""
        found: dict[str, None] = {}
        for id in self._unplaced:
            for thing in self.matters[id].things if id in self.matters else ():
                if thing not in self.streets and thing not in self.watchers:
                    found[thing] = None
        return list(found)

    # --- what comes of it ------------------------------------------------------------------------
    def settle(self, now_us: int, beside: Mapping[str, Watcher]) -> list[Street]:
        """Bring states up to now; the streets of which state or causes are another. `beside` are
        things that do not watch and that something is about."""
        for id in [one.id for one in self.matters.values() if 0 < one.until_us <= now_us]:
            del self.matters[id]
            self._lift(id)
        if self._redrawn:
            self.plan = Plan(self.streets.values())
            for id, length in self.plan.length_m().items():
                self.streets[id].length_m = length
            self._unplaced.update(self.matters)
            self._dirty.update(self.streets)
            self._redrawn, self.moved = False, True
        for id in self._unplaced & self.matters.keys():
            self._place(self.matters[id], beside)
        self._unplaced.clear()
        dirty, self._dirty = self._dirty & self.streets.keys(), set()
        return [self.streets[id] for id in sorted(dirty) if self._derive(self.streets[id], now_us)]

    def _derive(self, street: Street, now_us: int) -> bool:
        before = street.state
        matters = [
            (self.matters[id], *self._lies[id][street.id])
            for id in self._on.get(street.id, ())
            if id in self.matters
        ]
        changed = derive(street, matters)
        if street.state != before or not street.since_us:
            street.since_us = now_us
        return changed

    def look(self, now_us: int) -> list[Street]:
        """Reckon coverage; the streets of which it is another now."""
        self.looked_us, self.moved = now_us, False
        heard = [one for one in self.watchers.values() if now_us - one.heard_us <= SILENT_US]
        found = []
        for id, (share, by) in self.plan.watched(heard).items():
            street = self.streets.get(id)
            if street is not None and (street.coverage, street.watched_by) != (share, by):
                street.coverage, street.watched_by = share, by
                found.append(street)
        return found

    def _place(self, matter: Matter, beside: Mapping[str, Watcher]) -> None:
        self._lift(matter.id)
        lies: dict[str, tuple[str, int]] = {}
        area = matter.shape is not None and "Polygon" in str(matter.shape.get("type"))
        if matter.shape is not None:
            how = "area" if area else "distance"
            for id, away in self.plan.beside(matter.shape, BESIDE_M[matter.kind]).items():
                lies[id] = (how, away)
        for thing in matter.things:
            if thing in self.streets:
                lies[thing] = ("relationship", 0)
                continue
            stands = self.watchers.get(thing) or beside.get(thing)
            if stands is None:
                continue
            if stands.street in self.streets:
                lies[stands.street] = ("relationship", 0)
            else:
                where = {"type": "Point", "coordinates": [stands.lon, stands.lat]}
                for id, away in self.plan.beside(where, BESIDE_M["alert"]).items():
                    lies.setdefault(id, ("distance", away))
        self._lies[matter.id] = lies
        for id in lies:
            self._on[id].add(matter.id)
        self._dirty.update(lies)

    def _lift(self, id: str) -> None:
        for street in self._lies.pop(id, {}):
            self._on[street].discard(id)
            self._dirty.add(street)
