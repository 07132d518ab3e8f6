"""The room of incidents as pages and other rooms reach it: what there is, and what people do."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.errors import PintuError, ResourceNotFound, StateConflict
from pintu.kernel.operations.incidents import keeping
from pintu.kernel.operations.incidents.acting import Acting
from pintu.kernel.operations.incidents.changes import Changes
from pintu.kernel.operations.incidents.clustering import RULES
from pintu.kernel.operations.incidents.desk import OF_A_FLOOD, Desk
from pintu.kernel.operations.incidents.flood import BUCKETS, Limits
from pintu.kernel.operations.incidents.graph import Causes
from pintu.kernel.operations.incidents.rules import Rules
from pintu.kernel.operations.incidents.schema import ALARM, TABLES
from pintu.kernel.operations.incidents.taking import Taker
from pintu.kernel.operations.incidents.words import STATES, Alarm, Detector, Incident
from pintu.kernel.operations.journal import Deed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import CityTables

log = logging.getLogger("pintu.operations")

SUBJECT: Final = "incident:"
ANSWERED: Final = "answered"
LOOK_S: Final = 1.0
MOST: Final = 5_000
IN_A_TURN: Final = 100
"""Alarms clustered before others of the loop get their turn."""


class Incidents(Acting):
    """What happened, from alarms; every deed is in the journal as `incident:ID`.

    Its deeds: opened, raised, lowered (its grade), joined (by alarms), merged, split, assigned,
    acknowledged, closed, reopened.
    """

    def __init__(
        self, tables: CityTables, journal: Journal, rooms: Any, *, limits: Limits | None = None
    ) -> None:
        self.opened = tables.register(TABLES)
        self.journal, self._clock = journal, rooms.clock
        journal.join(self.opened)
        self._hearing: set[asyncio.Task[None]] = set()
        journal.listen(self._hear)
        self._zone = ZoneInfo(rooms.settings.tz)
        self._store = rooms.store
        self.causes = Causes(rooms.store)
        self.taker = Taker(rooms.store, rooms.feed, self.causes, self._take)
        self.lock = asyncio.Lock()
        self._limits, self._rules = limits, RULES
        self._numbers: dict[str, int] = {}
        self.desk = self._empty()
        self._task: asyncio.Task[None] | None = None

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Incident:
        """One incident as it is now, whatever its state; ResourceNotFound when there is none."""
        found = await self.opened.read(lambda c: keeping.find_incident(c, id))
        if found is None:
            raise ResourceNotFound(f"Incident {id[:80]} does not exist")
        return found

    async def list_open(self, tenant: str) -> list[Incident]:
        """Every incident that is somebody's business, the gravest and then the newest first."""
        board = self.desk.boards.get(tenant)
        clusters = board.clusters.values() if board is not None else ()
        found = [copy.copy(one.incident) for one in clusters if one.incident is not None]
        return sorted(found, key=lambda one: (-one.grade, -one.opened_us, one.id))

    async def list_incidents(
        self,
        tenant: str,
        states: tuple[str, ...] = STATES,
        *,
        since_us: int = 0,
        limit: int = 500,
    ) -> list[Incident]:
        """Incidents of some states opened since then, newest first, at most 5,000."""
        limit = min(limit, MOST)
        return await self.opened.read(
            lambda c: keeping.list_incidents(c, tenant, states, since_us, limit)
        )

    async def list_alarms(self, id: str, *, limit: int = 500, offset: int = 0) -> list[Alarm]:
        """The alarms of an incident, oldest first, at most 5,000; every one can be reached."""
        limit = min(limit, MOST)
        return await self.opened.read(lambda c: keeping.alarms_of(c, id, limit, offset))

    async def list_loose(self, tenant: str, *, limit: int = 200) -> list[Alarm]:
        """Alarms that are no incident: those that wait first, then the newest that passed."""
        limit = min(limit, MOST)
        return await self.opened.read(lambda c: keeping.loose(c, tenant, limit))

    async def incident_of(self, tenant: str, alert: str) -> str:
        """The incident an alert belongs to (its newest raising); "" when it belongs to none."""
        found = await self.opened.read(lambda c: keeping.newest_of(c, tenant, [alert]))
        return found[alert].incident if alert in found else ""

    async def list_detectors(self, tenant: str) -> list[Detector]:
        """How each detector did: alarms, incidents confirmed and mistaken, floods, its clock."""
        return await self.opened.read(lambda c: keeping.detectors(c, tenant))

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Take alerts in from where an earlier life ended."""
        position = await self._load()
        await self.taker.start(position)
        self._task = asyncio.get_running_loop().create_task(self._look_again())

    async def stop(self) -> None:
        """Take no more in; what was taken in is on disk."""
        await self.taker.stop()
        await asyncio.gather(*self._hearing, return_exceptions=True)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _hear(self, deed: Deed) -> None:
        """Whoever answers the duty phone has taken the incident on."""
        if deed.verb == ANSWERED and deed.subject.startswith(SUBJECT):
            task = asyncio.get_running_loop().create_task(self._answered(deed))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _answered(self, deed: Deed) -> None:
        id = deed.subject.removeprefix(SUBJECT)
        try:
            await self.acknowledge(id, deed.who, tenant=deed.tenant)
        except StateConflict:  # it was taken on already, or is over
            return
        except PintuError as error:
            log.warning("Incident %s is not acknowledged: %s", id, error.detail)

    async def look(self) -> None:
        """Open what waited long enough, close what passed; by itself once a second."""
        now_us = self._clock.now_us()
        due_us = self.desk.next_due_us()
        if due_us is None or due_us > now_us:
            return
        async with self.lock:
            change = self.change()
            try:
                self.desk.look(now_us, change)
                self.desk.finish(change)
            except BaseException:
                await self._load()  # half a step is no step
                raise
            deeds = await self.write(change)
        await self.journal.told(self.opened, deeds)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except PintuError as error:
                log.warning("Incidents are looked at later: %s", error.detail)
            except Exception:  # a loop's edge: what nobody foresaw is looked at a second later
                log.exception("Incidents are looked at later")

    # --- steps ------------------------------------------------------------------------------------
    def change(self) -> Changes:
        """A step that begins now."""
        return Changes(self._clock.now_us())

    async def write(self, change: Changes) -> list[Deed]:
        """Keep a step in one transaction; when that fails, memory is what the disk says again."""
        if not change and change.position is None:
            return []
        try:
            return await self.opened.run(change.write)
        except BaseException:
            await self._load()
            raise

    async def _take(self, alarms: Sequence[Alarm], position: int) -> None:
        async with self.lock:
            known = await self._known(alarms)
            change = self.change()
            change.position = position
            try:
                for number, alarm in enumerate(alarms):
                    if number % IN_A_TURN == IN_A_TURN - 1:
                        await asyncio.sleep(0)
                    old, closed = known.get((alarm.tenant, alarm.alert), (None, ""))
                    self.desk.take(alarm, change, old, closed)
                self.desk.finish(change)
            except BaseException:
                await self._load()  # half a step is no step
                raise
            deeds = await self.write(change)
        if change:
            await self.journal.told(self.opened, deeds)

    async def _known(
        self, alarms: Sequence[Alarm]
    ) -> dict[tuple[str, str], tuple[Alarm | None, str]]:
        """What is on disk of alerts that the board does not have, and which incident they follow
        when that was closed a short while ago."""
        asked: dict[str, list[str]] = {}
        for one in alarms:
            if one.alert not in self.desk.board(one.tenant).alerts:
                asked.setdefault(one.tenant, []).append(one.alert)
        if not asked:
            return {}
        since_us = self._clock.now_us() - self.desk.rules.follows_us

        def read(connection: Connection) -> dict[tuple[str, str], tuple[Alarm | None, str]]:
            found: dict[tuple[str, str], tuple[Alarm | None, str]] = {}
            over: dict[str, bool] = {}
            for tenant, alerts in asked.items():
                for alert, alarm in keeping.newest_of(connection, tenant, alerts).items():
                    name = alarm.incident
                    if name and name not in over:
                        incident = keeping.find_incident(connection, name)
                        over[name] = incident is not None and incident.closed_us > since_us
                    found[tenant, alert] = alarm, name if over.get(name) else ""
            return found

        return await self.opened.read(read)

    def follow(self, rules: Rules) -> None:
        """Other rules, from the next alarm on; what is one incident stays one."""
        self._rules = self.desk.rules = rules

    # --- memory -----------------------------------------------------------------------------------
    def _empty(self) -> Desk:
        return Desk(self._next_id, self._cause_name, rules=self._rules, limits=self._limits)

    def _next_id(self, now_us: int) -> str:
        day = datetime.fromtimestamp(now_us / 1e6, self._zone).strftime("%Y%m%d")
        if day not in self._numbers:
            self._numbers[day] = self.opened.read_now(lambda c: keeping.opened_on(c, day))
        self._numbers[day] += 1
        return f"{day}-{self._numbers[day]:04d}"

    def _cause_name(self, tenant: str, key: str) -> dict[str, str]:
        return self.causes.name(self._store.tenant(tenant) or 0, key)

    async def _load(self) -> int | None:
        """The desk as the disk has it; the position up to which alerts are in it."""
        desk = self._empty()
        self._numbers.clear()

        def read(connection: Connection) -> int | None:
            desk.number = keeping.newest_number(connection)
            for detector in keeping.detectors(connection):
                desk.detectors[detector.tenant, detector.detector] = detector
            for incident in keeping.live_incidents(connection):
                most = OF_A_FLOOD if incident.flood else 10_000_000
                desk.load(incident, keeping.alarms_of(connection, incident.id, most))
            waiting = (ALARM.c.incident == "", ALARM.c.cleared_us == 0)
            for alarm in keeping.alarms_where(connection, *waiting, limit=100_000):
                desk.load_waiting(alarm)
            limits = self._limits or Limits()
            since_us = self._clock.now_us() - limits.window_us
            desk.goes_on(keeping.heard_lately(connection, since_us, limits.window_us // BUCKETS))
            return keeping.position(connection)

        position = await self.opened.read(read)
        self.desk = desk
        return position
