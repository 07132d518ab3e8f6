"""What the gate asks at each call, in memory: agreements that are not over, and open recalls."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from pintu.kernel.access import Mask
from pintu.kernel.exchange.agreements.states import WAITING
from pintu.kernel.exchange.agreements.words import CLOSED, Agreement, Limits, Recall, Terms

NONE: Final[tuple[Agreement, ...]] = ()


class Memory:
    """Agreements by id and by organisation. Equal parts are one object, signatures stay in the
    table: 100,000 agreements in some 60 MB."""

    def __init__(self) -> None:
        self.active: dict[str, Agreement] = {}
        self.recalls: dict[str, Recall] = {}
        self._open: dict[str, tuple[Agreement, ...]] = {}
        self._consumers: dict[str, set[str]] = {}
        self._providers: dict[str, set[str]] = {}
        self._ended: set[str] = set()  # names of those whose time was seen to be over
        self._heap: list[tuple[int, str, int]] = []
        self._texts: dict[str, str] = {}
        self._masks: dict[Mask, Mask] = {}
        self._limits: dict[Limits, Limits] = {}
        self._fields: dict[tuple[tuple[str, Mask], ...], dict[str, Mask]] = {}

    def __len__(self) -> int:
        return len(self._open)

    # --- filling ------------------------------------------------------------------------------
    def put(self, agreement: Agreement) -> None:
        """One version as it is now; one that is over is forgotten."""
        one = self._compact(agreement)
        others = tuple(
            known for known in self._open.get(one.id, NONE) if known.version != one.version
        )
        kept = (
            others
            if one.state in CLOSED
            else tuple(sorted((*others, one), key=lambda known: known.version))
        )
        if kept:
            self._open[one.id] = kept
            self._consumers.setdefault(one.terms.consumer, set()).add(one.id)
            self._providers.setdefault(one.terms.provider, set()).add(one.id)
        else:
            self._open.pop(one.id, None)
            self._consumers.get(one.terms.consumer, set()).discard(one.id)
            self._providers.get(one.terms.provider, set()).discard(one.id)
        in_force = [known for known in kept if known.state == "active"]
        if in_force and in_force[-1].name not in self._ended:
            self.active[one.id] = in_force[-1]
        else:
            self.active.pop(one.id, None)
        for at_us in due_times(one):
            heapq.heappush(self._heap, (at_us, one.id, one.version))

    def forget(self, id: str, version: int) -> None:
        """A version that cannot be read is not there."""
        kept = tuple(one for one in self._open.get(id, NONE) if one.version != version)
        if kept:
            self._open[id] = kept
        else:
            self._open.pop(id, None)
            for ids in (*self._consumers.values(), *self._providers.values()):
                ids.discard(id)
        if id in self.active and self.active[id].version == version:
            del self.active[id]

    def put_recall(self, recall: Recall) -> None:
        """A recall as it is now; one that was answered is forgotten."""
        if not recall.open:
            self.recalls.pop(recall.id, None)
            return
        self.recalls[recall.id] = recall
        if not recall.overdue:
            heapq.heappush(self._heap, (recall.due_us, recall.id, 0))

    def end(self, agreement: Agreement) -> None:
        """Its time is over: it stays over, whatever the clock says later."""
        self._ended.add(agreement.name)
        if self.active.get(agreement.id) is agreement:
            del self.active[agreement.id]

    def _compact(self, one: Agreement) -> Agreement:
        terms, text = one.terms, self._text
        told = tuple((text(name), self._mask(mask)) for name, mask in terms.fields.items())
        fields = self._fields.setdefault(told, dict(told))
        small: Terms = msgspec.structs.replace(
            terms,
            data_set=text(terms.data_set),
            provider=text(terms.provider),
            consumer=text(terms.consumer),
            purpose=text(terms.purpose),
            basis=text(terms.basis),
            subject=text(terms.subject),
            fields=fields,
            limits=self._limits.setdefault(terms.limits, terms.limits),
        )
        return msgspec.structs.replace(
            one,
            terms=small,
            signatures=(),
            requested_by=text(one.requested_by),
            approved_by=text(one.approved_by),
        )

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def _mask(self, mask: Mask) -> Mask:
        return self._masks.setdefault(mask, mask)

    # --- asking -------------------------------------------------------------------------------
    def open_versions(self, id: str) -> tuple[Agreement, ...]:
        """Versions of an agreement that are not over, oldest first."""
        return self._open.get(id, NONE)

    def of_consumer(self, organisation: str) -> Iterator[Agreement]:
        """Every open version in which an organisation is the consumer."""
        for id in self._consumers.get(organisation, ()):
            yield from self._open[id]

    def of_provider(self, organisation: str) -> Iterator[Agreement]:
        """Every open version in which it is the provider."""
        for id in self._providers.get(organisation, ()):
            yield from self._open[id]

    def every(self) -> Iterator[Agreement]:
        """Every open version."""
        for versions in self._open.values():
            yield from versions

    def next_us(self) -> int | None:
        """When something is due next."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_us: int) -> list[tuple[str, int]]:
        """(id, version) of what is due, each once, no more in the queue; recalls have version 0."""
        found: dict[tuple[str, int], None] = {}
        while self._heap and self._heap[0][0] <= now_us:
            _, id, version = heapq.heappop(self._heap)
            found[id, version] = None
        return list(found)

    def put_back(self, due: Iterable[tuple[str, int]], at_us: int) -> None:
        """What could not be done is due again later."""
        for id, version in due:
            heapq.heappush(self._heap, (at_us, id, version))


def due_times(one: Agreement) -> Iterator[int]:
    """When the city must do something about a version: its deadline, its beginning, its end."""
    if one.state in CLOSED:
        return
    if one.due_us and one.state in WAITING:
        yield one.due_us
    if one.terms.until_us:
        yield one.terms.until_us
