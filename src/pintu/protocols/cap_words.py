"""A CAP 1.2 message as values: its elements by their own names, its code words, its limits.

Source: OASIS Common Alerting Protocol Version 1.2 (1 July 2010), section 3 and its schema.
"""

from __future__ import annotations

from typing import Final

import msgspec

NAMESPACES: Final = {
    "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
    "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
}
"""Versions that are read; what is written is 1.2."""
NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"

MOST_BYTES: Final = 1_000_000
MOST_POINTS: Final = 10_000
"""Points of all polygons of one message; more is refused."""
MOST_CIRCLES: Final = 500
MOST_ELEMENTS: Final = 20_000
DEEPEST: Final = 16
MOST_INFOS: Final = 50
LONGEST_TEXT: Final = 64 * 1024

STATUS: Final = ("Actual", "Exercise", "System", "Test", "Draft")
MSG_TYPE: Final = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPE: Final = ("Public", "Restricted", "Private")
CATEGORY: Final = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire",
    "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
RESPONSE: Final = (
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None",
)  # fmt: skip
URGENCY: Final = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITY: Final = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTY: Final = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A value under a name from some list: `eventCode`, `parameter`, `geocode`."""

    name: str
    value: str


class CapReference(msgspec.Struct, frozen=True, kw_only=True):
    """Which earlier message is meant: `sender,identifier,sent`."""

    sender: str
    identifier: str
    sent: str


class CapResource(msgspec.Struct, frozen=True, kw_only=True):
    """A file that belongs to a message; what it holds inline (`derefUri`) is not kept."""

    description: str
    mime_type: str = ""
    size: int | None = None
    uri: str = ""
    digest: str = ""


class CapArea(msgspec.Struct, frozen=True, kw_only=True):
    """Where: polygons as (latitude, longitude) in WGS 84, first point again at the end; circles as
    (latitude, longitude, radius in km); heights in feet."""

    description: str
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[Pair, ...] = ()
    altitude: float | None = None
    ceiling: float | None = None


class CapInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What, how bad, until when, in one language. Times as the message writes them."""

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
    resources: tuple[CapResource, ...] = ()
    areas: tuple[CapArea, ...] = ()


class CapAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `signed`: it carried a signature, which is kept with the document and not
    checked here."""

    identifier: str
    sender: str
    sent: str
    status: str
    msg_type: str
    scope: str
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[CapReference, ...] = ()
    incidents: tuple[str, ...] = ()
    infos: tuple[CapInfo, ...] = ()
    version: str = "1.2"
    signed: bool = False
