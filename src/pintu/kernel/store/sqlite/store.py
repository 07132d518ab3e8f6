"""SQLite behind the port: one writing thread, the loop's own reading connection, two reader
threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import DiskFull
from pintu.kernel.store.choosing import PROBE
from pintu.kernel.store.port import MARKED, Change, Kind, Mark, Op, Outcome, Page
from pintu.kernel.store.room import check_room
from pintu.kernel.store.sqlite import log
from pintu.kernel.store.sqlite.apply import Hands
from pintu.kernel.store.sqlite.background import Both
from pintu.kernel.store.sqlite.blocks import Blocks
from pintu.kernel.store.sqlite.calls import Call
from pintu.kernel.store.sqlite.checkpoint import Archive, Checkpoints
from pintu.kernel.store.sqlite.documents import Documents
from pintu.kernel.store.sqlite.learned import Learned
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints
from pintu.kernel.store.sqlite.plan import ENTITY, Plan, Step
from pintu.kernel.store.sqlite.plans import Plans
from pintu.kernel.store.sqlite.read import LOOP_PAGE, LOOP_ROWS, OverBudget, Readers, Reading
from pintu.kernel.store.sqlite.schema import Claim, Tuning, connect, migrate
from pintu.kernel.store.sqlite.statements import Statements
from pintu.kernel.store.sqlite.writer import Listener, Writer
from pintu.kernel.store.sqlite.written import Written

_ONE = f"SELECT {ENTITY} FROM entity e WHERE e.tenant=? AND e.id=?"
_NUMBER = "SELECT n FROM entity WHERE tenant=? AND id=?"
TRIM_SLICE = 2_000
_CURSORS = f"substr(name, 1, {len(MARKED)}) <> '{MARKED}'"


class SqliteStore:
    """`port.Store` on one file; see docs/decisions/0002-one-log.md for why it looks like this."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        loop: asyncio.AbstractEventLoop | None,
        vfs: str | None,
        tuning: Tuning,
    ) -> None:
        self.path = path
        self._clock = clock
        self._tuning = tuning
        self._claim = Claim(path)
        try:
            self._open(vfs)
        except BaseException:
            self._claim.release()
            raise
        self._writer.start(loop)

    def _open(self, vfs: str | None) -> None:
        path, tuning = self.path, self._tuning
        self._db = connect(path, vfs=vfs, cache_kib=tuning.writer_cache_kib, read_only=False)
        migrate(self._db)
        self._names = Names(self._db)
        written, moved = Written(), Written()
        self._pending = PendingPoints(self._db, self._names, self._publish, moved)
        self._hands = Hands(self._db, self._names, self._pending, written)
        helper = partial(connect, path, vfs=vfs, cache_kib=64, read_only=False)
        self._writer = Writer(
            self._db,
            self._names,
            self._hands,
            clock=self._clock,
            tuning=tuning,
            checkpoints=Checkpoints(self._db, helper, tuning),
        )
        self._learned = Learned(
            self._db, self._names, tuning, submit=self._task, publish=self._publish
        )
        self._writer.background = Both(self._pending, self._learned)
        reader = self._reader = partial(
            connect, path, vfs=vfs, cache_kib=tuning.reader_cache_kib, read_only=True
        )
        self._loop_db = reader(cache_kib=tuning.loop_cache_kib)
        self._point = self._loop_db.cursor()
        self._documents = Documents(self._loop_db.cursor().execute, written, tuning.documents_bytes)
        self._blocks = Blocks(self._loop_db.cursor().execute, moved)
        self._snapshot = False
        self._writer.before_answers = self._let_go
        self._plans = Plans(self._names, self._pending, self._probe)
        self._statements = Statements(
            self._loop_db, self._names, self._pending, self._documents, self._blocks,
            probe=self._probe, see=self._see, used=self._learned.used,
        )  # fmt: skip
        self.prepare = self._statements.prepare
        self._readers = Readers(reader, tuning.readers, tuning.deadline_s)
        self._writer.answered = self._hands.position

    # --- tenants ---------------------------------------------------------------------------------
    def tenant(self, name: str) -> int | None:
        """The number of a tenant, or None when nothing was ever written to it."""
        return self._names.tenants.get(name)

    def tenants(self) -> dict[str, int]:
        """Every tenant by name."""
        return dict(self._names.tenants)

    async def open_tenant(self, name: str) -> int:
        """The number of a tenant, made when it is new."""
        found = self._names.tenants.get(name)
        if found is None:
            found = int(await self._task(lambda: self._names.tenant(name)))
        return found

    # --- writing ---------------------------------------------------------------------------------
    def submit(
        self, ops: Sequence[Op], source: str = "", *, mark: Mark | None = None
    ) -> Awaitable[list[Outcome]]:
        """Apply operations in order; see the port."""
        return self._writer.submit(ops, source, mark=mark)

    def check_room(self, ops: int) -> None:
        """Would so many operations be taken now; see the port."""
        check_room(self._writer.waiting, ops, self._tuning.queue_ops)

    def _task(self, task: Callable[[], Any]) -> Call:
        """Run something in a transaction of the writer."""
        return self._writer.submit((), "", task)

    def on_commit(self, listener: Listener) -> None:
        """Call `listener` on the loop with the changes of each commit."""
        self._writer.listeners.append(listener)

    # --- reading ---------------------------------------------------------------------------------
    def _hold(self) -> None:
        """Begin the loop's read transaction: taking and leaving one costs more than a point read.

        It lasts until the next group is answered, so nobody can tell: what is not answered yet need
        not be seen, and nothing but this process writes.
        """
        self._point.execute("BEGIN")
        self._snapshot = True
        # only a statement makes it stand: what is remembered is looked up in it (`written`)
        self._point.execute("SELECT n FROM tenant LIMIT 1").fetchall()

    def _see(self) -> None:
        """Hold what the loop reads, if nothing is held."""
        if not self._snapshot:
            self._hold()

    def _let_go(self) -> None:
        """A group was committed: see it, and let the write-ahead log be folded back."""
        if self._snapshot:
            self._snapshot = False
            self._point.execute("COMMIT")
        self._documents.let_go()
        self._blocks.let_go()

    def retrieve(self, tenant: int, id: str) -> Record | None:
        """One entity by id."""
        if not self._snapshot:
            self._hold()
        # `get` steps to the end: a statement left half-way would hold its snapshot for later reads
        row = self._point.execute(_ONE, (tenant, id)).get
        if row is None:
            return None
        n, _, kind, body, created, modified, times, last = row
        return Record(n, id, self._names.kinds[kind].types, body, created, modified, times, last)

    def scoped(self) -> bool:
        """May a stored document have a scope?"""
        return "scope" not in self._names.never

    def document(self, tenant: int, id: str) -> bytes | None:
        """The stored document of an entity; None when there is none."""
        if not self._snapshot:
            self._hold()
        n: int | None = self._point.execute(_NUMBER, (tenant, id)).get
        return None if n is None else self._documents.find(n)

    def select(self, selection: Selection) -> Page | asyncio.Future[Page]:
        """A page of entities, exact."""
        if not self._snapshot:
            self._hold()
        chosen = self._plans.find(selection)
        if chosen.used or chosen.asked:
            self._learned.asked(chosen)
        here = not (selection.order or chosen.heavy) and (
            not chosen.exact or selection.offset + selection.limit <= LOOP_PAGE
        )
        if here:
            reading = Reading(self._loop_db, self._names, selection, chosen, budget=LOOP_ROWS)
            try:
                return reading.page(self._tuning.sort_rows)
            except OverBudget:
                pass
        whole = replace(selection, bodies=False) if selection.bodies else selection
        return asyncio.ensure_future(self._elsewhere(whole, chosen))

    async def _elsewhere(self, selection: Selection, chosen: Plan) -> Page:
        """Read on a thread; planned anew when an index went before its turn came."""

        def read(connection: apsw.Connection) -> tuple[Page, int] | None:
            if any(index.state != "ready" for index in chosen.used):
                return None
            reading = Reading(connection, self._names, selection, chosen)
            return reading.page(self._tuning.sort_rows), reading.examined

        while (found := await self._readers.run(read)) is None:
            chosen = self._plans.find(selection)
        page: Page = found[0]
        self._learned.examined(chosen, found[1])
        return page

    def _publish(self, done: Callable[[], None]) -> None:
        self._writer.publish(done)

    def _probe(self, step: Step) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 {step.tail} LIMIT {PROBE})"
        return int(self._loop_db.execute(sql, step.bindings).get)

    def kinds(self, tenant: int) -> list[Kind]:
        """Every shape that has entities now."""
        return [
            Kind(kind.types, shape.attributes, shape.count)
            for kind in self._names.by_tenant.get(tenant, ())
            for shape in list(kind.shapes.values())
            if shape.count > 0
        ]

    # --- the log ---------------------------------------------------------------------------------
    def changes(self, after: int, limit: int) -> list[Change]:
        """The log after a position, in commit order."""
        return log.changes(self._loop_db, self._names, after, limit)

    def head(self) -> int:
        """The newest position that was answered."""
        return self._writer.answered

    def history(
        self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000
    ) -> list[Change]:
        """An entity's changes, newest first, through earlier lives."""
        return log.history(self._loop_db, self._names, (tenant, id), before, limit)

    def past_ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str]:
        """Ids of what is present, deleted or known to history only, in order."""
        return log.past_ids(self._loop_db, self._names, (tenant, after), types, limit)

    def notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Notes after a number, in order; up to `notes_head` at least."""
        self._let_go()  # what is durable is seen, answered or not
        return log.notes(self._loop_db, after, limit)

    def notes_head(self) -> int:
        """The number of the newest durable note."""
        return self._hands.notes_durable

    async def trim(self, before_us: int, up_to_position: int) -> int:
        """Drop log rows older than `before_us` up to a position, never past a saved cursor."""
        dropped = 0
        while True:
            count = int(await self._task(partial(self._trim_slice, before_us, up_to_position)))
            dropped += count
            if count < TRIM_SLICE:
                return dropped

    def _trim_slice(self, before_us: int, up_to_position: int) -> int:
        run = self._db.execute
        run("INSERT OR REPLACE INTO meta VALUES('head', ?)", (self._hands.position,))
        lowest = run(f"SELECT min(position) FROM cursor WHERE {_CURSORS}").get
        last = up_to_position if lowest is None else min(up_to_position, lowest)
        run(
            "DELETE FROM log WHERE position IN (SELECT position FROM log "
            "WHERE position <= ? AND at < ? ORDER BY position LIMIT ?)",
            (last, before_us, TRIM_SLICE),
        )
        return self._db.changes()

    # --- cursors and expiry ----------------------------------------------------------------------
    def cursors(self) -> dict[str, int]:
        """Every durable cursor: the position its reader has passed."""
        sql = f"SELECT name, position FROM cursor WHERE {_CURSORS}"
        rows: list[Any] = self._loop_db.execute(sql).fetchall()
        return dict(rows)

    def kept(self, name: str) -> int | None:
        """The number under a mark's name, else the position of that cursor."""
        sql = "SELECT position FROM cursor WHERE name IN (?, ?) ORDER BY name = ? LIMIT 1"
        found: Any = self._loop_db.execute(sql, (MARKED + name, name, name)).get
        return None if found is None else int(found)

    def save_cursor(self, name: str, position: int | None) -> Awaitable[None]:
        """Keep a cursor (None: forget it); resolves when that is durable."""

        def task() -> None:
            if position is None:
                self._db.execute("DELETE FROM cursor WHERE name=?", (name,))
            else:
                row = (name, position, self._clock.now_us())
                self._db.execute("INSERT OR REPLACE INTO cursor VALUES(?,?,?)", row)

        return self._task(task)

    def expired(self, now_us: int, limit: int = 1000) -> list[tuple[int, str]]:
        """(tenant, id) of entities whose `expiresAt` has passed, the longest past first."""
        sql = "SELECT tenant, id FROM entity WHERE expires <= ? ORDER BY expires LIMIT ?"
        rows: list[Any] = self._loop_db.execute(sql, (now_us, limit)).fetchall()
        return rows

    # --- keeping it ------------------------------------------------------------------------------
    async def backup(self, target: Path) -> None:
        """A consistent copy in one new file, while writing goes on."""

        def copy() -> None:
            connection = self._reader()
            try:
                connection.execute("VACUUM INTO ?", (str(target),))
            except apsw.Error as error:
                raise DiskFull(f"The backup {target} cannot be written: {error}") from error
            finally:
                connection.close()

        await asyncio.to_thread(copy)

    def keep_with(self, archive: Archive | None) -> Callable[[], int]:
        """Have `archive` take what is committed before the write-ahead log begins anew; returns
        who tells a position that nothing committed until then is behind."""
        self._writer.checkpoints.archive = archive
        return lambda: self._hands.position

    def statistics(self) -> dict[str, Any]:
        """Figures for the system page."""
        writer = self._writer
        return {
            "entities": self._hands.entities,
            "head": self._hands.position,
            "notes": self._hands.notes_durable,
            "kinds": len(self._names.kinds),
            "shapes": len(self._names.shapes),
            "learning": self._learned.learning(),
            "learned": self._learned.shown(),
            "learned_most": self._tuning.learned_paths,
            "learned_most_bytes": self._tuning.learned_bytes,
            "points_waiting": len(self._pending),
            "documents": len(self._documents),
            "documents_bytes": self._documents.bytes,
            "documents_missed": self._documents.missed,
            "waiting": writer.waiting,
            "groups": writer.groups,
            "group_ops_mean": round(writer.grouped_ops / max(writer.groups, 1), 2),
            "poisoned": writer.poisoned,
            "disk_errors": writer.disk_errors,
            "times": writer.times,
            "last_error": writer.last_error,
            "checkpoints": writer.checkpoints.count,
            "checkpoint_longest_ms": round(writer.checkpoints.longest_s * 1000, 1),
            "wal_pages": writer.checkpoints.pages,
            "wal_most_pages": writer.checkpoints.most_pages,
            "bytes": self.path.stat().st_size,
            "reader_reads": self._readers.reads,
            "reader_late": self._readers.late,
        }

    async def close(self) -> None:
        """Finish what is queued, then let go."""
        self._writer.end()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        await asyncio.sleep(0)
        self._readers.close()
        self._let_go()
        self._point.close()
        self._loop_db.close()
        self._writer.checkpoints.close()
        self._db.close()
        self._claim.release()
