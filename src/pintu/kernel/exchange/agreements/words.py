"""Agreements: who may see what of a data set, what for, how much of it and until when.

Terms are never changed: whoever wants others makes the next version. What both sides sign is the
canonical JSON (RFC 8785) of the terms with their id and version. Names follow ODRL and DCAT where
they have a word.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.access import Mask
from pintu.kernel.exchange.words import Condition

Deed = Literal["read", "write"]
State = Literal[
    "requested",  # by the consumer; the owner's clock runs
    "escalated",  # the owner's deadline passed: the deputy was told, the clock runs again
    "approved",  # by the owner's side; its signature is on it, the consumer's is missing
    "active",  # both signed
    "suspended",  # nothing passes until it is resumed
    "refused",
    "withdrawn",  # by the consumer: taken back, or given up
    "revoked",  # by the owner; recalls go out
    "expired",
    "superseded",  # a newer version is active
]
CLOSED: Final = frozenset(("refused", "withdrawn", "revoked", "expired", "superseded"))


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How much; 0 means no limit of that kind."""

    calls_a_minute: int = 60
    rows_a_call: int = 1_000
    rows_a_day: int = 0
    subjects_a_day: int = 0  # different persons looked up a day, by the consumer as a whole
    looks_at_one: int = 0  # looks at one and the same person a day, by one member of staff


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is agreed."""

    data_set: str
    provider: str  # organisation that owns it
    consumer: str  # organisation, or `organisation@NODE`
    purpose: str  # a code of the list `purposes`
    basis: str  # legal basis: a code of the list `legal_bases`
    fields: dict[str, Mask]  # what may be seen, and how; what is not named is not there
    deed: Deed = "read"
    where: tuple[Condition, ...] = ()  # rows the consumer may see; all of them hold
    subject: str = ""  # the column asked for one value a call: one person at a time
    k: int = 0  # only counts, of k or more; 0: rows
    limits: Limits = Limits()
    retention_days: int = 0  # how long the consumer may keep what it got; 0: not at all
    from_us: int = 0
    until_us: int = 0  # 0 is refused for data sets with persons
    onward: bool = False  # whether the consumer may pass it on (narrowed) to others


class Signature(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One side's."""

    organisation: str
    key_id: str
    public: str  # base64 of 32 bytes
    at_us: int
    signature: str  # base64 of 64 bytes


class Agreement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One version with its state."""

    id: str  # "ag-" and 10 signs
    version: int
    terms: Terms
    state: State
    requested_by: str = ""  # person
    approved_by: str = ""  # never the same person as requested_by
    reason: str = ""  # of the request, in the requester's words
    decision: str = ""  # of a refusal, suspension or revocation, in the decider's words
    due_us: int = 0  # when the present state's deadline passes
    requested_us: int = 0
    changed_us: int = 0
    signatures: tuple[Signature, ...] = ()
    previous: int = 0  # the version this one replaces

    @property
    def name(self) -> str:
        """`ID/VERSION`, as log rows and receipts say it."""
        return f"{self.id}/{self.version}"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was found about terms before they are sent, in words for a person."""

    code: str  # such as "unknown-field"
    level: Literal["error", "warning"]
    text: dict[str, str]  # zh and en
    field: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of terms before anybody agrees to them."""

    findings: tuple[Finding, ...] = ()
    union: dict[str, tuple[str, ...]] = {}
    """Data set → fields of one person that the consumer could put together, this one included."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the terms from being asked for."""
        return tuple(one for one in self.findings if one.level == "error")


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One deed that was done: who, when, what, why, and its row of the audit log."""

    number: int
    agreement: str
    version: int
    deed: str
    state: str  # after it
    actor: str
    person: str = ""
    organisation: str = ""
    at_us: int
    why: str = ""
    receipt: int = 0


class Deletion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder of copies says it did; signed by its organisation. It is said, not proved."""

    recall: str
    what: str  # in the holder's words: tables, files, backups
    rows: int  # how many were deleted
    person: str  # by whom
    at_us: int
    kept_by_law: str = ""  # a code of the legal bases, when it must keep them
    why: str = ""  # in the holder's words, when it must keep them


class Recall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One holder of copies was asked to delete them. Asked, given a deadline, recorded: an answer
    cannot be forced."""

    id: str  # "rc-" and 10 signs
    agreement: str  # ID/VERSION that ended
    data_set: str
    provider: str  # who asks
    holder: str  # who is asked
    via: str = ""  # who passed the copies on to the holder
    rows: int = 0  # how many it got, as the gate counted
    why: str = ""  # revoked, expired, withdrawn
    asked_us: int = 0
    due_us: int = 0
    overdue: bool = False  # the auditor was told
    request: Signature | None = None  # the provider's, on what is asked
    answer: Deletion | None = None
    answered: Signature | None = None  # the holder's, on its answer

    @property
    def open(self) -> bool:
        """Whether it still waits for its answer."""
        return self.answer is None


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of a data set an organisation got under an agreement that lets it keep copies."""

    agreement: str  # id
    version: int
    holder: str
    data_set: str
    via: str = ""
    first_us: int = 0
    last_us: int = 0
    rows: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an organisation keeps its word, as measured."""

    organisation: str
    requests_open: int = 0  # that wait for its owner
    requests_overdue: int = 0  # and wait past the owner's deadline
    recalls_open: int = 0  # that wait for its answer
    recalls_overdue: int = 0
    limits_broken: int = 0  # agreements that were suspended because it broke their limits
    answered: int = 0  # requests and recalls it answered
    in_time: int = 0  # of those, before their deadline

    @property
    def share_in_time(self) -> float:
        """Of what it answered, the share in time; 1 for who was never asked."""
        return self.in_time / self.answered if self.answered else 1.0
