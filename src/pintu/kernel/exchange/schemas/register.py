"""The registry itself: in memory for the gate, in private tables for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.exchange.schemas.comparing import changes_of
from pintu.kernel.exchange.schemas.tables import DRIFT, TABLES, VERSION
from pintu.kernel.exchange.schemas.words import Change, Found, Schema, fields_of
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.tables import CityTables, add_rows

if TYPE_CHECKING:
    from pintu.kernel.timers import Timers
    from pintu.kernel.timers.timers import Firing

log = logging.getLogger("pintu.schemas")

TIMER: Final = "schemas"
EVERY_S: Final = 60.0
MOST_VERSIONS: Final = 10_000  # of one data set; a source that flutters fills no disk
MOST_DRIFTS: Final = 200  # kept of one data set

Listener = Callable[[str, tuple[Change, ...], str], Awaitable[None]]
"""(data set, its changes, `vN` or the time of a change that nobody told)."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A change that the values show and nobody told."""

    number: int
    data_set: str
    change: Change
    at_us: int
    version: int
    seen_by: str = ""


class Schemas:
    """Versions of every data set's schema. What `version` says comes from memory: it may be asked
    with every answer."""

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._file = tables.register(TABLES)
        self._clock = clock
        self._current: dict[str, Schema] = {}
        self._first_us: dict[str, int] = {}
        self._described: dict[str, DataSet] = {}  # the very objects that were compared last
        self._listeners: list[Listener] = []
        self._noting = asyncio.Lock()
        self._file.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        newest = (
            sa.select(VERSION.c.data_set, sa.func.max(VERSION.c.version).label("version"))
            .group_by(VERSION.c.data_set)
            .subquery()
        )
        query = sa.select(VERSION.c.body).join(
            newest,
            (VERSION.c.data_set == newest.c.data_set) & (VERSION.c.version == newest.c.version),
        )
        for row in connection.execute(query):
            schema = msgspec.json.decode(row.body, type=Schema)
            self._current[schema.data_set] = schema
        first = sa.select(VERSION.c.data_set, sa.func.min(VERSION.c.since_us)).group_by(
            VERSION.c.data_set
        )
        self._first_us = {name: int(at_us) for name, at_us in connection.execute(first)}

    # --- asking -----------------------------------------------------------------------------------
    def version(self, data_set: str) -> int:
        """The number of the version in force; 0 for a data set nobody looked at yet."""
        found = self._current.get(data_set)
        return found.version if found is not None else 0

    def current(self, data_set: str) -> Schema | None:
        """The version in force, or None."""
        return self._current.get(data_set)

    def first_us(self, data_set: str) -> int:
        """When a data set was first seen; 0: never."""
        return self._first_us.get(data_set, 0)

    def list_current(self) -> list[Schema]:
        """The version in force of every data set there ever was, by name."""
        return [self._current[name] for name in sorted(self._current)]

    async def versions(self, data_set: str) -> list[Schema]:
        """Every version, newest first; empty for an unknown data set."""
        query = (
            sa.select(VERSION.c.body)
            .where(VERSION.c.data_set == data_set)
            .order_by(VERSION.c.version.desc())
            .limit(1_000)
        )
        rows = await self._file.read(lambda c: c.execute(query).all())
        return [msgspec.json.decode(row.body, type=Schema) for row in rows]

    async def get(self, data_set: str, version: int) -> Schema:
        """One version; ResourceNotFound."""
        query = sa.select(VERSION.c.body).where(
            VERSION.c.data_set == data_set, VERSION.c.version == version
        )
        row = await self._file.read(lambda c: c.execute(query).first())
        if row is None:
            raise ResourceNotFound(f"Data set {data_set[:100]!r} has no schema version {version}")
        return msgspec.json.decode(row.body, type=Schema)

    async def drifts(self, data_set: str = "", *, unseen: bool = False) -> list[Drift]:
        """Changes that nobody told, newest first; of one data set, or of all."""
        query = sa.select(DRIFT).order_by(DRIFT.c.number.desc()).limit(500)
        if data_set:
            query = query.where(DRIFT.c.data_set == data_set)
        if unseen:
            query = query.where(DRIFT.c.seen_by == "")
        rows = await self._file.read(lambda c: c.execute(query).mappings().all())
        return [_drift(row) for row in rows]

    def listen(self, listener: Listener) -> None:
        """Be told every new version after the first, and every change that nobody told."""
        self._listeners.append(listener)

    # --- noting -----------------------------------------------------------------------------------
    async def note(self, data_sets: Iterable[DataSet], found: Found = "told") -> list[Schema]:
        """Compare descriptions with the versions in force; what differs becomes a new version,
        durable when this returns. What is as it was costs a look at the object."""
        async with self._noting:  # versions are numbered one after another
            new = await self._write(data_sets, found)
        for one in new:
            if one.changes:
                await self._tell(one.data_set, one.changes, f"v{one.version}")
        return new

    async def _write(self, data_sets: Iterable[DataSet], found: Found) -> list[Schema]:
        looked = [(each, self._next(each, found)) for each in data_sets]
        new = [one for _, one in looked if one is not None]
        if new:
            rows = [
                {
                    "data_set": one.data_set,
                    "version": one.version,
                    "since_us": one.since_us,
                    "body": msgspec.json.encode(one),
                }
                for one in new
            ]
            # two processes that see one change write one version
            await self._file.run(lambda connection: add_rows(connection, VERSION, rows))
        self._described |= {each.name: each for each, _ in looked}  # what broke is looked at again
        for one in new:
            self._current[one.data_set] = one
            self._first_us.setdefault(one.data_set, one.since_us)
        return new

    def _next(self, data_set: DataSet, found: Found) -> Schema | None:
        if self._described.get(data_set.name) is data_set or not data_set.columns:
            return None
        fields = fields_of(data_set)
        before = self._current.get(data_set.name)
        changes: tuple[Change, ...] = ()
        if before is not None:
            changes = changes_of(before.fields, fields)
            if not changes or before.version >= MOST_VERSIONS:
                return None
        return Schema(
            data_set=data_set.name,
            version=before.version + 1 if before is not None else 1,
            fields=fields,
            since_us=self._clock.now_us(),
            found=found,
            changes=changes,
        )

    async def drifted(self, data_set: str, changes: Iterable[Change]) -> int:
        """Write down what the values show and nobody told; what stands unseen is not said again.
        How many are new."""
        told = list(changes)
        if not told:
            return 0
        now_us, version = self._clock.now_us(), self.version(data_set)
        rows = [
            {
                "data_set": data_set,
                "field": one.field,
                "what": one.what,
                "before": one.before,
                "after": one.after,
                "at_us": now_us,
                "version": version,
                "seen_by": "",
            }
            for one in told
        ]

        def work(connection: Connection) -> list[str]:
            mine = DRIFT.c.data_set == data_set
            open_ = connection.execute(
                sa.select(DRIFT.c.field, DRIFT.c.what).where(mine, DRIFT.c.seen_by == "")
            ).all()
            known = {(row.field, row.what) for row in open_}
            new = [row for row in rows if (row["field"], row["what"]) not in known]
            if len(known) >= MOST_DRIFTS:
                return []  # nobody looks: what is not kept would be told again and again
            if new:
                connection.execute(DRIFT.insert(), new)
            return [str(row["field"]) for row in new]

        new = await self._file.run(work)
        if new:
            changes = tuple(one for one in told if one.field in new)
            await self._tell(data_set, changes, str(now_us))
        return len(new)

    async def seen(self, number: int, *, by: str) -> None:
        """Somebody saw to a drift; ResourceNotFound."""
        change = DRIFT.update().where(DRIFT.c.number == number).values(seen_by=by[:200])
        done = await self._file.run(lambda connection: connection.execute(change).rowcount)
        if not done:
            raise ResourceNotFound(f"There is no change of values number {number}")

    async def _tell(self, data_set: str, changes: tuple[Change, ...], mark: str) -> None:
        for listener in self._listeners:
            await listener(data_set, changes, mark)


def _drift(row: sa.RowMapping) -> Drift:
    change = Change(field=row["field"], what=row["what"], before=row["before"], after=row["after"])
    return Drift(
        number=row["number"],
        data_set=row["data_set"],
        change=change,
        at_us=row["at_us"],
        version=row["version"],
        seen_by=row["seen_by"],
    )


def open_schemas(
    tables: CityTables, clock: Clock, timers: Timers, described: Callable[[], list[DataSet]]
) -> Schemas:
    """The registry of a city, looking at every description once a minute of the real clock."""
    schemas = Schemas(tables, clock)
    every_us = int(EVERY_S * 1e6 * max(1.0, clock.rate))

    async def look(firing: Firing) -> None:
        await schemas.note(described())
        await timers.set(TIMER, "look", clock.now_us() + every_us)

    timers.on(TIMER, look)
    if timers.due(TIMER, "look") is None:
        timers.set_now(TIMER, "look", clock.now_us())
    return schemas
