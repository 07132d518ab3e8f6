"""The registrations of a city: kept in private tables, asked in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import AlreadyExists, ResourceNotFound, TooLarge
from pintu.kernel.federation.index import Index
from pintu.kernel.federation.matching import has, shares
from pintu.kernel.federation.reading import read
from pintu.kernel.federation.rules import check_beside, overlaps_to_seek
from pintu.kernel.federation.schema import REGISTRATION, TABLES
from pintu.kernel.federation.words import Registration, Share, Wanted
from pintu.kernel.tables import CityTables, put_rows

MOST: Final = 50_000
"""Registrations of one tenant."""

_NEVER: Final = 1 << 62

What = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class Happened:
    """A registration came, changed, or went (deleted or expired); the one before, the one now."""

    what: What
    before: Registration | None
    now: Registration | None

    @property
    def registration(self) -> Registration:
        """The newest there is."""
        found = self.now or self.before
        assert found is not None
        return found


Listener = Callable[[Happened], None]
Shares = list[Share]
Registrations = list[Registration]


class Registry:
    """Answers from memory, in microseconds; what changes it returns after it is durable.

    Listeners are called in order, after the change, on the loop; they must not raise or wait.
    """

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._tables = tables.register(TABLES)
        self._clock = clock
        self._by_tenant: dict[str, Index] = {}
        self._listeners: list[Listener] = []
        self._changing = asyncio.Lock()
        self._over_us = _NEVER  # nothing expires before
        self.tenants: set[str] = set()
        """Those that have any registration: for the hot path, `name in registry.tenants`."""
        self.version = 0  # grows with each change, for what is remembered of answers
        rows = self._tables.read_now(lambda c: c.execute(_ALL).mappings().all())
        for row in rows:
            self._put(_registration(row))

    # --- asked ----------------------------------------------------------------------------------
    def any(self, tenant: str) -> bool:
        """Whether a tenant has registrations at all."""
        return tenant in self.tenants

    def matching(self, tenant: str, wanted: Wanted) -> Shares:
        """What each source may be asked of what is wanted (5.12), each registration as often as it
        has different entities or attributes.

        Expired and paused registrations are none. `wanted.strict` is discovery's (5.10.2).
        """
        index = self._by_tenant.get(tenant)
        if index is None:
            return []
        return shares(index.candidates(wanted), wanted, self._clock.now_us())

    def discover(self, tenant: str, wanted: Wanted) -> Shares:
        """As `matching`, with the paused ones too: for 5.10.2, which tells of registrations."""
        index = self._by_tenant.get(tenant)
        if index is None:
            return []
        return shares(index.candidates(wanted), wanted, self._clock.now_us(), paused=True)

    def find(self, tenant: str, id: str) -> Registration | None:
        """One that has not expired, or None."""
        index = self._by_tenant.get(tenant)
        found = None if index is None else index.registrations.get(id)
        return found if found is not None and found.lives(self._clock.now_us()) else None

    def get(self, tenant: str, id: str) -> Registration:
        """One registration; raises ResourceNotFound."""
        found = self.find(tenant, id)
        if found is None:
            raise ResourceNotFound(f"{id} does not exist")
        return found

    def list(self, tenant: str) -> Registrations:
        """All that live, oldest first."""
        index, now_us = self._by_tenant.get(tenant), self._clock.now_us()
        held = () if index is None else index.registrations.values()
        return [one for one in held if one.lives(now_us)]

    def named(self, alias: str) -> bool:
        """Whether a source of that name is registered here; looked for one by one, which is for
        the rare request that names one."""
        return bool(alias) and any(one.alias == alias for one in self)

    def data_version(self) -> int:
        """Another number whenever anybody changed what is kept, this process or another."""
        return self._tables.data_version()

    def kept_tenants(self) -> frozenset[str]:
        """As `tenants`, from the tables: another broker of the city may have written them."""
        asked = sa.select(REGISTRATION.c.tenant).distinct()
        return frozenset(self._tables.read_now(lambda c: c.execute(asked).scalars().all()))

    def __iter__(self) -> Iterator[Registration]:
        for index in tuple(self._by_tenant.values()):
            yield from tuple(index.registrations.values())

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear of every change from now on; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- changed --------------------------------------------------------------------------------
    async def add(self, registration: Registration) -> Registration:
        """Keep a new one; raises AlreadyExists, RegistrationConflict, and TooLarge when the tenant
        has as many as it may."""
        async with self._changing:
            await self._sweep()
            if self.find(registration.tenant, registration.id) is not None:
                raise AlreadyExists(f"{registration.id} is registered already")
            index = self._by_tenant.get(registration.tenant)
            if index is not None and len(index.registrations) >= MOST:
                raise TooLarge(f"The tenant has {MOST} registrations already")
            check_beside(registration, self._overlapping(registration))
            now_us = self._clock.now_us()
            kept = replace(registration, created_us=now_us, modified_us=now_us)
            await self._keep(kept)
            self._tell(Happened("added", None, kept))
            return kept

    async def replace(self, registration: Registration) -> Registration:
        """Keep one in place of the one with its id; raises ResourceNotFound,
        RegistrationConflict."""
        async with self._changing:
            before = self.get(registration.tenant, registration.id)
            check_beside(registration, self._overlapping(registration))
            kept = replace(
                registration, created_us=before.created_us, modified_us=self._clock.now_us()
            )
            await self._keep(kept)
            self._tell(Happened("changed", before, kept))
            return kept

    async def pause(self, tenant: str, id: str, *, paused: bool) -> None:
        """A person says that a source is asked nothing for now, or again; raises
        ResourceNotFound. Nobody who watches registrations hears of it: they are as they were.
        """
        async with self._changing:
            kept = replace(self.get(tenant, id), paused=paused)
            await self._keep(kept)
            self.version += 1

    async def remove(self, tenant: str, id: str) -> None:
        """Forget one; raises ResourceNotFound."""
        async with self._changing:
            before = self.get(tenant, id)
            await self._forget([before])

    async def sweep(self) -> None:
        """Let those go whose time is over; listeners hear that they are removed."""
        async with self._changing:
            await self._sweep()

    async def _sweep(self) -> None:
        now_us = self._clock.now_us()
        if self._over_us > now_us:
            return
        gone = [one for one in self if not one.lives(now_us)]
        if gone:
            await self._forget(gone)
        ends = (one.expires_us for one in self if one.expires_us is not None)
        self._over_us = min(ends, default=_NEVER)

    def _overlapping(self, registration: Registration) -> Iterator[Registration]:
        index, now_us = self._by_tenant.get(registration.tenant), self._clock.now_us()
        if index is None:
            return
        for wanted in overlaps_to_seek(registration):
            for entry in index.candidates(wanted):
                if entry.registration.lives(now_us) and has(entry, wanted):
                    yield entry.registration

    async def _keep(self, registration: Registration) -> None:
        row = _row(registration)
        await self._tables.run(lambda connection: put_rows(connection, REGISTRATION, [row]))
        self._put(registration)

    async def _forget(self, gone: Registrations) -> None:
        def work(connection: Connection) -> None:
            for one in gone:
                same = (REGISTRATION.c.tenant == one.tenant) & (REGISTRATION.c.id == one.id)
                connection.execute(REGISTRATION.delete().where(same))

        await self._tables.run(work)
        for one in gone:
            index = self._by_tenant[one.tenant]
            index.remove(one.id)
            if not index.registrations:
                del self._by_tenant[one.tenant]
                self.tenants.discard(one.tenant)
            self._tell(Happened("removed", one, None))

    def _put(self, registration: Registration) -> None:
        self._by_tenant.setdefault(registration.tenant, Index()).add(registration)
        self.tenants.add(registration.tenant)
        if registration.expires_us is not None:
            self._over_us = min(self._over_us, registration.expires_us)

    def _tell(self, happened: Happened) -> None:
        self.version += 1
        for listener in tuple(self._listeners):
            listener(happened)


_ALL = sa.select(REGISTRATION).order_by(REGISTRATION.c.created_us, REGISTRATION.c.id)


def _row(one: Registration) -> dict[str, Any]:
    return {
        "tenant": one.tenant, "id": one.id, "document": orjson.dumps(one.document),
        "created_us": one.created_us, "modified_us": one.modified_us, "node": one.node,
        "agreement": one.agreement, "purpose": one.purpose, "paused": one.paused,
    }  # fmt: skip


def _registration(row: Any) -> Registration:
    # what was kept once was checked then: a time that is over since is no mistake of it
    found = read(orjson.loads(row["document"]), tenant=row["tenant"], now_us=0)
    return replace(
        found,
        created_us=row["created_us"],
        modified_us=row["modified_us"],
        node=row["node"],
        agreement=row["agreement"],
        purpose=row["purpose"],
        paused=bool(row["paused"]),
    )
