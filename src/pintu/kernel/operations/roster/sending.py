"""Sending what was put: due receipts go into the lane of their endpoint, are attempted, and tried
again with growing pauses until they are taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection

from pintu.kernel.errors import PintuError
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.roster import receipts
from pintu.kernel.operations.roster.book import Book
from pintu.kernel.operations.roster.lanes import Lanes
from pintu.kernel.operations.roster.ways import Ways
from pintu.kernel.operations.roster.words import (
    DONE,
    SEVERITIES,
    Envelope,
    Message,
    Outcome,
    Reach,
    Receipt,
)

log = logging.getLogger("pintu.operations")

TIMEOUT_S: Final = 15.0
"""An attempt that takes longer has failed, whatever its channel thinks."""

REPORTS: Final = "/api/v1/operations/receipts"
"""Where a channel reports what became of a message, with the mark it was handed."""

LATER_S: Final = 5.0
"""When the tables are away."""

LONGEST_SLEEP_S: Final = 1.0


class Channels(Protocol):
    """What carries an envelope to an endpoint."""

    def lane(self, reach: Reach) -> str:
        """What an endpoint is told apart by."""
        ...

    def audience(self, channel: str) -> Reach | None:
        """The way of a channel that has its own address: a loudspeaker system, a group."""
        ...

    async def send(self, envelope: Envelope) -> Outcome:
        """One attempt; every way it can end is an Outcome."""
        ...


class Sender:
    """The loop between receipts and channels."""

    def __init__(self, book: Book, ways: Ways, channels: Channels, *, public_url: str = "") -> None:
        """`public_url` begins the links in messages; without it they name the page alone."""
        self._book, self._ways, self._channels = book, ways, channels
        self._url = public_url.rstrip("/")
        self._due: list[tuple[int, str]] = []
        self._known: set[str] = set()  # what waits or is under way: nothing goes out twice at once
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lanes = Lanes(self._attempt)
        self._listeners: list[Callable[[Receipt], None]] = []

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Go on with what was not taken yet."""
        for due_us, id in await self._book.opened.read(receipts.waiting):
            self._wait(due_us, id)
        self._task = asyncio.create_task(self._run(), name="notifier")

    async def stop(self) -> None:
        """Cut off what is under way; it is sent in the next life."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._lanes.stop()

    def go(self, found: Iterable[Receipt]) -> None:
        """Send what was put, once its transaction is durable."""
        for one in found:
            if one.state not in DONE and one.id not in self._known:
                self._wait(one.due_us, one.id)

    def wake(self) -> None:
        """Look at the clock now: somebody set it."""
        self._wake.set()

    def _wait(self, due_us: int, id: str) -> None:
        self._known.add(id)
        heapq.heappush(self._due, (due_us, id))
        self._wake.set()

    async def _run(self) -> None:
        clock = self._book.clock
        while True:
            self._wake.clear()
            while self._due and self._due[0][0] <= clock.now_us():
                due_us, id = heapq.heappop(self._due)
                try:
                    await self._into_lane(due_us, id)
                except PintuError as error:
                    log.warning("Message %s is sent later: %s", id, error.detail)
                    self._wait(self._book.after(LATER_S), id)
            wait_s = LONGEST_SLEEP_S
            if self._due:
                ahead_us = self._due[0][0] - clock.now_us()
                wait_s = min(wait_s, max(0.0, ahead_us / clock.rate / 1e6))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _into_lane(self, due_us: int, id: str) -> None:
        found = await self._book.opened.read(lambda c: receipts.to_send(c, id))
        if found is None:
            self._known.discard(id)
            return
        _, message, way = found
        reach = self.way(way)
        rank = SEVERITIES.index(message.severity) - (message.kind == "ring") * len(SEVERITIES)
        lane = "none" if reach is None else self._channels.lane(reach)
        self._lanes.put(lane, (rank, due_us, id))

    async def _attempt(self, id: str) -> None:
        try:
            found = await self._book.opened.read(lambda c: receipts.to_send(c, id))
            kept = None if found is None else await self._send(*found)
        except PintuError as error:
            log.warning("Message %s is sent later: %s", id, error.detail)
            self._wait(self._book.after(LATER_S), id)
            return
        self._known.discard(id)
        if kept is not None and kept.state not in DONE:
            self._wait(kept.due_us, id)

    async def _send(self, receipt: Receipt, message: Message, way: str) -> Receipt:
        reach = self.way(way)
        if reach is None or reach.broken:
            outcome = Outcome(taken=False, again=False, detail="The way was taken back")
        else:
            outcome = await self._carried(self._envelope(receipt, message, reach))
            if outcome.gone and reach.id == way:
                await self._ways.break_off(way, outcome.detail)
        tried = receipt.attempts + 1
        now_us = self._book.clock.now_us()
        again_us = self._book.after(receipts.pause_s(tried, outcome.after_s))

        def work(connection: Connection) -> tuple[Receipt, list[Deed]]:
            kept = receipts.settle(connection, receipt, outcome, (now_us, again_us))
            failed = kept.state == "failed"
            return kept, [self._not_delivered(kept)] if failed else []

        kept = await self._book.do(work)
        self.tell(kept)
        return kept

    async def _carried(self, envelope: Envelope) -> Outcome:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._channels.send(envelope)
        except TimeoutError:
            return Outcome(taken=False, detail=f"No answer within {TIMEOUT_S:g} s")
        except Exception as error:  # a loop's edge: one channel's mistake holds up no other message
            log.error("Channel %s failed: %s", envelope.reach.channel, type(error).__name__)
            return Outcome(taken=False, detail=f"The channel failed: {type(error).__name__}")

    def _envelope(self, receipt: Receipt, message: Message, reach: Reach) -> Envelope:
        page = message.link
        return Envelope(
            reach=reach,
            message=message,
            key=receipt.id,
            lang=reach.lang,
            link=f"{self._url}{page}" if page else "",
            receipt=f"{self._url}{REPORTS}/{receipt.id}/{self._ways.mark(receipt.id)}",
            city=urlsplit(self._url).hostname or "Pintu",
        )

    def _not_delivered(self, receipt: Receipt) -> Deed:
        who = receipt.person if ":" in receipt.person else f"person:{receipt.person}"
        detail = {"to": who, "channel": receipt.channel, "attempts": receipt.attempts}
        return self._book.deed(
            receipt.subject, "not_delivered", "notifier", receipt.tenant, detail=detail
        )

    def way(self, id: str) -> Reach | None:
        """A way by its id: somebody's, or `channel:NAME`."""
        kind, _, name = id.partition(":")
        return self._channels.audience(name) if kind == "channel" else self._ways.find(id)

    def listen(self, listener: Callable[[Receipt], None]) -> Callable[[], None]:
        """Call `listener` with every receipt that changed; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def busy(self) -> dict[str, int]:
        """Endpoint → what waits for it or is under way, without addresses of persons."""
        return self._lanes.busy()

    def tell(self, receipt: Receipt) -> None:
        """A receipt changed."""
        for listener in list(self._listeners):
            listener(receipt)
