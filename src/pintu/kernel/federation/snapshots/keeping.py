"""The snapshots of a city: known in memory, their entities in private tables, a few at hand."""

from __future__ import annotations

import asyncio
import logging
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

import msgspec
import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Record
from pintu.kernel.errors import AlreadyExists, PintuError, ResourceNotFound, TooLarge
from pintu.kernel.federation.snapshots.frozen import Frozen
from pintu.kernel.federation.snapshots.schema import PIECE, SNAPSHOT, TABLES
from pintu.kernel.federation.snapshots.words import (
    MOST_BYTES,
    MOST_ENTITIES,
    MOST_OF_TENANT,
    Snapshot,
)
from pintu.kernel.tables import CityTables, put_rows

_log = logging.getLogger("pintu.federation")
_AT_HAND: Final = 128 * 1024 * 1024
"""Bytes of entities that are kept unpacked for the snapshots used last."""
_PIECE: Final = 500  # records
_USE_SAVED_US: Final = 60_000_000
_FILLING: Final = 2  # at the same time; more wait
_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(list[Record])


class Snapshots:
    """Made, filled, cloned, used, forgotten. What it returns is durable."""

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._tables, self._clock = tables.register(TABLES), clock
        self._known: dict[tuple[str, str], Snapshot] = {}
        self._at_hand: OrderedDict[str, Frozen] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_FILLING)
        self._loading: dict[str, asyncio.Task[Frozen]] = {}
        self._tables.run_now(_let_go)
        rows = self._tables.read_now(lambda c: c.execute(sa.select(SNAPSHOT)).mappings().all())
        for row in rows:
            one = _DECODER.decode(row["document"])
            if one.status == "preparing":  # whoever filled it ended with the broker
                one = msgspec.structs.replace(one, status="failure")
            self._known[one.tenant, one.id] = one

    # --- known ------------------------------------------------------------------------------
    def find(self, tenant: str, id: str) -> Snapshot | None:
        """One whose time is not over."""
        found = self._known.get((tenant, id))
        return found if found is not None and found.lives(self._clock.now_us()) else None

    def get(self, tenant: str, id: str) -> Snapshot:
        """One whose time is not over; raises ResourceNotFound."""
        found = self.find(tenant, id)
        if found is None:
            raise ResourceNotFound(f"Snapshot {id} does not exist")
        return found

    def of(self, tenant: str) -> list[Snapshot]:
        """All of a tenant, oldest first."""
        now_us = self._clock.now_us()
        mine = (one for one in self._known.values() if one.tenant == tenant)
        return sorted((one for one in mine if one.lives(now_us)), key=lambda one: one.created_us)

    # --- made and changed -------------------------------------------------------------------
    async def add(self, snapshot: Snapshot) -> None:
        """Keep a new one, which takes the place of a less important one where there are too many.

        Raises AlreadyExists, TooLarge.
        """
        await self.sweep()
        if self.find(snapshot.tenant, snapshot.id) is not None:
            raise AlreadyExists(f"Snapshot {snapshot.id} exists already")
        others = self.of(snapshot.tenant)
        if len(others) >= MOST_OF_TENANT:
            least = min(others, key=lambda one: (one.priority, one.used_us))
            if least.priority > snapshot.priority or least.owner != snapshot.owner:
                raise TooLarge(f"The tenant has {MOST_OF_TENANT} snapshots already")
            await self.remove([least])
        await self._keep(snapshot)

    async def change(self, snapshot: Snapshot) -> None:
        """Keep one in place of the one with its id, if that is still there."""
        if (snapshot.tenant, snapshot.id) in self._known:
            await self._keep(snapshot)

    async def remove(self, gone: Sequence[Snapshot]) -> None:
        """Forget some, and their entities unless a clone has them, too."""
        for one in gone:
            self._known.pop((one.tenant, one.id), None)
        left = {one.held for one in self._known.values()}
        unheld = {one.held for one in gone} - left
        for held in unheld:
            self._at_hand.pop(held, None)

        def work(connection: Connection) -> None:
            for one in gone:
                same = (SNAPSHOT.c.tenant == one.tenant) & (SNAPSHOT.c.id == one.id)
                connection.execute(SNAPSHOT.delete().where(same))
            for held in unheld:
                connection.execute(PIECE.delete().where(PIECE.c.held == held))

        await self._tables.run(work)

    async def sweep(self) -> None:
        """Forget those whose time is over."""
        now_us = self._clock.now_us()
        over = [one for one in self._known.values() if not one.lives(now_us)]
        if over:
            await self.remove(over)

    async def _keep(self, snapshot: Snapshot) -> None:
        row = {
            "tenant": snapshot.tenant, "id": snapshot.id, "held": snapshot.held,
            "document": orjson.dumps(msgspec.to_builtins(snapshot)),
        }  # fmt: skip
        self._known[snapshot.tenant, snapshot.id] = snapshot
        await self._tables.run(lambda connection: put_rows(connection, SNAPSHOT, [row]))

    # --- filled -----------------------------------------------------------------------------
    def later(self, filling: Coroutine[Any, Any, None]) -> None:
        """Fill one in its turn, while its maker goes on."""
        task = asyncio.create_task(self._in_turn(filling))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_turn(self, filling: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._turns:
                await filling
        except PintuError as error:
            _log.warning("a snapshot could not be kept: %s", error)

    async def fill(self, snapshot: Snapshot, records: Iterable[Record]) -> None:
        """Keep the entities of a snapshot; raises TooLarge."""
        frozen = Frozen(records)
        if len(frozen.records) > MOST_ENTITIES or frozen.weight > MOST_BYTES:
            raise TooLarge(f"A snapshot holds {MOST_ENTITIES} entities, {MOST_BYTES} bytes at most")
        rows = await asyncio.to_thread(_pieces, snapshot.held, list(frozen.records.values()))
        if (snapshot.tenant, snapshot.id) in self._known:
            await self._tables.run(lambda connection: put_rows(connection, PIECE, rows))
            self._hold(snapshot.held, frozen)

    # --- used -------------------------------------------------------------------------------
    async def frozen(self, snapshot: Snapshot) -> Frozen:
        """The entities of a snapshot, which is now used."""
        await self._used(snapshot)
        found = self._at_hand.get(snapshot.held)
        if found is not None:
            self._at_hand.move_to_end(snapshot.held)
            return found
        loading = self._loading.get(snapshot.held)
        if loading is None:
            loading = asyncio.create_task(self._load(snapshot.held))
            self._loading[snapshot.held] = loading
            loading.add_done_callback(lambda _: self._loading.pop(snapshot.held, None))
        return await asyncio.shield(loading)

    async def _load(self, held: str) -> Frozen:
        asked = sa.select(PIECE.c.records).where(PIECE.c.held == held).order_by(PIECE.c.number)
        rows = await self._tables.read(lambda c: c.execute(asked).scalars().all())
        found = await asyncio.to_thread(_unpacked, rows)
        self._hold(held, found)
        return found

    def _hold(self, held: str, frozen: Frozen) -> None:
        self._at_hand[held] = frozen
        while len(self._at_hand) > 1 and self._weight() > _AT_HAND:
            self._at_hand.popitem(last=False)

    def _weight(self) -> int:
        return sum(one.weight for one in self._at_hand.values())

    async def _used(self, snapshot: Snapshot) -> None:
        now_us = self._clock.now_us()
        used = msgspec.structs.replace(snapshot, used_us=now_us)
        if now_us - snapshot.used_us > _USE_SAVED_US:
            await self.change(used)


def _let_go(connection: Connection) -> None:
    """Pieces of a snapshot that went while it was filled."""
    held = sa.select(SNAPSHOT.c.held)
    connection.execute(PIECE.delete().where(PIECE.c.held.not_in(held)))


def new_id() -> str:
    """An id nobody can guess."""
    return f"urn:ngsi-ld:Snapshot:{uuid.uuid4()}"


def _pieces(held: str, records: list[Record]) -> list[dict[str, Any]]:
    return [
        {"held": held, "number": number, "records": zlib.compress(_pack.encode(some), 1)}
        for number, some in enumerate(
            records[start : start + _PIECE] for start in range(0, len(records), _PIECE)
        )
    ]


def _unpacked(rows: Iterable[bytes]) -> Frozen:
    return Frozen(record for row in rows for record in _unpack.decode(zlib.decompress(row)))


_DECODER = msgspec.json.Decoder(Snapshot)
