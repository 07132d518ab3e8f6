"""A small town with a room of incidents: real store, feed, intake and tables, a clock by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.feed import Feed
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.incidents.flood import Limits
from pintu.kernel.operations.incidents.room import Incidents
from pintu.kernel.operations.journal import Deed, Journal
from pintu.kernel.store.port import settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import CityTables

TENANT = "demo"
MINUTE_US = 60_000_000
BEGAN_US = 1_790_000_000_000_000
HERE = (120.2, 30.25)


class HandClock:
    """A clock that somebody sets."""

    rate = 1.0

    def __init__(self, at_us: int = BEGAN_US) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        """As it was set."""
        return self.at_us

    def pass_minutes(self, minutes: float) -> None:
        """Later."""
        self.at_us += int(minutes * MINUTE_US)


class Town:
    """One city with its room of incidents; `open` again is a restart."""

    def __init__(
        self,
        folder: Path,
        tables: CityTables,
        clock: HandClock | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.clock = clock or HandClock()
        self.store = open_sqlite(folder / "context.db", clock=self.clock)
        self.intake = Intake(self.store, ContextLibrary(folder / "contexts"), self.clock, tables)
        self.feed = Feed(self.store)
        self.journal = Journal(self.intake, self.clock)
        self.deeds: list[Deed] = []
        self.journal.listen(self.deeds.append)
        self._keys = 0
        rooms = SimpleNamespace(
            store=self.store,
            feed=self.feed,
            clock=self.clock,
            settings=SimpleNamespace(tz="Asia/Shanghai"),
        )
        self.incidents = Incidents(tables, self.journal, rooms, limits=limits)

    async def tell(self, *entities: dict[str, Any], at_once: int = 500) -> None:
        """Entities come in, and what is alarmed is taken in."""
        for begin in range(0, len(entities), at_once):
            updates = [Update(one, "upsert") for one in entities[begin : begin + at_once]]
            self._keys += 1
            key = f"{self.clock.now_us()}-{self._keys}"
            batch = Batch(source="test", tenant=TENANT, key=key, updates=updates)
            receipt = await self.intake.accept(batch)
            assert receipt.errors == [] and receipt.quarantined == 0
        await self.incidents.taker.caught_up()

    async def known(self, id: str) -> Any:
        """What the city has of an entity; None when nothing."""
        return await settled(self.store.retrieve(self.store.tenant(TENANT) or 0, id))

    def verbs(self, id: str) -> list[str]:
        """The deeds of one incident that were told, in order."""
        return [one.verb for one in self.deeds if one.subject == f"incident:{id}"]

    async def close(self) -> None:
        """The end of this life."""
        await self.incidents.stop()
        await self.store.close()


def moved(metres_east: float, metres_north: float = 0.0) -> tuple[float, float]:
    """A place so far from the middle of the town."""
    return HERE[0] + metres_east / 96_000.0, HERE[1] + metres_north / 111_320.0


def alert(
    name: str,
    at_us: int = BEGAN_US,
    *,
    place: tuple[float, float] | None = HERE,
    source: str = "",
    **more: Any,
) -> dict[str, Any]:
    """An Alert as a detector of lamps tells it; `more` are values of other properties."""
    values = {
        "category": "streetlight",
        "subCategory": "failed",
        "severity": "critical",
        "status": "open",
        "detector": "street_lights/detect",
        "name": f"Failed lamp: {name}",
        "validFrom": {"@type": "DateTime", "@value": iso(at_us)},
    } | more
    entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Alert:test:{name}", "type": "Alert"}
    entity |= {key: {"type": "Property", "value": value} for key, value in values.items()}
    if source:
        entity["alertSource"] = {"type": "Relationship", "object": source}
    if place is not None:
        where = {"type": "Point", "coordinates": list(place)}
        entity["location"] = {"type": "GeoProperty", "value": where}
    return entity


def thing(id: str, **needs: str) -> dict[str, Any]:
    """An entity that depends on others by relationships."""
    entity: dict[str, Any] = {"id": id, "type": id.split(":")[2]}
    entity["name"] = {"type": "Property", "value": id.rpartition(":")[2]}
    for name, to in needs.items():
        entity[name] = {"type": "Relationship", "object": to}
    return entity
