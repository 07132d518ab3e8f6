"""Which batches were answered already, so that what is sent twice is applied once.

The context is in `city.db`, the answered keys are in intake's own file, and no transaction spans
two
files. Writing every key before its acknowledgement would cost a disk flush a batch and would still
leave
a gap between the two commits. So keys are remembered in memory, written down twice a second
together
with a *mark*: the log position up to which every batch's key is on disk. After a crash the rows
behind
the mark are the only ones in doubt; they are read once at start, and an update that one of them
already
holds (the same source, entity, values and observedAt) is not applied again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.context.record import Effect, Keep, Put, Record, Transform
from pintu.kernel.intake.limits import Limits
from pintu.kernel.intake.schema import ANSWERED, MARK
from pintu.kernel.intake.words import Receipt
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.tables import OpenTables, put_rows

IN_DOUBT = 20_000  # log rows read back at most
OUTSIDE = ("id", "type", "scope", "@context", "expiresAt")


class Repeats:
    """Bounded memory of answered batches, by source; mirrors itself into the table."""

    def __init__(self, file: OpenTables, store: Store, limits: Limits) -> None:
        self._file, self._store, self._limits = file, store, limits
        self._answers: OrderedDict[str, OrderedDict[str, Receipt]] = OrderedDict()
        self._fresh: list[tuple[str, Receipt]] = []
        self._stale: list[tuple[str, str]] = []
        self._under_way: dict[int, int] = {}
        self._ticket = 0
        self._mark = 0
        self._doubt: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
        file.run_now(self._load)

    async def start(self) -> None:
        """Read what the last life logged and did not say it had answered; before any batch."""
        after = max(self._mark, self._store.head() - IN_DOUBT)
        while rows := await settled(self._store.changes(after, 1000)):
            for change in rows:
                written = _written(change)
                if written:
                    self._doubt[change.source, change.tenant, change.id].append(written)
            after = rows[-1].position

    # --- memory ---------------------------------------------------------------------------------
    def find(self, source: str, key: str) -> Receipt | None:
        """The receipt a batch got the first time."""
        answers = self._answers.get(source)
        return None if answers is None else answers.get(key)

    def keys(self, source: str) -> list[str]:
        """Every key of a source that is remembered, oldest first."""
        return list(self._answers.get(source, ()))

    def begin(self) -> int:
        """A batch starts: nothing it will write is behind the mark until `end`."""
        self._ticket += 1
        self._under_way[self._ticket] = self._store.head()
        return self._ticket

    def end(self, ticket: int, source: str, receipt: Receipt | None) -> None:
        """A batch is answered (or failed: None)."""
        self._under_way.pop(ticket, None)
        if receipt is not None:
            self._remember(source, receipt)
            self._fresh.append((source, receipt))

    def _remember(self, source: str, receipt: Receipt) -> None:
        mine = self._answers.get(source)
        if mine is None:
            mine = self._answers[source] = OrderedDict()
            if len(self._answers) > self._limits.sources:
                gone, answers = self._answers.popitem(last=False)
                self._stale.extend((gone, key) for key in answers)
        self._answers.move_to_end(source)
        mine[receipt.key] = receipt
        if len(mine) > self._limits.keys_a_source:
            self._stale.append((source, mine.popitem(last=False)[0]))

    # --- table ----------------------------------------------------------------------------------
    def _load(self, connection: Connection) -> None:
        rows = connection.execute(sa.select(ANSWERED).order_by(ANSWERED.c.number)).mappings()
        for row in rows:
            receipt = Receipt(row["key"], row["accepted"], row["quarantined"])
            self._remember(row["source"], receipt)
        mark = connection.execute(
            sa.select(MARK.c.position).where(MARK.c.name == "answered")
        ).scalar()
        # no mark: the last life ended before it wrote one, so all it logged is in doubt
        self._mark = min(mark or 0, self._store.head())

    def _save(
        self, fresh: list[tuple[str, Receipt]], stale: list[tuple[str, str]], mark: int
    ) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            put_rows(
                connection,
                ANSWERED,
                [
                    {
                        "source": source,
                        "key": receipt.key,
                        "accepted": receipt.accepted,
                        "quarantined": receipt.quarantined,
                    }
                    for source, receipt in fresh
                ],
                key=("source", "key"),
            )
            for source, key in stale:
                connection.execute(
                    ANSWERED.delete().where(ANSWERED.c.source == source, ANSWERED.c.key == key)
                )
            put_rows(connection, MARK, [{"name": "answered", "position": mark}])

        return work

    async def flush(self) -> None:
        """Write down what is new, and move the mark as far as every batch behind it is known."""
        mark = min(self._under_way.values(), default=self._store.head())
        if not self._fresh and mark - self._mark < 1000:
            return
        fresh, self._fresh = self._fresh, []
        stale, self._stale = self._stale, []
        try:
            await asyncio.shield(self._file.run(self._save(fresh, stale, mark)))
        except BaseException:
            self._fresh = fresh + self._fresh
            self._stale = stale + self._stale
            raise
        self._mark = mark

    # --- after a crash ----------------------------------------------------------------------------
    def applied(self, source: str, tenant: int, document: dict[str, Any]) -> dict[str, Any] | None:
        """The log row in doubt that already holds what `document` says; it is used up by asking."""
        if not self._doubt:
            return None
        rows = self._doubt.get((source, tenant, document["id"]))
        for index, row in enumerate(rows or ()):
            if _covers(row, {k: v for k, v in document.items() if k not in OUTSIDE}):
                return rows.pop(index) if rows else None
        return None


def _written(change: Change) -> dict[str, Any]:
    if not change.payload:
        return {}
    payload = orjson.loads(change.payload)
    return {name: value for name, value in payload.items() if name not in OUTSIDE}


def _covers(stored: Any, sent: Any) -> bool:
    """True when everything that was sent is in what is stored."""
    if isinstance(sent, dict):
        return isinstance(stored, dict) and all(
            name in stored and _covers(stored[name], value) for name, value in sent.items()
        )
    return bool(stored == sent)


def observed(document: dict[str, Any]) -> bool:
    """True when some attribute says when it was observed: an equal one is then the same
    observation.
    """
    return any(isinstance(value, dict) and "observedAt" in value for value in document.values())


def unless_same(transform: Transform) -> Transform:
    """The same transform, except that it writes nothing when nothing would change."""

    def guarded(record: Record | None, now_us: int) -> Effect:
        effect = transform(record, now_us)
        same = (
            isinstance(effect, Put)
            and record is not None
            and effect.payload is None  # a late reading leaves the document as it is: it is news
            and effect.entity == orjson.loads(record.body)
        )
        return Keep() if same else effect

    return guarded
