"""What other sources told of histories, put beside what is known here (4.3.6, 5.7.3.4, 5.7.4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from pintu.kernel.context.temporal import Evolution, Instance
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.context.temporal.writing import read_history, read_instances
from pintu.kernel.errors import PintuError
from pintu.kernel.federation import Share
from pintu.kernel.federation.merging import Claims
from pintu.kernel.jsonld import NULL, Terms

MOST: Final = 50_000
"""Instances of one source in one answer."""
_HEAD: Final = frozenset(("id", "type", "@id", "@type", "@context"))
_VALUES: Final = ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList")


@dataclass(frozen=True, slots=True)
class Told:
    """One attribute instance as a source told it."""

    name: str
    document: dict[str, Any]
    created_us: int
    modified_us: int
    deleted_us: int


@dataclass(slots=True)
class Part:
    """What one source told of one entity."""

    share: Share
    types: tuple[str, ...]
    instances: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class Beside:
    """All that sources told, by entity; `claims` is what they alone speak for."""

    claims: Claims = field(default_factory=Claims)
    parts: dict[str, list[Part]] = field(default_factory=dict)

    def take(self, share: Share, document: Any, terms: Terms) -> str:
        """Keep what lies in the share of a source; the entity's id, "" for what is none."""
        try:
            head = {name: document[name] for name in _HEAD if name in document}
            id, types, _ = read_history(head, terms)
        except (PintuError, TypeError, KeyError):
            return ""
        if not share.covers(id, frozenset(types)):
            return ""
        part = next((one for one in self.parts.get(id, ()) if one.share is share), None)
        if part is None:
            part = Part(share, types)
            self.parts.setdefault(id, []).append(part)
        for name, value in document.items():
            if name in _HEAD or len(part.instances) >= MOST:
                continue
            for raw in value if isinstance(value, list) else [value]:
                told = _instance(name, raw, terms)
                if told is not None and (told.name == "scope" or share.lets(told.name)):
                    part.instances.append(told)
        return id

    def merged(self, id: str, own: Evolution | None, read: Iterable[str] | None) -> Any:
        """The evolution with what others told of it; one instance a time and data set (5.7.3.4)."""
        parts = self.parts.get(id)
        if not parts:
            return own
        types = frozenset(type for part in parts for type in part.types)
        evolution = own or Evolution(id, tuple(sorted(types)), known=True, series={})
        if own is not None:
            self._yield(evolution)
            evolution.types = tuple(sorted({*evolution.types, *types}))
        names = None if read is None else frozenset(read)
        for part in parts:
            for number, told in enumerate(part.instances):
                if names is None or told.name in names:
                    _put(evolution, told, number)
        return evolution

    def _yield(self, evolution: Evolution) -> None:
        """What an exclusive or redirect source has is not told of here."""
        for share in self.claims.shares:
            if share.covers(evolution.id, frozenset(evolution.types)):
                for name in [name for name in evolution.series if share.lets(name)]:
                    del evolution.series[name]


BESIDE: Final[ContextVar[Beside | None]] = ContextVar("beside", default=None)
"""Of the request under way; None: nobody else was asked."""


def _instance(name: str, raw: Any, terms: Terms) -> Told | None:
    if not isinstance(raw, (dict, str)):
        return None
    try:
        read = read_instances({name: raw}, terms)
        times = raw if isinstance(raw, dict) else {}
        created, modified, deleted = (
            micros(times[at]) if isinstance(times.get(at), str) else 0
            for at in ("createdAt", "modifiedAt", "deletedAt")
        )
    except (PintuError, ValueError):
        return None
    for stored, documents in read.items():
        for document in documents:
            gone = deleted or (created if any(document.get(one) == NULL for one in _VALUES) else 0)
            return Told(stored, document, created, modified or created, gone)
    return None


def _put(evolution: Evolution, told: Told, number: int) -> None:
    dataset = told.document.get("datasetId")
    scope = told.name == "scope"
    series = evolution.scope if scope else evolution.one(told.name, dataset)
    at = told.document.get("observedAt")
    for one in series.instances:
        same = one.document.get("observedAt") == at
        if same and (at is not None or one.created_us == told.created_us):
            return
    series.instances.append(
        Instance(
            told.document, 0, number, told.created_us, told.modified_us, told.deleted_us
        )
    )  # fmt: skip
