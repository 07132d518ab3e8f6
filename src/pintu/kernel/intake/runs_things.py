"""Which entities each mapping of a source brought, and which its last whole load brought no more.

Loads are counted in *rounds*: a round begins when the whole of a source was read, and what was not
seen in it when it ends is gone from the source. A round outlives runs that were cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.intake.runs_schema import ROUND, THING
from pintu.kernel.tables import OpenTables, put_rows

AT_ONCE: Final = 500  # ids of one question


class Things:
    """Reads and writes what one file knows of things; what an async call did is durable when it
    returns."""

    def __init__(self, file: OpenTables) -> None:
        self._file = file

    async def any_ended(self, source: str, mapping: str) -> bool:
        """Whether something is gone that might return."""
        query = sa.select(THING.c.id).where(_mine(source, mapping), THING.c.ended_us > 0).limit(1)
        return await self._file.read(lambda c: c.execute(query).first()) is not None

    async def ended_among(self, source: str, mapping: str, ids: Sequence[str]) -> list[str]:
        """Those of these ids that were gone."""
        found: list[str] = []
        for at in range(0, len(ids), AT_ONCE):
            part = THING.c.id.in_(ids[at : at + AT_ONCE])
            where = (_mine(source, mapping), THING.c.ended_us > 0, part)
            query = sa.select(THING.c.id).where(*where)
            found += await self._ids(query)
        return found

    async def any_seen(self, source: str, mapping: str) -> bool:
        """Whether this round has brought anything."""

        def work(connection: Connection) -> bool:
            now = round_of(connection, source, mapping)
            where = (_mine(source, mapping), THING.c.round == now)
            return (
                connection.execute(sa.select(THING.c.id).where(*where).limit(1)).first() is not None
            )

        return await self._file.read(work)

    async def absent(self, source: str, mapping: str, *, limit: int) -> list[str]:
        """What this round has not brought, by id."""

        def work(connection: Connection) -> list[str]:
            now = round_of(connection, source, mapping)
            where = (_mine(source, mapping), THING.c.round < now, THING.c.ended_us == 0)
            query = sa.select(THING.c.id).where(*where).order_by(THING.c.id).limit(limit)
            return list(connection.execute(query).scalars())

        return await self._file.read(work)

    async def elsewhere(self, source: str, mapping: str, ids: Sequence[str]) -> set[str]:
        """Those of these ids that another mapping of the source still has."""
        found: set[str] = set()
        for at in range(0, len(ids), AT_ONCE):
            query = sa.select(THING.c.id).where(
                THING.c.id.in_(ids[at : at + AT_ONCE]),
                THING.c.source == source,
                THING.c.mapping != mapping,
                THING.c.ended_us == 0,
            )
            found |= set(await self._ids(query))
        return found

    async def _ids(self, query: sa.Select[Any]) -> list[str]:
        return list(await self._file.read(lambda c: c.execute(query).scalars().all()))

    async def end(self, source: str, mapping: str, ids: Sequence[str], at_us: int) -> None:
        """These are gone; kept in mind, because they may return."""

        def work(connection: Connection) -> None:
            now = round_of(connection, source, mapping)
            told = {"source": source, "mapping": mapping, "round": now - 1, "ended_us": at_us}
            put_rows(connection, THING, [{**told, "id": one} for one in ids])

        await self._file.run(work)

    async def see(self, source: str, mapping: str, ids: Sequence[str]) -> None:
        """These are there, in this round."""
        await self._file.run(lambda connection: saw(connection, source, mapping, ids))

    async def turn(self, source: str, mapping: str) -> None:
        """The whole source was read: the next round begins."""
        await self._file.run(lambda connection: next_round(connection, source, mapping))


def saw(connection: Connection, source: str, mapping: str, ids: Sequence[str]) -> None:
    """These are there, in this round; inside of the transaction that keeps the position."""
    if ids:
        now = round_of(connection, source, mapping)
        told = {"source": source, "mapping": mapping, "round": now, "ended_us": 0}
        put_rows(connection, THING, [{**told, "id": one} for one in dict.fromkeys(ids)])


def next_round(connection: Connection, source: str, mapping: str) -> None:
    """Begin another round: what was seen before counts as not seen yet."""
    now = round_of(connection, source, mapping) + 1
    put_rows(connection, ROUND, [{"source": source, "mapping": mapping, "round": now}])


def round_of(connection: Connection, source: str, mapping: str) -> int:
    """The round under way; the first is 1."""
    where = (ROUND.c.source == source, ROUND.c.mapping == mapping)
    return int(connection.execute(sa.select(ROUND.c.round).where(*where)).scalar() or 1)


def _mine(source: str, mapping: str) -> sa.ColumnElement[bool]:
    return (THING.c.source == source) & (THING.c.mapping == mapping)
