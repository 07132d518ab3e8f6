"""What is asked before a command is sent: its interlocks, and whose hands it is in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pintu.kernel.access import Actor
from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.asking import Ask
from pintu.kernel.operations.rules import FREE, Interlock, Rule, locks_of, related, shut

Look = Callable[[str, str], Awaitable[dict[str, Any] | None]]
"""(tenant, id) → the thing as the city knows it, or None."""
LookMany = Callable[[str, Sequence[str]], Awaitable[dict[str, dict[str, Any]]]]
"""(tenant, ids) → those of the things that the city knows, by id."""
Seen = dict[tuple[str, str], dict[str, Any] | None]
"""What many asks of one moment look at together, by (tenant, id): a cabinet of a hundred lamps."""


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
        self.look_many: LookMany | None = None

    def rule(self, piece: str, name: str) -> Rule:
        """The rule of a command; one that names none is free."""
        return self._rules.get((piece, name), FREE)

    def why_of(self, name: str, lang: str = "zh") -> str:
        """Why an interlock of that name is there; "" when nobody said it in that language."""
        locks = (one for rule in self._rules.values() for one in rule.interlocks)
        return next((one.why.get(lang, "") for one in locks if one.name == name), "")

    def looked_at(self, piece: str, name: str, arguments: dict[str, Any]) -> bool:
        """Whether anything must be looked at before such a command is sent."""
        return bool(locks_of(self.rule(piece, name), arguments))

    def looked_at_for(self, ask: Ask) -> bool:
        """The same of an ask."""
        return self.looked_at(ask.piece, ask.name, ask.arguments)

    async def look_ahead(self, tenant: str, targets: Sequence[str], seen: Seen) -> None:
        """Look at many things at once, for the checks that follow."""
        ids = list({one for one in targets if (tenant, one) not in seen})
        if self.look_many is None or not ids:
            return
        found = await self.look_many(tenant, ids)
        seen.update(((tenant, one), found.get(one)) for one in ids)

    async def check(self, tenant: str, ask: Ask, seen: Seen | None = None) -> None:
        """Raises StateConflict, naming the interlock, when one is shut, or cannot be looked at."""
        locks = locks_of(self.rule(ask.piece, ask.name), ask.arguments)
        if not locks:
            return
        seen = {} if seen is None else seen
        entity = await self._seen(tenant, ask.target, seen)
        if entity is None:
            raise StateConflict(f"{ask.target} is not known: {locks[0].name} cannot be looked at")
        for lock in locks:
            await self._pass(tenant, lock, entity, seen)

    async def _seen(self, tenant: str, id: str, seen: Seen) -> dict[str, Any] | None:
        if (tenant, id) not in seen:
            seen[tenant, id] = await self.look(tenant, id)
        return seen[tenant, id]

    async def _pass(self, tenant: str, lock: Interlock, entity: dict[str, Any], seen: Seen) -> None:
        looked = [entity]
        if lock.over:
            looked = []
            for other in related(entity, lock.over):
                found = await self._seen(tenant, other, seen)
                if found is None:
                    raise StateConflict(f"{other} is not known: {lock.name} cannot be looked at")
                looked.append(found)
        for one in looked:
            if shut(lock, one):
                why = lock.why.get("en") or lock.name
                raise StateConflict(
                    f"Interlock {lock.name} of {one.get('id')} is shut: {why}", interlock=lock.name
                )
