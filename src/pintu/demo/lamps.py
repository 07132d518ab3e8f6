"""What a lamp measures: level from schedule, traffic or command; power, voltage, warmth and hours
from physics."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pintu.demo.district import Lamp, Site
from pintu.demo.faults import Fault, FaultPlan
from pintu.demo.sky import dark_hours_since_2024, dark_seconds_of_day, is_dark

STANDBY_W = 0.4
OVERRIDE_S = 3600.0
"""A dim command holds for an hour of the city's time, or until the schedule switches."""
_CHANCE = random.Random(20_240)
NOISE = [_CHANCE.gauss(0, 1) for _ in range(4096)]
TEST_BURN_S = 240.0


@dataclass(slots=True)
class State:
    """One lamp between two readings."""

    lamp: Lamp
    feeder: str
    group: str
    hours_base: float
    warmth: float = 0.0  # °C above the air
    hours_drift: float = 0.0  # what a wrong counter has gained or lost
    override: int | None = None
    override_until_s: float = 0.0
    turn: int = 0
    faulty: bool = False  # has a fault at some time: only those are looked up in the plan


@dataclass(slots=True)
class SiteState:
    """One gateway's lamps, read together."""

    site: Site
    plan: FaultPlan
    seed: int
    states: dict[str, State] = field(default_factory=dict)
    at_s: float = 0.0
    _burnt_since: float = 0.0  # what the schedule burnt since the reading before

    def __post_init__(self) -> None:
        for lamp in self.site.lamps:
            self.states[lamp.id] = State(
                lamp,
                self.site.feeders[lamp.id],
                self.site.groups[lamp.id],
                hours_base=round(zlib.crc32(f"{self.seed} {lamp.id}".encode()) % 18_000 + 200.0, 1),
                turn=zlib.crc32(lamp.id.encode()) % 4096,
                faulty=self.plan.touches(lamp.id),
            )

    def command(self, lamp: str, level: int, at_s: float) -> bool:
        """Obey a dim command; False when the lamp is not here."""
        state = self.states.get(lamp)
        if state is None:
            return False
        state.override, state.override_until_s = level, at_s + OVERRIDE_S
        return True

    def readings(self, at_s: float, only: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """What the gateway reads from its lamps now; no reading says that anything is wrong."""
        passed = min(max(at_s - self.at_s, 0.0), 3600.0) if self.at_s else 0.0
        air, burnt = air_celsius(at_s), dark_hours_since_2024(at_s)
        if only is None:
            self._burnt_since = burnt - dark_hours_since_2024(at_s - passed)
            self.at_s = at_s
        supply = {
            feeder: self._supply_v(feeder, at_s) for feeder in set(self.site.feeders.values())
        }
        levels = {(state.group, state.lamp.kind): 0 for state in self.states.values()}
        levels = {key: scheduled_level(key[0], key[1], at_s) for key in levels}
        chosen = (
            [self.states[one] for one in only] if only is not None else list(self.states.values())
        )
        return [
            self._read(
                state,
                levels[state.group, state.lamp.kind],
                supply[state.feeder],
                (at_s, passed if only is None else 0.0, air, burnt),
            )
            for state in chosen
        ]

    def _supply_v(self, feeder: str, at_s: float) -> float:
        volts = (
            231.0
            - 4.0 * math.sin((at_s / 3600 - 10) / 24 * 2 * math.pi)
            - zlib.crc32(feeder.encode()) % 5
        )
        return volts - (44.0 if self.plan.now(feeder, at_s) else 0.0)

    def _read(
        self, state: State, level: int, volts: float, now: tuple[float, float, float, float]
    ) -> dict[str, Any]:
        at_s, passed, air, burnt = now
        if state.override is not None:
            if at_s < state.override_until_s:
                level = state.override
            else:
                state.override = None
        fault = self.plan.now(state.lamp.id, at_s) if state.faulty else None
        kind = fault.kind if fault else ""
        state.turn = turn = (state.turn + 7) % 4093
        power = self._power(state, level, kind, at_s, turn)
        target = power / state.lamp.rated_w * 26.0
        state.warmth += (target - state.warmth) * min(1.0, passed / 900.0)
        if passed:
            state.hours_drift += self._hours_gained(fault, power, passed) - self._burnt_since
        return {
            "id": state.lamp.id,
            "p": round(power, 1),
            "v": round(volts + 1.2 * NOISE[turn], 1),
            "lvl": level,
            "hrs": round(state.hours_base + burnt + state.hours_drift, 3),
            "t": round(air + state.warmth + 0.3 * NOISE[(turn * 3) % 4093], 1),
        }

    @staticmethod
    def _hours_gained(fault: Fault | None, power: float, passed_s: float) -> float:
        """An honest counter counts while power flows; a wrong one stands still or runs, lit or
        not."""
        hours = passed_s / 3600.0
        if fault is not None and fault.kind == "hours_counter":
            return 0.0 if zlib.crc32(fault.id.encode()) % 2 else 3.0 * hours
        return hours if power > 5.0 else 0.0

    def _power(self, state: State, level: int, kind: str, at_s: float, turn: int) -> float:
        rated = state.lamp.rated_w
        noise = 1 + 0.012 * NOISE[turn]
        if kind == "failed" and level:
            return STANDBY_W * noise
        if kind == "flicker" and level and NOISE[(turn * 5 + int(at_s)) % 4093] > 0.1:
            return STANDBY_W * noise
        if kind == "dim_ignored" and level:
            return rated * noise
        if kind == "day_burner" and not level:
            # The relay is stuck: the driver gets its mains whether told or not.
            return rated * 0.97 * noise
        if not level:
            return STANDBY_W * noise
        return rated * (0.05 + 0.95 * level / 100) * noise


def air_celsius(at_s: float) -> float:
    """A plain year and a plain day at 30° north."""
    year = math.sin((at_s / 86_400 - 110) / 365.25 * 2 * math.pi)
    day = math.sin((at_s / 3600 + 8 - 9) / 24 * 2 * math.pi)
    return 17.0 + 12.0 * year + 4.0 * day


def scheduled_level(group: str, kind: str, at_s: float) -> int:
    """The level in percent the schedule and the traffic ask of a group now.

    A group tests its lamps for four minutes once between 10:00 and 15:00 local time, as crews do;
    tunnels
    burn by day, brighter than at night.
    """
    mixed = zlib.crc32(group.encode())
    local = (at_s + 8 * 3600) % 86_400
    if kind == "tunnel":
        return 90 if not is_dark(at_s) else 55
    day = int((at_s + 8 * 3600) // 86_400)
    dawn, dusk = dark_seconds_of_day(day)
    late = mixed % 300 - 150  # cabinets' own clocks and light sensors differ by a few minutes
    if dawn + late <= at_s < dusk + late:
        begins = 10 * 3600 + mixed % 18_000
        return 100 if begins <= local < begins + TEST_BURN_S else 0
    hour = local / 3600
    calm = 100 if 16 <= hour < 22 else 80 if hour >= 22 else 50 if hour < 5 else 80
    if kind in ("promenade", "street") and hour < 5:
        calm = 35
    # Traffic passes: for a minute a group is brighter than the hour asks.
    passing = zlib.crc32(f"{group} {int(at_s // 60)}".encode()) % 100
    return min(100, calm + 20) if passing < 22 else calm
