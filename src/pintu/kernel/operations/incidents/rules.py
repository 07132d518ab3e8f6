"""What may be one incident: how near in space and time for which kinds of alarms. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MINUTE_US: Final = 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Near:
    """So many metres and so much time apart two alarms may be; `alike`: only of one subcategory
    (a limit exceeded here and a doctored reading there are two things).
    """

    metres: float
    us: int
    alike: bool = False


USUAL: Final = Near(150.0, 10 * MINUTE_US)
_PAIRS: Final = {
    "streetlight streetlight": Near(150.0, 10 * MINUTE_US),
    "environment environment": Near(1_500.0, 120 * MINUTE_US, alike=True),
    "weather weather": Near(2_000.0, 60 * MINUTE_US),
    "naturalDisaster naturalDisaster": Near(1_000.0, 60 * MINUTE_US),
    "infrastructure infrastructure": Near(250.0, 30 * MINUTE_US),
    "traffic traffic": Near(250.0, 15 * MINUTE_US),
    "streetlight energy": Near(200.0, 15 * MINUTE_US),
    "infrastructure energy": Near(200.0, 15 * MINUTE_US),
    "streetlight traffic": Near(60.0, 10 * MINUTE_US),
    "streetlight infrastructure": Near(80.0, 10 * MINUTE_US),
    "traffic infrastructure": Near(120.0, 15 * MINUTE_US),
    "naturalDisaster infrastructure": Near(500.0, 60 * MINUTE_US),
    "naturalDisaster weather": Near(1_000.0, 60 * MINUTE_US),
    "weather infrastructure": Near(400.0, 60 * MINUTE_US),
    "naturalDisaster traffic": Near(300.0, 45 * MINUTE_US),
    "weather traffic": Near(300.0, 45 * MINUTE_US),
    "environment weather": Near(300.0, 30 * MINUTE_US),
    "security traffic": Near(100.0, 10 * MINUTE_US),
}
RELATED: Final = {frozenset(pair.split()): near for pair, near in _PAIRS.items()}
"""By the categories of two alarms; what is not here is not related."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Windows of time in µs of the city; see `clustering` for what each is for."""

    same_us: int = 60 * MINUTE_US  # another alarm about the same thing
    again_us: int = 60 * MINUTE_US  # the same alert once more, after all was over
    cause_us: int = 30 * MINUTE_US  # one thing alarms, and another that depends on it
    shared_us: int = 10 * MINUTE_US  # two that depend on one thing that says nothing
    shared_steps: int = 2  # from both to it, together
    extent_m: float = 6_000.0  # no incident grows wider by nearness alone
    waits_high_us: int = 90_000_000  # alone and unconfirmed, before it is an incident
    waits_medium_us: int = 2 * MINUTE_US
    waits_low_us: int = 10 * MINUTE_US
    upkeep: frozenset[str] = frozenset({"streetlight"})  # see `waits_us`
    passes_us: int = 30 * MINUTE_US  # over and never looked at: it is closed as passed
    passes_grave_us: int = 24 * 60 * MINUTE_US
    follows_us: int = 30 * MINUTE_US  # what comes again so soon after closing goes on from it
    related: Mapping[frozenset[str], Near] = field(default_factory=lambda: RELATED)

    @property
    def furthest_m(self) -> float:
        """So far apart anything may be and still be near."""
        return max(one.metres for one in self.related.values())


BY_PERSON: Final = Near(150.0, 30 * MINUTE_US)
"""What somebody reports is near what is measured there, whatever its kind."""

DEPENDS: Final[dict[str, str]] = {
    "refStreetlightControlCabinet": "power",
    "refStreetlightGroup": "power",
    "refPowerSource": "power",
    "refFeeder": "power",
    "refSubstation": "power",
    "refStation": "power",
    "refParent": "part",
    "isPartOf": "part",
    "isPoweredBy": "power",
    "poweredBy": "power",
    "refCabinet": "power",
    "controlledBy": "data",
    "refGateway": "data",
    "refPump": "water",
    "refDrain": "water",
    "refSewer": "water",
    "drainsInto": "water",
    "dependsOn": "part",
}
"""Relationships by which one thing depends on another. Streets, districts and owners are left out:
what lies in one street fails for different reasons, and nearness has its own rule."""

NAMED: Final[dict[str, str]] = {"circuit": "power", "gateway": "data"}
"""Properties that name what a thing depends on without a link."""

BY_DATA: Final = frozenset(("silent", "offline", "deviceOffline", "sourceSilent", "sourceDown"))
"""Only such alarms have a lost connection as their cause."""

MOST_STEPS: Final = 4
