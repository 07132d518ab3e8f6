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

from pintu.demo.things import Layout, Thing

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """What an incident does to which things: the sign a thing shows, and the share that shows it.

    `within`: what those have in common (a `sewer`, the `station` it drains into, a `cabinet`, a
    network `node`) or, of `place` and `road`, that they are within `reach_km`. `seed`: the kind of
    thing it begins with, which always shows its sign.
    """

    within: str
    lasts_h: tuple[float, float]
    signs: dict[str, tuple[str, float]]
    at_least: int  # things that show a sign
    reach_km: float = 1.5
    seed: str = ""


KINDS: Final[dict[str, EventKind]] = {
    "burst": EventKind(
        within="sewer", lasts_h=(1.0, 4.0), at_least=6, seed="drain",
        signs={"drain": ("high_water", 0.9), "manhole": ("overflow", 0.8),
               "underpass": ("high_water", 0.9)},
    ),
    "pumps": EventKind(
        within="station", lasts_h=(1.0, 3.0), at_least=12, seed="station", reach_km=3.0,
        signs={"station": ("pumps_down", 1.0), "drain": ("high_water", 0.8),
               "manhole": ("overflow", 0.5), "underpass": ("high_water", 0.8)},
    ),
    "power": EventKind(
        within="cabinet", lasts_h=(0.5, 2.5), at_least=4, seed="signal",
        signs={"signal": ("dark", 0.95), "camera": ("offline", 0.9)},
    ),
    "fibre": EventKind(
        within="node", lasts_h=(1.0, 5.0), at_least=5, seed="camera",
        signs={"camera": ("offline", 0.95)},
    ),
    "covers": EventKind(
        within="road", lasts_h=(0.5, 3.0), at_least=3, seed="manhole", reach_km=0.25,
        signs={"manhole": ("open", 0.8)},
    ),
    "fire": EventKind(
        within="place", lasts_h=(0.3, 1.0), at_least=2, seed="bin", reach_km=0.14,
        signs={"bin": ("hot", 0.95), "camera": ("smoke", 0.8)},
    ),
    "crash": EventKind(
        within="place", lasts_h=(0.5, 2.0), at_least=2, seed="signal", reach_km=0.14,
        signs={"signal": ("knocked", 0.95), "camera": ("crash", 0.9)},
    ),
    "river": EventKind(
        within="place", lasts_h=(3.0, 6.0), at_least=4, seed="river", reach_km=0.9,
        signs={"river": ("high_water", 0.98)},
    ),
}  # fmt: skip
AFTERNOON: Final = ("burst", "pumps", "power", "fibre", "covers", "fire", "crash")
STORM: Final = ("burst", "burst", "burst", "pumps", "pumps", "river", "power", "power", "crash")
APART_KM, APART_S = 1.2, 1.5 * HOUR
"""Two incidents of one plan are so far apart, in place or in time: nearer ones would be one."""
LIES: Final = ("chatter", "stuck", "clock_behind", "clock_ahead", *("glitch",) * 12)
GLITCH_S: Final = 70.0


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
    """Makes incidents of a seed, each with enough things in it to be seen."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self._things = layout.things
        self._station = {one.id: one.station for one in layout.sewers}
        self._chance = random.Random(f"events {seed}")
        self.made: list[Event] = []

    def make(
        self, kind: str, begins_s: float, *, road: str = "", count: int | None = None
    ) -> Event | None:
        """One incident, away from those made before; with `road` on that road whatever else there
        is, with `count` of exactly so many things. None when no place for it is found."""
        told, chance = KINDS[kind], self._chance
        seeds = [one for one in self._things if one.kind == told.seed]
        seeds = [one for one in seeds if one.road == road] or seeds if road else seeds
        for first in chance.sample(seeds, len(seeds)):
            inside = self._inside(told, first)
            if count is not None:
                inside = inside[:count]
            place, reach_km = _around(inside)
            if not road and self._too_near(place, reach_km, begins_s):
                continue
            signs = self._signs(told, inside, sure=count is not None)
            if len(signs) < (count or told.at_least):
                continue
            event = Event(
                id=f"E{len(self.made) + 1:04d}", kind=kind, x=place[0], y=place[1],
                reach_km=reach_km, begins_s=begins_s, signs=signs,
                ends_s=begins_s + chance.uniform(*told.lasts_h) * HOUR,
            )  # fmt: skip
            self.made.append(event)
            return event
        return None

    def _inside(self, told: EventKind, first: Thing) -> list[Thing]:
        """What shares with the first thing what this kind of incident is within, nearest first."""
        here = (first.x, first.y)
        found = [
            one
            for one in self._things
            if one.kind in told.signs
            and math.dist((one.x, one.y), here) <= told.reach_km
            and self._shares(told.within, one, first)
        ]
        return sorted(found, key=lambda one: math.dist((one.x, one.y), here))

    def _shares(self, within: str, one: Thing, first: Thing) -> bool:
        if within == "station":
            return first.id in (one.id, self._station.get(one.sewer))
        if within == "place":
            return True
        return bool(getattr(one, within) == getattr(first, within) != "")

    def _signs(
        self, told: EventKind, inside: list[Thing], *, sure: bool
    ) -> dict[str, tuple[str, float]]:
        signs: dict[str, tuple[str, float]] = {}
        for number, one in enumerate(inside):
            sign, share = told.signs[one.kind]
            if number == 0 or sure or self._chance.random() < share:
                after = number / len(inside) * 240 + self._chance.uniform(0, 60)
                signs[one.id] = (sign, round(after if number else 0.0, 1))
        return signs

    def _too_near(self, place: tuple[float, float], reach_km: float, begins_s: float) -> bool:
        return any(
            math.dist((one.x, one.y), place) < APART_KM + one.reach_km + reach_km
            and one.begins_s - APART_S < begins_s < one.ends_s + APART_S
            for one in self.made
        )

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

    def lies(self, from_s: float, *, hours: float, count: int = len(LIES)) -> list[Lie]:
        """Things that lie: some tell of what is not (none of these is in an incident), some have
        a clock that is a day off (half of these are)."""
        taken = {thing for one in self.made for thing in one.signs}
        free = [one.id for one in self._things if one.id not in taken and one.kind != "station"]
        free = self._chance.sample(free, count)
        inside = self._chance.sample(sorted(taken), min(count, len(taken)))
        found = []
        for number in range(count):
            begins = from_s + self._chance.uniform(0, hours * 0.5) * HOUR
            ends = begins + self._chance.uniform(0.5, max(0.5, hours * 0.2)) * HOUR
            kind = LIES[number % len(LIES)]
            thing = free[number]
            if kind == "glitch":
                ends = begins + GLITCH_S
            elif kind.startswith("clock") and number % 2 and inside:
                thing, begins, ends = inside.pop(), from_s, from_s + hours * HOUR
            found.append(Lie(thing=thing, kind=kind, begins_s=begins, ends_s=ends))
        return found


def _around(things: Sequence[Thing]) -> tuple[tuple[float, float], float]:
    """The middle of some things, and how far the furthest of them is from it."""
    x = sum(one.x for one in things) / len(things)
    y = sum(one.y for one in things) / len(things)
    return (round(x, 4), round(y, 4)), max(math.dist((one.x, one.y), (x, y)) for one in things)
