"""What connectors, normalisers, detectors and actions hand over: envelopes, updates, commands. Data
only.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Mode = Literal["merge", "upsert", "append", "amend", "delete"]
"""merge: RFC-7396-like merge (creates when absent); upsert: replace whole entity; append: add or
overwrite attributes; amend: merge into what is there, nothing when absent; delete: what is there
goes, nothing when absent.
"""


class Envelope(msgspec.Struct, frozen=True):
    """One message as it came: untouched bytes, where from, when."""

    source: str  # e.g. "street_lights/mqtt"
    key: str  # idempotency key within the source (topic + device sequence, frame number …)
    received_us: int
    body: bytes
    meta: dict[str, str] = {}  # topic, peer, content type


class Update(msgspec.Struct, frozen=True):
    """One normalised entity or fragment (normalized or concise NGSI-LD, core @context or the
    vocabulary's).
    """

    entity: dict[str, Any]
    mode: Mode = "merge"


class Unreadable(msgspec.Struct, frozen=True):
    """An envelope nobody could read, with the reason: goes to quarantine, kept until retried or
    dropped.
    """

    envelope: Envelope
    reason: str


class Batch(msgspec.Struct, frozen=True):
    """What one source hands to intake at once; acknowledged only after commit."""

    source: str
    tenant: str
    key: str  # the same key twice is answered, not applied, the second time
    updates: list[Update] = []
    unreadable: list[Unreadable] = []
    depth: int = 0  # 0 from the world; derivers add 1; refused above 4
    retry_of: str = (
        ""  # key of the quarantined envelope this was read from; gone when all is accepted
    )
    past: bool = False  # somebody asked for the past: no observation is too long ago
    quiet: bool = False  # what is so already is not written once more
    trace: str = ""  # a traceparent, where it is followed


class Receipt(msgspec.Struct, frozen=True):
    """What became of a batch."""

    key: str
    accepted: int
    quarantined: int
    errors: list[str] = []
    repeated: bool = False
    unchanged: int = 0  # of a quiet batch: accepted, and so already


CommandState = Literal[
    "held", "desired", "sent", "acknowledged", "confirmed", "failed", "timed_out", "cancelled"
]
"""`held` = a second person must allow it; `confirmed` = the effect was measured. Final: confirmed,
failed, timed_out, cancelled."""


class Command(msgspec.Struct, frozen=True):
    """A promise to act on the world; the ledger keeps every step with who and when."""

    id: str
    tenant: str
    piece: str
    name: str  # imperative: DimLamp
    target: str  # entity id
    arguments: dict[str, Any]
    actor: str
    created_us: int
    attempt: int = 1


class CommandReport(msgspec.Struct, frozen=True):
    """A piece tells how a command goes: sent, acknowledged, confirmed, failed."""

    id: str
    state: CommandState
    detail: str = ""
    at_us: int = 0


class SourceReport(msgspec.Struct, frozen=True):
    """A source tells how it is: counters since its start."""

    source: str
    piece: str
    messages: int
    bytes: int
    unreadable: int
    last_us: int
    lag_us: int
    state: Literal["connecting", "up", "down", "stopped"]  # stopped: by somebody, on purpose
    detail: str = ""
    expected_interval_s: float = 0.0  # real seconds; 0: it need not say anything
    tenant: str = ""  # where its alerts belong


class Changed(msgspec.Struct, frozen=True):
    """One entity after one change, as a watcher in another process sees it.

    `entity` is the whole stored document (normalized NGSI-LD, stored names); empty after a
    deletion.
    `changed` names the attributes written; None means the whole entity. A stream begins with every
    entity there is, told as `created`, so that a watcher that starts late knows what is so.
    """

    id: str
    types: tuple[str, ...]
    verb: Literal["created", "replaced", "updated", "deleted"]
    at_us: int
    source: str
    entity: dict[str, Any]
    changed: tuple[str, ...] | None = None
