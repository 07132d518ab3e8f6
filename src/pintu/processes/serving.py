"""How the broker's server ends: nobody who asked is refused, and nobody's answer is cut off.

Told to stop it says so at `/readyz`, so that whoever shares work out gives it no more; it serves on
for the grace that was set, with `Connection: close` on every answer; then it lets go of the
listening socket, which is the supervisor's: whoever connects meanwhile waits in its queue for the
next broker. Connections that are still open get a moment to have their last request answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from pintu.web.app import end_streams
from pintu.web.ngsi_ld.connection import IDLE

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

CLOSE: Final = (b"connection", b"close")
LINGER_S: Final = 1.0
"""After the grace, connections that asked something a moment ago may ask once more."""

QUIET_S: Final = 0.25
"""A connection on which nothing came for so long has nothing under way to us."""

LOOK_S: Final = 0.02
STOPPING: Final = "This process was told to stop: it finishes what it has and takes no more"


class Server(uvicorn.Server):
    """A uvicorn server that drains before it ends."""

    def __init__(self, config: uvicorn.Config, rooms: Rooms) -> None:
        super().__init__(config)
        self._rooms = rooms
        self._grace: asyncio.TimerHandle | None = None
        self._ending = False

    # --- being told ---------------------------------------------------------------------------
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and SIGINT drain. Unlike uvicorn's own they are not raised again at the end:
        that would end the process before the store is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.drain)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def drain(self) -> None:
        """Begin to end; asked again, do not wait for the grace."""
        if self._rooms.draining:
            self.should_exit = True
            return
        self._rooms.draining = STOPPING
        protocol: Any = self.config.http_protocol_class
        if hasattr(protocol, "keeps"):
            protocol.keeps = False
            protocol.repeats = None  # whose answers name no end
            for connection in self.server_state.connections:
                connection._repeat = None  # type: ignore[union-attr]
        grace_s = self._rooms.settings.drain_s
        if grace_s:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(grace_s, setattr, self, "should_exit", True)
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Plain connections are told of the end through the headers every answer has."""
        ends = await super().on_tick(counter)
        if self._rooms.draining and self._rooms.settings.plain:
            headers = self.server_state.default_headers
            if CLOSE not in headers:
                headers.append(CLOSE)
        return ends

    # --- ending -------------------------------------------------------------------------------
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let open ones finish, then end as uvicorn does."""
        if not self._rooms.draining:
            self.drain()
        # an open page would hold the stop up until the drain is over
        await end_streams(self.config.app)
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        await self._linger()
        await super().shutdown(None)

    async def _linger(self) -> None:
        """Wait until every connection is gone, or quiet; a new one may have its request on the
        way, and one kept alive has seen no end yet."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER_S
        while loop.time() < until and not self.force_exit:
            if all(self._quiet(one, loop.time()) for one in self.server_state.connections):
                return
            await asyncio.sleep(LOOK_S)

    def _quiet(self, connection: Any, now_s: float) -> bool:
        if getattr(connection, "_phase", None) != IDLE:
            return False
        return bool(now_s - connection._since > QUIET_S)
