"""What the gate asks at each call, in memory: agreements that are not over, and open recalls."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pintu.kernel.access import Mask
from pintu.kernel.exchange.agreements.states import WAITING
from pintu.kernel.exchange.agreements.words import CLOSED, Agreement, Recall, Terms

NONE: Final[tuple[Agreement, ...]] = ()
NEVER: Final = 1 << 62


class Memory:
    """Agreements by id and by organisation. Equal parts are one object, signatures stay in the
    table.

    `active` is what is in force until `turn_us`, the next moment at which one begins or ends:
    whoever asks compares that with the clock, and calls `turn` when it has come.
    """

    def __init__(self) -> None:
        self.active: dict[str, Agreement] = {}
        self.turn_us = NEVER
        self.recalls: dict[str, Recall] = {}
        self._now_us = 0  # as `turn` was told last
        self._open: dict[str, Agreement | tuple[Agreement, ...]] = {}
        self._consumers: dict[str, set[str]] = {}
        self._providers: dict[str, set[str]] = {}
        self._turns: list[tuple[int, str]] = []  # when one begins or ends
        self._deadlines: list[tuple[int, str, int]] = []
        self._ended: set[tuple[str, int]] = set()  # seen to be over: they stay it
        self._over: list[tuple[str, int]] = []  # of those, what nobody was given yet
        self._same: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self._open)

    # --- filling ------------------------------------------------------------------------------
    def put(self, agreement: Agreement) -> None:
        """One version as it is now; one that is over is forgotten."""
        known = self.open_versions(agreement.id)
        kept = tuple(one for one in known if one.version != agreement.version)
        if agreement.state not in CLOSED:
            one = self._compact(agreement)
            kept = tuple(sorted((*kept, one), key=lambda one: one.version)) if kept else (one,)
            self._await(one)
        else:
            self._ended.discard((agreement.id, agreement.version))
        self._keep(agreement.id, agreement.terms, kept)

    def _await(self, one: Agreement) -> None:
        terms = one.terms
        for at_us in (terms.from_us, terms.until_us):
            if at_us > self._now_us:
                heapq.heappush(self._turns, (at_us, one.id))
            elif at_us and at_us == terms.until_us:
                self._end(one)
        if one.due_us and one.state in WAITING:
            heapq.heappush(self._deadlines, (one.due_us, one.id, one.version))
        self.turn_us = self._turns[0][0] if self._turns else NEVER

    def _end(self, one: Agreement) -> None:
        if (one.id, one.version) not in self._ended:
            self._ended.add((one.id, one.version))
            self._over.append((one.id, one.version))

    def _keep(self, id: str, terms: Terms, kept: tuple[Agreement, ...]) -> None:
        if kept:
            self._open[id] = kept[0] if len(kept) == 1 else kept
            self._consumers.setdefault(terms.consumer, set()).add(id)
            self._providers.setdefault(terms.provider, set()).add(id)
        else:
            self._open.pop(id, None)
            self._consumers.get(terms.consumer, set()).discard(id)
            self._providers.get(terms.provider, set()).discard(id)
        self._settle(id)

    def _settle(self, id: str) -> None:
        """Decide anew which version is in force."""
        for one in reversed(self.open_versions(id)):
            begun = one.terms.from_us <= self._now_us
            if one.state == "active" and begun and (id, one.version) not in self._ended:
                self.active[id] = one
                return
        self.active.pop(id, None)

    def forget(self, id: str, version: int) -> None:
        """A version that cannot be read is not there."""
        known = self.open_versions(id)
        if known:
            kept = tuple(one for one in known if one.version != version)
            self._keep(id, known[0].terms, kept)

    def put_recall(self, recall: Recall) -> None:
        """A recall as it is now; one that was answered is forgotten."""
        if not recall.open:
            self.recalls.pop(recall.id, None)
            return
        self.recalls[recall.id] = recall
        if not recall.overdue:
            heapq.heappush(self._deadlines, (recall.due_us, recall.id, 0))

    def turn(self, now_us: int) -> None:
        """The clock says this: what begins until then is in force, what ends is not, for good."""
        self._now_us = now_us
        turned = set()
        while self._turns and self._turns[0][0] <= now_us:
            turned.add(heapq.heappop(self._turns)[1])
        self.turn_us = self._turns[0][0] if self._turns else NEVER
        for id in turned:
            for one in self.open_versions(id):
                if 0 < one.terms.until_us <= now_us:
                    self._end(one)
            self._settle(id)

    def _compact(self, one: Agreement) -> Agreement:
        terms, same = one.terms, self._one
        fields = tuple((same(name), same(mask)) for name, mask in terms.fields.items())
        small = Terms(
            data_set=same(terms.data_set),
            provider=same(terms.provider),
            consumer=same(terms.consumer),
            purpose=same(terms.purpose),
            basis=same(terms.basis),
            fields=self._fields(fields),
            deed=terms.deed,
            where=self._where(terms.where),
            subject=same(terms.subject),
            k=terms.k,
            limits=same(terms.limits),
            retention_days=terms.retention_days,
            from_us=terms.from_us,
            until_us=terms.until_us,
            onward=terms.onward,
        )
        return msgspec.structs.replace(
            one,
            terms=small,
            signatures=(),
            requested_by=same(one.requested_by),
            approved_by=same(one.approved_by),
        )

    def _one(self, part: Any) -> Any:
        """The one object that stands for all that are equal to it."""
        return self._same.setdefault(part, part)

    def _fields(self, fields: tuple[tuple[str, Mask], ...]) -> dict[str, Mask]:
        found: dict[str, Mask] | None = self._same.get(fields)
        if found is None:
            found = self._same[fields] = dict(fields)
        return found

    def _where(self, where: Any) -> Any:
        try:
            return self._one(where)
        except TypeError:  # a condition on a list of values
            return where

    # --- asking -------------------------------------------------------------------------------
    def open_versions(self, id: str) -> tuple[Agreement, ...]:
        """Versions of an agreement that are not over, oldest first."""
        found = self._open.get(id, NONE)
        return found if type(found) is tuple else (found,)  # type: ignore[return-value]

    def of_consumer(self, organisation: str) -> Iterator[Agreement]:
        """Every open version in which an organisation is the consumer."""
        for id in self._consumers.get(organisation, ()):
            yield from self.open_versions(id)

    def of_provider(self, organisation: str) -> Iterator[Agreement]:
        """Every open version in which it is the provider."""
        for id in self._providers.get(organisation, ()):
            yield from self.open_versions(id)

    def every(self) -> Iterator[Agreement]:
        """Every open version."""
        for id in self._open:
            yield from self.open_versions(id)

    # --- what is due --------------------------------------------------------------------------
    def next_us(self) -> int | None:
        """When something is due next."""
        first = min(self.turn_us, self._deadlines[0][0] if self._deadlines else NEVER)
        if self._over:
            first = min(first, self._now_us)
        return None if first == NEVER else first

    def take_due(self, now_us: int) -> list[tuple[str, int]]:
        """(id, version) of what is due, each once; recalls have version 0. Given once: whoever
        cannot do it puts it back."""
        self.turn(now_us)
        found = dict.fromkeys(self._over)
        self._over.clear()
        while self._deadlines and self._deadlines[0][0] <= now_us:
            _, id, version = heapq.heappop(self._deadlines)
            found[id, version] = None
        return list(found)

    def put_back(self, due: Iterable[tuple[str, int]], at_us: int) -> None:
        """What could not be done is due again later."""
        for id, version in due:
            heapq.heappush(self._deadlines, (at_us, id, version))
