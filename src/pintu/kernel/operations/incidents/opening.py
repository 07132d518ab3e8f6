"""Opening the room of incidents over what a city has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.operations.incidents.room import Incidents

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import CityTables


def open_incidents(rooms: Any, tables: CityTables, journal: Journal) -> Incidents:
    """The room, reading the feed of `rooms`; starts nothing."""
    return Incidents(tables, journal, rooms)
