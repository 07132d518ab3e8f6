"""Who does something in linkage and why: asked of the gate, written into the sealed log first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pintu.kernel.access import Act, Actor, AuditLog, Deed, Entry, Gate, Projection
from pintu.kernel.errors import Forbidden, PintuError, Unauthorized
from pintu.kernel.linkage.ports import Corrections

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Somebody at work: purpose and reason hold for the session they were told in."""

    actor: Actor
    purpose: str = ""
    reason: str = ""

    @property
    def by(self) -> str:
        """The person, or the program, as events name them."""
        return self.actor.person or self.actor.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Asks the gate and keeps the log; without a log (a city that has none) deeds are only in the
    events of linkage itself."""

    gate: Callable[[], Gate]  # the city's, as it is when it is asked
    rows: Corrections
    audit: AuditLog | None = None

    def decide(self, hand: Hand, data_set: str) -> Projection:
        """The gate's answer about the persons of a data set; Forbidden or Unauthorized."""
        act = Act(
            deed=Deed.READ,
            data_set=data_set,
            owner=self.rows.owner(data_set),
            persons=True,
            purpose=hand.purpose,
            reason=hand.reason,
        )
        return self.gate().decide(hand.actor, act)

    def open_sets(self, hand: Hand, data_sets: Iterable[str]) -> frozenset[str]:
        """Those of some data sets whose persons somebody may see whole."""
        return frozenset(one for one in data_sets if self._may(hand, one))

    def one_of(self, hand: Hand, data_sets: Sequence[str]) -> None:
        """Raises what the gate says of the first when none of them is open to somebody: who works
        on a link must answer for one of its ends."""
        if not self.open_sets(hand, data_sets) and data_sets:
            self.decide(hand, data_sets[0])
            raise Forbidden(f"Data set {data_sets[0]!r} shows you only a part of its persons")

    def _may(self, hand: Hand, data_set: str) -> bool:
        actor = hand.actor
        foreign = actor.organisation != self.rows.owner(data_set)
        if foreign and not (actor.broken_glass or actor.local):
            return False  # asking would be written down as a refusal, at every pair
        try:
            found = self.decide(hand, data_set)
        except (Unauthorized, Forbidden):
            return False
        return _all_of_it(found)

    async def logged(self, hand: Hand, entry: Entry, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` once its row is in the log; one that was refused then has a second row."""
        if self.audit is None:
            return await work()
        await self.audit.enter(entry)
        try:
            return await work()
        except PintuError as error:
            again = Entry(
                what="refused", deed=f"linkage {entry.deed}", actor=entry.actor,
                person=entry.person, organisation=entry.organisation, data_set=entry.data_set,
                basis=error.detail[:300], purpose=entry.purpose, reason=entry.reason,
                subjects=entry.subjects,
            )  # fmt: skip
            await self.audit.enter(again)
            raise

    def digests(self, values: Iterable[str]) -> tuple[str, ...]:
        """Keyed digests of persons, for rows of the log."""
        if self.audit is None:
            return ()
        return tuple(sorted({self.audit.digest(one) for one in values if one}))


def _all_of_it(found: Projection) -> bool:
    """Whether whole rows are shown; that a look is written down narrows nothing."""
    narrowed = (found.rows, found.attributes, found.types, found.seen)
    return all(one is None for one in narrowed) and not (
        found.hidden or found.masks or found.where or found.own or found.subject or found.k
    )


def entry_of(
    hand: Hand, deed: str, *, data_sets: Iterable[str] = (), subjects: tuple[str, ...] = (),
    detail: dict[str, str] | None = None,
) -> Entry:  # fmt: skip
    """A row of the log about a deed of linkage."""
    return Entry(
        what="linkage",
        deed=deed,
        actor=hand.actor.id,
        person=hand.actor.person,
        organisation=hand.actor.organisation,
        data_set=" ".join(sorted(set(data_sets))),
        purpose=hand.purpose,
        reason=hand.reason,
        subjects=subjects,
        rows=len(subjects),
        detail=detail or {},
    )
