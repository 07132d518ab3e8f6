"""What depends on what: from relationships in the context to the causes of an alarm, and to what
lies behind a thing.

Upwards it is read where an alarm is, a point read a step, and remembered for a while. Downwards it
is built from the things a page asks about (`Graph`, pure).
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.operations.incidents.reading import links_of, names_of, place_of, text_of
from pintu.kernel.operations.incidents.rules import BY_DATA, DEPENDS, MOST_STEPS, NAMED
from pintu.kernel.operations.incidents.words import Alarm
from pintu.kernel.store.port import Store, settled

KEPT: Final = 20_000
FRESH_S: Final = 300.0
MOST_CAUSES: Final = 24


class Thing(msgspec.Struct, frozen=True):
    """What the graph knows of an entity: `needs` are (key, kind of need)."""

    id: str
    type: str = ""
    name: dict[str, str] = {}
    lon: float | None = None
    lat: float | None = None
    needs: tuple[tuple[str, str], ...] = ()


def thing_of(entity: Mapping[str, Any]) -> Thing:
    """A stored entity as a node; what it names without a link is `named:NAME`."""
    needs: list[tuple[str, str]] = []
    for name, kind in DEPENDS.items():
        needs += [(to, kind) for to in links_of(entity, name)]
    for name, kind in NAMED.items():
        if text := text_of(entity, name):
            needs.append((named(text), kind))
    where = entity.get("location")
    lon, lat, _ = place_of(where.get("value") if isinstance(where, dict) else None)
    types = entity.get("type", "")
    type_ = types[0] if isinstance(types, list) and types else str(types)
    return Thing(str(entity["id"]), type_, names_of(entity), lon, lat, tuple(needs))


def named(text: str) -> str:
    """The key of something that has a number of its own and no entity."""
    return f"named:{text}"


class Graph:
    """Things and what they need, to be asked what hangs on one of them. Pure."""

    def __init__(self, things: Iterable[Thing] = ()) -> None:
        self.things: dict[str, Thing] = {}
        self._hang: dict[str, set[str]] = {}
        for one in things:
            self.add(one)

    def add(self, thing: Thing) -> None:
        """One more thing."""
        self.things[thing.id] = thing
        for key, _ in thing.needs:
            self._hang.setdefault(key, set()).add(thing.id)

    def dependents(self, keys: Iterable[str], *, most: int = 100_000) -> dict[str, int]:
        """Everything that depends on one of `keys`, with the steps between; of the keys those that
        depend on another of them. Loops are harmless."""
        begun = set(keys)
        found = {
            one: 1
            for key in begun
            for one in self._hang.get(key, ())
            if one in begun and one != key
        }
        waiting = deque((key, 0) for key in sorted(begun))
        while waiting and len(found) < most:
            key, steps = waiting.popleft()
            for one in sorted(self._hang.get(key, ())):
                if one not in begun:
                    begun.add(one)
                    found[one] = steps + 1
                    waiting.append((one, steps + 1))
        return found


class Causes:
    """Finds what an alarm depends on, in the context; remembers a bounded number of things."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[tuple[int, str], tuple[float, Thing]] = OrderedDict()

    async def fill(self, alarm: Alarm, tenant: int) -> None:
        """Set the causes of an alarm, and its place where it says none: that of its thing."""
        causes: dict[str, int] = {}
        if alarm.target:
            causes[named(alarm.target)] = 0
        waiting = deque([(alarm.source, 0)] if alarm.source else [])
        while waiting and len(causes) < MOST_CAUSES:
            key, steps = waiting.popleft()
            if key in causes:
                continue
            causes[key] = steps
            if steps == MOST_STEPS or not key.startswith("urn:"):
                continue
            thing = await self.thing(tenant, key)
            if steps == 0 and alarm.lon is None:
                alarm.lon, alarm.lat = thing.lon, thing.lat
            for need, kind in thing.needs:
                if kind != "data" or alarm.sub in BY_DATA:
                    waiting.append((need, steps + 1))
        alarm.causes = causes

    async def thing(self, tenant: int, id: str) -> Thing:
        """An entity as a node; one that does not exist needs nothing."""
        known = self._known.get((tenant, id))
        if known is not None and time.monotonic() - known[0] < FRESH_S:
            self._known.move_to_end((tenant, id))
            return known[1]
        record = await settled(self._store.retrieve(tenant, id))
        thing = Thing(id) if record is None else thing_of(orjson.loads(record.body))
        self._known[tenant, id] = time.monotonic(), thing
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return thing

    def name(self, tenant: int, key: str) -> dict[str, str]:
        """What a cause is called, as far as it is remembered."""
        if key.startswith("named:"):
            return dict.fromkeys(("zh", "en"), key.removeprefix("named:"))
        known = self._known.get((tenant, key))
        if known is not None and known[1].name:
            return known[1].name
        return dict.fromkeys(("zh", "en"), key.rpartition(":")[2]) if key else {}
