"""Opening the operations room: its parts, in the order they need one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pintu.kernel.operations.calling_out import CallingOut
from pintu.kernel.operations.decided import Decided
from pintu.kernel.operations.ended import Ended
from pintu.kernel.operations.eventful import open_events
from pintu.kernel.operations.forgetting import Forgetting
from pintu.kernel.operations.incidents.opening import open_incidents
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.orders import OrderHand, Orders, open_orders
from pintu.kernel.operations.playbooks.opening import open_plays
from pintu.kernel.operations.roster.opening import open_roster
from pintu.kernel.operations.streets.room import open_streets
from pintu.kernel.operations.warned import MessageHand, People
from pintu.kernel.operations.warnings.opening import open_warnings, our_name

if TYPE_CHECKING:
    from pintu.kernel.operations.events import MajorEvents
    from pintu.kernel.operations.incidents.room import Incidents
    from pintu.kernel.operations.playbooks.plays import Plays
    from pintu.kernel.operations.roster.channels import OperatorChannels
    from pintu.kernel.operations.roster.duty import Duty
    from pintu.kernel.operations.roster.handovers import Handovers
    from pintu.kernel.operations.roster.notifier import Notifier
    from pintu.kernel.operations.roster.roster import Roster
    from pintu.kernel.operations.roster.ways import Ways
    from pintu.kernel.operations.streets import Streets
    from pintu.kernel.operations.warnings.warnings import Warnings
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
    incidents: Incidents | None = None  # what happened, from alarms
    plays: Plays | None = None  # playbooks at work
    orders: Orders | None = None  # work orders, crews, closure proof
    roster: Roster | None = None  # who is on duty
    duty: Duty | None = None  # rings until somebody has it
    notifier: Notifier | None = None  # messages with receipts
    ways: Ways | None = None  # to people, private
    channels: OperatorChannels | None = None
    handovers: Handovers | None = None  # from watch to watch

    warnings: Warnings | None = None  # to the public, CAP 1.2
    events: MajorEvents | None = None  # when a summit comes to town
    decided: Decided | None = None  # promises, reaches and rings as the town wants them
    ended: Ended | None = None  # who hears that an incident is over
    streets: Streets | None = None  # each stretch's state, cause and coverage

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
    room.incidents = open_incidents(rooms, tables, journal)
    room.parts.append(room.incidents)
    room.plays = open_plays(rooms, tables, journal)
    room.parts.append(room.plays)
    room.orders, watch, look = open_orders(rooms, tables, journal)
    room.parts.append(watch)
    room.plays.hands["order"] = OrderHand(room.orders)
    open_roster(room, rooms, tables)
    calls = CallingOut(room)
    look.alarms_of, watch.cause_of = calls.alarms_of, calls.cause_of
    room.parts.append(calls)
    room.warnings = open_warnings(rooms, tables, room)
    room.plays.hands.setdefault("message", MessageHand(room))
    people = People(room, rooms.configuration)
    room.warnings.following.on("tell", people.tell)
    room.warnings.following.on("clear", people.clear)
    room.parts.append(room.warnings)
    room.events = open_events(room, rooms, tables)
    room.parts.append(room.events)
    room.ended = Ended(room, our_name(rooms.settings.public_url))
    room.parts.append(room.ended)
    room.streets = open_streets(rooms, tables, journal)
    room.parts.append(room.streets)
    room.decided = Decided(room, rooms.configuration, rooms.settings.tz)
    room.parts.insert(0, room.decided)  # before anything runs by it
    room.parts.append(Forgetting(room, rooms.timers, rooms.clock))
    return room
