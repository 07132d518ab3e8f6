"""Neighbours watch one another: we countersign the heads of others, they countersign ours.

Whoever countersigns says: I saw this head, and it goes on from every head of this log that I saw
before. So nobody can keep two logs, or go back to an old backup, without a neighbour knowing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.audit.heads import Head, cosigned, cosigned_at, is_signed, read_head
from pintu.kernel.audit.schema import COSIGNATURE, HEAD, SEEN
from pintu.kernel.audit.sealing import Sealer, told_of
from pintu.kernel.audit.tree import consistent
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.tables import OpenTables, put_rows

MOST_SEEN: Final = 2_000
"""Heads of one neighbour that are kept."""


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Who countersigned ours: up to which row, when (µs, by its own clock)."""

    name: str
    size: int
    at_us: int
    public: str


class Witness:
    """Both sides of countersigning; the wire belongs to `exchange.nodes`."""

    def __init__(self, tables: OpenTables, sealer: Sealer, clock: Clock) -> None:
        self._tables = tables
        self._sealer = sealer
        self._clock = clock

    # --- others' heads ----------------------------------------------------------------------------
    async def last_seen(self, origin: str) -> Head | None:
        """The newest head of another log that we countersigned: the proof must begin there."""
        return await self._tables.read(lambda c: _newest(c, origin))

    async def cosign(self, told: str, *, public: str, proof: Sequence[bytes] = ()) -> str:
        """Our line for another log's head, once it is durable that we saw it.

        `public` is that log's key (base64) as its node told it when it joined, `proof` leads from
        `last_seen(origin)` to this head. Raises BadRequestData for what is no head, Forbidden for
        one that this key did not sign, StateConflict for one that does not go on from what we saw:
        its `seen` is the head that speaks against it.
        """
        head = read_head(told)
        if not is_signed(head, head.origin, public):
            raise Forbidden(f"The head of {head.origin[:100]!r} is not signed with its log's key")
        if head.origin == self._sealer.origin:
            raise BadRequestData("This is the head of our own log")
        await self._tables.run(lambda c: self._see(c, head, public, proof))
        at_s = self._clock.now_us() // 1_000_000
        return cosigned(head.text, self._sealer.name, self._sealer.key, at_s)

    def _see(self, connection: Connection, head: Head, public: str, proof: Sequence[bytes]) -> None:
        before = _newest(connection, head.origin)
        if before is not None:
            _goes_on(before, head, proof)
            key = sa.select(SEEN.c.public).where(SEEN.c.origin == head.origin).limit(1)
            if connection.execute(key).scalar() != public:
                raise StateConflict(
                    f"The log of {head.origin[:100]!r} has another key than before",
                    seen=told_of(before),
                )
        row = {"origin": head.origin, "size": head.size, "told": told_of(head), "public": public}
        put_rows(connection, SEEN, [{**row, "at_us": self._clock.now_us()}])
        old = (
            sa.select(SEEN.c.size)
            .where(SEEN.c.origin == head.origin)
            .order_by(SEEN.c.size.desc())
            .offset(MOST_SEEN)
            .limit(1)
        )
        last = connection.execute(old).scalar()
        if last is not None:
            connection.execute(
                SEEN.delete().where(SEEN.c.origin == head.origin, SEEN.c.size <= last)
            )

    async def heads_of(self, origin: str, limit: int = 100) -> list[Head]:
        """What we saw of another log, newest first."""

        def work(connection: Connection) -> list[Head]:
            found = sa.select(SEEN.c.told).where(SEEN.c.origin == origin)
            newest = found.order_by(SEEN.c.size.desc()).limit(min(limit, MOST_SEEN))
            return [read_head(told) for told in connection.execute(newest).scalars()]

        return await self._tables.read(work)

    # --- ours -------------------------------------------------------------------------------------
    async def add_cosignature(self, size: int, line: str, *, name: str, public: str) -> None:
        """A neighbour's line for our head over `size` rows. Raises ResourceNotFound when we have
        no such head, Forbidden when the line is not the neighbour's.
        """
        era = self._sealer.era

        def work(connection: Connection) -> None:
            where = (HEAD.c.era == era) & (HEAD.c.size == size)
            told = connection.execute(sa.select(HEAD.c.told).where(where)).scalar()
            if told is None:
                raise ResourceNotFound(f"There is no head over {size} rows")
            at_s = cosigned_at(read_head(told), line, name, public)
            if at_s is None:
                raise Forbidden(f"The countersignature is not that of {name[:100]!r}")
            row = {"era": era, "size": size, "name": name, "line": line, "public": public}
            put_rows(connection, COSIGNATURE, [{**row, "at_s": at_s}])

        await self._tables.run(work)

    async def neighbours(self) -> list[Neighbour]:
        """The newest countersignature of each neighbour."""
        era = self._sealer.era

        def work(connection: Connection) -> list[Neighbour]:
            newest = (
                sa.select(COSIGNATURE.c.name, sa.func.max(COSIGNATURE.c.size).label("size"))
                .where(COSIGNATURE.c.era == era)
                .group_by(COSIGNATURE.c.name)
                .subquery()
            )
            same = (COSIGNATURE.c.name == newest.c.name) & (COSIGNATURE.c.size == newest.c.size)
            rows = connection.execute(
                sa.select(COSIGNATURE).join(newest, same & (COSIGNATURE.c.era == era))
            )
            return [
                Neighbour(name=r.name, size=r.size, at_us=r.at_s * 1_000_000, public=r.public)
                for r in rows
            ]

        return await self._tables.read(work)

    async def contradicted(self, told: str) -> bool:
        """A neighbour shows us a head of our own log that it saw. When we signed it and our log
        does not go on from it, the log was rewound or forked: said loudly. True when so.
        """
        head, sealer = read_head(told), self._sealer
        if head.origin != sealer.origin or not is_signed(head, sealer.origin, sealer.key.public):
            return False
        ours = sealer.head
        if ours is None or head.size > ours.size:
            have = 0 if ours is None else ours.size
            await sealer.doubt(
                f"A neighbour has a head of ours over {head.size} rows, we have {have}: the log "
                "was rewound, or an old backup lies here"
            )
            return True
        if await sealer.root_at(head.size) != head.root:
            await sealer.doubt(
                f"A neighbour has a head of ours over {head.size} rows that are not these: the "
                "log was forked"
            )
            return True
        return False


def _newest(connection: Connection, origin: str) -> Head | None:
    found = sa.select(SEEN.c.told).where(SEEN.c.origin == origin)
    told = connection.execute(found.order_by(SEEN.c.size.desc()).limit(1)).scalar()
    return None if told is None else read_head(told)


def _goes_on(before: Head, head: Head, proof: Sequence[bytes]) -> None:
    """Raises StateConflict, with what speaks against it, when a head does not go on."""
    why = ""
    if head.size < before.size:
        why = f"it has {head.size} rows, and {before.size} were shown to us before"
    elif not consistent((before.size, before.root), (head.size, head.root), proof):
        same = head.size == before.size
        why = "its rows are others than those shown to us" if same else "nothing proves it"
    if why:
        raise StateConflict(
            f"The head of {head.origin[:100]!r} does not go on from the one over {before.size} "
            f"rows: {why}",
            seen=told_of(before),
        )
