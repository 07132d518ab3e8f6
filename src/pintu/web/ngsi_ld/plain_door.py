"""The door without the fast lane (`--plain`): uvicorn's own HTTP, with the same clocks and limits
of connections, and the same refusals of requests that are none.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pintu.web.ngsi_ld.answers import from_error
from pintu.web.ngsi_ld.asgi import Message, Receive, Send, send_response
from pintu.web.ngsi_ld.crowd import Crowd
from pintu.web.ngsi_ld.wellformed import mistake_in, origin_form
from pintu.web.ngsi_ld.wire import LIMITS, STATUS_LINES, Limits

TOO_LATE = STATUS_LINES[408] + b"content-length: 0\r\nconnection: close\r\n\r\n"


def plain_door(limits: Limits = LIMITS) -> type[H11Protocol]:
    """The protocol class for uvicorn's `http=`."""
    return type("PlainDoor", (_Connection,), {"limits": limits, "crowd": Crowd(limits)})


class Strict:
    """An ASGI application behind the checks that h11 leaves to us."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse, or hand on; an address as the target becomes a path."""
        if scope["type"] == "http":
            target, headers = origin_form(scope["raw_path"], scope["headers"])
            wrong = mistake_in(scope["http_version"], target, headers)
            if wrong is not None:
                await send_response(send, from_error(*wrong), head_only=False, close=True)
                return
            if target is not scope["raw_path"]:
                path = unquote(target.decode("ascii"))
                scope = {**scope, "raw_path": target, "path": path, "headers": headers}
        await self._application(scope, receive, send)


class _Connection(H11Protocol):
    """Waits for heads and bodies no longer than the fast lane does."""

    limits: Limits
    crowd: Crowd

    def connection_made(self, transport: Any) -> None:
        """Join the crowd, or be told that it is full."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._deaf = not self.crowd.enter(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the crowd."""
        self.crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and start the clock of a new head."""
        if self._deaf:
            return
        if self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._since = self.loop.time()
        super().data_received(data)

    def look(self, now: float) -> None:
        """Once a second: a head or a body that does not end is 408, silence is the end."""
        waited, state = now - self._since, self.conn.their_state
        cycle: Any = self.cycle
        if self.flow.read_paused or (cycle is not None and not cycle.response_complete):
            slow = state is h11.SEND_BODY and waited > self.limits.body_seconds
            if slow and not self.flow.read_paused:
                self.transport.close()
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            if waited > self.limits.header_seconds:
                self._too_slow()
        elif waited > self.limits.idle_seconds:
            self.transport.close()

    def _too_slow(self) -> None:
        self._deaf = True
        self.transport.write(TOO_LATE)
        self.transport.close()

    @property
    def weight(self) -> int:
        """What waits for the client to read."""
        return 0 if self.transport.is_closing() else int(self.transport.get_write_buffer_size())

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self.crowd.pause(self, self.loop.time())

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self.crowd.resume(self)
