"""What a plan for a major event is made of: zones, a raised watch, checks, its own posts."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.errors import BadRequestData, TooLarge

State = Literal["draft", "approved", "running", "over", "called_off"]
Severity = Literal["informational", "low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("informational", "low", "medium", "high", "critical")
Text = dict[str, str]

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
MOST_ZONES: Final = 50
MOST_CHECKS: Final = 200
MOST_POSTS: Final = 500
LONGEST_TITLE: Final = 300
LONGEST_US: Final = 60 * 86_400_000_000
"""Sixty days: longer is not an event but how the city is run."""


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the event. `steps` is how many severities higher anything is taken that happens
    in it while the event runs; `area` is GeoJSON, WGS 84."""

    name: str
    title: Text
    area: dict[str, Any]
    steps: int = 1


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something somebody looks at every so many minutes in usual times: twice as often while the
    event runs, and a second person confirms where `two`."""

    name: str
    title: Text
    zone: str
    every_min: int
    two: bool = False


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the event's own roster, by account, for a span."""

    person: str
    post: str  # duty, supervisor, foreman
    since_us: int
    until_us: int


class EventPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it stands. `least` is the mildest severity, after raising, that rings."""

    id: str
    tenant: str
    title: Text
    from_us: int
    until_us: int
    zones: tuple[Zone, ...]
    checks: tuple[Check, ...] = ()
    posts: tuple[Post, ...] = ()
    least: Severity = "low"
    state: State = "draft"
    by: str = ""
    approved_by: str = ""
    changed_us: int = 0

    @property
    def subject(self) -> str:
        """How the journal calls it."""
        return f"event:{self.id}"

    @property
    def entity_id(self) -> str:
        """Its entity in the city's context."""
        return f"urn:ngsi-ld:MajorEvent:operations:{self.id}"

    def zone(self, name: str) -> Zone | None:
        """The zone of that name, or None."""
        return next((one for one in self.zones if one.name == name), None)

    def check(self, name: str) -> Check | None:
        """The check of that name, or None."""
        return next((one for one in self.checks if one.name == name), None)


RoundState = Literal["due", "half", "done", "missed"]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a check is due: until when, who did it, what they found."""

    event: str
    check: str
    due_us: int
    until_us: int
    state: RoundState = "due"
    by: tuple[str, ...] = ()
    at_us: int = 0
    wrong: bool = False
    note: str = ""


def interval_us(check: Check) -> int:
    """How often a check is due while its event runs: twice as often as in usual times."""
    return check.every_min * 60_000_000 // 2


def raised(severity: str, steps: int) -> Severity:
    """A severity so many steps higher, at most critical."""
    at = SEVERITIES.index(severity) if severity in SEVERITIES else 2
    return SEVERITIES[min(at + max(steps, 0), len(SEVERITIES) - 1)]


def checked(plan: EventPlan) -> EventPlan:
    """The plan; BadRequestData or TooLarge for one that cannot be carried out."""
    if not NAME.fullmatch(plan.id):
        raise BadRequestData(f"Plan {plan.id[:50]!r} is not named in small letters and digits")
    if not any(plan.title.values()):
        raise BadRequestData("A plan needs a title")
    if not 0 < plan.until_us - plan.from_us <= LONGEST_US:
        raise BadRequestData("A plan ends after it begins, at most 60 days later")
    if not plan.zones:
        raise BadRequestData("A plan needs a zone at least")
    for found, most in ((plan.zones, MOST_ZONES), (plan.checks, MOST_CHECKS)):
        names = [one.name for one in found]
        if len(names) > most:
            raise TooLarge(f"A plan has at most {most} of them")
        if len(set(names)) < len(names) or not all(NAME.fullmatch(one) for one in names):
            raise BadRequestData("Zones and checks have names of their own, in small letters")
    if plan.least not in SEVERITIES:
        raise BadRequestData(
            f"Severity {str(plan.least)[:40]!r} is none of {', '.join(SEVERITIES)}"
        )
    if len(plan.posts) > MOST_POSTS:
        raise TooLarge(f"A plan has at most {MOST_POSTS} posts")
    _checked_parts(plan)
    return plan


def _checked_parts(plan: EventPlan) -> None:
    for zone in plan.zones:
        if zone.area.get("type") not in ("Polygon", "MultiPolygon") or not 0 <= zone.steps <= 4:
            raise BadRequestData(f"Zone {zone.name} needs an area, and 0 to 4 steps")
    titles = [plan.title, *(one.title for one in plan.zones), *(one.title for one in plan.checks)]
    for title in titles:
        if any(len(said) > LONGEST_TITLE for said in title.values()):
            raise BadRequestData(f"A title is at most {LONGEST_TITLE} characters long")
    for check in plan.checks:
        if plan.zone(check.zone) is None:
            raise BadRequestData(
                f"Check {check.name} is in zone {check.zone!r}, which is not there"
            )
        if not 2 <= check.every_min <= 10_080:
            raise BadRequestData(f"Check {check.name} is due every 2 minutes to every week")
    for post in plan.posts:
        if not plan.from_us <= post.since_us < post.until_us <= plan.until_us:
            raise BadRequestData("A post lies within the event's time")
