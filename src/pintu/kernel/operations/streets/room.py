"""The room of streets: follows the city, keeps each street's state, tells the city of it.

What it knows is read from the context at the start and kept by changes; what is on disk is only
what the city was told last, so that a restart tells nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import PintuError, ResourceNotFound
from pintu.kernel.operations.journal import Deed, Journal, enter, tell
from pintu.kernel.operations.streets.reading import Watcher, watcher_of
from pintu.kernel.operations.streets.schema import STREET as TABLE
from pintu.kernel.operations.streets.schema import TABLES
from pintu.kernel.operations.streets.telling import entity_of, told_of
from pintu.kernel.operations.streets.town import Town
from pintu.kernel.operations.streets.words import KINDS, RANK, REACH_M, STREET, Street
from pintu.kernel.store.port import settled
from pintu.kernel.tables import put_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pintu.kernel.clock import Clock
    from pintu.kernel.store.port import Change, Store
    from pintu.kernel.tables import CityTables

log = logging.getLogger("pintu.operations")

LOOK_S: Final = 1.0
COVER_US: Final = 300 * 1_000_000
"""Coverage is reckoned again after so long, or when watchers came or went."""
PAGE: Final = 1_000
IN_A_TURN: Final = 200
AT_ONCE: Final = 200
"""Streets told in one transaction."""
MOVING: Final = frozenset({STREET, *KINDS})
HEARD_OF: Final = frozenset(REACH_M)
WHO: Final = "streets"


class Streets:
    """Streets of every tenant that has some; deeds `changed` of `street:ENTITY` in the journal."""

    def __init__(self, tables: CityTables, journal: Journal, store: Store, clock: Clock) -> None:
        self.opened = tables.register(TABLES)
        self.journal, self._store, self._clock = journal, store, clock
        journal.join(self.opened)
        self.towns: dict[int, Town] = {}
        self._news: dict[tuple[int, str], Change] = {}
        self._told: dict[tuple[str, str], dict[str, Any]] = {}
        self._beside: dict[str, Watcher] = {}
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._listening = False

    # --- reading ---------------------------------------------------------------------------------
    def list_streets(self, tenant: str) -> list[Street]:
        """Every street, the gravest first, then by name."""
        town = self.towns.get(self._store.tenant(tenant) or 0)
        found = list(town.streets.values()) if town is not None else []
        return sorted(found, key=lambda one: (-RANK[one.state], _called(one), one.id))

    def get(self, tenant: str, id: str) -> Street:
        """One street; ResourceNotFound when there is none."""
        town = self.towns.get(self._store.tenant(tenant) or 0)
        found = town.streets.get(id) if town is not None else None
        if found is None:
            raise ResourceNotFound(f"Street {id[:120]} does not exist")
        return found

    # --- life ------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Read what there is, then follow."""
        if not self._listening:
            self._store.on_commit(self._committed)
            self._listening = True
        rows = await self.opened.read(lambda c: c.execute(sa.select(TABLE)).all())
        self._told = {(row.tenant, row.id): json.loads(row.told) for row in rows}
        since = {(row.tenant, row.id): row.since_us for row in rows}
        for name, number in self._store.tenants().items():
            await self._load(name, number, since)
        await self.look()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._task = None

    async def _load(self, name: str, number: int, since: dict[tuple[str, str], int]) -> None:
        types = {one for kind in self._store.kinds(number) for one in kind.types}
        if STREET not in types:
            return
        town = self.towns[number] = Town()
        for wanted in (STREET, *sorted((MOVING | HEARD_OF) & types - {STREET})):
            offset = 0
            while True:
                chosen = TypeSelection((frozenset({wanted}),))
                asked = Selection(tenant=number, types=chosen, limit=PAGE, offset=offset)
                records = (await settled(self._store.select(asked))).records
                for record in records:
                    entity = orjson.loads(record.body)
                    town.take(record.id, (wanted,), entity, record.modified_us)
                if len(records) < PAGE:
                    break
                offset += PAGE
                await asyncio.sleep(0)
        for street in town.streets.values():
            street.since_us = since.get((name, street.id), 0)
            if before := self._told.get((name, street.id)):
                street.state = before["streetState"]

    def _committed(self, changes: list[Change]) -> None:
        """Note what matters of a commit: called on the loop, so it does nothing else."""
        for change in changes:
            town = self.towns.get(change.tenant)
            if town is None:
                if STREET in change.types:
                    self._news[change.tenant, change.id] = change
                continue
            if change.verb in PAST_VERBS:
                continue
            if not MOVING.isdisjoint(change.types):
                self._news[change.tenant, change.id] = change
            elif not HEARD_OF.isdisjoint(change.types):
                known = town.watchers.get(change.id)
                if (
                    known is None
                    or change.verb != "updated"
                    or "location" in (change.changed or ())
                ):
                    self._news[change.tenant, change.id] = change
                else:
                    known.heard_us = change.at_us

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except PintuError as error:
                log.warning("States of streets are told later: %s", error.detail)
            except Exception:  # a loop's edge: streets are looked at a second later
                log.exception("States of streets are told later")

    async def look(self) -> int:
        """Bring every street up to now and tell the city what is another; how many streets."""
        async with self._turn:
            news, self._news = self._news, {}
            names = {number: name for name, number in self._store.tenants().items()}
            for number in {number for number, _ in news} - self.towns.keys():
                await self._load(names[number], number, {})
            for n, ((number, id), change) in enumerate(news.items()):
                if n % IN_A_TURN == 0:
                    await asyncio.sleep(0)
                if (town := self.towns.get(number)) is not None:
                    document = await self._document(change)
                    try:
                        town.take(id, change.types, document, change.at_us)
                    except (ValueError, TypeError, KeyError, OverflowError):
                        log.warning("Entity %s is of no shape that streets know", id)
            told = 0
            for number, town in self.towns.items():
                told += await self._settle(names[number], number, town)
            return told

    async def _document(self, change: Change) -> dict[str, Any] | None:
        if change.verb == "deleted":
            return None
        body = change.body
        if body is None:
            record = await settled(self._store.retrieve(change.tenant, change.id))
            body = None if record is None else record.body
        return None if body is None else orjson.loads(body)

    async def _settle(self, name: str, number: int, town: Town) -> int:
        for id in town.missing():
            if id not in self._beside:
                record = await settled(self._store.retrieve(number, id))
                entity = None if record is None else orjson.loads(record.body)
                stands = None if entity is None else watcher_of(entity, "", 0)
                if stands is not None:
                    self._beside[id] = stands
        now_us = self._clock.now_us()
        town.owed.update(one.id for one in town.settle(now_us, self._beside))
        self._beside.clear()
        if town.moved or not 0 <= now_us - town.looked_us < COVER_US:
            town.owed.update(one.id for one in town.look(now_us))
        owed = [town.streets[id] for id in sorted(town.owed & town.streets.keys())]
        news = [one for one in owed if self._told.get((name, one.id)) != told_of(one)]
        for start in range(0, len(news), AT_ONCE):
            await self._tell(name, news[start : start + AT_ONCE], now_us)
        town.owed.clear()
        return len(news)

    async def _tell(self, tenant: str, streets: Sequence[Street], now_us: int) -> None:
        before = self._told

        def write(connection: Connection) -> list[Deed]:
            deeds = []
            rows = []
            for one in streets:
                told = told_of(one)
                rows.append(
                    {
                        "tenant": tenant, "id": one.id, "state": one.state,
                        "since_us": one.since_us, "told": json.dumps(told, ensure_ascii=False),
                    }
                )  # fmt: skip
                tell(connection, tenant, entity_of(one), "amend")
                known = before.get((tenant, one.id))
                was = known["streetState"] if known else "normal"
                if was != one.state:
                    deeds.append(enter(connection, _deed(tenant, one, was, now_us)))
            put_rows(connection, TABLE, rows)
            return deeds

        deeds = await self.opened.run(write)
        for one in streets:
            self._told[tenant, one.id] = told_of(one)
        await self.journal.told(self.opened, deeds)


def _deed(tenant: str, street: Street, was: str, now_us: int) -> Deed:
    causes = [one.id for one in street.causes]
    return Deed(
        subject=f"street:{street.id}",
        verb="changed",
        who=WHO,
        at_us=now_us,
        tenant=tenant,
        detail={"from": was, "to": street.state, "causes": causes},
    )


def _called(street: Street) -> str:
    return street.name.get("zh") or street.name.get("en") or street.road or street.id


def open_streets(rooms: Any, tables: CityTables, journal: Journal) -> Streets:
    """The room over what a city has; starts nothing."""
    return Streets(tables, journal, rooms.store, rooms.clock)
