"""The outgoing half: follows the log, lets leave what may, and keeps the stream in its order.

The stream itself says how far it is: its newest message names a position of the log. The log is the
outbox: a session begins behind that position and reads on, whatever happened to the one before. The
durable cursor only holds the log, and only up to a bound: what is cut off longer is brought up to
date by telling the present (`parts`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed
from pintu.kernel.relay import names
from pintu.kernel.relay.beginning import is_of, newest_of, open_stream
from pintu.kernel.relay.bus import Bus, Stream
from pintu.kernel.relay.lane import Lane, Message
from pintu.kernel.relay.leaving import Asked, Leaving
from pintu.kernel.relay.parts import next_part
from pintu.kernel.relay.rows import Row, encode, headers_of
from pintu.kernel.relay.words import Relay
from pintu.kernel.store.port import Change, Mark, Store, settled

log = logging.getLogger("pintu.relay")

PAGE: Final = 200
"""Rows of the log read at once."""

TURN: Final = 50
"""Messages sent before others have their turn."""

SAVE_S: Final = 1.0
LOOK_S: Final = 5.0
AGAIN_S: Final = 0.5


class _Telling(msgspec.Struct):
    """How far a tenant's present is told."""

    after: str = ""  # the next part begins behind this id
    last: bool = False  # the last part is sent
    acked: str = ""  # parts up to this id are acknowledged
    done: bool = False  # all of them are


