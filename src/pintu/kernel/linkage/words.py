"""What linkage speaks of: plans, references, pairs, clusters, values and objections."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Verdict = Literal["same", "different", "unsure"]
PairState = Literal["open", "same", "different", "unsure"]
ObjectionState = Literal["open", "late", "accepted", "refused"]

LINK_AT: Final = 0.99
REVIEW_AT: Final = 0.30
MOST_PAIRS: Final = 40_000_000
"""Pairs that all blocking rules of a plan may make together."""

LARGEST_CLUSTER: Final = 12
"""Records that are said to be one person without anybody having looked."""

OBJECTION_DAYS: Final = 15
"""The term of an owner's answer, calendar days."""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One data set of a plan: which column tells what. Keys of `columns` are roles of the matching
    (name, id_number, birth, sex, phone, address) or any other attribute of the golden record."""

    data_set: str
    columns: dict[str, str]
    unique: bool = False  # whether nobody is in it twice: one of ours matches one of theirs


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is linked with what. `authority`: attribute → data sets whose word holds, the first
    that says anything; never the latest."""

    name: str
    sources: tuple[Source, ...]
    title: dict[str, str] = {}
    authority: dict[str, tuple[str, ...]] = {}
    link_at: float = LINK_AT
    review_at: float = REVIEW_AT
    pairs: int = MOST_PAIRS
    largest: int = LARGEST_CLUSTER

    def column(self, data_set: str, attribute: str) -> str:
        """The column of a data set that tells an attribute; empty when it tells it not."""
        for one in self.sources:
            if one.data_set == data_set:
                return one.columns.get(attribute, "")
        return ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that some data set tells, in the order in which they are named."""
        return tuple(dict.fromkeys(name for one in self.sources for name in one.columns))


class Ref(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One record: the data set it is in and its key there."""

    data_set: str
    key: str

    def __str__(self) -> str:
        return f"{self.data_set}/{self.key}"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two records that may be one. `score`: the probability the model gives, 0 to 1; `why`: what
    held it back from being linked (`score`, `twins`, `ids`, `size`, `cycle`)."""

    number: int
    plan: str
    left: Ref
    right: Ref
    score: float
    why: str
    state: PairState = "open"
    by: str = ""
    at_us: int = 0
    reason: str = ""
    event: int = 0  # the merge that a verdict made


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Records that are one. `picks`: attribute → the record whose word a steward chose where the
    authority says two things."""

    id: str
    plan: str
    members: tuple[Ref, ...]  # sorted
    picks: dict[str, Ref] = {}
    since_us: int = 0

    def state(self) -> bytes:
        """The whole of it, equal bytes for equal clusters."""
        return msgspec.json.encode(self, order="sorted")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change of clusters. `before` and `after` are whole clusters: undoing one puts `before`
    back byte by byte."""

    number: int
    plan: str
    what: Literal["merge", "unmerge", "pick", "split"]
    at_us: int
    by: str
    reason: str
    before: tuple[Cluster, ...]
    after: tuple[Cluster, ...]
    undoes: int = 0  # the event an unmerge undid
    undone: int = 0  # the unmerge that undid this one


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of one record, and how it is known."""

    value: Any
    data_set: str
    key: str
    column: str
    source: str = ""  # of the data set: SOURCE/MAPPING
    at_us: int = 0  # when the row last changed
    corrected: bool = False  # after an objection; the source has not changed since


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a golden record: what holds and what everybody says. `settled` says why it
    holds: `authority`, `pick`, `only` (nobody else says anything), or empty: nothing holds."""

    name: str
    holds: Value | None
    settled: str
    says: tuple[Value, ...]
    conflict: bool


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """One person or thing, as the authorities of its attributes tell it."""

    cluster: Cluster
    attributes: tuple[Attribute, ...]


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody says that a value is wrong. `also`: the places that were corrected with it."""

    number: int
    data_set: str
    key: str
    column: str
    wish: Any
    why: str
    by: str  # organisation, or the person who acts for nobody else
    person: str  # who wrote it
    owner: str  # organisation that has to answer
    at_us: int
    due_us: int
    state: ObjectionState = "open"
    answer: str = ""
    value: Any = None  # what was written when it was accepted
    answered_by: str = ""
    answered_us: int = 0
    also: tuple[Ref, ...] = ()


class LinkRun(msgspec.Struct, frozen=True, kw_only=True):
    """One pass of the matching over a plan, and what became of it."""

    number: int
    plan: str
    by: str
    state: Literal["running", "done", "failed"]
    started_us: int
    ended_us: int = 0
    records: int = 0
    pairs: int = 0  # compared
    linked: int = 0
    review: int = 0
    clusters: int = 0
    messages: list[dict[str, str]] = []
