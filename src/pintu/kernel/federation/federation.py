"""Everything a city knows of other sources of context, in one value."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.errors import Unavailable
from pintu.kernel.federation.health import Health
from pintu.kernel.federation.maps import EntityMaps
from pintu.kernel.federation.offers import Offers
from pintu.kernel.federation.registry import Registry
from pintu.kernel.federation.snapshots import Snapshots
from pintu.kernel.federation.sources import Sources
from pintu.kernel.federation.watchers import Watchers
from pintu.kernel.federation.words import Registration

log = logging.getLogger("pintu.federation")

LOOKS_EVERY_S: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Federation:
    """The registrations of every tenant, and how their sources are asked."""

    registry: Registry
    sources: Sources | None = None  # None: nobody is asked, only known
    maps: EntityMaps | None = None  # None: nobody holds on to the entities of a query
    snapshots: Snapshots | None = None  # None: nobody keeps entities as they were
    offers: Offers | None = None  # what neighbours may read here
    watchers: Watchers | None = None  # None: nobody can subscribe to registrations
    relaying: Any = None  # subscriptions of ours at other sources: the web knows both rooms
    _clocked: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell those who watch, and let registrations go when their time is over."""
        if self.watchers is not None:
            await self.watchers.start()
        if self.relaying is not None:
            self.relaying.start()
        self._clocked = asyncio.create_task(self._look_at_the_clock())

    async def stop(self) -> None:
        """Do neither any more."""
        if self._clocked is not None:
            self._clocked.cancel()
        if self.watchers is not None:
            await self.watchers.stop()
        if self.relaying is not None:
            await self.relaying.stop()

    async def _look_at_the_clock(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await self.registry.sweep()
                if self.snapshots is not None:
                    await self.snapshots.sweep()
            except Unavailable as error:
                log.warning("registrations that are over stay until the store is back: %s", error)

    def health_of(self, registration: Registration) -> Health | None:
        """How its source did since the broker started; None when it was never asked."""
        if self.sources is None:
            return None
        return self.sources.healths.find(registration.tenant, registration.id)

    def doing(self, registration: Registration) -> dict[str, Any]:
        """How the source of a registration does, as 5.2.9 shows it; empty before it was asked."""
        health = self.health_of(registration)
        if health is None or not health.asked:
            return {}
        told = {
            "status": "failed" if health.in_a_row else "ok",
            "timesSent": health.asked,
            "timesFailed": health.failed,
        }
        if health.last_answered_us:
            told["lastSuccess"] = iso(health.last_answered_us)
        if health.last_failed_us:
            told["lastFailure"] = iso(health.last_failed_us)
        return told
