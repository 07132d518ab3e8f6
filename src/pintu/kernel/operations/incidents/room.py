"""The room of incidents as pages and other rooms reach it: what there is, and what people do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.operations.incidents import keeping
from pintu.kernel.operations.incidents.schema import TABLES
from pintu.kernel.operations.incidents.words import LIVE, STATES, Alarm, Incident

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import CityTables


class Incidents:
    """What happened, from alarms; every deed is in the journal as `incident:ID`.

    Its deeds: opened, raised, lowered (its grade), joined (by alarms), merged, split, assigned,
    acknowledged, closed, reopened.
    """

    def __init__(self, tables: CityTables, journal: Journal, clock: Clock) -> None:
        self.opened = tables.register(TABLES)
        self._journal, self._clock = journal, clock
        journal.join(self.opened)

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Incident:
        """One incident as it is now, whatever its state; ResourceNotFound when there is none."""
        found = await self.opened.read(lambda c: keeping.find_incident(c, id))
        if found is None:
            raise ResourceNotFound(f"Incident {id[:80]} does not exist")
        return found

    async def list_open(self, tenant: str) -> list[Incident]:
        """Every incident that is somebody's business, the gravest and then the newest first."""
        found = await self.list_incidents(tenant, tuple(sorted(LIVE)))
        return sorted(found, key=lambda one: (-one.grade, -one.opened_us))

    async def list_incidents(
        self,
        tenant: str,
        states: tuple[str, ...] = STATES,
        *,
        since_us: int = 0,
        limit: int = 500,
    ) -> list[Incident]:
        """Incidents of some states opened since then, newest first, at most 5,000."""
        limit = min(limit, 5_000)
        return await self.opened.read(
            lambda c: keeping.list_incidents(c, tenant, states, since_us, limit)
        )

    async def list_alarms(self, id: str, *, limit: int = 500, offset: int = 0) -> list[Alarm]:
        """The alarms of an incident, oldest first, at most 5,000; every one can be reached."""
        limit = min(limit, 5_000)
        return await self.opened.read(lambda c: keeping.alarms_of(c, id, limit, offset))

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Take alerts in from where an earlier life ended."""

    async def stop(self) -> None:
        """Take no more in; what was taken in is on disk."""
