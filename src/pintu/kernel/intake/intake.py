"""Intake: the one function through which everything but the NGSI-LD API enters the context."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, PintuError, StateConflict, TooLarge, Unavailable
from pintu.kernel.intake.limits import Limits
from pintu.kernel.intake.quarantine import Held, Quarantine, refused_update
from pintu.kernel.intake.reading import read_update, transform_of
from pintu.kernel.intake.repeats import Repeats, observed, unless_same
from pintu.kernel.intake.schema import TABLES
from pintu.kernel.intake.sources import Source, Sources, alert_id
from pintu.kernel.intake.words import (
    Batch,
    Envelope,
    Receipt,
    SourceReport,
    Unreadable,
    Update,
)
from pintu.kernel.jsonld import CORE, ContextLibrary, Terms
from pintu.kernel.store.port import Op, Store
from pintu.kernel.tables import CityTables, keepable

log = logging.getLogger("pintu.intake")

ReadAgain = Callable[[Held], bool]
"""Gives a held envelope to the process that has its piece; False when none is connected."""

SOURCE = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
TENANT = re.compile(r"[A-Za-z0-9_.-]{0,64}")
TICK_S = 0.5
SLICE = 100
MAX_HALF_DONE = 1_000
RETRY_TIMEOUT_S = 10.0


class Intake:
    """Accepts batches, in process or from the socket; says what became of each after it is
    durable.
    """

    def __init__(
        self,
        store: Store,
        library: ContextLibrary,
        clock: Clock,
        tables: CityTables,
        *,
        strict_tenants: frozenset[str] = frozenset(),
        vocabulary: Callable[[dict[str, Any]], list[str]] | None = None,
        context: Any = None,
        limits: Limits | None = None,
    ) -> None:
        """`vocabulary` gives what is wrong with a stored document, naming fields, for strict
        tenants;
        `context` is the @context of updates that bring none (None: the core's)."""
        self._store, self._library, self._clock = store, library, clock
        self._strict, self._vocabulary, self._context = strict_tenants, vocabulary, context
        self.limits = limits or Limits()
        self._of_the_past = replace(self.limits, late_s=math.inf)
        file = tables.register(TABLES)
        self.quarantine = Quarantine(file, self.limits)
        self._repeats = Repeats(file, store, self.limits)
        self.allow: Callable[[str, str, int], None] | None = None
        """Asked before a batch is applied: tenant, source, updates."""
        self._sources = Sources()
        self._half_done: dict[tuple[str, str], list[Unreadable]] = {}
        self._running: dict[tuple[str, str], asyncio.Future[Receipt]] = {}
        self._read_again: ReadAgain | None = None
        self._retrying: dict[tuple[str, str], asyncio.Future[Receipt]] = {}
        self._task: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to write down answered keys and to watch sources."""
        await self._repeats.start()
        self._task = asyncio.create_task(self._run(), name="intake")

    async def stop(self) -> None:
        """Write down what is answered; call before the store closes."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            await self._repeats.flush()
        except PintuError as error:
            # The log still knows what was applied; the next start reads it from the last mark on.
            log.warning("Answered keys could not be written down: %s", error.detail)

    async def _run(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._repeats.flush()
                await self._watch()
            except PintuError as error:  # said once: a log must not fill the disk that is full
                if told != error.detail:
                    log.warning("What was answered waits to be written down: %s", error.detail)
                told = error.detail
                continue
            except Exception:  # a loop's edge
                log.exception("Intake could not write down what it answered; trying again")
                continue
            if told:
                log.warning("What was answered is written down again")
                told = ""

    # --- the way in -------------------------------------------------------------------------------
    async def accept(self, batch: Batch) -> Receipt:
        """Take in a batch; resolves after everything in it is durable.

        One update that cannot be read or believed goes to quarantine with its reason; the others
        are
        stored. The same (source, key) again gets its first receipt, marked `repeated`. Raises
        BadRequestData or TooLarge when the batch itself is wrong (nothing of it is kept),
        Unavailable or
        DiskFull when it cannot be stored: send it again.
        """
        self._check(batch)
        known = self._repeats.find(batch.source, batch.key)
        if known is None:
            name = (batch.source, batch.key)
            running = self._running.get(name)
            if running is None:
                if self.allow is not None:
                    self.allow(batch.tenant, batch.source, len(batch.updates))
                return await self._first(batch, name)
            known = await asyncio.shield(running)
        self._sources.batch(batch.source, batch.tenant, self._clock.now_us()).repeated += 1
        return Receipt(known.key, known.accepted, known.quarantined, known.errors, repeated=True)

    async def _first(self, batch: Batch, name: tuple[str, str]) -> Receipt:
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._running[name] = answer
        ticket, receipt = self._repeats.begin(), None
        try:
            receipt = await self._apply(batch)
            answer.set_result(receipt)
            return receipt
        except BaseException as error:
            failure = (
                error if isinstance(error, PintuError) else Unavailable("The batch was cut off")
            )
            answer.set_exception(failure)
            answer.exception()  # whoever waits gets it; nobody waiting is no news
            raise
        finally:
            del self._running[name]
            self._repeats.end(ticket, batch.source, receipt)

    def _check(self, batch: Batch) -> None:
        if not SOURCE.fullmatch(batch.source):
            raise BadRequestData(
                f"Source {batch.source[:50]!r} is not a name like 'street_lights/mqtt'"
            )
        if not 1 <= len(batch.key) <= 300 or keepable(batch.key) != batch.key:
            raise BadRequestData(
                f"A batch of {batch.source} needs a key of 1 to 300 characters, none of them NUL"
            )
        if not TENANT.fullmatch(batch.tenant):
            raise BadRequestData(f"Tenant {batch.tenant[:50]!r} is not a tenant's name")
        if not 0 <= batch.depth <= self.limits.depth:
            raise BadRequestData(
                f"Batch {batch.key} of {batch.source} has depth {batch.depth}, more than "
                f"{self.limits.depth}: derivers answer each other in a circle"
            )
        if (
            len(batch.updates) > self.limits.updates
            or len(batch.unreadable) > self.limits.unreadable
        ):
            raise TooLarge(
                f"Batch {batch.key} of {batch.source} has more than {self.limits.updates} updates"
            )

    async def _apply(self, batch: Batch) -> Receipt:
        """Store what can be stored, then hold what cannot.

        Both are durable on their own. Should holding fail (a full disk) after storing went well,
        what is
        still to be held is kept for the batch's next coming, so that nothing is stored twice.
        """
        name = (batch.source, batch.key)
        refused, unchanged = self._half_done.get(name), 0
        if refused is None:
            refused, unchanged = await self._store_updates(batch) if batch.updates else ([], 0)
        now_us = self._clock.now_us()
        try:
            await self.quarantine.put(batch.tenant, [*batch.unreadable, *refused], now_us)
        except PintuError:
            if len(self._half_done) < MAX_HALF_DONE:
                self._half_done[name] = refused
            raise
        self._half_done.pop(name, None)
        held = [*batch.unreadable, *refused]
        accepted = len(batch.updates) - len(refused)
        source = self._sources.batch(batch.source, batch.tenant, now_us)
        source.accepted += accepted
        source.quarantined += len(held)
        reasons = [item.reason for item in held[:20]]
        receipt = Receipt(batch.key, accepted, len(held), reasons, unchanged=unchanged)
        if batch.retry_of:
            await self._retried(batch, receipt)
        return receipt

    async def _store_updates(self, batch: Batch) -> tuple[list[Unreadable], int]:
        """Submit every update that can be read, in one call; what cannot is handed back with its
        reason, and how many changed nothing.
        """
        refused: list[Unreadable] = []
        ops: list[tuple[int, Op]] = []
        tenant = await self._store.open_tenant(batch.tenant)

        def refuse(number: int, error: PintuError) -> None:
            reason, update = error.detail or error.title, batch.updates[number]
            key, now_us = f"{batch.key}#{number}", self._clock.now_us()
            refused.append(refused_update(batch.source, key, update, reason, now_us))

        for number, update in enumerate(batch.updates):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)  # a long batch must not keep everybody else waiting
            try:
                op = self._op(batch, tenant, update, await self._terms(update))
            except Unavailable:
                raise
            except PintuError as error:
                refuse(number, error)
                continue
            except (
                Exception
            ) as error:  # the edge: what a reader did not foresee must not come for ever
                log.exception("An update of %s broke its reader", batch.source)
                refuse(number, BadRequestData(f"The update broke its reader: {error!r}"[:500]))
                continue
            if op is not None:
                ops.append((number, op))
        outcomes = await self._store.submit([op for _, op in ops], batch.source) if ops else []
        for (number, _), outcome in zip(ops, outcomes, strict=True):
            if outcome.error is not None:
                refuse(number, outcome.error)
        quiet = batch.quiet and sum(one.verb is None and one.error is None for one in outcomes)
        return refused, int(quiet)

    def _op(self, batch: Batch, tenant: int, update: Update, terms: Terms) -> Op | None:
        """The operation an update is, or None when the log in doubt after a crash has it
        already.
        """
        limits = self._of_the_past if batch.past else self.limits
        document = read_update(update, terms, self._clock.now_us(), limits)
        if batch.tenant in self._strict and self._vocabulary is not None:
            wrong = self._vocabulary(document)
            if wrong:
                raise BadRequestData("The vocabulary refuses it: " + "; ".join(wrong[:10]))
        transform = transform_of(update, document)
        if self._repeats.applied(batch.source, tenant, document) is not None:
            if observed(document):
                return None
            transform = unless_same(transform)
        elif batch.quiet:
            transform = unless_same(transform)
        return Op(tenant, document["id"], transform)

    async def _terms(self, update: Update) -> Terms:
        context = update.entity.get("@context", self._context)
        if context is None:
            return CORE
        return self._library.now(context) or await self._library.terms(context)

    def answered(self, source: str) -> list[str]:
        """The keys of a source's batches that were answered, oldest first: its newest 2,000."""
        return self._repeats.keys(source)

    # --- quarantine -------------------------------------------------------------------------------
    def on_retry(self, read_again: ReadAgain | None) -> None:
        """Who gives a held envelope to its piece again: the socket to the field process sets it."""
        self._read_again = read_again

    async def retry(self, id: int) -> Receipt:
        """Try a held thing again; it leaves the quarantine when all of it is accepted.

        Raises StateConflict when its body was cut, Unavailable when its piece is not connected or
        does not
        answer within 10 s (it stays held). A retry that does not help is counted and keeps the
        newest
        reason; its receipt says so.
        """
        held = await self.quarantine.show(id)
        if held.truncated:
            raise StateConflict(
                f"Quarantine entry {id} was cut from {held.size} to {len(held.body)} bytes: "
                "it can only be dropped"
            )
        if held.kind != "update":  # an envelope, or records that a load could not map
            return await self._by_its_piece(held)
        try:
            update = held.update()
        except ValueError as error:
            return await self._still_held(held, f"The update cannot be decoded: {error}")
        return await self._retry(held, update)

    async def _by_its_piece(self, held: Held) -> Receipt:
        name = (held.source, held.key)
        answer = self._retrying.get(name)
        if answer is None:
            if self._read_again is None or not self._read_again(held):
                raise Unavailable(f"No process with a normaliser for {held.source} is connected")
            answer = self._retrying[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(RETRY_TIMEOUT_S):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise Unavailable(
                f"The piece of {held.source} has not answered; {held.key} stays held"
            ) from error
        finally:
            self._retrying.pop(name, None)

    async def _retried(self, batch: Batch, receipt: Receipt) -> None:
        """A batch came that was read from a held envelope: accepted whole, the envelope may go."""
        if receipt.quarantined == 0:
            await self.quarantine.drop_key(batch.source, batch.retry_of)
        answer = self._retrying.get((batch.source, batch.retry_of))
        if answer is not None and not answer.done():
            answer.set_result(receipt)

    async def _retry(self, held: Held, update: Update) -> Receipt:
        tenant = await self._store.open_tenant(held.tenant)
        batch = Batch(held.source, held.tenant, held.key, [update])
        try:
            op = self._op(batch, tenant, update, await self._terms(update))
            for outcome in await self._store.submit([op], held.source) if op else []:
                if outcome.error is not None:
                    raise outcome.error
        except Unavailable:
            raise
        except PintuError as error:
            return await self._still_held(held, error.detail or error.title)
        await self.quarantine.drop(ids=[held.id])
        return Receipt(held.key, 1, 0)

    async def _still_held(self, held: Held, reason: str) -> Receipt:
        await self.quarantine.failed_again(held.id, reason)
        return Receipt(held.key, 0, 1, [reason])

    async def hold(self, tenant: str, envelope: Envelope, reason: str) -> None:
        """Put one envelope into quarantine without a batch."""
        await self.quarantine.put(tenant, [Unreadable(envelope, reason)], self._clock.now_us())

    # --- sources ----------------------------------------------------------------------------------
    def report(self, report: SourceReport) -> None:
        """A source told how it is."""
        self._sources.report(report)

    def sources(self) -> list[Source]:
        """Every source heard of, by name, with its health of this moment."""
        return self._sources.list_all()

    def lost(self, names: set[str], why: str) -> None:
        """The process these sources live in is gone."""
        self._sources.lost(names, why)

    async def _watch(self) -> None:
        for source in self._sources.list_all():
            if source.alerted is None and source.report is not None:
                source.alerted = await self._alert_is_open(source)
        now_us = self._clock.now_us()
        for source, update in self._sources.due(now_us):
            opening = not source.alerted
            batch = Batch("intake", source.tenant, f"{source.name[:200]}/{now_us}", [update])
            await self.accept(batch)
            source.alerted = opening

    async def _alert_is_open(self, source: Source) -> bool:
        """An alert may be open from before a restart: then it is ours to clear."""
        tenant = self._store.tenant(source.tenant)
        if tenant is None:
            return False
        found = self._store.retrieve(tenant, alert_id(source.name))
        record = await found if inspect.isawaitable(found) else found
        if record is None:
            return False
        status = orjson.loads(record.body).get("status")
        return isinstance(status, dict) and status.get("value") in ("open", "acknowledged")
