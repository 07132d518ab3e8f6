"""Opening the playbooks' part over what a city has, and the ledger joined to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.operations.playbooks.desk import Desk
from pintu.kernel.operations.playbooks.looking import Looking
from pintu.kernel.operations.playbooks.plays import Plays
from pintu.kernel.operations.playbooks.schema import TABLES

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import CityTables


def open_plays(rooms: Any, tables: CityTables, journal: Journal) -> Plays:
    """Plays over the ledger of a city; the ledger tells the journal from here on."""
    looking = Looking(rooms.store)
    rooms.commands.join(journal, looking.entity, looking.entities)
    opened = tables.register(TABLES)
    journal.join(opened)
    desk = Desk(opened, journal, rooms.clock, looking)
    known = (rooms.commands, rooms.timers, rooms.gate, rooms.configuration)
    return Plays(desk, *known, zone=rooms.settings.tz)
