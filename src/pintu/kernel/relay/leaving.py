"""What of a tenant may leave: decided by the gate for the token the relay reads as, again each
second; rows of the log narrowed to it.

Where everything may be seen a row leaves as it is. Under an agreement the documents before and
after it are needed: what is there of both is compared, and what changed of that is what is told.
"""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

import msgspec
import orjson

from pintu.kernel.access import Act, Actor, Deed, Gate, Projection
from pintu.kernel.context.standing import types_of
from pintu.kernel.errors import PintuError, Refused
from pintu.kernel.relay.rows import Row, row_of
from pintu.kernel.relay.words import Out
from pintu.kernel.store.port import Change

DECIDED_S: Final = 1.0


class Asked(Protocol):
    """What the relay must know of the house to let something leave."""

    gate: Gate

    def standing(self, actor: Actor) -> Actor | None:
        """Who a token is today."""
        ...

    def holds(self, actor: Actor, act: Act, projection: Projection) -> bool:
        """Whether what the gate decided is so at this moment; neither counted nor written down."""
        ...

    def persons(self, tenant: str) -> frozenset[str]:
        """Types of a tenant that tell of persons: they leave only under an agreement."""
        ...

    async def rebuild(self, change: Change) -> Change:
        """A row of the log with the documents before and after it."""
        ...

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, body: bytes, rows: int
    ) -> object:
        """Enter what is about to leave into the log."""
        ...


class Leaving:
    """One tenant on its way out."""

    def __init__(self, out: Out, token: str, asked: Asked) -> None:
        self.out, self._asked = out, asked
        self._actor = Actor(id=f"token:{token}", kind="service")
        self._act = Act(
            deed=Deed.READ,
            tenant=out.tenant,
            agreement=out.agreement,
            purpose=out.purpose or None,
            reason=out.reason or None,
        )
        self._until_s = 0.0
        self._who: Actor | None = None
        self.projection: Projection | None = None
        self._persons: frozenset[str] = frozenset()
        self.refused = ""

    def decide(self) -> bool:
        """Whether the tenant may leave now; what it may not is said in `refused`."""
        now_s = time.monotonic()
        if now_s < self._until_s:
            return self.projection is not None
        self._until_s = now_s + DECIDED_S
        try:
            self._who = self._asked.standing(self._actor)
            if self._who is None:
                raise Refused(f"{self._actor.id} has ended or does not exist")
            self.projection = self._asked.gate.decide(self._who, self._act)
            self._persons = self._asked.persons(self.out.tenant)
            self.refused = ""
        except PintuError as error:
            self.projection, self.refused = None, error.detail or error.title
        return self.projection is not None

    def still(self) -> None:
        """Raise Refused unless what was decided holds at this moment: asked of every message when
        it leaves, because it may have waited for room, or for its row of the log, since then."""
        who, projection = self._asked.standing(self._actor), self.projection
        if who is None or projection is None or not self._asked.holds(who, self._act, projection):
            self._until_s = 0.0
            raise Refused("What may leave is not what it was: decided anew")

    def _of_these(self, types: tuple[str, ...]) -> bool:
        kinds, projection = self.out.types, self.projection
        if kinds is not None and kinds.isdisjoint(types):
            return False
        if not self.out.agreement and not self._persons.isdisjoint(types):
            return False
        assert projection is not None
        return projection.types is None or not projection.types.isdisjoint(types)

    async def row(self, change: Change) -> Row | None:
        """A change as it leaves; None: it does not. `decide` was asked before."""
        projection = self.projection
        assert projection is not None
        if projection.whole:
            if self.out.types is None and not self._persons:
                return row_of(change)
            typed = change.changed is None or "type" in change.changed
            if change.verb != "replaced" and not (change.verb == "updated" and typed):
                return row_of(change) if self._of_these(change.types) else None
        change = await self._asked.rebuild(change)
        before, after = self._seen(change.before), self._seen(change.body)
        return _narrowed(row_of(change), before, after)

    def entity(self, body: bytes) -> bytes | None:
        """A document of the present as it leaves; None: it does not."""
        seen = self._seen(body)
        assert self.projection is not None
        return body if seen is not None and self.projection.whole else _dumped(seen)

    async def write_down(self, body: bytes, rows: int) -> None:
        """What the gate wants written down is written down before it leaves."""
        if self.projection is not None and self.projection.recorded and self._who is not None:
            await self._asked.write_down(self._who, self._act, self.projection, body, rows)

    def _seen(self, body: bytes | None) -> dict[str, Any] | None:
        """What is there of a document."""
        if body is None:
            return None
        projection = self.projection
        assert projection is not None
        document: dict[str, Any] = orjson.loads(body)
        told = document["type"]
        types = (told,) if isinstance(told, str) else tuple(told)
        if not self._of_these(types):
            return None
        if projection.seen is not None:
            return projection.seen.entity(document)
        if projection.rows is not None or projection.where:
            return None  # a predicate that nothing here can ask: too little rather than too much
        lets = projection.lets
        heads = ("id", "type", "scope", "expiresAt")
        return {name: one for name, one in document.items() if name in heads or lets(name)}


def _dumped(document: dict[str, Any] | None) -> bytes | None:
    return None if document is None else orjson.dumps(document)


def _narrowed(row: Row, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Row | None:
    """The row of what is there before and after; None when nothing of that changed."""
    if after is None:
        if before is None:
            return None
        nothing = msgspec.Raw(b"null")
        return msgspec.structs.replace(row, verb="deleted", types=types_of(before), data=nothing)
    if before == after:  # that something else changed is nobody's to know
        return None
    types = types_of(after)
    whole = before is None or row.verb == "replaced" or before["type"] != after["type"]
    if whole:
        verb = "created" if before is None else "replaced"
        body = msgspec.Raw(orjson.dumps(after))
        return msgspec.structs.replace(row, verb=verb, types=types, data=body)
    assert before is not None
    changed = {
        name: after.get(name) for name in {**before, **after} if before.get(name) != after.get(name)
    }
    data = msgspec.Raw(orjson.dumps(changed))
    return msgspec.structs.replace(row, verb="updated", types=types, held=True, data=data)
