"""Proofs for strangers: that a row is in the log, that one head goes on from another."""

from __future__ import annotations

import base64
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.audit.heads import COSIGNATURE as COSIGNS
from pintu.kernel.audit.heads import Head, read_head, verifier_key
from pintu.kernel.audit.schema import COSIGNATURE, HEAD
from pintu.kernel.audit.sealing import Sealer, tiles_in, told_of
from pintu.kernel.audit.tree import consistency, inclusion, leaf_hash
from pintu.kernel.errors import BadRequestData, ResourceNotFound, Unavailable
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import OpenTables

FORMAT: Final = "pintu-proof/1"
MOST_HEADS: Final = 1_000


class Proofs:
    """Reads tiles and heads; writes nothing."""

    def __init__(self, store: Store, tables: OpenTables, sealer: Sealer) -> None:
        self._store = store
        self._tables = tables
        self._sealer = sealer

    def _size(self, size: int | None) -> int:
        head = self._sealer.head
        sealed = 0 if head is None else head.size
        if size is not None and not 0 < size <= sealed:
            raise ResourceNotFound(f"The log is sealed up to row {sealed}, not up to {size}")
        return sealed if size is None else size

    async def sealed(self, number: int) -> None:
        """See to it that a row is sealed; ResourceNotFound when there is none, Unavailable when
        the log is not sealed any more.
        """
        if not 0 < number <= self._store.notes_head():
            raise ResourceNotFound(f"The log has no row {number}")
        if number > self._size(None):
            await self._sealer.seal()
        if number > self._size(None):
            why = self._sealer.trouble or "try again in a second"
            raise Unavailable(f"Row {number} is not sealed: {why}", retry_after=1)

    async def inclusion(self, number: int, size: int | None = None) -> list[bytes]:
        """The audit path of a row in the tree of that size, the newest without one."""
        await self.sealed(number)
        of = self._size(size)
        if number > of:
            raise BadRequestData(f"Row {number} is behind the head over {of} rows")
        era = self._sealer.era
        return await self._tables.read(lambda c: inclusion(tiles_in(c, era), number - 1, of))

    async def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """That the tree of `size` rows, the newest without one, goes on from that of `old`."""
        of = self._size(size)
        if not 0 < old <= of:
            raise BadRequestData(f"A tree of {of} rows does not go on from one of {old}")
        era = self._sealer.era
        return await self._tables.read(lambda c: consistency(tiles_in(c, era), old, of))

    # --- heads ------------------------------------------------------------------------------------
    async def heads(self, *, before: int | None = None, limit: int = 100) -> list[Head]:
        """Heads of this era with who countersigned them, the newest first."""
        most = 1 << 62 if before is None else before
        count = max(1, min(limit, MOST_HEADS))
        return await self._tables.read(lambda c: heads_in(c, self._sealer.era, (0, most), count))

    async def heads_after(self, size: int, limit: int) -> list[Head]:
        """Heads over more rows, the smallest first."""
        era = self._sealer.era
        between = (size, 1 << 62)
        return await self._tables.read(
            lambda c: heads_in(c, era, between, min(limit, MOST_HEADS), rising=True)
        )

    async def checkpoint(self) -> Head:
        """The newest head with who countersigned it; ResourceNotFound before the first row."""
        found = await self.heads(limit=1)
        if not found:
            raise ResourceNotFound("No row of the log has been sealed yet")
        return found[0]

    async def covering(self, number: int) -> Head:
        """The head to prove a row by: the newest that a neighbour countersigned and that covers it,
        else the newest.
        """
        era = self._sealer.era

        def work(connection: Connection) -> list[Head]:
            size = sa.select(sa.func.max(COSIGNATURE.c.size)).where(
                COSIGNATURE.c.era == era, COSIGNATURE.c.size >= number
            )
            found = connection.execute(size).scalar()
            below = (number - 1, 1 << 62) if found is None else (found - 1, found + 1)
            return heads_in(connection, era, below, 1)

        found = await self._tables.read(work)
        return found[0] if found else await self.checkpoint()

    # --- one file ---------------------------------------------------------------------------------
    async def bundle(self, number: int, *, with_row: bool = True) -> dict[str, Any]:
        """What `pintu-verify` checks on a stranger's machine: row, path, head, countersignatures,
        public keys. Without the row only its hash is told: the proof that it is there, to who may
        not read it.
        """
        await self.sealed(number)
        [(_, body)] = await settled(self._store.notes(number - 1, 1))
        head = await self.covering(number)
        path = await self.inclusion(number, head.size)
        row = {"row": body.decode()} if with_row else {}
        return {
            "format": FORMAT,
            "number": number,
            "leaf": leaf_hash(body).hex(),
            **row,
            "proof": [base64.b64encode(one).decode() for one in path],
            "head": told_of(head),
            "key": self._sealer.public,
            "witnesses": await self._tables.read(lambda c: _witnesses(c, self._sealer.era, head)),
        }


def heads_in(
    connection: Connection,
    era: int,
    between: tuple[int, int],
    limit: int,
    *,
    rising: bool = False,
) -> list[Head]:
    """Heads with more rows than the first and fewer than the second number, newest first unless
    they are wanted `rising`, each with its countersignatures.
    """
    order = HEAD.c.size if rising else HEAD.c.size.desc()
    low, high = between
    where = (HEAD.c.era == era) & (HEAD.c.size > low) & (HEAD.c.size < high)
    found = connection.execute(
        sa.select(HEAD.c.size, HEAD.c.told).where(where).order_by(order).limit(limit)
    ).all()
    sizes = [row.size for row in found]
    lines: dict[int, list[str]] = {}
    asked = sa.select(COSIGNATURE.c.size, COSIGNATURE.c.line).where(COSIGNATURE.c.era == era)
    if sizes:
        within = COSIGNATURE.c.size.between(min(sizes), max(sizes))
        for size, line in connection.execute(asked.where(within).order_by(COSIGNATURE.c.name)):
            lines.setdefault(size, []).append(line)
    return [
        read_head(row.told + "".join(f"{one}\n" for one in lines.get(row.size, ())))
        for row in found
    ]


def _witnesses(connection: Connection, era: int, head: Head) -> list[str]:
    where = (COSIGNATURE.c.era == era) & (COSIGNATURE.c.size == head.size)
    found = sa.select(COSIGNATURE.c.name, COSIGNATURE.c.public).where(where)
    return [verifier_key(name, public, COSIGNS) for name, public in connection.execute(found)]
