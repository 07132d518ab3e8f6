"""Lamp faults found from measurements alone: 100 injected, at least 95 found, at most 2 false, on
three seeds.

The world (demo) knows what is broken; the detectors get only what gateways send. The two meet here.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from claims import lamp_faults_city
from pintu.demo.city_time import iso
from pintu.demo.district import build_roads, make_sites, place_lamps
from pintu.demo.faults import FaultPlan, counted_plan
from pintu.demo.gateways import Gateway
from pintu.demo.lamps import SiteState
from pintu.kit import Changed, Envelope, Update
from pintu.kit.testing import FakeClock, MemoryContext
from pintu.pieces.street_lights.detect import Detector
from pintu.pieces.street_lights.model import DuskToDawn
from pintu.pieces.street_lights.normalise import normalise

SEEDS = (70_411, 81_903, 92_557)
"""No test uses these."""
FAULTS, FOUND_AT_LEAST, FALSE_AT_MOST = 100, 95, 2
LAMPS, GATEWAYS = 2_500, 25
HOURS, STEP_S = 40.0, 300.0
LOST, TWICE = 0.01, 0.01
KIND = {"dead_gateway": "silent"}
Figure = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Score:
    """What one run found."""

    found: int
    false: list[str]
    missed: list[str]
    readings: int
    cpu_s: float

    @property
    def cost_us(self) -> float:
        """CPU of the world, the piece and the stand together, a reading."""
        return self.cpu_s / max(1, self.readings) * 1e6


class Stand:
    """A city in one thread: messages → normalise → context → detect, on a clock that is told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.context = MemoryContext()
        self.detector = Detector(DuskToDawn(30.2, 120.2))
        self.raised: list[tuple[str, str, int]] = []
        self.readings = 0

    def take(self, topic: str, body: bytes) -> None:
        """One message as it comes from the wire."""
        envelope = Envelope("street_lights/mqtt", "", self.clock.at_us, body, {"topic": topic})
        for update in normalise(envelope):
            assert isinstance(update, Update)
            self.readings += 1
            self.tell(self.context.apply(update, self.clock.at_us))

    def tell(self, change: Changed) -> None:
        """What changed goes to the detector; what it finds enters the context like all else."""
        self.keep(self.detector.changed(change, self.clock.at_us))

    def keep(self, found: list[Update]) -> None:
        """Alerts into the context, the raised ones noted."""
        for update in found:
            if update.entity["status"]["value"] == "open":
                told = update.entity
                self.raised.append(
                    (told["subCategory"]["value"], told["target"]["value"], self.clock.at_us)
                )
            self.tell(self.context.apply(update, self.clock.at_us))

    def tick(self) -> None:
        """Time passed."""
        self.keep(self.detector.tick(self.clock.at_us))


class StoppedTime:
    """The demo's clock, told by the same hand."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now_s(self) -> float:
        """The city's time in seconds."""
        return self._clock.at_us / 1e6


def score(seed: int, *, lamps: int, gateways: int, hours: float = HOURS) -> Score:
    """Run one seed from noon of a day the seed chooses."""
    chance = random.Random(f"scorer {seed}")
    start = datetime(2026, chance.randint(1, 12), chance.randint(1, 28), 4, tzinfo=UTC).timestamp()
    sites = make_sites(place_lamps(build_roads(), lamps, seed), gateways)
    until_s = start + hours * 3600
    window = (start + 3600, start + 13 * 3600)
    plan = counted_plan(sites, count=FAULTS, seed=seed, window=window, until_s=until_s + 3600)
    stand = Stand()
    stand.clock.at_us = int(start * 1e6)
    clock = StoppedTime(stand.clock)
    talkers = [
        Gateway(SiteState(site, plan, seed), clock, interval_s=STEP_S, seed=seed) for site in sites
    ]
    began = time.process_time()
    for one in talkers:
        stand.take(f"lamps/{one.name}/inventory", _bytes(one.inventory()))
    while stand.clock.now_us() < until_s * 1e6:
        stand.clock.advance(STEP_S * chance.uniform(0.9, 1.1))
        for one in talkers:
            if plan.now(one.name, clock.now_s()) is not None or chance.random() < LOST:
                continue
            body = one.telemetry()
            for _ in range(2 if chance.random() < TWICE else 1):
                stand.take(f"lamps/{one.name}/telemetry", body)
        for _ in range(4):
            stand.tick()
    return judge(plan, stand, time.process_time() - began)


def _bytes(told: object) -> bytes:
    import orjson

    return orjson.dumps(told)


def judge(plan: FaultPlan, stand: Stand, cpu_s: float) -> Score:
    """Compare what was raised with what was broken."""
    truth = {(KIND.get(one.kind, one.kind), one.target): one for one in plan.faults}
    found, false = set(), []
    for kind, target, at_us in stand.raised:
        fault = truth.get((kind, target))
        if fault is not None and at_us / 1e6 >= fault.begins_s:
            found.add((kind, target))
        else:
            false.append(f"{kind} {target} at {iso(at_us / 1e6)}")
    missed = [f"{kind} {target}" for kind, target in sorted(set(truth) - found)]
    return Score(len(found), sorted(set(false)), missed, stand.readings, cpu_s)


def run(full: bool) -> list[Figure]:
    """(claim, figure, bar, verdict) a seed; quick: the first seed only, no city."""
    figures = []
    for seed in SEEDS if full else SEEDS[:1]:
        one = score(seed, lamps=LAMPS, gateways=GATEWAYS)
        good = one.found >= FOUND_AT_LEAST and len(one.false) <= FALSE_AT_MOST
        figures.append(
            (
                f"lamp faults found, seed {seed} ({LAMPS} lamps, {HOURS:g} h)",
                f"{one.found} of {FAULTS}, {len(one.false)} false, {one.cost_us:.0f} µs a reading",
                f"≥ {FOUND_AT_LEAST} found, ≤ {FALSE_AT_MOST} false",
                "ok" if good else "short",
            )
        )
        for text in (*one.missed, *(f"false: {what}" for what in one.false)):
            print(f"    {text}", file=sys.stderr)
    if full:
        figures.append(_on_a_running_city(SEEDS[0]))
    return figures


def _on_a_running_city(seed: int) -> Figure:
    found, false, missed = lamp_faults_city.measure(seed)
    for text in (*missed, *(f"false: {what}" for what in false)):
        print(f"    {text}", file=sys.stderr)
    good = found >= FOUND_AT_LEAST and len(false) <= FALSE_AT_MOST
    return (
        f"lamp faults found by a running city, seed {seed}",
        f"{found} of {FAULTS}, {len(false)} false",
        f"≥ {FOUND_AT_LEAST} found, ≤ {FALSE_AT_MOST} false",
        "ok" if good else "short",
    )


def main() -> int:
    """Print the figures; 1 when one fails."""
    figures = run("--quick" not in sys.argv)
    for one in figures:
        print(" | ".join(one))
    print(Counter(one[3] for one in figures))
    return int(any(one[3] != "ok" for one in figures))


if __name__ == "__main__":
    sys.exit(main())
