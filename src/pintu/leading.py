"""What a city does by itself, in one place: started on the broker that leads, ended when it does no
more. Of several brokers on one store exactly one has this running.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.timers.expiry import Expiry
from pintu.made_up import take_in

if TYPE_CHECKING:
    from pintu.kernel.intake import SocketServer
    from pintu.kernel.tables import CityTables
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu")
Stop = Callable[[], Awaitable[object]]


class Leading:
    """Timers, delivery, sealing, packing, operations, deadlines, the doors of devices."""

    def __init__(self, rooms: Rooms, tables: CityTables) -> None:
        self._rooms, self._tables = rooms, tables
        self._expiry = Expiry(rooms.store, rooms.clock)
        self._socket: SocketServer | None = None
        self._made_up: asyncio.Task[None] | None = None
        self.running = False

    async def start(self) -> None:
        """Start what runs by itself, in order."""
        rooms = self._rooms
        self.running = True
        if rooms.audit is not None:
            await rooms.audit.start()
        if rooms.agreements is not None:
            await rooms.agreements.start()
        await rooms.timers.start()
        await self._expiry.start()
        await rooms.intake.start()
        if rooms.delivery is not None:
            await rooms.delivery.start()
        if rooms.federation is not None:
            await rooms.federation.start()
        if rooms.history is not None:
            await rooms.history.start()
        if rooms.operations is not None:
            await rooms.operations.start()
        if rooms.relay is not None:
            await rooms.relay.start()

    async def open_doors(self, door: Callable[[Rooms], Awaitable[SocketServer]]) -> None:
        """Let neighbours and the processes of this folder in."""
        rooms = self._rooms
        if rooms.nodes is not None:
            await rooms.nodes.start()
        if rooms.neighbours is not None:
            await rooms.neighbours.start()
        self._socket = await door(rooms)
        if rooms.settings.demo:
            self._made_up = asyncio.create_task(take_in(rooms, self._tables))

    async def stop(self) -> None:
        """End all of it, in the opposite order; what was not started is not ended."""
        if not self.running:
            return
        self.running = False
        if self._made_up is not None:
            self._made_up.cancel()
        door = () if self._socket is None else (self._socket.close,)
        for stop in (*door, *self._stops()):
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await stop()
                except Exception:  # whoever leads next must not find the rest of it running
                    log.exception("A part of the city did not end in order")

    def _stops(self) -> list[Stop]:
        rooms = self._rooms
        stops: list[Stop] = []
        for doors in (rooms.relay, rooms.neighbours, rooms.nodes, rooms.delivery):
            if doors is not None:
                stops.append(doors.stop)
        stops += [self._expiry.stop, rooms.timers.stop]
        if rooms.operations is not None:
            stops.append(rooms.operations.stop)
        stops.append(rooms.intake.stop)
        if rooms.history is not None:
            stops.append(rooms.history.stop)
        if isinstance(rooms.gate, ExchangeGate):
            stops.append(rooms.gate.close)
        for room in (rooms.federation, rooms.agreements, rooms.audit):
            if room is not None:
                stops.append(room.stop)
        return stops
