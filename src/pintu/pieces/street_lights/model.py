"""Ideas of street lighting: ids, what a lamp should draw, when it should burn, and what can be
wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from astral import Observer
from astral.sun import sun

PIECE = "street_lights"
STANDBY_W = 5.0
"""A lamp that draws less does not burn; a controller alone draws under 1 W."""
NOMINAL_LOW_V = 198.0
"""220 V less 10 % (GB/T 12325)."""
RECOVERED_V = 203.0
CLEAR_AFTER = 3
"""A rule must be kept so often before what broke it is forgotten."""
GUARD_S = 20 * 60
"""Near sunrise and sunset light sensors and schedules honestly differ."""


class Fault(StrEnum):
    """What can be found from power, voltage, level and hours alone; the worst first."""

    SILENT = "silent"
    FAILED = "failed"
    DAY_BURNER = "day_burner"
    FLICKER = "flicker"
    LOW_VOLTAGE = "low_voltage"
    DIM_IGNORED = "dim_ignored"
    HOURS_COUNTER = "hours_counter"


FAULTS: dict[str, Fault] = {str(one): one for one in Fault}

TITLES: dict[Fault, dict[str, str]] = {
    Fault.SILENT: {"zh": "失联", "en": "Silent"},
    Fault.FAILED: {"zh": "不亮", "en": "Failed lamp"},
    Fault.DAY_BURNER: {"zh": "白天亮灯", "en": "Burns by day"},
    Fault.FLICKER: {"zh": "闪烁", "en": "Flickers"},
    Fault.LOW_VOLTAGE: {"zh": "线路电压过低", "en": "Low voltage on a feeder"},
    Fault.DIM_IGNORED: {"zh": "不听调光", "en": "Ignores dimming"},
    Fault.HOURS_COUNTER: {"zh": "计时不准", "en": "Hours counter is wrong"},
}
SEVERITY: dict[Fault, str] = {
    Fault.SILENT: "high",
    Fault.FAILED: "medium",
    Fault.DAY_BURNER: "low",
    Fault.FLICKER: "medium",
    Fault.LOW_VOLTAGE: "high",
    Fault.DIM_IGNORED: "low",
    Fault.HOURS_COUNTER: "informational",
}


def lamp_id(local: str) -> str:
    """`urn:ngsi-ld:Streetlight:street_lights:L00017`."""
    return f"urn:ngsi-ld:Streetlight:{PIECE}:{local}"


def group_id(local: str) -> str:
    """The id of a group of lamps."""
    return f"urn:ngsi-ld:StreetlightGroup:{PIECE}:{local}"


def cabinet_id(local: str) -> str:
    """The id of a control cabinet."""
    return f"urn:ngsi-ld:StreetlightControlCabinet:{PIECE}:{local}"


def alert_id(fault: Fault, target: str) -> str:
    """One alert for one thing that is wrong with one target, raised and cleared again and again."""
    return f"urn:ngsi-ld:Alert:{PIECE}:{fault}:{target}"


def local_part(entity_id: str) -> str:
    """`L00017` of a lamp's id."""
    return entity_id.rsplit(":", 1)[-1]


def expected_power_w(rated_w: float, level: float) -> float:
    """What an LED lamp draws at a level of 0 to 1: its driver takes a little, the rest follows the
    level."""
    return rated_w * (0.06 + 0.94 * level) if level > 0 else 0.0


def power_state(level: float) -> str:
    """`on`, `low` (dimmed) or `off`, as Smart Data Models name it."""
    return "off" if level <= 0 else "on" if level >= 0.75 else "low"


@dataclass(slots=True)
class DuskToDawn:
    """The schedule of a place: burning from dusk to dawn. Days are worked out once."""

    lat: float
    lon: float
    _days: dict[int, tuple[float, float]] = field(default_factory=dict)

    def sun_s(self, at_s: float) -> tuple[float, float]:
        """(sunrise, sunset) of the local solar day around a time, in seconds since 1970 UTC."""
        shift = self.lon * 240.0
        day = int((at_s + shift) // 86_400)
        known = self._days.get(day)
        if known is None:
            if len(self._days) > 400:
                self._days.clear()
            known = self._days[day] = self._work_out(day)
        return known

    def _work_out(self, day: int) -> tuple[float, float]:
        noon = day * 86_400 + 43_200 - self.lon * 240.0
        date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
        try:
            found = sun(Observer(self.lat, self.lon), date=date, tzinfo=UTC)
        except ValueError:  # the sun does not rise or does not set
            return noon - 43_200, noon + 43_200
        rise, set_ = found["sunrise"].timestamp(), found["sunset"].timestamp()
        # astral answers for the UTC date: bring both into the local day around this noon.
        return _near(rise, noon - 21_600), _near(set_, noon + 21_600)

    def is_day(self, at_s: float, guard_s: float = GUARD_S) -> bool:
        """True when the sun is surely up."""
        rise, set_ = self.sun_s(at_s)
        return rise + guard_s < at_s < set_ - guard_s

    def burns(self, at_s: float) -> bool:
        """True when the schedule burns."""
        rise, set_ = self.sun_s(at_s)
        return not rise <= at_s < set_


def _near(at_s: float, wanted_s: float) -> float:
    return at_s + round((wanted_s - at_s) / 86_400) * 86_400


@dataclass(slots=True)
class Lamp:
    """What is known of one lamp, and how often each rule has been broken or kept in a row."""

    id: str
    rated_w: float = 0.0
    gateway: str = ""
    feeder: str = ""
    cabinet: str = ""
    program: str = "dusk-to-dawn"
    name: str = ""
    location: dict[str, Any] | None = None
    at_s: float = 0.0  # of the newest reading, on the lamp's clock
    heard_us: int = 0  # on the city's clock
    level: float = -1.0
    power_w: float = 0.0
    low_v: bool = False
    commanded: float = -1.0
    commanded_s: float = 0.0
    burning: int = 0  # newest readings while told to burn, one bit each, newest lowest
    judged: int = 0
    bad: dict[Fault, int] = field(default_factory=dict)
    good: dict[Fault, int] = field(default_factory=dict)
    raised: set[Fault] = field(default_factory=set)
    window_s: float = 0.0
    window_hours: float = 0.0
    burnt_s: float = 0.0
    unsure_s: float = 0.0

    def count(self, fault: Fault, broken: bool, raise_after: int) -> bool | None:
        """Count a rule broken or kept; True: raise now, False: clear now, None: neither."""
        if broken:
            self.good[fault] = 0
            self.bad[fault] = self.bad.get(fault, 0) + 1
            return True if fault not in self.raised and self.bad[fault] >= raise_after else None
        self.bad[fault] = 0
        if fault not in self.raised:
            return None
        self.good[fault] = self.good.get(fault, 0) + 1
        return False if self.good[fault] >= CLEAR_AFTER else None


@dataclass(slots=True)
class Gateway:
    """When a gateway was heard, and how often it usually is."""

    heard_us: int = 0
    interval_s: float = 0.0
    silent: bool = False
    location: dict[str, Any] | None = None
    cabinet: str = ""


@dataclass(slots=True)
class Feeder:
    """A cable from a cabinet: how many of its lamps have too little voltage."""

    cabinet: str
    lamps: set[str] = field(default_factory=set)
    low: set[str] = field(default_factory=set)
    ticks: int = 0
    raised: bool = False
