"""Indexes the store gives itself: paths that queries ask for, built beside the work, within a
budget.

A path is learned for a kind when q asked for it `learn_after` times or one scan looked at
`learn_rows` rows. From that moment writes keep its rows; what was there before is read in slices
by the writer between groups. Until it is ready, queries scan. Over the budget the least recently
used one goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import apsw
import orjson

from pintu.kernel.context.selection import Path
from pintu.kernel.store.choosing import SMALL_KIND
from pintu.kernel.store.kinds import IndexPath, KindRow, path_text
from pintu.kernel.store.rows import rows_of_path
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.plan import Plan
from pintu.kernel.store.sqlite.schema import Tuning

ENTRY_BYTES = 48
"""What one row of `value` takes on disk, about."""

SLICE = 250
"""Entities read into an index in one transaction: about 2 ms of the writer's time."""

WINDOW_S = 600.0
"""Asks are counted over this long."""

ASKED_PATHS = 1_000
"""Paths whose asks are counted at once; hostile queries must not fill the memory."""

log = logging.getLogger("pintu.store")
Submit = Callable[[Callable[[], Any]], Any]


class Learned:
    """Counts asks on the loop, builds on the writer thread."""

    def __init__(
        self,
        connection: apsw.Connection,
        names: Names,
        tuning: Tuning,
        *,
        submit: Submit,
        publish: Callable[[Callable[[], None]], None],
    ) -> None:
        self._db = connection
        self._names = names
        self._submit = submit
        self._publish = publish  # run on the loop once its reads see what was committed
        self._tuning = tuning
        self._asks: dict[tuple[int, Path], int] = {}
        self._window = monotonic()
        self._tick = max((path.used for path in names.paths.values()), default=0)
        self._requested: set[tuple[int, Path]] = set()
        self._work: list[IndexPath] = [
            path for path in names.paths.values() if path.form == "value" and path.state != "ready"
        ]
        self._pause_until = 0.0
        self.built = 0
        self.dropped = 0

    # --- the loop's side -------------------------------------------------------------------------
    def asked(self, chosen: Plan) -> None:
        """A plan was made: count what it lacked, note what it used."""
        if chosen.used:
            self.used(chosen.used)
        for kind, path in chosen.asked:
            key = (kind.n, path)
            count = self._asks.get(key, 0) + 1
            if len(self._asks) >= ASKED_PATHS or monotonic() - self._window > WINDOW_S:
                self._asks.clear()
                self._window = monotonic()
            self._asks[key] = count
            if count >= self._tuning.learn_after:
                self._request(kind, path)

    def used(self, indexes: list[IndexPath]) -> None:
        """An answer came from these: the least recently used one goes first."""
        self._tick += 1
        for index in indexes:
            index.used = self._tick

    def examined(self, chosen: Plan, rows: int) -> None:
        """A scan looked at so many rows."""
        if rows >= self._tuning.learn_rows:
            for kind, path in chosen.asked:
                self._request(kind, path)

    def _request(self, kind: KindRow, path: Path) -> None:
        key = (kind.n, path)
        if key in self._requested or path in kind.learned or kind.count <= SMALL_KIND:
            return
        self._requested.add(key)
        future = self._submit(partial(self._begin, kind, path))
        future.add_done_callback(lambda done: self._begun(key, done))

    def _begun(self, key: tuple[int, Path], done: Any) -> None:
        self._requested.discard(key)
        self._asks.pop(key, None)
        if not done.cancelled() and done.exception() is not None:
            log.warning("A path cannot be learned: %s", done.exception())

    def learning(self) -> int:
        """Indexes that are not ready yet."""
        building = [path for path in list(self._names.paths.values()) if path.state != "ready"]
        return len(building) + len(self._requested)

    def shown(self) -> list[dict[str, Any]]:
        """Every learned index, for the system page."""
        return [
            {
                "types": path.kind.types,
                "tenant": path.kind.tenant,
                "state": path.state,
                "path": ".".join((path.path.attribute, *path.path.subs)),
                "trail": ".".join(path.path.trail),
                "entries": path.entries,
                "bytes": path.entries * ENTRY_BYTES,
                "built": path.built,
            }
            for path in list(self._names.paths.values())
            if path.form == "value"
        ]

    # --- the writer's side -----------------------------------------------------------------------
    def _begin(self, kind: KindRow, path: Path) -> None:
        """In a transaction: keep the path from now on, and make room for it."""
        if path in kind.learned:
            return
        index = self._names.path(kind, "value", path_text(path), "building")
        self._tick += 1
        index.used = self._tick
        self._work.append(index)

    def pending(self) -> bool:
        """Is there something to build or to drop?"""
        return bool(self._work) and monotonic() >= self._pause_until

    def idle(self) -> None:
        """Learning does not wait for quiet."""

    def failed(self) -> None:
        """A slice could not be written: try again in a while."""
        self._pause_until = monotonic() + 1.0

    def step(self) -> Callable[[], None]:
        """One slice, inside a transaction; what it returns is called once that is durable."""
        index = self._work[0]
        if self._names.paths.get(index.n) is not index:
            return partial(self._work.remove, index)  # its transaction was rolled back
        if index.state == "dropping":
            return self._drop_slice(index)
        over = self._over_budget(index)
        if over is not None:
            self._db.execute("UPDATE path SET state='dropping' WHERE n=?", (over.n,))
            return partial(self._to_drop, over)
        return self._build_slice(index)

    def _build_slice(self, index: IndexPath) -> Callable[[], None]:
        run = self._db.execute
        rows: list[Any] = run(
            "SELECT n, body FROM entity INDEXED BY entity_kind WHERE kind=? AND n>? "
            "ORDER BY n LIMIT ?",
            (index.kind.n, index.built, SLICE),
        ).fetchall()
        entries = 0
        for n, body in rows:
            for row in rows_of_path(index.n, index.path, n, orjson.loads(body)):
                run("INSERT OR REPLACE INTO value(path, value, n, loose) VALUES(?,?,?,?)", row)
                entries += 1
        built = rows[-1][0] if rows else index.built
        state = "building" if len(rows) == SLICE else "ready"
        run(
            "UPDATE path SET built=?, entries=entries+?, state=?, used=? WHERE n=?",
            (built, entries, state, index.used, index.n),
        )

        def after() -> None:
            index.built, index.entries = built, index.entries + entries
            if state == "ready":
                self._work.remove(index)
                self.built += 1
                self._publish(partial(self._names.ready, index))

        return after

    def _drop_slice(self, index: IndexPath) -> Callable[[], None]:
        self._db.execute(
            "DELETE FROM value WHERE path=?1 AND (value, n) IN "
            "(SELECT value, n FROM value WHERE path=?1 LIMIT ?2)",
            (index.n, SLICE * 4),
        )
        if self._db.changes():
            return _nothing
        self._db.execute("DELETE FROM path WHERE n=?", (index.n,))

        def after() -> None:
            self._names.drop_path(index)
            self._work.remove(index)
            self.dropped += 1

        return after

    def _to_drop(self, index: IndexPath) -> None:
        index.state = "dropping"
        self._names.unlearn(index)
        if index not in self._work:
            self._work.append(index)

    def _over_budget(self, keep: IndexPath) -> IndexPath | None:
        """The least recently used index when there are too many or too large ones."""
        paths = [
            one
            for one in self._names.paths.values()
            if one.form == "value" and one.state != "dropping"
        ]
        size = sum(one.entries for one in paths) * ENTRY_BYTES
        if len(paths) <= self._tuning.learned_paths and size <= self._tuning.learned_bytes:
            return None
        others = [one for one in paths if one is not keep]
        return min(others, key=lambda one: one.used) if others else None


def _nothing() -> None:
    return None