class Outgoing:
    """What leaves one city; `run` until cancelled."""

    def __init__(
        self,
        told: Relay,
        bus: Bus,
        rooms: tuple[Store, Feed, Clock],
        asked: Asked,
        may_lead: Callable[[], bool],
    ) -> None:
        self.told, self._bus = told, bus
        self._store, self._feed, self._clock = rooms
        self._may_lead = may_lead
        self._leaving = {one.tenant: Leaving(one, told.token, asked) for one in told.out}
        self._numbers: dict[int, str] = {}
        self._news = asyncio.Event()
        self._lane: Lane | None = None
        self._read = 0  # rows of the log up to here were looked at
        self._parts: dict[str, _Telling] = {}
        self._saved = 0
        self._saved_s = 0.0
        self._looked_s = 0.0
        self.stream: Stream | None = None
        self.state = "starting"
        self.sent = 0
        self.parts_sent = 0

    # --- what is told of it -----------------------------------------------------------------------
    @property
    def position(self) -> int:
        """Everything up to here that leaves is acknowledged by JetStream."""
        oldest = self._lane.oldest if self._lane is not None else None
        return self._read if oldest is None else oldest - 1

    @property
    def behind(self) -> int:
        """Positions of the log that are not acknowledged yet."""
        return max(self._store.head() - self.position, 0) if self._read else 0

    def refusals(self) -> dict[str, str]:
        """Tenant → why it does not leave."""
        return {name: one.refused for name, one in self._leaving.items() if one.refused}

    def telling(self) -> list[str]:
        """Tenants whose present is being told."""
        return sorted(self._parts)

    # --- life -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Send for as long as this broker may, whatever NATS and the store do meanwhile."""
        stop = self._feed.listen(self._committed)
        said = ""
        try:
            while True:
                if not self._may_lead():
                    self.state = "another broker of this city relays"
                    await asyncio.sleep(AGAIN_S)
                    continue
                if not self._bus.connected:
                    self.state = f"NATS is away: {self._bus.trouble}"
                    await self._hold()
                    await asyncio.sleep(AGAIN_S)
                    continue
                try:
                    await self._session()
                except PintuError as error:
                    self.state = error.detail or error.title
                    if self.state != said:
                        log.warning("The relay waits: %s", self.state)
                    said = self.state
                    await asyncio.sleep(AGAIN_S)
        finally:
            stop()
            with contextlib.suppress(PintuError):
                await self._save(now=True)

    def _committed(self, changes: list[Change]) -> None:
        self._news.set()

    async def _session(self) -> None:
        """From what the stream has to the end of the lane."""
        stream = await open_stream(self._bus, self.told)
        self.stream = stream
        lane = await self._begin(stream)
        self._lane = lane
        await lane.open()
        self.state = "up"
        try:
            while self._may_lead():
                self._news.clear()
                busy = await self._rows(lane)
                busy = await self._part(lane) or busy
                await self._save()
                lane.check()
                if not busy:
                    await self._wait(lane)
        finally:
            self._lane = None
            self._read = min(self._read, (lane.oldest or self._read + 1) - 1)
            for one in self._parts.values():  # what was not acknowledged is sent again
                one.after, one.last = one.acked, one.done
            await lane.close()

    async def _wait(self, lane: Lane) -> None:
        """Until something is to be done."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s, least = time.monotonic(), lane.end - len(lane)
            self.stream = await self._bus.find_stream(names.stream(self.told.city))
            if self.stream is None or self.stream.last < least:
                raise PintuError("The stream is not what it was: looked at anew")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), 0.5)

    # --- where it begins --------------------------------------------------------------------------
    async def _begin(self, stream: Stream) -> Lane:
        """Where the log is read from, and whose present is to be told."""
        name, city = names.stream(self.told.city), self.told.city
        newest = await newest_of(self._bus, city, stream)
        cursor: int | None = await settled(self._store.kept(names.CURSOR))
        head = self._store.head()
        again: Iterable[str] = ()
        if newest is None:
            self._read = head if cursor is None else cursor
        elif await is_of(self._store, newest, head):
            self._read = headers_of(newest.headers).position
        else:
            log.error(
                "The stream tells of a log that is not this one: this city was restored from "
                "before. The present of every tenant is told again"
            )
            self._read, again = head, self._leaving
        if cursor is None or self._saved == 0:
            await self._store.save_cursor(names.CURSOR, self._read)
            self._saved = self._read
        tails = {}
        for tenant in self._leaving:
            asked = {"last_by_subj": names.all_of(city, tenant)}
            last = await self._bus.find_message(name, asked)
            tails[tenant] = 0 if last is None else last.sequence
            whole: int | None = await settled(self._store.kept(names.whole_mark(tenant)))
            if not whole or tenant in again:
                await self.tell_again(tenant)
        return Lane(self._bus, city, end=stream.last, tails=tails, window=self.told.window)

    async def tell_again(self, tenant: str) -> None:
        """The present of a tenant is told, from its first id unless that is under way."""
        if tenant not in self._parts and tenant in self._leaving:
            await self._store.submit((), mark=Mark(names.whole_mark(tenant), 0))
            self._parts[tenant] = _Telling()
            self._news.set()

    # --- rows -------------------------------------------------------------------------------------
    async def _rows(self, lane: Lane) -> bool:
        """Send the next page of the log; whether there was one."""
        rows = await settled(self._store.changes(self._read, PAGE))
        if not rows:
            return False
        if rows[0].position > self._read + 1:
            await self._gap(rows[0].position)
        found: list[tuple[Leaving, Message]] = []
        for change in rows:
            one = await self._leaves(change)
            if one is not None and (row := await one.row(change)) is not None:
                found.append((one, self._message(one.out.tenant, change, row)))
        await self._written_down(found)
        for number, (one, message) in enumerate(found, 1):
            await self._send(lane, one, message)
            self.sent += 1
            if number % TURN == 0:
                await asyncio.sleep(0)
        self._read = rows[-1].position
        return True

    async def _send(self, lane: Lane, one: Leaving, message: Message) -> None:
        """Send what may still leave once there is room; Refused, which ends the session, when it
        may not any more: what was decided is read again, and decided again."""
        await lane.room()
        one.still()
        await lane.send(message)

    def _message(self, tenant: str, change: Change, row: Row) -> Message:
        city = self.told.city
        return Message(
            subject=names.subject(city, tenant, row.types),
            tenant=tenant,
            id=names.message_id(city, change.position, change.at_us),
            position=change.position,
            body=encode(row),
        )

    async def _leaves(self, change: Change) -> Leaving | None:
        """The tenant a row is of, when it leaves; what came by a relay never does."""
        if change.verb in PAST_VERBS or names.came_by_relay(change.source):
            return None
        tenant = self._numbers.get(change.tenant)
        if tenant is None:
            self._numbers = {number: name for name, number in self._store.tenants().items()}
            tenant = self._numbers.get(change.tenant)
        one = self._leaving.get(tenant) if tenant is not None else None
        if one is None or one.decide():
            return one
        if tenant is not None:  # what is refused now is missed: told again when it may leave
            await self.tell_again(tenant)
        return None

    async def _written_down(self, found: list[tuple[Leaving, Message]]) -> None:
        bodies: dict[str, list[bytes]] = {}
        for one, message in found:
            if one.projection is not None and one.projection.recorded:
                bodies.setdefault(one.out.tenant, []).append(message.body)
        for tenant, told in bodies.items():
            await self._leaving[tenant].write_down(b"\n".join(told), len(told))

    async def _gap(self, oldest: int) -> None:
        log.error(
            "Changes %d to %d had left the log before they were relayed: the present of every "
            "tenant is told instead", self._read + 1, oldest - 1,
        )  # fmt: skip
        for tenant in self._leaving:
            await self.tell_again(tenant)

    # --- the present ------------------------------------------------------------------------------
    async def _part(self, lane: Lane) -> bool:
        """Send the next part of a tenant's present; whether there was one."""
        for tenant, telling in self._parts.items():
            one = self._leaving[tenant]
            if not one.decide():
                continue
            if telling.done:
                mark = Mark(names.whole_mark(tenant), max(self._read, 1))
                await self._store.submit((), mark=mark)
                del self._parts[tenant]
                return True
            if telling.last:
                continue  # it has not been acknowledged yet
            await self._send_part(lane, one, telling)
            return True
        return False

    async def _send_part(self, lane: Lane, one: Leaving, telling: _Telling) -> None:
        tenant, at_us = one.out.tenant, self._clock.now_us()
        number = self._store.tenant(tenant) or 0
        part = await next_part(self._store, number, telling.after, one.entity, at_us)
        body = encode(part)
        await one.write_down(body, len(part.entities))

        def acknowledged() -> None:
            telling.acked, telling.done = part.upto, not part.upto
            self._news.set()

        await self._send(lane, one, Message(
            subject=names.parts_subject(self.told.city, tenant),
            tenant=tenant,
            id=f"{self.told.city}:{names.tenant_token(tenant)}:{at_us:x}:{lane.end}",
            position=self._read,
            body=body,
            acknowledged=acknowledged,
        ))  # fmt: skip
        self.parts_sent += 1
        telling.after, telling.last = part.upto, not part.upto

    # --- the cursor -------------------------------------------------------------------------------
    async def _save(self, *, now: bool = False) -> None:
        """Keep how far it is, at most once a second."""
        position, at_s = self.position, time.monotonic()
        if position > self._saved and (now or at_s - self._saved_s > SAVE_S):
            self._saved_s, self._saved = at_s, position
            await self._store.save_cursor(names.CURSOR, position)

    async def _hold(self) -> None:
        """While NATS is away the log is held for it, up to the bound."""
        head = self._store.head()
        if self._saved and head - self._saved > self.told.most_behind:
            log.error(
                "NATS was away for %d changes, more than are held for it: the present is told "
                "when it is back", head - self._saved,
            )  # fmt: skip
            for tenant in self._leaving:
                await self.tell_again(tenant)
            self._saved = self._read = head
            await self._store.save_cursor(names.CURSOR, head)
