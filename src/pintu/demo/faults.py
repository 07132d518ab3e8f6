"""What is broken, and when: a plan made from a seed, known to the world's physics and to nobody it
talks to."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pintu.demo.district import Site

HOUR = 3600.0
LAMP_KINDS = {"failed": 34, "day_burner": 18, "flicker": 14, "hours_counter": 12, "dim_ignored": 14}
WIDE_KINDS = {"low_voltage": 5, "dead_gateway": 3}
KINDS = {**LAMP_KINDS, **WIDE_KINDS}
"""Kinds with their share in a hundred faults."""
LASTS_H = {
    "failed": (10, 60),
    "day_burner": (20, 70),
    "flicker": (12, 50),
    "hours_counter": (30, 90),
    "dim_ignored": (20, 70),
    "low_voltage": (4, 14),
    "dead_gateway": (0.3, 1.5),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `target` is a lamp, a feeder (low_voltage) or a gateway (dead_gateway); city
    seconds."""

    id: str
    kind: str
    target: str
    begins_s: float
    ends_s: float


class FaultPlan:
    """Faults by target, asked on every reading; at most one fault a lamp at a time."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        self._by_target: dict[str, list[Fault]] = {}
        for one in faults:
            self._by_target.setdefault(one.target, []).append(one)

    def now(self, target: str, at_s: float) -> Fault | None:
        """The fault a target has at a time."""
        for one in self._by_target.get(target, ()):
            if one.begins_s <= at_s < one.ends_s:
                return one
        return None

    def touches(self, target: str) -> bool:
        """True when a target has a fault at some time."""
        return target in self._by_target

    def write_truth(self, path: Path) -> None:
        """Every fault as a line of JSON, for a scorer; nothing that listens on the wire reads
        it."""
        lines = [
            json.dumps(
                {
                    "id": f.id,
                    "kind": f.kind,
                    "target": f.target,
                    "begins_s": f.begins_s,
                    "ends_s": f.ends_s,
                }
            )
            for f in self.faults
        ]
        path.write_text("\n".join(lines) + "\n", "utf-8")


def standing_plan(
    sites: list[Site], *, rate: float, seed: int, from_s: float, days: float = 30.0
) -> FaultPlan:
    """About `rate` of the lamps broken at any time: repaired ones make room for new ones.

    The plan is laid out from the beginning of the UTC day, so that a demo started again on that day
    finds the same lamps broken.
    """
    begin = from_s - from_s % 86_400 - 2 * 86_400
    lamps = sum(len(site.lamps) for site in sites)
    chance = random.Random(f"standing {seed} {int(begin)}")
    taken = _Targets(sites, chance, lasting=False)
    faults: list[Fault] = []
    for slot in range(round(rate * lamps)):
        kind = _kind(chance, wide=slot % 12 == 11)
        at_s = begin + chance.uniform(0, 30) * HOUR
        while at_s < from_s + days * 86_400:
            lasts_s = chance.uniform(*LASTS_H[kind]) * HOUR
            target = taken.take(kind)
            if target is None:
                break
            faults.append(Fault(f"F{len(faults) + 1:05d}", kind, target, at_s, at_s + lasts_s))
            rest = 24.0 if kind in WIDE_KINDS else 3.0
            at_s += lasts_s + chance.uniform(0.2, rest) * HOUR
    return FaultPlan(faults)


def counted_plan(
    sites: list[Site], *, count: int, seed: int, window: tuple[float, float], until_s: float
) -> FaultPlan:
    """Exactly `count` faults beginning inside a window (city seconds) and lasting to `until_s`, in
    the
    shares of KINDS; for a scorer, which must know that each could be seen by day and by night."""
    chance = random.Random(f"counted {seed}")
    taken = _Targets(sites, chance, lasting=True)
    faults: list[Fault] = []
    for kind in _shares(count):
        target = taken.take(kind)
        if target is None:
            continue
        faults.append(
            Fault(f"F{len(faults) + 1:05d}", kind, target, chance.uniform(*window), until_s)
        )
    return FaultPlan(faults)


def _shares(count: int) -> Iterator[str]:
    total = sum(KINDS.values())
    exact = {kind: count * share / total for kind, share in KINDS.items()}
    whole = {kind: int(value) for kind, value in exact.items()}
    short = count - sum(whole.values())
    for kind in sorted(exact, key=lambda one: whole[one] - exact[one])[:short]:
        whole[kind] += 1
    # Wide faults first: a lamp inside of a dead gateway could not be seen failing.
    for kind in ("dead_gateway", "low_voltage", *LAMP_KINDS):
        yield from [kind] * whole[kind]


def _kind(chance: random.Random, *, wide: bool) -> str:
    among = WIDE_KINDS if wide else LAMP_KINDS
    return chance.choices(list(among), list(among.values()))[0]


class _Targets:
    """Hands out targets, each once; when faults stay (`lasting`), none inside of a dead gateway."""

    def __init__(self, sites: list[Site], chance: random.Random, *, lasting: bool) -> None:
        self._sites, self._chance, self._lasting = sites, chance, lasting
        self._used: set[str] = set()
        self._dead: set[str] = set()
        # A lamp in a tunnel burns day and night, so a stuck relay could not be told there.
        self._lamps = [
            (site, lamp.id) for site in sites for lamp in site.lamps if lamp.kind != "tunnel"
        ]

    def take(self, kind: str) -> str | None:
        """A target for a fault, or None when there is none left."""
        for _ in range(400):
            site, target = self._draw(kind)
            if target in self._used or site.gateway in self._dead:
                continue
            if kind == "dead_gateway" and self._lasting:
                self._dead.add(target)
            self._used.add(target)
            return target
        return None

    def _draw(self, kind: str) -> tuple[Site, str]:
        if kind not in WIDE_KINDS:
            return self._chance.choice(self._lamps)
        site = self._chance.choice(self._sites)
        if kind == "dead_gateway":
            return site, site.gateway
        return site, self._chance.choice(sorted(set(site.feeders.values())))
