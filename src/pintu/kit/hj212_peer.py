"""One TCP connection of a station or of many behind one logger: frames out one at a time, as fast
as they are kept and no faster."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from typing import Protocol, cast

from pintu.protocols.hj212_stream import Found, Stream

WRITE_BUFFER = 16_384
SEND_BUFFER = 32_768
STATIONS = 1_000
FIRST_PACKETS = 16


class Owner(Protocol):
    """What a connection asks of its connector."""

    room: memoryview

    def admit(self, peer: Peer) -> bool:
        """Count a new connection; False when there are too many."""
        ...

    def take(self, peer: Peer, found: Found) -> float:
        """Deal with one find; returns for how long (real seconds) this sender has to wait."""
        ...

    def may_take(self, peer: Peer) -> bool:
        """False while too much is handed out and not kept; `pump` is called when that changes."""
        ...

    def gone(self, peer: Peer) -> None:
        """The connection is closed and everything it sent is dealt with."""
        ...


class Peer(asyncio.BufferedProtocol):
    """Reads into the connector's one buffer, so that five thousand silent connections cost next to
    nothing, and stops reading while anything holds it up: what waits, waits at the sender."""

    def __init__(self, owner: Owner, *, longest: int) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.reading = True
        self.full = False  # as much of it is under way as may be
        self._waits_until: asyncio.TimerHandle | None = None
        self.stream = Stream(longest=longest)
        self.host = self.address = ""
        self.in_flight = 0
        self.closed = self.ended = False
        self.heard_s = self._loop.time()
        self.slow_since_s = 0.0  # since when it takes no answers; 0: it does
        self.stations: dict[str, None] = {}
        self.first_packets: OrderedDict[tuple[str, str, str], tuple[bytes, str]] = OrderedDict()

    # --- the loop calls ---------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the connection; one too many is closed at once."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        name = transport.get_extra_info("peername") or ("?", 0)
        self.host, self.address = str(name[0]), f"{name[0]}:{name[1]}"
        if not self._owner.admit(self):
            self._owner = _NOBODY
            transport.abort()
            return
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # a station that lost its power never says goodbye
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # thousands that take no answers must not fill the kernel either
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all: it is read out before the loop goes on."""
        return self._owner.room

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        self.heard_s = self._loop.time()
        self.stream.feed(self._owner.room[:nbytes])
        self.pump()

    def eof_received(self) -> bool:
        """It sends no more, and may wait for its answers: the connection ends when all is kept."""
        self.ended = True
        self.pump()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """What it sent before is dealt with all the same."""
        self.closed = True
        self.pump()

    def pause_writing(self) -> None:
        """The station does not take its answers: it is not read either."""
        self.slow_since_s = self._loop.time()

    def resume_writing(self) -> None:
        """It takes them again."""
        self.slow_since_s = 0.0
        self.pump()

    # --- the connector calls ----------------------------------------------------------------------
    def pump(self) -> None:
        """Hand over find after find until something holds it up or no more is there."""
        while True:
            if self._waits_until is not None or (self.slow_since_s and not self.closed):
                return self._read(False)
            if not self._owner.may_take(self):
                return self._read(False)
            over = self.closed or self.ended
            found = self.stream.flush() if over else self.stream.next()
            if found is None:
                break
            wait_s = self._owner.take(self, found)
            if wait_s > 0:
                self._waits_until = self._loop.call_later(wait_s, self._go_on)
        if self.closed:
            self._owner.gone(self)
        elif not self.ended:
            self._read(True)
        elif not self.in_flight and self._transport is not None:
            self._transport.close()

    def _go_on(self) -> None:
        self._waits_until = None
        self.pump()

    def give_up_half(self) -> None:
        """What is left of a frame will not be completed: it is handed over as damaged."""
        while not self.closed and (found := self.stream.flush()) is not None:
            self._owner.take(self, found)

    def write(self, frame: bytes) -> None:
        """Send; nothing when the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        """Close, whatever is not sent."""
        if self._waits_until is not None:
            self._waits_until.cancel()
            self._waits_until = None
        self.stream.damaged = 0  # said once
        self.slow_since_s = 0.0
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Close, and belong to nobody."""
        self._owner = _NOBODY
        self.close()

    def _read(self, on: bool) -> None:
        if on is self.reading or self._transport is None or self._transport.is_closing():
            return
        self.reading = on
        with contextlib.suppress(RuntimeError):
            if on:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()


class _Nobody:
    """Owns the connections that were one too many."""

    room = memoryview(bytearray(4096))

    def admit(self, peer: Peer) -> bool:
        return False

    def take(self, peer: Peer, found: Found) -> float:
        return 0.0

    def may_take(self, peer: Peer) -> bool:
        return True

    def gone(self, peer: Peer) -> None:
        return None


_NOBODY = _Nobody()
