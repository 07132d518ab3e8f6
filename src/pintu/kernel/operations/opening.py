"""Opening the operations room: its parts, in the order they need one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.orders import Orders, open_orders
from pintu.kernel.operations.playbooks.plays import Plays

if TYPE_CHECKING:
    from pintu.kernel.tables import CityTables


class Part(Protocol):
    """What runs by itself while the city runs."""

    async def start(self) -> None:
        """Go on where an earlier life ended."""

    async def stop(self) -> None:
        """Finish what is under way; nothing is lost that is left."""


@dataclass(slots=True, kw_only=True)
class OperationsRoom:
    """The parts, as pages and claims reach them. `parts` run, in this order."""

    journal: Journal
    parts: list[Part] = field(default_factory=list)
    plays: Plays | None = None  # playbooks at work
    orders: Orders | None = None  # work orders, crews, closure proof

    async def start(self) -> None:
        """Each part after those it needs."""
        for part in self.parts:
            await part.start()

    async def stop(self) -> None:
        """The other way round."""
        for part in reversed(self.parts):
            await part.stop()


def open_operations(rooms: Any, tables: CityTables) -> OperationsRoom:
    """The room over what a city has: `rooms` is the city's (its store, intake, clock, timers,
    commands, feed, caller, notices …)."""
    journal = Journal(rooms.intake, rooms.clock)
    room = OperationsRoom(journal=journal)
    room.parts.append(journal)
    room.plays = Plays(journal)
    room.parts.append(room.plays)
    room.orders = open_orders(rooms, tables, journal)
    return room
