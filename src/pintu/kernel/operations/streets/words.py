"""The words of streets, as data: states, what brings them about, who watches how far."""

from __future__ import annotations

from typing import Final

import msgspec

STATES: Final = ("normal", "warned", "attention", "disturbed", "critical", "closed")
"""From the least to the gravest."""

RANK: Final = {state: n for n, state in enumerate(STATES)}
SEVERITIES: Final = ("informational", "low", "medium", "high", "critical")

BY: Final[dict[str, dict[str, str]]] = {
    "incident": {
        "critical": "critical",
        "high": "disturbed",
        "medium": "attention",
        "low": "attention",
    },
    "alert": {"critical": "disturbed", "high": "attention", "medium": "attention"},
    "warning": {"critical": "warned", "high": "warned", "medium": "warned", "low": "warned"},
    "status": {"critical": "closed", "high": "disturbed"},
}
"""Kind of cause → severity → the state it brings a street to; what is not named brings none."""

OF_STATUS: Final = {"closed": "critical", "limited": "high"}
"""How grave it is that a road says of itself that it is closed (codes/roadStatus)."""

REACH_M: Final[dict[str, float]] = {
    "Camera": 80.0,
    "FloodMonitoring": 60.0,
    "Manhole": 40.0,
    "PumpingStation": 80.0,
    "Sewer": 40.0,
    "TrafficSignal": 60.0,
    "TrafficFlowObserved": 150.0,
}
"""Type of thing → how far along a street it would notice something, metres. A lamp or a bin tells
of itself alone: it watches no street."""

SILENT_US: Final = 6 * 3600 * 1_000_000
"""A thing that was not heard of for so long watches nothing."""

STREET: Final = "RoadSegment"
KINDS: Final = {"Incident": "incident", "Alert": "alert", "PublicWarning": "warning"}
BESIDE_M: Final[dict[str, float]] = {"incident": 60.0, "alert": 40.0, "warning": 0.0}
"""So far from a street's middle line something with a place lies on it still."""

MOST_CAUSES: Final = 8


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a street is in its state: an entity, how grave, and how it lies on the street."""

    id: str
    kind: str  # incident, alert, warning, status
    severity: str
    state: str  # what it alone would bring the street to
    name: dict[str, str] = {}
    how: str = "distance"  # relationship: it names the street, or a thing that does; area
    distance_m: int = 0


class Street(msgspec.Struct, kw_only=True):
    """A stretch of road as the room knows it; `line` are [longitude, latitude] pairs."""

    id: str
    name: dict[str, str] = {}
    road: str = ""
    road_class: str = ""
    length_m: int = 0
    line: list[tuple[float, float]] = []
    status: str = ""
    state: str = "normal"
    severity: str = "informational"
    since_us: int = 0
    causes: list[Cause] = []
    cause_count: int = 0
    coverage: float = 0.0  # share of its length, 0 to 1
    watched_by: dict[str, int] = {}  # type of thing → how many are heard of
