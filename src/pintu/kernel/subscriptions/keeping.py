"""Every subscription of a city: in memory to be asked, in private tables to last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.clock import Clock
from pintu.kernel.errors import AlreadyExists, PintuError, ResourceNotFound, TooLarge
from pintu.kernel.store.port import Store
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.reading import reread
from pintu.kernel.subscriptions.schema import STATE, SUBSCRIPTION, TABLES
from pintu.kernel.subscriptions.words import Asker, Key, State, Subscription
from pintu.kernel.tables import CityTables, put_rows

log = logging.getLogger("pintu.subscriptions")

MOST: Final = 100_000
"""Subscriptions a city keeps unless told otherwise; each is some kilobytes of memory."""

Deed = Literal["added", "replaced", "removed"]
Listener = Callable[[Deed, Subscription], None]
Standing = Callable[[Asker], Actor | None]


class Subscriptions:
    """The register: `matcher` knows whom a change concerns and is always in step with it.

    Lives on the loop. What is added is on the disk before `add` returns; listeners hear of it
    then.
    """

    def __init__(self, tables: CityTables, store: Store, clock: Clock, *, most: int = MOST) -> None:
        """Reads everything that is kept; a row that cannot be read any more is logged, kept and
        left out.
        """
        self.clock = clock
        self.tables = tables.register(TABLES)
        self.matcher = Matcher()
        self.most = most
        self.states: dict[Key, State] = {}
        self.standing: Standing = Asker.actor
        """What somebody who subscribed may be taken for now; None: their account has ended."""
        self._store = store
        self._by_tenant: dict[int, dict[str, Subscription]] = {}
        self._count = 0
        self._listeners: list[Listener] = []
        self.turn = asyncio.Lock()
        """Held while one is added, changed or removed."""
        self.prepare: Callable[[], Awaitable[None]] = _nothing
        """Done before one is added: from where it is told must be on the disk first."""
        self.tables.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        order = sa.select(SUBSCRIPTION).order_by(SUBSCRIPTION.c.created_us, SUBSCRIPTION.c.id)
        for row in connection.execute(order):
            tenant = self._store.tenant(row.tenant)
            try:
                found = reread(row, tenant or 0)
            except (PintuError, msgspec.DecodeError) as error:
                log.error("Subscription %s of tenant %r cannot be read: %s", row.id, row.tenant,
                          error)  # fmt: skip
                continue
            if tenant is not None:
                self._put(found)
        for row in connection.execute(sa.select(STATE)):
            tenant = self._store.tenant(row.tenant)
            if tenant is not None and self.find(tenant, row.id) is not None:
                self.states[tenant, row.id] = msgspec.json.decode(row.body, type=State)

    # --- asking -----------------------------------------------------------------------------------
    def any(self, tenant: int) -> bool:
        """Whether a tenant has any: one look-up."""
        return tenant in self._by_tenant

    def find(self, tenant: int, id: str) -> Subscription | None:
        """One by its id, or None."""
        return self._by_tenant.get(tenant, {}).get(id)

    def get(self, tenant: int, id: str) -> Subscription:
        """One by its id; raises ResourceNotFound."""
        found = self.find(tenant, id)
        if found is None:
            raise ResourceNotFound(f"Subscription {id} does not exist")
        return found

    def page(self, tenant: int, *, limit: int, offset: int = 0) -> list[Subscription]:
        """One page, oldest first."""
        kept = self._by_tenant.get(tenant, {})
        return list(islice(kept.values(), offset, offset + limit))

    def of(self, tenant: int) -> list[Subscription]:
        """All of a tenant, oldest first."""
        return [*self._by_tenant.get(tenant, {}).values()]

    def count(self, tenant: int | None = None) -> int:
        """How many a tenant has, or all together."""
        return self._count if tenant is None else len(self._by_tenant.get(tenant, ()))

    def every(self) -> Iterator[Subscription]:
        """All of all tenants."""
        for kept in self._by_tenant.values():
            yield from kept.values()

    def state(self, subscription: Subscription) -> State:
        """How telling it goes: one mutable object as long as the subscription lives."""
        return self.states.setdefault(subscription.key, State())

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each deed, in order, on the loop."""
        self._listeners.append(listener)

    # --- changing ---------------------------------------------------------------------------------
    async def add(self, subscription: Subscription) -> None:
        """Keep a new one; raises AlreadyExists, TooLarge over the city's bound, TooComplex."""
        async with self.turn:
            self.refuse_double(subscription.tenant, subscription.id)
            if self._count >= self.most:
                raise TooLarge(f"This city keeps at most {self.most} subscriptions")
            self.matcher.check_room(subscription)
            self.states.pop(subscription.key, None)
            await self.prepare()
            await self.tables.run(_kept(subscription))
            self._put(subscription)
            self._tell("added", subscription)

    def refuse_double(self, tenant: int, id: str) -> None:
        """Raise AlreadyExists when a tenant has one of that id."""
        if self.find(tenant, id) is not None:
            raise AlreadyExists(f"Subscription {id} already exists")

    async def replace(self, subscription: Subscription) -> None:
        """Keep a changed one in place of the one of its id; raises ResourceNotFound, TooComplex."""
        async with self.turn:
            self.get(subscription.tenant, subscription.id)
            self.matcher.check_room(subscription)
            await self.tables.run(_kept(subscription))
            self._put(subscription)
            self._tell("replaced", subscription)

    async def remove(self, tenant: int, id: str) -> None:
        """Forget one and its state; raises ResourceNotFound. Nothing is sent for it afterwards."""
        async with self.turn:
            gone = self.get(tenant, id)
            await self.tables.run(_gone(gone))
            self._drop(gone)
            self._tell("removed", gone)

    async def save_states(self, subscriptions: list[Subscription]) -> None:
        """Write down how telling goes for these, in one transaction; those gone are left out."""
        rows = [
            {
                "tenant": one.tenant_name,
                "id": one.id,
                "body": msgspec.json.encode(self.states[one.key]),
            }
            for one in subscriptions
            if one.key in self.states and self.find(*one.key) is not None
        ]
        async with self.turn:
            await self.tables.run(lambda connection: put_rows(connection, STATE, rows))

    def _put(self, subscription: Subscription) -> None:
        kept = self._by_tenant.setdefault(subscription.tenant, {})
        known = kept.get(subscription.id)
        if known is not None:
            self.matcher.remove(known)
        else:
            self._count += 1
        kept[subscription.id] = subscription
        self.matcher.add(subscription)

    def _drop(self, subscription: Subscription) -> None:
        kept = self._by_tenant[subscription.tenant]
        del kept[subscription.id]
        if not kept:
            del self._by_tenant[subscription.tenant]
        self._count -= 1
        self.states.pop(subscription.key, None)
        self.matcher.remove(subscription)

    def _tell(self, deed: Deed, subscription: Subscription) -> None:
        for listener in self._listeners:
            listener(deed, subscription)


async def _nothing() -> None:
    """Nobody tells anybody."""


def _kept(one: Subscription) -> Callable[[Connection], None]:
    row = {
        "tenant": one.tenant_name,
        "id": one.id,
        "created_us": one.created_us,
        "modified_us": one.modified_us,
        "document": msgspec.json.encode(one.document),
        "asker": msgspec.json.encode(one.asker),
        "context": msgspec.json.encode([one.context, one.terms_from]),
    }
    return lambda connection: put_rows(connection, SUBSCRIPTION, [row])


def _gone(one: Subscription) -> Callable[[Connection], None]:
    def work(connection: Connection) -> Any:
        for table in (SUBSCRIPTION, STATE):
            mine = (table.c.tenant == one.tenant_name, table.c.id == one.id)
            connection.execute(table.delete().where(*mine))

    return work
