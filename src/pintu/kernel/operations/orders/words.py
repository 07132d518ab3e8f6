"""Work orders, crews and their shifts, as everybody else in the room knows them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

State = Literal[
    "open", "assigned", "confirmed", "working", "suspended", "reported", "closed", "cancelled"
]
Severity = Literal["critical", "high", "medium", "low", "informational"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low", "informational")
Proof = Literal["", "sensor", "fresh", "override", "word"]
"""How an order was closed: the sensor that raised it agrees; nothing was raised but its thing was
measured since; a foreman overrode it with a reason; nothing there measures it, a person's word."""

Deadline = Literal["confirm", "arrive", "finish"]

KINDS: Final[dict[str, dict[str, str]]] = {
    "inspect": {"zh": "现场检查", "en": "Inspect on site"},
    "repair_lamp": {"zh": "修复路灯", "en": "Repair a lamp"},
    "restore_power": {"zh": "恢复供电", "en": "Restore power"},
    "pump": {"zh": "排水", "en": "Pump water away"},
    "clear_road": {"zh": "清理道路", "en": "Clear the road"},
    "close_road": {"zh": "封闭道路", "en": "Close the road"},
    "secure": {"zh": "现场防护", "en": "Make the place safe"},
    "patrol": {"zh": "巡查", "en": "Patrol"},
    "other": {"zh": "其他工作", "en": "Other work"},
}
"""Kinds of work, as `what` may name them; anything else said is `other` with those words."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the service clock stood still: until 0 is until now."""

    since_us: int
    until_us: int = 0
    reason: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. `causes` are `incident:ID`, `command:ID`, `play:ID` or an alert's id;
    `alarms` the alerts that must be cleared before it closes. Times are µs of the city, 0: not
    yet. No person is in it: who did what is in the journal."""

    number: int = 0
    tenant: str
    kind: str
    what: dict[str, str]
    target: str
    severity: Severity
    state: State = "open"
    before: State = "open"  # what it was when it was suspended
    crew: str = ""
    level: int = 0  # how often it was escalated
    missed: tuple[Deadline, ...] = ()
    causes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    place: tuple[float, float] | None = None  # longitude, latitude of its target when it was opened
    where: str = ""  # its target's name
    opened_us: int
    changed_us: int
    assigned_us: int = 0
    confirmed_us: int = 0
    arrived_us: int = 0
    reported_us: int = 0
    closed_us: int = 0
    pauses: tuple[Pause, ...] = ()
    proof: Proof = ""
    reason: str = ""  # the last one given

    @property
    def id(self) -> str:
        """What people call it, in addresses and in `order:ID`."""
        return str(self.number)

    @property
    def entity(self) -> str:
        """Its id in the context."""
        return f"urn:ngsi-ld:WorkOrder:operations:{self.number}"

    @property
    def subject(self) -> str:
        """Its name in the journal."""
        return f"order:{self.number}"

    @property
    def final(self) -> bool:
        """Nothing more happens to it."""
        return self.state in ("closed", "cancelled")


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """People who go out together. `kinds` is what they are equipped for, empty: anything;
    `place` where they start from. Its members are kept apart and told to nobody but foremen."""

    id: str
    tenant: str
    name: dict[str, str]
    kinds: tuple[str, ...] = ()
    place: tuple[float, float] | None = None


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """When a crew works."""

    number: int = 0
    crew: str
    since_us: int
    until_us: int
