"""Who asks, what for, and what they may see: the small words every door uses.

`exchange` implements `Gate` with agreements on top of `identity`'s, which knows administrators,
tokens and the demo grant. Every read, write, notification, export, page and stream calls
`Gate.decide` once and carries the `Projection` it got from there on; what it says must be written
down is written down in the `AuditLog` before anybody gets an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pintu.kernel.access.audited import AuditLog, Entry, Receipt
from pintu.kernel.access.masks import Mask, masked
from pintu.kernel.context.selection import Q


class Deed(StrEnum):
    """What somebody wants to do with a data set."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    COMMAND = "command"
    REGISTER = "register"  # say which other brokers answer for a tenant: everybody's calls go there
    RESPOND = "respond"  # work in the operations room: take alarms, approve steps, close orders
    OPERATE = "operate"  # quarantine, tokens, backup: the administrator's own work


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody or something that asks: a person, device, service, piece, or nobody special."""

    id: str
    kind: str = "service"  # person | device | service | piece | anonymous
    grants: frozenset[str] = frozenset()  # e.g. {"admin"}, {"read:demo", "write:demo"}, {"*"}
    local: bool = False  # loopback peer and Host, no forwarding header
    person: str = ""  # the account of the person who acts, "" for programs
    organisation: str = ""  # for whom: "health", or "health@NODE" of a joined node
    roles: frozenset[str] = frozenset()  # in that organisation, and "auditor" of the city
    broken_glass: str = ""  # the number of the break-glass act that is open for this person


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing asked for: a deed on a tenant's data, optionally named and reasoned."""

    deed: Deed
    tenant: str = ""  # "" is the default tenant
    data_set: str = "context"
    types: tuple[str, ...] = ()  # stored type names when known
    purpose: str | None = None  # a code of `purposes`
    reason: str | None = None  # in the caller's own words
    agreement: str = ""  # "AG-ID", as the caller named it
    owner: str = ""  # the organisation a data set belongs to
    persons: bool = False  # whether its rows tell of persons
    subject: str = ""  # keyed digest of the one person somebody asks about as their own record


class Seen(Protocol):
    """What is there of stored documents for somebody; `narrowing` has the one there is."""

    def __call__(self, body: bytes) -> bytes | None:
        """A document as it is there; None when it is not."""
        ...

    def entity(self, entity: dict[str, Any]) -> dict[str, Any] | None:
        """The same of one that was read already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The answer of the gate: which rows and which attributes, and why.

    `rows` is a predicate joined to the caller's own q (context), `where` one of columns (tables and
    files); `types` None means every type. `attributes` None means all, otherwise the stored names
    that may be seen or written; `hidden` are names taken away from those; `masks` are put on what
    is shown, and whoever may see a value only through a mask may not ask, sort or count by it.
    """

    rows: Q | None = None
    where: tuple[object, ...] = ()  # Conditions of exchange.words
    types: frozenset[str] | None = None
    attributes: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    basis: str = "admin"
    masks: Mapping[str, Mask] = field(default_factory=dict)
    agreement: str = ""  # "ID/VERSION" under which this is
    recorded: bool = False  # the answer waits for its row of the audit log, and names it
    subject: str = ""  # the column that must be asked for one value: one person a call
    k: int = 0  # counts of fewer are not told; 0: rows may be listed
    most_rows: int | None = None  # of one answer
    own: str = ""  # keyed digest of the only person it is about: their own record, to themself
    seen: Seen | None = None
    """What is there of a stored document, masks put on; None of one outside. A door that asks this
    first cannot show, sort or count what it does not know of."""
    key: bytes = field(default=b"", repr=False)  # of pseudonyms

    @property
    def whole(self) -> bool:
        """True when nothing is narrowed and nobody waits for a row of the log, so that stored
        bytes may be sent as they are."""
        return (
            not self.recorded
            and self.rows is None
            and self.attributes is None
            and self.types is None
            and not self.hidden
            and not self.masks
            and not self.where
        )

    @property
    def withheld(self) -> frozenset[str]:
        """Names that are not shown as they are: the hidden ones and the masked ones, for a door
        that cannot put on masks: a mask that is forgotten must hide too much, not too little.
        """
        return self.hidden.union(self.masks) if self.masks else self.hidden

    def lets(self, name: str) -> bool:
        """Whether an attribute may be seen as it is, asked for and written; by stored name."""
        return (
            name not in self.hidden
            and name not in self.masks
            and (self.attributes is None or name in self.attributes)
        )


WHOLE = Projection()


class Gate(Protocol):
    """Decides; never fetches. Raises `Unauthorized` or `Forbidden`, naming what is missing."""

    def decide(self, actor: Actor, act: Act) -> Projection:
        """Return what the actor may do of the act, once a call."""
        ...


__all__ = [
    "WHOLE",
    "Act",
    "Actor",
    "AuditLog",
    "Deed",
    "Entry",
    "Gate",
    "Mask",
    "Projection",
    "Receipt",
    "Seen",
    "masked",
]
