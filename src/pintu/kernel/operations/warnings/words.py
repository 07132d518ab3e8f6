"""What a warning is made of: messages as their authority wrote them, and what the city made of
them.

Field names are those of the Common Alerting Protocol 1.2 (OASIS, section 3), so that a decoded
document becomes a `Message` by its names alone; the kernel itself reads no XML.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.errors import BadRequestData

State = Literal["issued", "replaced", "cancelled", "expired"]

SEVERITIES: Final = {
    "Extreme": "critical",
    "Severe": "high",
    "Moderate": "medium",
    "Minor": "low",
    "Unknown": "medium",  # nobody is safe because nobody knows
}
"""CAP's word → the house's (codes/alertSeverity.json)."""
RANK: Final = {"informational": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}

CATEGORIES: Final = dict(
    pair.split()
    for pair in (
        "Geo naturalDisaster",
        "Met weather",
        "Safety security",
        "Security security",
        "Rescue security",
        "Fire security",
        "Health health",
        "Env environment",
        "Transport traffic",
        "Infra infrastructure",
        "CBRNE environment",
        "Other service",
    )
)
"""CAP's category → the house's (codes/alertCategory.json)."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A value under a name from some list."""

    name: str
    value: str


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier message: who sent it, what they called it, when."""

    sender: str
    identifier: str
    sent: str

    @property
    def key(self) -> Key:
        """The same moment written in two zones is one message."""
        return self.sender, self.identifier, instant_us(self.sent)


Key = tuple[str, str, int]
"""(sender, identifier, sent in µs): what names a message in the world."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A file that belongs to a message."""

    description: str
    mime_type: str = ""
    size: int | None = None
    uri: str = ""
    digest: str = ""


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where: (latitude, longitude) pairs; circles with a radius in km; heights in feet."""

    description: str
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[Pair, ...] = ()
    altitude: float | None = None
    ceiling: float | None = None


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What, how bad, until when, in one language."""

    language: str = "en-US"
    categories: tuple[str, ...]
    event: str
    responses: tuple[str, ...] = ()
    urgency: str
    severity: str
    certainty: str
    audience: str = ""
    event_codes: tuple[Pair, ...] = ()
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[Pair, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of an authority."""

    identifier: str
    sender: str
    sent: str
    status: str = "Actual"
    msg_type: str = "Alert"
    scope: str = "Public"
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: tuple[str, ...] = ()
    infos: tuple[Info, ...] = ()
    signed: bool = False
    verified: bool = False  # its signature was held against the certificate of its sender

    @property
    def key(self) -> Key:
        """What names it in the world."""
        return self.sender, self.identifier, instant_us(self.sent)

    @property
    def severity(self) -> str:
        """The worst of its parts, in the house's words."""
        found = [SEVERITIES.get(one.severity, "medium") for one in self.infos]
        return max(found, key=RANK.__getitem__, default="informational")

    @property
    def category(self) -> str:
        """The first category, in the house's words."""
        first = next((one for info in self.infos for one in info.categories), "Other")
        return CATEGORIES.get(first, "service")


class PublicWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A warning as it stands: the newest message of a chain and what became of it.

    Times in µs UTC. `contradicts` names other warnings in force that say otherwise. `doubt` says
    why somebody should look (a code of `judging.DOUBTS`).
    """

    id: str
    tenant: str
    state: State
    message: Message
    version: int = 1  # messages of the chain that took effect
    ours: bool = False  # written here
    by: str = ""  # who took or wrote it
    approved_by: str = ""
    acknowledged_by: str = ""
    sent_us: int
    from_us: int
    until_us: int
    changed_us: int
    replaced_by: str = ""
    contradicts: tuple[str, ...] = ()
    governs: str = ""  # of those that contradict each other: the one a person said to follow
    doubt: str = ""
    number: int = 0  # of the message that stands
    endless: bool = False  # its authority told no end; ours is the house's term
    place: dict[str, Any] | None = None  # GeoJSON of places that the message names by codes only

    @property
    def in_force(self) -> bool:
        """Whether anybody should still act on it."""
        return self.state == "issued"

    @property
    def acts(self) -> bool:
        """Whether the city does something because of it: not for exercises and tests."""
        return self.in_force and self.message.status == "Actual"

    @property
    def cause(self) -> str:
        """How plays, orders and messages name what they depend on."""
        return f"warning:{self.id}"

    @property
    def entity_id(self) -> str:
        """Its entity in the city's context."""
        return f"urn:ngsi-ld:PublicWarning:operations:{self.id}"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message: the effect, the warning it made or touched, and why.

    `effect`: issued, proposed, updated, cancelled, acknowledged, reported (an Error), kept (a test
    or a message that changes nothing), known (it was here already).
    """

    effect: str
    warning: PublicWarning | None = None  # as it stands now
    reason: str = ""
    number: int = 0  # of the message


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was kept, and what came of it. `effect` as of `Taken`, or withdrawn."""

    number: int
    tenant: str
    message: Message
    warning: str
    effect: str
    reason: str
    who: str
    at_us: int


def instant_us(text: str) -> int:
    """µs UTC of a time with a zone; BadRequestData for any other."""
    try:
        read = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if read.tzinfo is None:
            raise ValueError("it names no zone")
        if not 1900 <= read.year <= 9000:
            raise ValueError("it is of no year that anybody is warned of")
        return round(read.timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        raise BadRequestData(f"Time {text[:40]!r} is not a CAP time: {error}") from error
