"""The quarantine: what nobody could read or accept, kept with its reason until retried or
dropped.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.intake.limits import Limits
from pintu.kernel.intake.schema import DROPPED, HELD
from pintu.kernel.intake.words import Envelope, Unreadable, Update
from pintu.kernel.tables import OpenTables, keepable, put_rows


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in quarantine. `truncated`: the body was longer than is kept, so it can only be
    dropped.
    """

    id: int
    source: str
    tenant: str
    key: str
    kind: str  # envelope | update | records (of a load, one a line)
    reason: str
    body: bytes
    size: int
    meta: dict[str, str]
    received_us: int
    held_us: int
    attempts: int

    @property
    def truncated(self) -> bool:
        """True when only the beginning of the body is here."""
        return len(self.body) < self.size

    def envelope(self) -> Envelope:
        """The message as it came."""
        return Envelope(self.source, self.key, self.received_us, self.body, self.meta)

    def update(self) -> Update:
        """The update as it was handed over."""
        return msgspec.json.decode(self.body, type=Update)


class SourceCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a source is held, and how much was dropped because the quarantine was full."""

    held: int = 0
    dropped: int = 0


def refused_update(source: str, key: str, update: Update, reason: str, at_us: int) -> Unreadable:
    """An update that cannot be accepted, as something to hold."""
    try:
        body = msgspec.json.encode(update)
    except (TypeError, ValueError, RecursionError):
        body = repr(update)[:1000].encode()
    return Unreadable(Envelope(source, key, at_us, body, {"kind": "update"}), reason)


class Quarantine:
    """Durable, bounded by rows and bytes; the oldest goes first and is counted, never silently.

    The same (source, key) is held once: coming again, it counts as an attempt and does not pile up.
    """

    def __init__(self, file: OpenTables, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._held: dict[str, int] = defaultdict(int)
        self._dropped: dict[str, int] = defaultdict(int)
        self._bytes = 0
        self._counted = file.data_version()
        file.read_now(self._count)

    def _count(self, connection: Connection) -> None:
        self._held.clear()
        length = sa.func.coalesce(sa.func.sum(sa.func.length(HELD.c.body)), 0)
        self._bytes = 0
        for source, rows, size in connection.execute(
            sa.select(HELD.c.source, sa.func.count(), length).group_by(HELD.c.source)
        ):
            self._held[source] = rows
            self._bytes += size
        # row by row: a result has `keys`, which dict.update takes for a mapping
        for source, count in connection.execute(sa.select(DROPPED.c.source, DROPPED.c.count)):
            self._dropped[source] = count

    async def put(self, tenant: str, items: Sequence[Unreadable], held_us: int) -> None:
        """Hold these; resolves after they are durable."""
        if items:
            await self._file.run(lambda connection: self._put(connection, tenant, items, held_us))

    def _put(
        self, connection: Connection, tenant: str, items: Sequence[Unreadable], held_us: int
    ) -> None:
        kept = self._limits.kept_bytes
        for item in items:
            envelope = item.envelope
            kind = keepable(envelope.meta.get("kind", "envelope"))
            key, reason = keepable(envelope.key), keepable(item.reason[:2000])
            found = connection.execute(
                HELD.update()
                .where(HELD.c.source == envelope.source, HELD.c.key == key)
                .values(attempts=HELD.c.attempts + 1, reason=reason)
            )
            if found.rowcount:
                continue
            connection.execute(
                HELD.insert(),
                {
                    "source": envelope.source,
                    "tenant": tenant,
                    "key": key,
                    "kind": kind,
                    "reason": reason,
                    "body": envelope.body[:kept],
                    "size": len(envelope.body),
                    "meta": json.dumps(dict(list(envelope.meta.items())[:50]))[:8000],
                    "received_us": envelope.received_us,
                    "held_us": held_us,
                    "attempts": 0,
                },
            )
            self._held[envelope.source] += 1
            self._bytes += min(kept, len(envelope.body))
        while (
            sum(self._held.values()) > self._limits.held_rows
            or self._bytes > self._limits.held_bytes
        ):
            self._drop_oldest(connection, sum(self._held.values()) - self._limits.held_rows)

    def _drop_oldest(self, connection: Connection, too_many: int) -> None:
        oldest = connection.execute(
            sa.select(HELD.c.id, HELD.c.source, sa.func.length(HELD.c.body))
            .order_by(HELD.c.id)
            .limit(max(1, min(500, too_many)))
        ).all()
        connection.execute(HELD.delete().where(HELD.c.id.in_([row[0] for row in oldest])))
        for _, source, size in oldest:
            self._held[source] -= 1
            self._dropped[source] += 1
            self._bytes -= size
        put_rows(
            connection,
            DROPPED,
            [
                {"source": source, "count": self._dropped[source]}
                for source in {row[1] for row in oldest}
            ],
        )

    async def list(
        self, *, source: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[Held]:
        """What is held, newest first; `before` is the id of the last one already seen."""
        query = sa.select(HELD).order_by(HELD.c.id.desc()).limit(max(1, min(limit, 1000)))
        if source is not None:
            query = query.where(HELD.c.source == source)
        if before is not None:
            query = query.where(HELD.c.id < before)
        return await self._file.read(
            lambda connection: [_held(row) for row in connection.execute(query).mappings()]
        )

    async def show(self, id: int) -> Held:
        """One held thing; ResourceNotFound when it is not there (any more)."""
        query = sa.select(HELD).where(HELD.c.id == id)
        row = await self._file.read(lambda connection: connection.execute(query).mappings().first())
        if row is None:
            raise ResourceNotFound(f"Quarantine entry {id} does not exist")
        return _held(row)

    async def drop(self, *, ids: Sequence[int] = (), source: str | None = None) -> int:
        """Let go of these, or of everything of a source; returns how many."""
        chosen = (
            HELD.c.source == source if source is not None else HELD.c.id.in_(list(ids)[:10_000])
        )

        def work(connection: Connection) -> int:
            gone = connection.execute(HELD.delete().where(chosen)).rowcount
            self._count(connection)
            return int(gone)

        return await self._file.run(work)

    async def drop_key(self, source: str, key: str) -> None:
        """Let go of what is held under a source's key, if anything is."""

        def work(connection: Connection) -> None:
            gone = HELD.delete().where(HELD.c.source == source, HELD.c.key == keepable(key))
            if connection.execute(gone).rowcount:
                self._count(connection)

        await self._file.run(work)

    async def failed_again(self, id: int, reason: str) -> None:
        """A retry did not help: count it and keep the newest reason."""
        change = (
            HELD.update()
            .where(HELD.c.id == id)
            .values(attempts=HELD.c.attempts + 1, reason=keepable(reason[:2000]))
        )
        await self._file.run(lambda connection: connection.execute(change))

    def counts(self) -> dict[str, SourceCount]:
        """By source: held now, dropped because of the cap since ever. Answers from memory, unless
        somebody (the command line, perhaps) changed the table.
        """
        version = self._file.data_version()
        if version != self._counted:
            self._counted = version
            self._file.read_now(self._count)
        return {
            source: SourceCount(
                held=self._held.get(source, 0), dropped=self._dropped.get(source, 0)
            )
            for source in sorted(self._held.keys() | self._dropped.keys())
            if self._held.get(source) or self._dropped.get(source)
        }


def _held(row: Any) -> Held:
    return Held(**{**row, "meta": json.loads(row["meta"])})
