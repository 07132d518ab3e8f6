"""How a deed becomes true: kept, entered into the audit log, applied, told; in this order, once.

Between the log's row and the change a crash may come: `finish` goes on where it stopped. Nobody was
told of a step that is not finished, and nothing else is done to its agreement before it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

import msgspec

from pintu.kernel.access import AuditLog, Entry
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.agreements import ledger
from pintu.kernel.exchange.agreements.ledger import Begun, Plan, Wish
from pintu.kernel.exchange.agreements.signing import Signatures
from pintu.kernel.tables import OpenTables


class Recorder:
    """Does deeds one after the other for each agreement."""

    def __init__(
        self,
        file: OpenTables,
        signatures: Signatures,
        audit: AuditLog | None,
        tell: Callable[[Begun], None],
    ) -> None:
        self.audit = audit
        self._file, self._signatures, self._tell = file, signatures, tell
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._half: set[str] = set()  # agreements with a step that stopped half-way
        self._running: set[asyncio.Task[Begun]] = set()

    async def record(self, wish: Wish, plan: Plan) -> Begun:
        """Do a deed; the one that was done when the same actor comes with the same key.

        Once it is kept it goes on though its caller goes away. Raises Unavailable when there is no
        log to enter it into: then nothing happened.
        """
        self._log()
        task = asyncio.create_task(self._record(wish, plan), name="agreement")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _record(self, wish: Wish, plan: Plan) -> Begun:
        async with self._lock(wish.agreement):
            if wish.agreement in self._half:
                await self._finish(wish.agreement)
            begun = await self._file.run(lambda c: ledger.reserve(c, wish, plan))
            if begun.again and begun.step.receipt:
                return begun
            return await self._complete(begun)

    def _lock(self, agreement: str) -> asyncio.Lock:
        return self._locks.setdefault(agreement, asyncio.Lock())

    async def _complete(self, begun: Begun) -> Begun:
        agreement, number = begun.step.agreement, begun.step.number
        self._half.add(agreement)
        audit = self._log()
        try:
            first = await audit.enter(_marked(begun.change.entries[0], begun))
        except PintuError:
            await self._file.run(lambda c: ledger.retract(c, number))
            self._half.discard(agreement)
            raise
        # from here on it is in the log: what cannot be done now is gone on with, not taken back
        for entry in begun.change.entries[1:]:
            await audit.enter(_marked(entry, begun))
        return await self._apply(begun, first.number)

    def _log(self) -> AuditLog:
        if self.audit is None:
            raise Unavailable("There is no audit log: nothing can be agreed without one")
        return self.audit

    async def _enter(self, begun: Begun) -> int:
        """Write all rows of a step that stopped half-way; the number of the first."""
        audit = self._log()
        receipts = [await audit.enter(_marked(one, begun)) for one in begun.change.entries]
        return receipts[0].number

    async def _apply(self, begun: Begun, receipt: int) -> Begun:
        seal = self._signatures.seal
        await self._file.run(lambda c: ledger.apply(c, begun, receipt, seal))
        self._half.discard(begun.step.agreement)
        step = msgspec.structs.replace(begun.step, receipt=receipt)
        done = msgspec.structs.replace(begun, step=step)
        self._tell(done)
        return done

    async def finish_all(self) -> None:
        """Go on with every step that a crash cut off: at the start, before anything else is done.

        A row that the log had already is entered again, with the same `step` in its detail.
        """
        for begun in await self._file.read(ledger.unfinished):
            self._half.add(begun.step.agreement)
        await self.finish_half()

    async def finish_half(self) -> None:
        """Go on with steps that stopped half-way because a log or a table was away."""
        for agreement in sorted(self._half):
            if not self._lock(agreement).locked():
                async with self._lock(agreement):
                    await self._finish(agreement)

    async def _finish(self, agreement: str) -> None:
        for begun in await self._file.read(ledger.unfinished):
            if begun.step.agreement == agreement:
                await self._apply(begun, await self._enter(begun))
        self._half.discard(agreement)

    @property
    def half_way(self) -> bool:
        """Whether something waits for `finish`."""
        return bool(self._half)

    async def stop(self) -> None:
        """Wait for deeds under way."""
        await asyncio.gather(*self._running, return_exceptions=True)


def _marked(entry: Entry, begun: Begun) -> Entry:
    return msgspec.structs.replace(entry, detail={**entry.detail, "step": str(begun.step.number)})
