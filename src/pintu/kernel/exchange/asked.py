"""One call of a data set: who asks, what the gate said, and what is owed before it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pintu.kernel.access import Act, Actor, Deed, Projection, Receipt
from pintu.kernel.context.match import attributes_of
from pintu.kernel.context.selection import And, Or, Q
from pintu.kernel.errors import BadInput, Forbidden, Refused, Unavailable
from pintu.kernel.exchange.gate.asking import Plan, subject_text
from pintu.kernel.exchange.words import DataSet, Why

if TYPE_CHECKING:
    from pintu.kernel.exchange.gate import ExchangeGate, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call. `gate` None: a gate that judges nothing but grants."""

    gate: ExchangeGate | None
    actor: Actor
    act: Act
    found: DataSet
    projection: Projection

    @property
    def judged(self) -> bool:
        """Whether more than a grant decided: something is narrowed, limited or written down."""
        return self.projection.recorded or bool(self.projection.agreement)

    @contextmanager
    def written_when_refused(self) -> Iterator[None]:
        """What goes wrong inside is written down when the call is one that is."""
        try:
            yield
        except (Refused, BadInput) as error:
            if self.gate is not None and self.judged:
                self.gate.recorder.refused(self.actor, self.act, error)
            raise

    def look(self, plan: Plan) -> None:
        """One look at one person more, before anything is looked up; TooManyRequests."""
        if self.gate is None or plan.value is None:
            return
        found = self.gate.under(self.projection)
        digest = self.gate.recorder.digest(subject_text(plan.value))
        if self.projection.own and digest != self.projection.own:
            raise Forbidden("This is another person's record than the one that is yours")
        if found is not None:
            self.gate.limits.look(found, digest, self.actor.person or self.actor.id)

    def take(self, rows: int) -> None:
        """Some rows more are about to be sent; TooManyRequests."""
        found = self.gate.under(self.projection) if self.gate is not None else None
        if self.gate is not None and found is not None:
            self.gate.limits.rows(found, rows)

    async def record(self, told: Told) -> Receipt | None:
        """The row of the log, durable; Unavailable when it cannot be kept."""
        if not self.projection.recorded:
            return None
        if self.gate is None:
            raise Unavailable("The log is not there: what must be written down is not answered")
        return await self.gate.record(self.actor, self.act, self.projection, told)


def reading(data_set: DataSet, why: Why) -> Act:
    """The act of reading a data set."""
    return Act(
        deed=Deed.READ,
        tenant=data_set.tenant,
        data_set=data_set.name,
        types=(data_set.type,) if data_set.type else (),
        purpose=why.purpose or None,
        reason=why.reason or None,
        agreement=why.agreement,
        owner=data_set.owner,
        persons=data_set.persons,
        subject=why.subject,
    )


def fence_of(projection: Projection) -> frozenset[str] | None:
    """The attributes that decide which rows are seen; None when all are."""
    return None if projection.rows is None else _attributes(projection.rows)


def _attributes(q: Q) -> frozenset[str]:
    if isinstance(q, And | Or):
        return frozenset().union(*(_attributes(part) for part in q.parts))
    return attributes_of(q)
