"""PostgreSQL behind the port: one writing connection, reading ones beside it, records in memory."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from msgspec.structs import replace

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.port import MARKED, Change, Kind, Mark, Op, Outcome, Page
from pintu.kernel.store.postgres.cache import RowCache
from pintu.kernel.store.postgres.connection import Connections
from pintu.kernel.store.postgres.dumping import dump
from pintu.kernel.store.postgres.follow import Follow
from pintu.kernel.store.postgres.fresh import Fresh
from pintu.kernel.store.postgres.group import State, Task
from pintu.kernel.store.postgres.learned import Learned
from pintu.kernel.store.postgres.log import Log
from pintu.kernel.store.postgres.lookups import Lookups
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.opened import prepare, regain
from pintu.kernel.store.postgres.read import Aims, Reads
from pintu.kernel.store.postgres.schema import Tuning
from pintu.kernel.store.postgres.writer import Listener, Writer
from pintu.kernel.store.room import check_room

MEASURE_S = 60.0
RECOUNT_S = 0.5
"""After changes of others: what they named and counted is read again, not more often."""

_BYTES = (
    "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c "
    "WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace($1)"
)
_EXPIRED = "SELECT tenant, id FROM entity WHERE expires <= $1 ORDER BY expires LIMIT $2"


class PostgresStore:
    """`port.Store` in one schema of a server; made by `open_postgres`."""

    def __init__(
        self, address: StoreAddress, *, clock: Clock, alone: bool, tuning: Tuning, called: str = ""
    ) -> None:
        """`called`: how its sessions on the server are, for whoever must end them."""
        self.address = address
        self._clock = clock
        self.connections = Connections(address, alone=alone, called=called)
        self.names = Names()
        self.names.shared = self.names.follows = not alone
        self._cache = RowCache(address.cache_mb * 1024 * 1024)
        self._lookups = Lookups(self.connections.fetch, self._reload, self.names, self._cache)
        self._lookups.caching = alone
        mark = f"{self.connections.me} {secrets.token_hex(4)}"
        self.state = State(self.names, self._cache, self._lookups, mark=mark)
        self.state.alone = alone
        self.state.schema = address.schema
        self.writer = Writer(self.connections, self.state, clock=clock, tuning=tuning)
        self._queue_ops = tuning.queue_ops
        self._log = Log(self.names, self.connections.read, self.writer.task, self._reload)
        self.writer.upkeep = self._log.make_ahead
        self.follow = Follow(0, read=self._by_others, deliver=self._delivered)
        self.writer.follow = self.follow
        self._learned = Learned(self.names, tuning, self.writer.task, alone=alone)
        aims = Aims(deadline_s=address.deadline_s, sort_rows=tuning.sort_rows, reload=self._reload)
        self._reads = Reads(self.names, self.connections.read, self._learned, aims)
        self._fresh = Fresh(self.names, self.connections.read)
        self._selecting: set[asyncio.Task[Page]] = set()
        self._others = 0
        self._recounting: asyncio.Task[None] | None = None
        self._bytes = 0
        self._measured_at = 0.0
        self._measuring: asyncio.Task[None] | None = None
        self._prepared = False
        self._following = False
        self.connections.regained.append(self._regained)

    async def open(self, patience_s: float | None) -> None:
        """Connect, bring the schema to the newest version, know what is numbered."""
        await self.connections.open(patience_s)
        if not self._prepared:  # a standby: it can only be read
            await self.connections.read(self._look)
        await self._measure()
        if not self.state.alone or self.connections.presence.standby:
            self._others_write()
        self.connections.only_reads.append(self._others_write)

    def _others_write(self) -> None:
        """Somebody else has the city, or may have: nothing is remembered, the log is followed."""
        self._lookups.caching = False
        self._lookups.touched_all()
        self._cache.clear()
        if not self._following:
            self._following = True
            self.follow.start(self.connections)

    async def _by_others(self, after: int, limit: int) -> list[Change]:
        """What others committed, with the documents as they are now: whoever listens shows the
        present, and a later change is told as well.
        """
        changes = await self._log.changes(after, limit)
        updated = [one for one in changes if one.verb == "updated"]
        records = await asyncio.gather(*(self._lookups.ask((o.tenant, o.id)) for o in updated))
        bodies: dict[int, bytes | None] = {
            one.position: one.payload for one in changes if one.verb in ("created", "replaced")
        }
        for one, record in zip(updated, records, strict=True):
            bodies[one.position] = None if record is None else record.body
        return [replace(one, body=bodies.get(one.position)) for one in changes]

    async def _regained(self, connection: Any) -> None:
        """There is a new writing connection: what we knew is compared with what is there."""
        if not self._prepared:
            await prepare(connection, self.address.schema)
            await self._log.make_ahead(connection, self._clock.now_us())
        known = max(self.state.position, self.follow.position) if self._prepared else 0
        await regain(connection, self.state, known=known)
        newest = "SELECT at FROM log ORDER BY position DESC LIMIT 1"
        self.writer.clock.not_before(await connection.fetchval(newest) or 0)
        self._lookups.caching = self.state.alone
        self.writer.regained()
        self._learned.resume()
        self._prepared = True

    async def _look(self, connection: Any) -> None:
        if await connection.fetchval("SELECT to_regclass('head')") is None:
            raise ConfigurationError(
                [f"The standby has no city in schema {self.address.schema} yet"]
            )
        await regain(connection, self.state, known=0)
        self.writer.regained()

    def _delivered(self, changes: list[Change]) -> None:
        """Changes in order, ours or those of others, which may have counted and named something."""
        self.writer.tell(changes)
        standby = self.connections.presence.standby
        news = not self.state.alone or (standby and self.follow.read_rows != self._others)
        if news and self._recounting is None:
            self._others = self.follow.read_rows
            self._recounting = asyncio.get_running_loop().create_task(self._recount())
            self._recounting.add_done_callback(lambda _: setattr(self, "_recounting", None))

    async def _recount(self) -> None:
        await asyncio.sleep(RECOUNT_S)
        with contextlib.suppress(PintuError):
            await (self._reload() if self.state.alone else self._fresh.ask(counts=True))

    async def _reload(self) -> None:
        await self.connections.read(self.names.load)

    # --- tenants ---------------------------------------------------------------------------------
    def tenant(self, name: str) -> int | None:
        """The number of a tenant, or None when nothing was ever written to it."""
        return self.names.tenants.get(name)

    def tenants(self) -> dict[str, int]:
        """Every tenant by name."""
        return dict(self.names.tenants)

    async def open_tenant(self, name: str) -> int:
        """The number of a tenant, made when it is new."""
        found = self.names.tenants.get(name)
        if found is None:
            found = int(await self.writer.task(partial(self.names.tenant, name=name)))
            self.names.tenants[name] = found
        return found

    # --- several brokers -------------------------------------------------------------------------
    def fresh(self) -> asyncio.Future[None] | None:
        """Wait for it before `tenant` and `kinds` are asked: others may have made and counted some.
        None: nobody else writes to this city.
        """
        return None if self.state.alone else self._fresh.ask(counts=True)

    def lead(self, *, leads: bool) -> None:
        """Whether this broker of several does what one does for all: it learns indexes."""
        self.names.follows = not leads
        self._learned.lead(leads=leads)

    # --- writing ---------------------------------------------------------------------------------
    def submit(
        self, ops: Sequence[Op], source: str = "", *, mark: Mark | None = None
    ) -> asyncio.Future[list[Outcome]]:
        """Apply operations in order; see the port."""
        return self.writer.submit(ops, source, mark=mark)

    def check_room(self, ops: int) -> None:
        """Would so many operations be taken now; see the port."""
        check_room(self.writer.waiting, ops, self._queue_ops)

    def task(self, task: Task) -> asyncio.Future[Any]:
        """Run something with the writing connection in a transaction, between two groups."""
        return self.writer.task(task)

    def on_commit(self, listener: Listener) -> None:
        """Call `listener` on the loop with the changes of each commit."""
        self.writer.listeners.append(listener)

    # --- reading ---------------------------------------------------------------------------------
    def retrieve(self, tenant: int, id: str) -> Record | asyncio.Future[Record | None] | None:
        """One entity by id: at once when it is known, else soon."""
        key = (tenant, id)
        row = self._cache.find(key)
        if row is not None:
            return row.record
        return self._lookups.ask(key)

    def scoped(self) -> bool:
        """Another broker may write one at any moment."""
        return True

    def document(self, tenant: int, id: str) -> bytes | None:
        """The stored document of an entity that is known."""
        row = self._cache.find((tenant, id))
        return None if row is None else row.record.body

    def prepare(self, selection: Selection) -> None:
        """Statements are the server's own business."""

    def select(self, selection: Selection) -> Page | asyncio.Future[Page]:
        """A page of entities, exact."""
        if self.state.alone:
            return self._reads.select(selection)
        task = asyncio.get_running_loop().create_task(self._select(selection))
        self._selecting.add(task)
        task.add_done_callback(self._selecting.discard)
        return task

    async def _select(self, selection: Selection) -> Page:
        """Others may have numbered a kind or an index: known before it is planned."""
        await self._fresh.ask(counts=selection.count)
        page = self._reads.select(selection)
        return page if isinstance(page, Page) else await page

    def kinds(self, tenant: int) -> list[Kind]:
        """Every shape that has entities now."""
        return [
            Kind(kind.types, shape.attributes, shape.count)
            for kind in self.names.by_tenant.get(tenant, ())
            for shape in list(kind.shapes.values())
            if shape.count > 0
        ]

    async def expired(self, now_us: int, limit: int = 1000) -> list[tuple[int, str]]:
        """(tenant, id) of entities whose `expiresAt` has passed, the longest past first."""
        return [tuple(row) for row in await self.connections.fetch(_EXPIRED, now_us, limit)]

    # --- the log ---------------------------------------------------------------------------------
    async def changes(self, after: int, limit: int) -> list[Change]:
        """The log after a position, in commit order."""
        return await self._log.changes(after, limit)

    def head(self) -> int:
        """The newest position whose changes were told to the listeners."""
        return self.follow.position

    async def history(
        self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000
    ) -> list[Change]:
        """An entity's changes, newest first, through earlier lives."""
        return await self._log.history(tenant, id, before, limit)

    async def past_ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str]:
        """Ids of what is present, deleted or known to history only, in order."""
        return await self._log.past_ids(tenant, types, after, limit)

    async def notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Notes after a number, in order; others' too."""
        found = await self._log.notes(after, limit)
        if found:
            self.state.notes = max(self.state.notes, found[-1][0])
        return found

    def notes_head(self) -> int:
        """The number of the newest note we wrote or read."""
        return self.state.notes

    async def trim(self, before_us: int, up_to_position: int) -> int:
        """Drop log rows older than `before_us` up to a position, never past a saved cursor."""
        cursors = self.state.cursors
        if not self.state.alone:  # others keep theirs
            rows = await self.connections.fetch("SELECT name, position FROM cursor")
            cursors.update((row[0], row[1]) for row in rows)
        return await self._log.trim(
            before_us, up_to_position, lambda: min(self.cursors().values(), default=None)
        )

    def cursors(self) -> dict[str, int]:
        """Every durable cursor: the position its reader has passed."""
        known = self.state.cursors.items()
        return {name: position for name, position in known if not name.startswith(MARKED)}

    async def kept(self, name: str) -> int | None:
        """The number under a mark's name, else the position of that cursor, from the server."""
        sql = "SELECT position FROM cursor WHERE name IN ($1, $2) ORDER BY name = $2 LIMIT 1"
        rows = await self.connections.fetch(sql, MARKED + name, name)
        return int(rows[0][0]) if rows else None

    def save_cursor(self, name: str, position: int | None) -> asyncio.Future[None]:
        """Keep a cursor (None: forget it); resolves when that is durable."""
        return self.writer.cursor(name, position)

    # --- keeping it ------------------------------------------------------------------------------
    async def backup(self, target: Path) -> None:
        """A consistent copy in one new file, made by the server's own `pg_dump -Fc`."""
        await dump(self.address, target)

    async def _measure(self) -> None:
        with contextlib.suppress(PintuError):
            [row] = await self.connections.fetch(_BYTES, self.address.schema)
            self._bytes = int(row[0] or 0)

    def _measured(self) -> int:
        """Bytes of all tables and indexes, as they were a while ago; measured anew beside."""
        if monotonic() - self._measured_at > MEASURE_S and self._measuring is None:
            self._measured_at = monotonic()
            self._measuring = asyncio.get_running_loop().create_task(self._measure())
            self._measuring.add_done_callback(lambda _: setattr(self, "_measuring", None))
        return self._bytes

    def statistics(self) -> dict[str, Any]:
        """Figures for the system page."""
        writer, state, cache = self.writer, self.state, self._cache
        return {
            "entities": state.entities,
            "head": state.position,
            "notes": state.notes,
            "lost_positions": state.lost,
            "kinds": len(self.names.kinds),
            "shapes": len(self.names.shapes),
            "learning": self._learned.learning(),
            "learned": self._learned.shown(),
            "points_waiting": 0,
            "waiting": writer.waiting,
            "groups": writer.groups,
            "group_ops_mean": round(writer.grouped_ops / max(writer.groups, 1), 2),
            "groups_again": writer.again,
            "poisoned": state.poisoned,
            "disk_errors": writer.disk_errors,
            "times": writer.times,
            "last_error": writer.last_error,
            "cache_records": len(cache),
            "cache_bytes": cache.bytes,
            "cache_hits": cache.hits,
            "cache_misses": cache.misses,
            "lookups": self._lookups.statements,
            "lookup_keys": self._lookups.keys,
            **self._reads.statistics(),
            "bytes": self._measured(),
            "pool": self.address.pool,
            **self.connections.statistics(),
        }

    async def close(self) -> None:
        """Finish what is queued, then let go."""
        await self._learned.close()
        await self.writer.close()
        if self._selecting:
            await asyncio.wait(self._selecting)
        await self._reads.close()
        await self._fresh.close()
        beside = [one for one in (self._measuring, self._recounting) if one is not None]
        for one in beside:
            one.cancel()
        if beside:
            await asyncio.wait(beside)
        await self.follow.close()
        await self.connections.close()
