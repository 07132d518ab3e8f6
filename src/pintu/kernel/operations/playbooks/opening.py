"""Opening the playbooks' part over what a city has, and the ledger joined to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.operations.playbooks.looking import Looking
from pintu.kernel.operations.playbooks.plays import Plays

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import CityTables


def open_plays(rooms: Any, tables: CityTables, journal: Journal) -> Plays:
    """Plays over the ledger of a city; the ledger tells the journal from here on."""
    looking = Looking(rooms.store)
    rooms.commands.join(journal, looking.entity)
    return Plays(journal)
