"""Alerts as the feed tells them, taken in exactly once: the position in the log is kept in the
transaction of what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import orjson

from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed, cursor_of
from pintu.kernel.feed import Subscription as Stream
from pintu.kernel.operations.incidents.graph import Causes
from pintu.kernel.operations.incidents.reading import OVER, alarm_of
from pintu.kernel.operations.incidents.words import Alarm
from pintu.kernel.store.port import Change, Store, settled

log = logging.getLogger("pintu.operations")

CURSOR: Final = "operations.incidents"
ALERT: Final = "Alert"
AT_ONCE: Final = 500
AWAY_S: Final = 1.0
IN_A_TURN: Final = 50
"""Alerts read before others of the loop get their turn."""

SAVE_EVERY: Final = 2_000
"""Positions after which the feed hears how far this is, so that the log may be trimmed."""

Take = Callable[[Sequence[Alarm], int], Awaitable[None]]


class Taker:
    """Follows the changes of alerts; `take(alarms, position)` keeps both in one transaction."""

    def __init__(self, store: Store, feed: Feed, causes: Causes, take: Take) -> None:
        self._store, self._feed, self._causes, self._take = store, feed, causes, take
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None
        self.reached = 0  # everything up to here is taken in

    async def start(self, position: int | None) -> None:
        """Go on after a position; None: take in what is alarmed now, then follow."""
        if position is None:
            position = self._feed.head()
            await self._take(await self._present(), position)
        self.reached = position
        self._stream = self._feed.subscribe(CURSOR, types=(ALERT,), after=cursor_of(position))
        self._task = asyncio.get_running_loop().create_task(self._run(self._stream))

    async def stop(self) -> None:
        """Follow no more."""
        if self._stream is not None:
            self._stream.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._stream = self._task = None

    async def caught_up(self) -> None:
        """Wait until everything that is in the log now is taken in (for tests and measurements)."""
        head = self._feed.head()
        while self._stream is not None and max(self.reached, self._stream.position) < head:
            await asyncio.sleep(0.002)

    async def _run(self, stream: Stream) -> None:
        saved = self.reached
        async for batch in stream.batches(AT_ONCE):
            await self._batch(batch)
            if stream.gap is not None:
                log.warning("Alerts had left the log before they were read: %s", stream.gap)
                stream.gap = None
                await self._patiently(self._present, self.reached)
            if self.reached - saved > SAVE_EVERY:
                await self._feed.save(CURSOR, self.reached)
                saved = self.reached

    async def _batch(self, batch: list[Change]) -> None:
        newest = {one.id: one for one in batch if one.position > self.reached}
        if not newest:
            return

        async def alarms() -> list[Alarm]:
            found = []
            for number, change in enumerate(newest.values()):
                if number % IN_A_TURN == 0:
                    await asyncio.sleep(0)
                try:
                    found.append(await self._alarm(change))
                except PintuError:
                    raise
                except Exception:  # a loop's edge: the alert that cannot be read stops no other
                    log.exception("Alert %s at %d cannot be read", change.id, change.position)
            return found

        await self._patiently(alarms, batch[-1].position)

    async def _patiently(
        self, alarms: Callable[[], Awaitable[Sequence[Alarm]]], position: int
    ) -> None:
        """Take in; when the store or the disk is away, once more until it is back."""
        while True:
            try:
                found = await alarms()
                if not await self._taken(found, position):
                    for one in found:  # the one that cannot be read stops no other
                        await self._taken([one], position)
                break
            except PintuError as error:
                log.warning("Alerts up to %d are taken in later: %s", position, error.detail)
                await asyncio.sleep(AWAY_S)
        self.reached = position

    async def _taken(self, alarms: Sequence[Alarm], position: int) -> bool:
        try:
            await self._take(alarms, position)
        except PintuError:
            raise
        except Exception:  # a loop's edge: an alarm nobody foresaw is logged and passed over
            log.exception("%d alerts up to %d cannot be taken in", len(alarms), position)
            return False
        return True

    async def _alarm(self, change: Change) -> Alarm:
        """What an alert says after a change; from the log it is what it says by now."""
        name = self._name(change.tenant)
        body = change.body
        if change.verb == "deleted":
            return _gone(change.id, name, change.at_us)
        if body is None:
            record = await settled(self._store.retrieve(change.tenant, change.id))
            if record is None:
                return _gone(change.id, name, change.at_us)
            body = record.body
        alarm = alarm_of(orjson.loads(body), tenant=name, heard_us=change.at_us)
        if alarm.open:
            await self._causes.fill(alarm, change.tenant)
        return alarm

    async def _present(self) -> list[Alarm]:
        """Every alert that holds now."""
        found: list[Alarm] = []
        kind = TypeSelection((frozenset((ALERT,)),))
        for name, number in self._store.tenants().items():
            selection = Selection(tenant=number, types=kind, limit=AT_ONCE)
            while True:
                page = await settled(self._store.select(selection))
                for record in page.records:
                    entity = orjson.loads(record.body)
                    alarm = alarm_of(entity, tenant=name, heard_us=record.modified_us)
                    if alarm.status not in OVER and alarm.open:
                        await self._causes.fill(alarm, number)
                        found.append(alarm)
                if len(page.records) < AT_ONCE:
                    break
                selection = replace(selection, offset=selection.offset + AT_ONCE)
        return sorted(found, key=lambda one: one.heard_us)

    def _name(self, tenant: int) -> str:
        return next(name for name, number in self._store.tenants().items() if number == tenant)


def _gone(alert: str, tenant: str, at_us: int) -> Alarm:
    """An alert that was deleted says nothing any more."""
    gone = alarm_of({"id": alert}, tenant=tenant, heard_us=at_us)
    return msgspec.structs.replace(gone, status="cleared", cleared_us=at_us)
