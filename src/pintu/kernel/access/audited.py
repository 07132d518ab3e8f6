"""What is written down of a call: one row of the sealed log, and the receipt that names it.

`audit` implements `AuditLog`; everybody who answers under an agreement, shows a person's data or
refuses writes through it. Bodies are never logged: what an answer held and whom it was about are
keyed digests.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from pintu.kernel.access import Act, Actor

What = Literal[
    "read",  # an answer under an agreement, or a look at a person's data
    "write",
    "refused",
    "counts",  # an owner's other calls, added up a minute
    "agreement",  # requested, approved, signed, revoked …
    "recall",  # a holder of a copy was asked, or answered
    "identity",  # accounts, roles, tokens, delegations
    "glass",  # break-glass opened, used, closed
    "linkage",  # merged, unmerged, corrected, objected
    "node",  # joined, left, keys changed
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the log as its writer tells it; `audit` adds number and time."""

    what: What
    deed: str = ""
    actor: str = ""  # token:ID, person:ID, node:ID
    person: str = ""
    organisation: str = ""
    roles: tuple[str, ...] = ()  # of the person in it: what they are told to whom it is about
    tenant: str = ""
    data_set: str = ""
    owner: str = ""
    purpose: str = ""
    reason: str = ""
    agreement: str = ""  # ID/VERSION
    basis: str = ""  # of the decision, or why it was refused
    fields: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()  # keyed digests of the persons it was about
    rows: int = 0
    answer: str = ""  # keyed digest of what was sent
    schema: int = 0  # version of the data set's schema
    detail: dict[str, str] = {}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Where the row of a call stands: whoever has it can ask for a proof that it is in the log."""

    number: int  # of the row, from 1
    at_us: int
    leaf: str  # SHA-256 of the row as a leaf of the tree (RFC 6962), hex


class AuditLog(Protocol):
    """Durable when awaited; raises Unavailable when the log cannot be kept: then nobody answers."""

    def enter(self, entry: Entry) -> Awaitable[Receipt]:
        """Write one row; resolves when it is on the disk. Rows of one moment share a commit."""
        ...

    def count(self, actor: Actor, act: Act) -> None:
        """Count a call that needs no row of its own; written once a minute."""
        ...

    def digest(self, value: str | bytes) -> str:
        """The keyed digest of a subject or an answer: equal for equal values, told to nobody."""
        ...


class Form(Protocol):
    """Rows of the log that differ by their time, how many rows were told, and the answer."""

    def row(self, at_us: int, rows: int, answer: str) -> bytes:
        """One of them; `answer` is a keyed digest, letters and digits."""
        ...
