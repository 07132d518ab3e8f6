"""What an alarm and an incident are, as every part of this room says it. Data only."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

State = Literal["open", "acknowledged", "closed", "merged"]
Outcome = Literal["resolved", "passed", "false", "planned", "drill"]

STATES: Final[tuple[State, ...]] = ("open", "acknowledged", "closed", "merged")
OUTCOMES: Final[tuple[Outcome, ...]] = ("resolved", "passed", "false", "planned", "drill")
LIVE: Final[frozenset[str]] = frozenset(("open", "acknowledged"))
"""States of an incident that is still somebody's business."""

SEVERITIES: Final = ("informational", "low", "medium", "high", "critical")
RANK: Final = {word: number for number, word in enumerate(SEVERITIES)}
GRADES: Final = (1, 2, 3, 4)
RINGS: Final = 2
"""From this grade on an incident rings the duty phone."""

PERSON: Final = "person"
"""The detector of what somebody reported."""


class Reason(msgspec.Struct, frozen=True):
    """Why an alarm belongs to its incident; `text` says it in every language from `words`.

    `kind`: `first` (it opened the incident), `same` (the same thing), `cause` (both depend on
    `about`), `near` (`metres` away, `seconds` apart), `flood` (its detector is not to be believed),
    `person` (somebody put it there), `merged` (it came with another incident).
    """

    kind: str
    about: str = ""
    metres: int = 0
    seconds: int = 0


class Alarm(msgspec.Struct, kw_only=True):
    """One raising of an alert: what an Alert entity said, and what the room made of it.

    Times are µs UTC of the city. `at_us` is when it is taken to have happened: what its sender said
    (`said_us`), or when it was heard when the sender's clock cannot be right; `clock_off_us` is
    then how far it is off (positive: ahead). `causes` are the things it depends on, each with how
    many steps away it is, itself 0.
    """

    number: int = 0
    tenant: str
    alert: str
    incident: str = ""  # "": none yet
    status: str = "open"  # of the Alert
    category: str = "service"
    sub: str = ""
    severity: str = "medium"
    source: str = ""  # the entity it is about
    target: str = ""
    detector: str = ""
    name: dict[str, str] = {}
    at_us: int = 0
    said_us: int = 0
    heard_us: int = 0
    clock_off_us: int = 0
    lon: float | None = None
    lat: float | None = None
    extent_m: int = 0  # across; 0 for a point
    causes: dict[str, int] = {}
    confidence: float = 0.6
    repeats: int = 1
    cleared_us: int = 0
    reason: Reason = Reason("first")

    @property
    def open(self) -> bool:
        """Whether what it says still holds."""
        return not self.cleared_us

    @property
    def rank(self) -> int:
        """Its severity as a number, 0 the least."""
        return RANK.get(self.severity, 2)


class Incident(msgspec.Struct, kw_only=True):
    """One thing that happened, as the room knows it; `get` and `list_open` hand out copies.

    `grade` is 1 (least) to 4; `graded` says that a person set it, `held` that a person decided what
    belongs to it, so that nothing merges it by itself. `assigned` and `by` are actors' ids.
    """

    id: str
    tenant: str
    state: State = "open"
    grade: int = 1
    graded: bool = False
    held: bool = False
    severity: str = "medium"
    category: str = "service"
    name: dict[str, str] = {}
    confidence: float = 0.0
    lon: float | None = None
    lat: float | None = None
    radius_m: int = 0
    cause: str = ""  # what most of its alarms depend on
    cause_name: dict[str, str] = {}
    flood: str = ""  # the detector that is not to be believed
    opened_us: int = 0
    first_us: int = 0
    last_us: int = 0
    changed_us: int = 0
    acknowledged_us: int = 0
    closed_us: int = 0
    by: str = ""  # who acknowledged
    also: list[str] = []  # who had taken on what was merged into it
    assigned: str = ""
    into: str = ""  # the incident it was merged into
    follows: str = ""  # the closed incident it goes on from
    outcome: str = ""
    reason: str = ""  # why it was closed
    alarms: int = 0
    alarms_open: int = 0
    detectors: int = 0
    why: list[dict[str, Any]] = []  # the reasons that hold it together, most frequent first

    @property
    def live(self) -> bool:
        """Whether it is somebody's business still."""
        return self.state in LIVE

    @property
    def quiet(self) -> bool:
        """Whether everything that raised it is over."""
        return not self.alarms_open


class Detector(msgspec.Struct, kw_only=True):
    """How a detector did: alarms it raised, incidents that were true or false alarms, floods."""

    tenant: str
    detector: str
    alarms: int = 0
    confirmed: int = 0
    mistaken: int = 0
    floods: int = 0
    clock_off_us: int = 0
    last_us: int = 0

    @property
    def reliability(self) -> float:
        """The share of its incidents that were true: 0.8 before anything is known."""
        return (self.confirmed + 4.0) / (self.confirmed + self.mistaken + 5.0)
