"""Who asks, what for, and what they may see: the small words every door uses.

`exchange` will implement `Gate` with agreements; until then `identity` brings a gate that knows
administrators, tokens and the demo grant. Every read, write, notification, export, page and stream
calls `Gate.decide` once and carries the `Projection` it got from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pintu.kernel.context.selection import Q


class Deed(StrEnum):
    """What somebody wants to do with a data set."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    COMMAND = "command"
    OPERATE = "operate"  # quarantine, tokens, backup: the administrator's own work


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody or something that asks: a person, device, service, piece, or nobody special."""

    id: str
    kind: str = "service"  # person | device | service | piece | anonymous
    grants: frozenset[str] = frozenset()  # e.g. {"admin"}, {"read:demo", "write:demo"}, {"*"}
    local: bool = False  # loopback peer and Host, no forwarding header


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing asked for: a deed on a tenant's data, optionally named and reasoned."""

    deed: Deed
    tenant: str = ""  # "" is the default tenant
    data_set: str = "context"
    types: tuple[str, ...] = ()  # stored type names when known
    purpose: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The answer of the gate: which rows and which attributes, and why.

    `rows` is a predicate joined to the caller's own q; `attributes` None means all, otherwise the
    stored names that may be seen or written; `hidden` are names taken away from those.
    """

    rows: Q | None = None
    attributes: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    basis: str = "admin"
    masks: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """True when nothing is narrowed, so that stored bytes may be sent as they are."""
        return self.rows is None and self.attributes is None and not self.hidden and not self.masks

    @property
    def withheld(self) -> frozenset[str]:
        """Names that are not shown: the hidden ones, and those with a mask, because no door knows
        how to put one on yet and a mask that is forgotten must hide too much, not too little.
        """
        return self.hidden.union(self.masks) if self.masks else self.hidden

    def lets(self, name: str) -> bool:
        """Whether an attribute may be seen, asked for and written; by stored name."""
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
