"""What this city offers to its neighbours: entities of some types, to be read; never persons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Deed, Projection
from pintu.kernel.clock import Clock
from pintu.kernel.context.selection import Compare, OneOf, Path
from pintu.kernel.errors import BadRequestData, Forbidden
from pintu.kernel.federation.schema import OFFER, TABLES
from pintu.kernel.tables import CityTables, put_rows

MOST_TYPES = 200
Tells = Callable[[str, str], bool]
"""(tenant, stored type) → whether entities of that type tell of persons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Types of one tenant that one neighbour may read; names are stored names."""

    node: str
    tenant: str
    types: frozenset[str]
    names: frozenset[str] = frozenset()  # attributes; empty: all
    by: str = ""
    at_us: int = 0


Many = list[Offer]


class Offers:
    """Kept in private tables, decided from memory."""

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._tables, self._clock = tables.register(TABLES), clock
        self._by_key: dict[tuple[str, str], Offer] = {}
        self._projections: dict[tuple[str, str], tuple[frozenset[str], Projection]] = {}
        self.personal: Tells = _of_nobody
        for row in self._tables.read_now(lambda c: c.execute(OFFER.select()).mappings().all()):
            one = _offer(row)
            self._by_key[one.node, one.tenant] = one

    def of(self, node: str) -> Many:
        """What a neighbour is offered, by tenant; types that tell of persons are none of it."""
        found = [self._without_persons(one) for (name, _), one in self._by_key.items()
                 if name == node]  # fmt: skip
        return sorted((one for one in found if one.types), key=lambda one: one.tenant)

    async def put(self, offer: Offer) -> Offer:
        """Offer this instead of what was offered of the tenant; no types: nothing any more.

        Raises Forbidden for a type that tells of persons: that is shared by an agreement.
        """
        if len(offer.types) > MOST_TYPES:
            raise BadRequestData(f"An offer names at most {MOST_TYPES} types")
        for name in sorted(offer.types):
            if self.personal(offer.tenant, name):
                raise Forbidden(f"{name} tells of persons: it is shared by an agreement alone")
        key = (offer.node, offer.tenant)
        if not offer.types:
            await self._forget([key])
            return offer
        row = {
            "node": offer.node, "tenant": offer.tenant, "types": orjson.dumps(sorted(offer.types)),
            "names": orjson.dumps(sorted(offer.names)), "by": offer.by,
            "at_us": self._clock.now_us(),
        }  # fmt: skip
        await self._tables.run(lambda connection: put_rows(connection, OFFER, [row]))
        self._by_key[key] = _offer(row)
        self._projections.pop(key, None)
        return self._by_key[key]

    async def remove(self, node: str) -> None:
        """Nothing is offered to a node any more."""
        await self._forget([key for key in self._by_key if key[0] == node])

    async def _forget(self, keys: list[tuple[str, str]]) -> None:
        def work(connection: Connection) -> None:
            for node, tenant in keys:
                same = sa.and_(OFFER.c.node == node, OFFER.c.tenant == tenant)
                connection.execute(OFFER.delete().where(same))

        await self._tables.run(work)
        for key in keys:
            self._by_key.pop(key, None)
            self._projections.pop(key, None)

    def decide(self, actor: Actor, act: Act) -> Projection:
        """What a neighbour's node may do of an act: read what it is offered. Raises Forbidden.

        Part of the gate: see `ExchangeGate.join`.
        """
        name = actor.id.removeprefix("node:")
        found = self._by_key.get((name, act.tenant))
        if found is None or act.deed is not Deed.READ:
            tenant = f"tenant {act.tenant!r}" if act.tenant else "the default tenant"
            raise Forbidden(f"Node {name} is not offered to {act.deed} anything of {tenant}")
        types = self._without_persons(found).types
        if not types:
            raise Forbidden(f"What was offered to node {name} tells of persons now")
        known = self._projections.get((name, act.tenant))
        if known is not None and known[0] == types:
            return known[1]
        projection = Projection(
            rows=Compare(Path("type"), "==", OneOf(tuple(sorted(types)))),
            types=types,
            attributes=found.names or None,
            basis=f"offer to {name}",
        )
        self._projections[name, act.tenant] = (types, projection)
        return projection

    def _without_persons(self, offer: Offer) -> Offer:
        types = frozenset(one for one in offer.types if not self.personal(offer.tenant, one))
        if types == offer.types:
            return offer
        return Offer(
            node=offer.node, tenant=offer.tenant, types=types, names=offer.names, by=offer.by,
            at_us=offer.at_us,
        )  # fmt: skip


def _of_nobody(tenant: str, name: str) -> bool:
    return False


def _offer(row: Any) -> Offer:
    return Offer(
        node=row["node"],
        tenant=row["tenant"],
        types=frozenset(orjson.loads(row["types"])),
        names=frozenset(orjson.loads(row["names"])),
        by=row["by"],
        at_us=row["at_us"],
    )
