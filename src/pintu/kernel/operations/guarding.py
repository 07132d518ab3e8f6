"""What is asked before a command is sent: its interlocks, and whose hands it is in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pintu.kernel.access import Actor
from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.asking import Ask
from pintu.kernel.operations.rules import FREE, Interlock, Rule, locks_of, related, shut

Look = Callable[[str, str], Awaitable[dict[str, Any] | None]]
"""(tenant, id) → the thing as the city knows it, or None."""


async def nobody_looks(tenant: str, id: str) -> dict[str, Any] | None:
    """Of a ledger that stands alone: it knows no thing, so every interlock is shut."""
    return None


def person_of(actor: Actor) -> str:
    """Who acts, whatever session or token they come with: two of one person are one."""
    return actor.person or actor.id


class Guarding:
    """The rules by (piece, command), and how to look at things."""

    def __init__(self, rules: Mapping[tuple[str, str], Rule]) -> None:
        self._rules = dict(rules)
        self.look: Look = nobody_looks

    def rule(self, piece: str, name: str) -> Rule:
        """The rule of a command; one that names none is free."""
        return self._rules.get((piece, name), FREE)

    def looked_at(self, piece: str, name: str, arguments: dict[str, Any]) -> bool:
        """Whether anything must be looked at before such a command is sent."""
        return bool(locks_of(self.rule(piece, name), arguments))

    async def check(
        self, tenant: str, ask: Ask, seen: dict[str, dict[str, Any] | None] | None = None
    ) -> None:
        """Raises StateConflict, naming the interlock, when one is shut, or cannot be looked at.
        `seen` keeps what many asks of one moment look at together: a cabinet of a hundred lamps.
        """
        locks = locks_of(self.rule(ask.piece, ask.name), ask.arguments)
        if not locks:
            return
        entity = await self.look(tenant, ask.target)
        seen = {} if seen is None else seen
        if entity is None:
            raise StateConflict(f"{ask.target} is not known: {locks[0].name} cannot be looked at")
        for lock in locks:
            await self._pass(tenant, lock, entity, seen)

    async def _pass(
        self,
        tenant: str,
        lock: Interlock,
        entity: dict[str, Any],
        seen: dict[str, dict[str, Any] | None],
    ) -> None:
        looked = entity
        if lock.over:
            other = related(entity, lock.over)
            if other is None:
                return
            if other not in seen:
                seen[other] = await self.look(tenant, other)
            found = seen[other]
            if found is None:
                raise StateConflict(f"{other} is not known: {lock.name} cannot be looked at")
            looked = found
        if shut(lock, looked):
            why = lock.why.get("en") or lock.name
            raise StateConflict(
                f"Interlock {lock.name} of {looked.get('id')} is shut: {why}", interlock=lock.name
            )
