"""Parts of one entity from several sources put together: whoever took an attribute tells it alone,
then the most recent instance a datasetId wins, and auxiliary sources only fill (4.3.6.2, 4.5.5).

Pure. Parts come in the order of their sources, this broker's first: of two instances that are
equally recent the earlier part's stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pintu.kernel.context.members import ENTITY_MEMBERS, instances
from pintu.kernel.context.merging import joined
from pintu.kernel.context.record import Record
from pintu.kernel.context.times import time_key
from pintu.kernel.federation.arrived import Part
from pintu.kernel.federation.words import Share

_RANK = {"exclusive": 0, "redirect": 1, "": 2, "inclusive": 2, "auxiliary": 3}


@dataclass(frozen=True, slots=True)
class Claims:
    """What exclusive and redirect registrations took: others' data of it is not there."""

    shares: tuple[Share, ...] = ()

    @staticmethod
    def of(shares: Iterable[Share]) -> Claims:
        """The claims among the shares of one request."""
        taking = [one for one in shares if one.registration.mode in ("exclusive", "redirect")]
        taking.sort(key=lambda one: _RANK[one.registration.mode])
        return Claims(tuple(taking))

    def touches(self, id: str, types: frozenset[str]) -> bool:
        """Whether anything of an entity is claimed."""
        return any(one.covers(id, types) for one in self.shares)

    def taken(self, id: str, types: frozenset[str], rank: int) -> Taken:
        """What is claimed of an entity before somebody of a rank may speak."""
        names: set[str] = set()
        whole = False
        for one in self.shares:
            if _RANK[one.registration.mode] < rank and one.covers(id, types):
                whole = whole or not one.names
                names |= one.names
        return Taken(whole, frozenset(names))


@dataclass(frozen=True, slots=True)
class Taken:
    """Attributes somebody else speaks for: all of them, or those named."""

    whole: bool
    names: frozenset[str]

    def from_part(self, part: Part) -> Part | None:
        """The part without what is taken; None when all of it is."""
        if self.whole:
            return None
        if self.names.isdisjoint(part.document):
            return part
        left = {name: value for name, value in part.document.items() if name not in self.names}
        return Part(
            part.id, part.types, left, part.times, part.created_us, part.modified_us, part.source,
            part.mode,
        )  # fmt: skip


def merge(parts: Sequence[Part], claims: Claims) -> Part | None:
    """One part of all of them; None when nothing is left of what is not claimed."""
    if len(parts) == 1 and not claims.shares:
        return parts[0]
    types = frozenset().union(*(part.types for part in parts))
    left = []
    for part in sorted(parts, key=lambda one: _RANK[one.mode]):
        taken = claims.taken(part.id, types, _RANK[part.mode])
        kept = taken.from_part(part)
        if kept is not None:
            left.append(kept)
    if not left:
        return None
    return left[0] if len(left) == 1 else _merged(left)


def _merged(parts: list[Part]) -> Part:
    found: dict[str, dict[str | None, tuple[Any, Part]]] = {}
    for part in parts:
        fills = part.mode == "auxiliary"
        for name, attribute in part.document.items():
            if name in ENTITY_MEMBERS:
                continue
            held = found.setdefault(name, {})
            for instance in instances(attribute):
                dataset_id = instance.get("datasetId")
                there = held.get(dataset_id)
                if there is None or (not fills and _newer(name, instance, part, there)):
                    held[dataset_id] = instance, part
    document = _head(parts)
    times = {}
    for name, held in found.items():
        document[name] = joined({key: instance for key, (instance, _) in held.items()})
        for dataset_id, (_, part) in held.items():
            times[time_key(name, dataset_id)] = part.stamps(name, dataset_id)
    created = [part.created_us for part in parts if part.created_us]
    return Part(
        parts[0].id,
        frozenset().union(*(part.types for part in parts)),
        document,
        times,
        min(created, default=0),
        max(part.modified_us for part in parts),
        parts[0].source,
        parts[0].mode,
    )


def _newer(name: str, instance: Any, part: Part, there: tuple[Any, Part]) -> bool:
    """Whether an instance is more recent than the one that is there (4.5.5.3): observedAt where
    both tell it, then modifiedAt."""
    other, its_part = there
    one, two = instance.get("observedAt"), other.get("observedAt")
    if one is not None and two is not None and one != two:
        return bool(one.rstrip("Z") > two.rstrip("Z"))
    dataset_id = instance.get("datasetId")
    mine = part.stamps(name, dataset_id)[1]
    theirs = its_part.stamps(name, dataset_id)[1]
    return mine > theirs


def _head(parts: list[Part]) -> dict[str, Any]:
    """id, all types, all scopes, and the latest end."""
    types = sorted(frozenset().union(*(part.types for part in parts)))
    head: dict[str, Any] = {"id": parts[0].id, "type": types[0] if len(types) == 1 else types}
    scopes: dict[str, None] = {}
    for part in parts:
        scopes.update(dict.fromkeys(part.document.get("scope", ())))
    if scopes:
        head["scope"] = list(scopes)
    ends = [part.document.get("expiresAt") for part in parts]
    if all(end is not None for end in ends):
        head["expiresAt"] = max(ends, key=lambda end: str(end).rstrip("Z"))
    return head


def record_of(part: Part) -> Record:
    """The part as a stored entity, so that it is shown as one is."""
    return Record(
        number=0,
        id=part.id,
        types=tuple(sorted(part.types)),
        body=orjson.dumps(part.document),
        created_us=part.created_us,
        modified_us=part.modified_us,
        times=orjson.dumps(part.times) if part.times else None,
    )
