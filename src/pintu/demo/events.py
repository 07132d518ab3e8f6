"""What happens in the district (演示): seeded incidents, a storm, and detectors that lie. Known to
the world's physics and to a scorer's file, to nobody on the wire."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pintu.demo.things import Stretch, Thing

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """How wide an incident reaches, how long it lasts, and what it does to which things: the sign
    that a thing shows, and which share of those in reach."""

    reach_km: tuple[float, float]
    lasts_h: tuple[float, float]
    signs: dict[str, tuple[str, float]]
    at_least: int  # things that must be in reach for it to be seen at all
    along: bool = False  # only along one road


KINDS: Final[dict[str, EventKind]] = {
    "burst": EventKind(
        reach_km=(0.22, 0.4), lasts_h=(1.0, 4.0), at_least=5,
        signs={"drain": ("high_water", 0.9), "manhole": ("overflow", 0.8),
               "underpass": ("high_water", 0.9), "signal": ("dark", 0.3)},
    ),
    "power": EventKind(
        reach_km=(0.3, 0.55), lasts_h=(0.5, 2.5), at_least=5,
        signs={"signal": ("dark", 0.95), "camera": ("offline", 0.9), "drain": ("offline", 0.3)},
    ),
    "fibre": EventKind(
        reach_km=(0.35, 0.7), lasts_h=(1.0, 5.0), at_least=5,
        signs={"camera": ("offline", 0.95)},
    ),
    "covers": EventKind(
        reach_km=(0.3, 0.5), lasts_h=(0.5, 3.0), at_least=3, along=True,
        signs={"manhole": ("open", 0.9)},
    ),
    "fire": EventKind(
        reach_km=(0.1, 0.16), lasts_h=(0.3, 1.0), at_least=2,
        signs={"bin": ("hot", 0.95), "camera": ("smoke", 0.8)},
    ),
    "crash": EventKind(
        reach_km=(0.09, 0.14), lasts_h=(0.5, 2.0), at_least=2,
        signs={"signal": ("knocked", 0.95), "camera": ("crash", 0.9)},
    ),
    "flood": EventKind(  # the storm's own
        reach_km=(0.35, 0.6), lasts_h=(1.5, 4.0), at_least=8,
        signs={"drain": ("high_water", 0.95), "manhole": ("overflow", 0.7),
               "underpass": ("high_water", 0.95)},
    ),
    "river": EventKind(
        reach_km=(0.8, 1.1), lasts_h=(3.0, 6.0), at_least=4,
        signs={"river": ("high_water", 0.98)},
    ),
}  # fmt: skip
AFTERNOON: Final = ("burst", "power", "fibre", "covers", "fire", "crash")
STORM: Final = ("flood", "flood", "flood", "flood", "river", "power", "power", "crash")
APART_KM, APART_S = 0.9, 1.5 * HOUR
"""Two incidents of one plan are this far apart, in place or in time: nearer ones would be one."""
LIES: Final = ("chatter", "stuck", "clock_behind", "clock_ahead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One incident: city seconds, kilometres. `signs`: thing → (sign, seconds until it shows)."""

    id: str
    kind: str
    x: float
    y: float
    reach_km: float
    begins_s: float
    ends_s: float
    signs: dict[str, tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """A thing that tells what is not so: what is in it is in no incident."""

    thing: str
    kind: str
    begins_s: float
    ends_s: float


class Course:
    """What happens, by thing; a storm or an incident can be added while the world runs."""

    def __init__(self, events: Sequence[Event] = (), lies: Sequence[Lie] = ()) -> None:
        self.events: list[Event] = []
        self.lies = list(lies)
        self.rain: list[tuple[float, float]] = []  # (begins, ends) of storms
        self._of: dict[str, list[Event]] = {}
        self._lie = {one.thing: one for one in lies}
        for one in events:
            self.add(one)

    def add(self, event: Event) -> None:
        """Let it happen."""
        self.events.append(event)
        for thing in event.signs:
            self._of.setdefault(thing, []).append(event)

    def end(self, at_s: float) -> None:
        """Everything that happens now, or would, is over; what was is kept."""
        for one in self.events:
            for thing in one.signs:
                self._of[thing] = [e for e in self._of[thing] if e.ends_s <= at_s]
        self.rain = [(begins, min(ends, at_s)) for begins, ends in self.rain if begins < at_s]

    def sign(self, thing: str, at_s: float) -> str:
        """What a thing shows of an incident now; empty: nothing."""
        for one in self._of.get(thing, ()):
            sign, after_s = one.signs[thing]
            if one.begins_s + after_s <= at_s < one.ends_s:
                return sign
        return ""

    def lie(self, thing: str, at_s: float) -> str:
        """How a thing lies now; empty: it does not."""
        one = self._lie.get(thing)
        return one.kind if one is not None and one.begins_s <= at_s < one.ends_s else ""

    def rainfall(self, at_s: float) -> float:
        """0 (dry) to 1 (the worst of a storm)."""
        for begins, ends in self.rain:
            if begins <= at_s < ends:
                return math.sin((at_s - begins) / (ends - begins) * math.pi)
        return 0.0

    def write_truth(self, path: Path) -> None:
        """Every incident and lie as a line of JSON, for a scorer."""
        lines = [
            {"what": "incident", "id": e.id, "kind": e.kind, "x_km": e.x, "y_km": e.y,
             "reach_km": e.reach_km, "begins_s": e.begins_s, "ends_s": e.ends_s,
             "things": sorted(e.signs)}
            for e in self.events
        ] + [
            {"what": "lie", "thing": n.thing, "kind": n.kind, "begins_s": n.begins_s,
             "ends_s": n.ends_s}
            for n in self.lies
        ]  # fmt: skip
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
        path.write_text(text, "utf-8")


class Planner:
    """Makes incidents of a seed, each with enough things in reach to be seen."""

    def __init__(self, things: Sequence[Thing], stretches: Sequence[Stretch], seed: int) -> None:
        self._things, self._stretches = list(things), list(stretches)
        self._chance = random.Random(f"events {seed}")
        self.made: list[Event] = []

    def make(
        self,
        kind: str,
        begins_s: float,
        *,
        near: tuple[float, float] | None = None,
        count: int | None = None,
    ) -> Event | None:
        """One incident, away from those made before unless told where; with `count` as wide as it
        must be for so many things. None when no place for it is found."""
        chance = self._chance
        for _ in range(400):
            place = near or chance.choice(self._stretches).middle
            if near is None and self._too_near(place, begins_s):
                continue
            event = self._there(kind, place, begins_s, count)
            if event is not None:
                self.made.append(event)
                return event
        return None

    def _too_near(self, place: tuple[float, float], begins_s: float) -> bool:
        return any(
            math.dist((one.x, one.y), place) < APART_KM + one.reach_km
            and one.begins_s - APART_S < begins_s < one.ends_s + APART_S
            for one in self.made
        )

    def _there(
        self, kind: str, place: tuple[float, float], begins_s: float, count: int | None
    ) -> Event | None:
        told, chance = KINDS[kind], self._chance
        lasts = chance.uniform(*told.lasts_h) * HOUR
        inside = [one for one in self._things if one.kind in told.signs]
        inside.sort(key=lambda one: math.dist((one.x, one.y), place))
        if count is not None:
            inside = inside[:count]
            reach = max(0.1, math.dist((inside[-1].x, inside[-1].y), place))
        else:
            reach = chance.uniform(*told.reach_km)
            inside = [one for one in inside if math.dist((one.x, one.y), place) <= reach]
        if told.along:
            roads = sorted({one.road for one in inside})
            road = chance.choice(roads) if roads else ""
            inside = [one for one in inside if one.road == road]
        signs: dict[str, tuple[str, float]] = {}
        for one in inside:
            sign, share = told.signs[one.kind]
            if count is not None or chance.random() < share:
                far = math.dist((one.x, one.y), place) / reach
                signs[one.id] = (sign, round(far * 240 + chance.uniform(0, 90), 1))
        if len(signs) < told.at_least:
            return None
        return Event(
            id=f"E{len(self.made) + 1:04d}", kind=kind, x=place[0], y=place[1], reach_km=reach,
            begins_s=begins_s, ends_s=begins_s + lasts, signs=signs,
        )  # fmt: skip

    def afternoon(self, from_s: float, *, hours: float = 6.0, count: int = 12) -> list[Event]:
        """Incidents spread over some hours, every kind about as often."""
        step = hours * HOUR / count
        kinds = list(AFTERNOON) * (count // len(AFTERNOON) + 1)
        self._chance.shuffle(kinds)
        made = [
            self.make(kind, from_s + step * (number + self._chance.random() * 0.8))
            for number, kind in enumerate(kinds[:count])
        ]
        return [one for one in made if one is not None]

    def storm(self, from_s: float, *, hours: float = 5.0) -> list[Event]:
        """What a storm does: basins that flood, reaches of the river, power, a crash."""
        made = []
        for kind in STORM:
            share = self._chance.uniform(0.2, 0.55)  # the ground is wet before anything floods
            made.append(self.make(kind, from_s + hours * HOUR * share))
        return [one for one in made if one is not None]

    def lies(self, from_s: float, *, hours: float, count: int = 8) -> list[Lie]:
        """Things that lie for some hours: none of them is in an incident."""
        taken = {thing for one in self.made for thing in one.signs}
        free = [one for one in self._things if one.id not in taken and one.kind != "camera"]
        found = []
        for number, one in enumerate(self._chance.sample(free, count)):
            begins = from_s + self._chance.uniform(0, hours * 0.5) * HOUR
            ends = begins + self._chance.uniform(0.5, hours * 0.5) * HOUR
            kind = LIES[number % len(LIES)]
            found.append(Lie(thing=one.id, kind=kind, begins_s=begins, ends_s=ends))
        return found
