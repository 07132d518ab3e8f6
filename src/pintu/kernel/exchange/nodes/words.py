"""Nodes as everybody names them: what one tells of itself, who is a neighbour, how a call reads."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.exchange.agreements.words import Agreement, Deletion, Recall, Signature, Terms
from pintu.kernel.exchange.words import Column

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
ORGANISATION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
ROLES: Final = frozenset(("officer", "owner", "deputy", "steward", "clerk"))
"""Roles a node may claim for its people: nobody audits or operates another node."""

State = Literal[
    "asked",  # it asks to be our neighbour; our administrator compares fingerprints and accepts
    "invited",  # we asked it and compared its fingerprint; it has not accepted yet
    "joined",
    "suspended",  # by us: its calls are refused until we resume
    "left",  # by either
]


class Endorsement(msgspec.Struct, frozen=True, kw_only=True):
    """An older key says which one follows it."""

    public: str  # the older key, base64
    next: str  # the newer one
    at_us: int
    signature: str  # of the older key, base64


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An organisation of a node, whose key the node vouches for."""

    id: str
    public: str
    name: dict[str, str] = {}


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node tells of itself at `/.well-known/pintu-node`, signed with its own key."""

    name: str
    url: str
    public: str  # of the node's key: it signs calls and answers
    log: str = ""  # the name under which it countersigns, and signs its log's heads
    log_public: str = ""
    organisations: tuple[Party, ...] = ()
    chain: tuple[Endorsement, ...] = ()  # from its first key to this one
    at_us: int = 0
    signature: str = ""  # over the canonical JSON (RFC 8785) of all the rest


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A neighbour as we know it."""

    document: Document
    state: State
    since_us: int = 0  # joined
    changed_us: int = 0
    by: str = ""  # who joined, accepted, suspended
    keys: tuple[tuple[str, int], ...] = ()  # (older public key, until when calls with it are good)
    note: str = ""  # why it is suspended or left

    @property
    def name(self) -> str:
        """What it is called."""
        return self.document.name


class Kept(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was counted of a neighbour since this process started."""

    calls_in: int = 0
    calls_out: int = 0
    rows_in: int = 0
    rows_out: int = 0
    refused: int = 0
    failures: int = 0
    last_us: int = 0
    last_failure: str = ""
    head_us: int = 0  # when it last countersigned our head
    forked: str = ""  # what speaks against its log; "" when nothing does


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The signed body of a call between nodes: who claims to act there, what for, and what."""

    organisation: str = ""  # of the calling node, without the node's name
    person: str = ""  # a pseudonym that the calling node makes for the called one
    roles: tuple[str, ...] = ()
    purpose: str = ""
    reason: str = ""
    body: msgspec.Raw = msgspec.Raw(b"null")


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A data set as a neighbour may know it: its metadata, never a row."""

    name: str
    title: dict[str, str] = {}
    summary: dict[str, str] = {}
    owner: str = ""
    theme: str = ""
    frequency: str = ""
    sharing: str = ""
    licence: str = ""
    area: str = ""
    persons: bool = False
    columns: tuple[Column, ...] = ()


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an agreement from afar."""

    terms: Terms
    key: str
    amends: str = ""


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer's signature made at its own node."""

    version: int
    signature: Signature


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """A holder's answer to a recall, signed at its own node."""

    told: Deletion
    signature: Signature


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider's node tells the consumer's: an agreement as it is now, recalls of copies."""

    agreement: Agreement | None = None
    recall: Recall | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A head shown to a neighbour, with the proof from the one it saw last."""

    head: str
    proof: tuple[str, ...] = ()  # base64


class Abroad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agreement whose provider is at another node, as this node knows it."""

    node: str
    agreement: Agreement
    narrowed: Terms | None = None  # what this node lets its own people have of it; only narrower
    seen_us: int = 0


class RecallAbroad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recall by a provider at another node, and what was answered."""

    node: str
    recall: Recall


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that came from another node, with the provider's receipt and our own."""

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    total: int | None
    as_of: str
    agreement: str  # ID/VERSION@NODE
    receipt: str  # the provider's: NUMBER; leaf=HEX
    own: int  # the number of our own row of the log
