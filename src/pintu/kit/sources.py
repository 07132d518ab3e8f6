"""One source: its connector kept alive, its envelopes normalised, handed in, and acknowledged
after commit."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from typing import TYPE_CHECKING, Any, Literal

from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadInput, PintuError, Unavailable
from pintu.kernel.intake.doors.mapped import TableRows
from pintu.kernel.intake.words import Batch, Envelope, SourceReport, Unreadable, Update
from pintu.kernel.tracing import FOLLOWED
from pintu.kit.lanes import Bucket, FloodGuard, Pace
from pintu.kit.link import Link
from pintu.kit.piece import Connector, Piece, Received

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands

log = logging.getLogger("pintu.kit")
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_AFTER_S = 60.0
LANES = 8
LANE_DEPTH = 32


class SourceRunner:
    """Runs one connector until cancelled."""

    follower: Any = None  # of every source of a process whose messages are followed

    def __init__(
        self,
        connector: Connector,
        piece: Piece,
        link: Link,
        clock: Clock,
        *,
        tenant: str,
        pace: Pace | None = None,
        lands: Lands | None = None,
    ) -> None:
        """Faster than its `pace` a source is held back: its connector is not read, and its broker
        keeps what waits. `lands` keeps rows of table data sets; pieces have none."""
        self.connector = connector
        self.source = f"{piece.name}/{connector.name}"
        self._piece, self._link, self._clock, self._tenant = piece, link, clock, tenant
        pace = pace or getattr(connector, "pace", None) or Pace()
        self._width, self._lands = pace.lanes, lands
        self._pace = Bucket(pace.messages_s, pace.messages_s)
        self._flood = FloodGuard(per_sender_s=pace.per_sender_s, burst=pace.burst)
        self._lanes: list[asyncio.Queue[Received]] = []
        self._state: Literal["connecting", "up", "down"] = "connecting"
        self._detail = ""
        self._messages = self._bytes = self._unreadable = self._repeated = 0
        self._last_us = self._lag_us = 0

    async def run(self) -> None:
        """Connect again and again, later each time, until cancelled."""
        self._lanes = [asyncio.Queue(LANE_DEPTH) for _ in range(self._width)]
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._work(lane))
            group.create_task(self._keep_connected())

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            self._state = "connecting"
            try:
                await self._receive()
                self._detail = "the connection ended"
            except Exception as error:
                self._detail = f"{type(error).__name__}: {error}"[:300]
                log.warning("Source %s: %s", self.source, self._detail)
            self._state = "down"
            failures = 0 if time.monotonic() - began > STEADY_AFTER_S else failures + 1
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1 if failures else 0])

    async def _receive(self) -> None:
        async for received in self.connector.receive():
            now_s = time.monotonic()
            envelope = received.envelope
            self._state, self._detail = "up", ""
            self._messages += 1
            self._bytes += len(envelope.body)
            self._last_us = self._clock.now_us()
            sender = envelope.meta.get("sender", "")
            # Who is asked by us (a poll, a subscription at our rate) has no name to flood under.
            if sender and self._flood.floods(sender, now_s):
                await self._refuse(received, sender, now_s)
                continue
            wait_s = self._pace.wait_s(now_s)
            if wait_s > 0:
                self._detail = f"held back to {self._pace.rate:g} messages a second"
                await asyncio.sleep(wait_s)
            # One sender stays in one lane, so that what it sent is applied in its order.
            await self._lanes[zlib.crc32(sender.encode()) % self._width].put(received)

    async def _refuse(self, received: Received, sender: str, now_s: float) -> None:
        """A flooding sender: a few of its messages are kept as evidence, all are counted, none is
        applied."""
        self._unreadable += 1
        if self._flood.keeps(now_s):
            reason = (
                f"Sender {sender!r} sends more than {self._flood.per_sender_s:g} messages "
                "a second; stop it, then retry or drop"
            )
            bad = [Unreadable(_named(received.envelope, self.source), reason)]
            await self._hand_in(Batch(self.source, self._tenant, received.envelope.key, [], bad))
        await received.acknowledge()

    async def _work(self, lane: asyncio.Queue[Received]) -> None:
        while True:
            received = await lane.get()
            if self.follower is None:
                await self._take(received.envelope)
            else:
                await self.follower.take(self.source, received.envelope, self._take)
            try:
                await received.acknowledge()
            except Exception as error:
                log.info("Source %s could not acknowledge: %s", self.source, error)

    async def _take(self, envelope: Envelope, *, again: bool = False) -> None:
        batch, rows = self._read(_named(envelope, self.source))
        for one in rows:
            refused = await self._land(one, envelope)
            if refused is not None:
                batch.unreadable.append(refused)
        if again:
            batch = Batch(
                batch.source,
                batch.tenant,
                f"{batch.key} again {self._clock.now_us()}",
                batch.updates,
                batch.unreadable,
                retry_of=envelope.key,
            )
        if batch.updates or batch.unreadable or again:
            await self._hand_in(batch)
        passed_us = max(0, self._clock.now_us() - envelope.received_us)
        self._lag_us = int(passed_us / self._clock.rate)  # a person waits in real time

    async def take_again(self, envelope: Envelope) -> None:
        """Read an envelope out of quarantine once more; unreadable again, it goes back.

        A connector with `again` judges it anew first: its sender may be known by now."""
        judge = getattr(self.connector, "again", None)
        if judge is not None:
            envelope = judge(envelope)
        await self._take(envelope, again=True)

    def read(self, envelope: Envelope) -> Batch:
        """Normalise one envelope: updates, or the reason why there are none."""
        return self._read(envelope)[0]

    def _read(self, envelope: Envelope) -> tuple[Batch, list[TableRows]]:
        updates: list[Update] = []
        bad: list[Unreadable] = []
        rows: list[TableRows] = []
        began_us = time.time_ns() // 1000
        try:
            for one in self._piece.normalise(envelope):
                if isinstance(one, Unreadable):
                    bad.append(one)
                elif isinstance(one, TableRows):
                    rows.append(one)
                else:
                    updates.append(one)
        except BadInput as error:
            bad.append(Unreadable(envelope, error.detail))
        except Exception as error:
            log.exception("Normaliser of %s failed", self.source)
            bad.append(
                Unreadable(
                    envelope, f"The normaliser failed: {type(error).__name__}: {error}"[:500]
                )
            )
        self._unreadable += len(bad)
        followed = FOLLOWED.get()
        if followed is not None and self.follower is not None:
            self.follower.normalising(began_us, len(updates))
        trace = "" if followed is None else followed.text()
        return Batch(self.source, self._tenant, envelope.key, updates, bad, trace=trace), rows

    async def _land(self, found: TableRows, envelope: Envelope) -> Unreadable | None:
        """Until the data set has the rows; when it can never take them, the message is held."""
        tries = 0
        while True:
            try:
                if self._lands is None:
                    raise BadInput(f"Source {self.source} keeps no table data set")
                await self._lands(found, envelope.key)
                return None
            except Unavailable as error:
                self._detail = f"waiting for data set {found.data_set}: {error.detail}"
                await asyncio.sleep(BACK_OFF_S[min(tries, 3)])
                tries += 1
            except PintuError as error:
                self._unreadable += 1
                reason = f"Data set {found.data_set} cannot take it: {error.detail or error.title}"
                return Unreadable(_named(envelope, self.source), reason)

    async def _hand_in(self, batch: Batch) -> None:
        """Until the city has it; while the city is away the lane fills and the connector is held
        back."""
        tries = 0
        while True:
            try:
                receipt = await self._link.accept(batch)
                self._unreadable += (
                    receipt.quarantined - len(batch.unreadable) if not receipt.repeated else 0
                )
                return
            except Unavailable as error:
                self._detail = f"waiting for the city: {error.detail}"
                await asyncio.sleep(BACK_OFF_S[min(tries, 3)])
                tries += 1
            except PintuError as error:
                # The city refuses the batch as a whole; it must not block those behind it.
                log.error("The city refused a batch of %s: %s", self.source, error.detail)
                self._unreadable += len(batch.updates)
                return

    def _said(self) -> str:
        """What a connector that is up has to tell: a register that does not answer, for one."""
        return str(getattr(self.connector, "detail", ""))[:500]

    def report(self) -> SourceReport:
        """How the source is, counted since its start."""
        if self._state == "connecting" and self.connector.connected:
            self._state, self._detail = "up", ""  # nothing was said yet, but somebody is there
        refused = (
            f"; {self._flood.refused} refused of flooding senders" if self._flood.refused else ""
        )
        return SourceReport(
            source=self.source,
            piece=self._piece.name,
            messages=self._messages,
            bytes=self._bytes,
            unreadable=self._unreadable,
            last_us=self._last_us,
            lag_us=self._lag_us,
            state=self._state,
            detail=(self._detail + refused).lstrip("; ") or self._said(),
            expected_interval_s=self.connector.expected_interval_s,
            tenant=self._tenant,
        )


def _named(envelope: Envelope, source: str) -> Envelope:
    """A connector knows its own name only; the city knows it as piece/connector."""
    if envelope.source == source:
        return envelope
    return Envelope(source, envelope.key, envelope.received_us, envelope.body, envelope.meta)
