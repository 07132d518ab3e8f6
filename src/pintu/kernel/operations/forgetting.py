"""What ended long ago is forgotten, a little at a time, so that no table grows for ever: deeds,
incidents with their alarms, orders, rings, messages of authorities. What goes on is never
forgotten, however old."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from pintu.kernel.operations.incidents.schema import ALARM, INCIDENT
from pintu.kernel.operations.journal import journal_tables
from pintu.kernel.operations.orders.schema import KEY, LINK, ORDER
from pintu.kernel.operations.orders.states import UNFINISHED
from pintu.kernel.operations.roster.schema import RING
from pintu.kernel.operations.warnings.schema import AWAITED, MESSAGE, WARNING

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.timers import Firing, Timers

TIMER: Final = "operations.forget"
DAY_US: Final = 86_400_000_000
KEPT_DAYS: Final = 1_096
"""Three years: as long as somebody may ask what was done and why."""

EMPTY_DAYS: Final = 30
"""Messages of authorities that changed nothing (tests, signs of life), and phones' keys twice that
long: a phone that was away for longer has nothing to send any more."""

AT_ONCE: Final = 500
DEED: Final = journal_tables(sa.MetaData())[0]


class Forgetting:
    """Runs once a day while there is little, at once again while there is much."""

    def __init__(self, room: OperationsRoom, timers: Timers, clock: Clock) -> None:
        self._room, self._timers, self._clock = room, timers, clock
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """There is a next time."""
        if self._timers.due(TIMER, "tables") is None:
            await self._again(3_600.0)

    async def stop(self) -> None:
        """Nothing is under way."""

    async def forget(self) -> bool:
        """Forget some of what is old enough; whether there is more."""
        now_us, more = self._clock.now_us(), False
        for opened in self._room.journal.rooms():
            for work in works(opened.name, now_us):
                gone = await opened.run(work)
                more = more or gone >= AT_ONCE
        return more

    async def _due(self, _: Firing) -> None:
        await self._again(1.0 if await self.forget() else 86_400.0)

    async def _again(self, seconds: float) -> None:
        at_us = self._clock.now_us() + int(seconds * 1e6 * self._clock.rate)
        await self._timers.set(TIMER, "tables", at_us)


def works(room: str, now_us: int) -> Iterator[Any]:
    """What is to be forgotten of a room's tables: functions of a connection that say how many rows
    went."""
    old_us = now_us - KEPT_DAYS * DAY_US
    empty_us = now_us - EMPTY_DAYS * DAY_US
    yield lambda c: _drop(c, DEED, DEED.c.number, DEED.c.at_us < old_us)
    if room == "incidents":
        yield lambda c: _incidents(c, old_us)
    elif room == "orders":
        yield lambda c: _orders(c, old_us)
        yield lambda c: _drop_keys(c, now_us - 2 * EMPTY_DAYS * DAY_US)
    elif room == "roster":
        yield lambda c: _drop(
            c, RING, RING.c.id, RING.c.state != "ringing", RING.c.changed_us < old_us
        )
    elif room == "warnings":
        yield lambda c: _messages(c, MESSAGE.c.effect == "kept", MESSAGE.c.at_us < empty_us)
        yield lambda c: _messages(c, _over(old_us), MESSAGE.c.at_us < old_us)
        yield lambda c: _drop(
            c, WARNING, WARNING.c.id, WARNING.c.state != "issued", WARNING.c.changed_us < old_us
        )


def _drop(connection: Connection, table: Table, key: Any, *where: Any) -> int:
    """Delete some rows by their key; how many."""
    found = list(connection.execute(sa.select(key).where(*where).limit(AT_ONCE)).scalars())
    if found:
        connection.execute(table.delete().where(key.in_(found)))
    return len(found)


def _incidents(connection: Connection, old_us: int) -> int:
    """Incidents that are over with their alarms, and alarms that never were one."""
    over = (INCIDENT.c.state.in_(("closed", "merged")), INCIDENT.c.changed_us < old_us)
    ids = list(connection.execute(sa.select(INCIDENT.c.id).where(*over).limit(AT_ONCE)).scalars())
    newest = sa.select(sa.func.max(ALARM.c.number)).scalar_subquery()  # numbers go on from it
    gone = _drop(
        connection, ALARM, ALARM.c.number, ALARM.c.incident.in_(ids), ALARM.c.number < newest
    )
    if gone < AT_ONCE and ids:
        connection.execute(INCIDENT.delete().where(INCIDENT.c.id.in_(ids)))
    loose = (ALARM.c.incident == "", ALARM.c.cleared_us > 0, ALARM.c.cleared_us < old_us)
    more = _drop(connection, ALARM, ALARM.c.number, *loose, ALARM.c.number < newest)
    return max(gone, more, len(ids))


def _orders(connection: Connection, old_us: int) -> int:
    where = (ORDER.c.state.not_in(UNFINISHED), ORDER.c.changed_us < old_us)
    found = list(
        connection.execute(sa.select(ORDER.c.number).where(*where).limit(AT_ONCE)).scalars()
    )
    if found:
        connection.execute(LINK.delete().where(LINK.c.number.in_(found)))
        connection.execute(KEY.delete().where(KEY.c.number.in_(found)))
        connection.execute(ORDER.delete().where(ORDER.c.number.in_(found)))
    return len(found)


def _drop_keys(connection: Connection, before_us: int) -> int:
    """Keys of orders that are over; those of living ones stay, whoever may still send them."""
    over = sa.select(ORDER.c.number).where(ORDER.c.state.not_in(UNFINISHED))
    where = (KEY.c.at_us < before_us, KEY.c.number.in_(over))
    found = connection.execute(sa.select(KEY.c.actor, KEY.c.key).where(*where).limit(AT_ONCE)).all()
    for one in found:
        connection.execute(KEY.delete().where(KEY.c.actor == one.actor, KEY.c.key == one.key))
    return len(found)


def _over(old_us: int) -> Any:
    """Messages of warnings that are over, and of none."""
    live = sa.select(WARNING.c.id).where(
        (WARNING.c.state == "issued") | (WARNING.c.changed_us >= old_us)
    )
    return MESSAGE.c.warning.not_in(live)


def _messages(connection: Connection, *where: Any) -> int:
    asked = sa.select(MESSAGE.c.number).where(*where).limit(AT_ONCE)
    found = list(connection.execute(asked).scalars())
    if found:
        connection.execute(AWAITED.delete().where(AWAITED.c.message.in_(found)))
        connection.execute(MESSAGE.delete().where(MESSAGE.c.number.in_(found)))
    return len(found)
