"""The log's own room: rows are entered, sealed, proved and looked up; nothing changes or removes
one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from pintu.kernel.access import Act, Actor
from pintu.kernel.access.audited import Entry, Receipt
from pintu.kernel.audit.digests import Digests, year_of
from pintu.kernel.audit.heads import Head
from pintu.kernel.audit.rows import Numbered, Row, read_row, row_bytes
from pintu.kernel.audit.schema import TABLES
from pintu.kernel.audit.sealing import Sealer
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, ResourceNotFound
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.port import Op, Outcome, Store, settled
from pintu.kernel.tables import CityTables

COUNTS_S: Final = 60.0
MOST_COUNTS: Final = 2_000
"""Different calls counted in one minute; what is more is counted together."""

_sha256 = hashlib.sha256
log = logging.getLogger("pintu.audit")
Seal = Callable[[Outcome], Receipt]


class Audit:
    """Implements `access.AuditLog` on the store's notes."""

    def __init__(
        self, store: Store, tables: CityTables, keys: Keys, clock: Clock, *, name: str = ""
    ) -> None:
        """`name`: of this node, the origin of its log's heads; without one the key names it."""
        self._store = store
        self._clock = clock
        self._digests = Digests(keys)
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._task: asyncio.Task[None] | None = None
        key = keys.signer("log")
        self.tables = tables.register(TABLES)
        self.sealer = Sealer(store, self.tables, key, clock, name=name or f"pintu-{key.key_id[:8]}")
        self.sealer.on_trouble = self._troubled
        self.digest = self._digests.of  # the lasting digest of a subject or an answer

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to seal and to write counts."""
        await self.sealer.start()
        self._task = asyncio.create_task(self._run(), name="audit-counts")

    async def stop(self) -> None:
        """Write what is counted, seal what is written."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with contextlib.suppress(PintuError):
            await self.write_counts()
        await self.sealer.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(COUNTS_S)
            try:
                await self.write_counts()
            except PintuError as error:
                log.warning("Counts are not written now: %s", error.detail)

    # --- writing ----------------------------------------------------------------------------------
    async def enter(self, entry: Entry) -> Receipt:
        """Write one row; resolves when it is on the disk, and only then may anybody be answered.

        Raises Unavailable (DiskFull) when it cannot be kept.
        """
        op, seal = self.prepare(entry)
        [outcome] = await self._store.submit((op,))
        return seal(outcome)

    def prepare(self, entry: Entry) -> tuple[Op, Seal]:
        """The same for who writes the row in the transaction of changes it tells of: an operation
        to be submitted beside others, and what makes its outcome a receipt.
        """
        at_us = self._clock.now_us()
        if entry.subjects:
            year, of = year_of(at_us), self._digests.in_year
            entry = msgspec.structs.replace(
                entry, subjects=tuple(of(one, year) for one in entry.subjects)
            )
        body = row_bytes(entry, at_us)

        def seal(outcome: Outcome) -> Receipt:
            if outcome.error is not None:
                raise outcome.error
            leaf = _sha256(b"\x00" + body).hexdigest()
            return Receipt(number=outcome.position, at_us=at_us, leaf=leaf)

        return Op(0, "", note=body), seal

    def count(self, actor: Actor, act: Act) -> None:
        """Count a call that needs no row of its own; written once a minute."""
        key = (actor.id, act.deed, act.tenant, act.data_set)
        counts = self._counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < MOST_COUNTS:
            counts[key] = 1
        else:
            key = ("*", act.deed, "*", "*")
            counts[key] = counts.get(key, 0) + 1

    async def write_counts(self) -> Receipt | None:
        """One row of what was counted since the last one; None when nothing was."""
        counts, self._counts = self._counts, {}
        if not counts:
            return None
        detail = {" ".join(one or "-" for one in key): str(n) for key, n in counts.items()}
        try:
            return await self.enter(Entry(what="counts", rows=sum(counts.values()), detail=detail))
        except PintuError:
            for key, n in counts.items():
                self._counts[key] = self._counts.get(key, 0) + n
            raise

    async def _troubled(self, why: str) -> None:
        """The log says itself that it was found to be another one."""
        with contextlib.suppress(PintuError):
            await self.enter(Entry(what="node", deed="log.doubted", detail={"why": why[:500]}))

    # --- reading ----------------------------------------------------------------------------------
    @property
    def trouble(self) -> str:
        """Why the log is not sealed any more, in a sentence; "" when all is well."""
        return self.sealer.trouble

    @property
    def head(self) -> Head | None:
        """The newest signed head; None before the first row."""
        return self.sealer.head

    async def rows(self, after: int, limit: int) -> list[Numbered]:
        """Rows after a number, in order."""
        found = await settled(self._store.notes(after, limit))
        return [Numbered(number=number, row=read_row(body)) for number, body in found]

    async def row(self, number: int) -> Row:
        """One row; ResourceNotFound when there is none."""
        return read_row(await self.body(number))

    async def body(self, number: int) -> bytes:
        """The bytes of one row; ResourceNotFound when there is none."""
        found = await settled(self._store.notes(number - 1, 1)) if number > 0 else []
        if not found or found[0][0] != number:
            raise ResourceNotFound(f"The log has no row {number}")
        return found[0][1]
