"""Opening the room: one line for whoever wires a city."""

from __future__ import annotations

from pintu.kernel.clock import Clock
from pintu.kernel.federation.federation import Federation
from pintu.kernel.federation.registry import Registry
from pintu.kernel.tables import CityTables


def open_federation(tables: CityTables, clock: Clock) -> Federation:
    """The registrations as they were kept."""
    return Federation(registry=Registry(tables, clock))
