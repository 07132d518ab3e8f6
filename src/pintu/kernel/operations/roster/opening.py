"""Opening the roster: its parts over one set of tables."""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.operations.roster.book import Book
from pintu.kernel.operations.roster.channels import OperatorChannels
from pintu.kernel.operations.roster.duty import Duty
from pintu.kernel.operations.roster.handovers import Handovers
from pintu.kernel.operations.roster.naming import namer, taker
from pintu.kernel.operations.roster.notifier import Notifier
from pintu.kernel.operations.roster.roster import Roster
from pintu.kernel.operations.roster.schema import TABLES
from pintu.kernel.operations.roster.ways import Ways

if TYPE_CHECKING:
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.tables import CityTables

SECRET: Final = "roster"


def open_roster(room: OperationsRoom, rooms: Any, tables: CityTables) -> None:
    """The roster, the duty desk and the notifier join the room; `rooms` is the city's."""
    opened = tables.register(TABLES)
    room.journal.join(opened)
    book = Book(
        opened=opened,
        journal=room.journal,
        timers=rooms.timers,
        clock=rooms.clock,
        gate=rooms.gate,
        people=rooms.identity.people,
        zone=ZoneInfo(rooms.settings.tz),
    )
    secret = rooms.keys.secret(SECRET) if rooms.keys is not None else None
    ways = room.ways = Ways(book, secret or token_bytes(32))
    roster = room.roster = Roster(book)
    channels = room.channels = OperatorChannels(rooms)
    url = rooms.settings.public_url
    notifier = room.notifier = Notifier(book, roster, ways, channels, public_url=url)
    named = namer(room)
    duty = room.duty = Duty(book, roster, notifier, named)
    duty.answered = taker(room)
    handovers = room.handovers = Handovers(book, named)
    room.parts += [notifier, duty, handovers]
