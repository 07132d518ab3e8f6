"""One connection of the fast lane: its state, its clocks, and how bytes leave it."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pintu.web.ngsi_ld.crowd import Crowd
from pintu.web.ngsi_ld.message import Prepared, Request, Response
from pintu.web.ngsi_ld.repeated import Repeat
from pintu.web.ngsi_ld.turn import TOO_SLOW
from pintu.web.ngsi_ld.wire import Heads, Limits, Outbox, has_body

BIG = 16 * 1024  # larger answers are not held back: memory, and the client may start reading
LARGE_BODY = 64 * 1024  # a body this long counts among all that are on their way
IDLE, HEADERS, BODY, WORK = range(4)


class Connection(HttpToolsProtocol):
    """What every connection has, whatever is asked over it."""

    limits: Limits
    heads: Heads
    outbox: Outbox
    crowd: Crowd
    keeps = True
    """Whether a connection outlives its answer; false for all while the city drains."""

    # --- life of the connection ---------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        """Start the clocks of the connection."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._in_lane = False  # the request being parsed is ours
        self._busy = False  # a request is being answered, by the lane or by uvicorn
        self._last_pairs: list[tuple[bytes, bytes]] | None = None
        self._last_headers: dict[bytes, bytes] = {}
        self._again = False  # the headers are those of the request before
        self._repeat: Repeat | None = None  # what a GET with the same lines need not be asked
        self._data = b""  # what is being parsed
        self._held = b""  # one answer kept until the end of the loop's turn
        self._deaf = False  # nothing more is read from this connection
        self._discard = 0  # bytes of a refused body still tolerated
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._owes_continue = False
        self._parsed: Request | None = None
        self._asked: Request | None = None  # what the broker answers now
        self._began = 0.0
        self._came = 0  # bytes of this request that were not its body
        self._rest = b""  # what came and is not parsed before those that wait have their turn
        self._counted = 0  # of the body, among all large ones
        self._phase = IDLE
        self._since = self.loop.time()
        if not self.crowd.enter(self, self.loop):
            self._deaf = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a write in flight still completes in the store."""
        self.crowd.leave(self)
        self._uncount()
        self._deaf = True
        self._rest = b""
        self.pipeline.clear()
        super().connection_lost(exc)

    def look(self, now: float) -> None:
        """Once a second: what waited too long for its next byte is closed."""
        limits, phase = self.limits, self._phase
        waited = now - self._since
        if phase == IDLE and waited > limits.idle_seconds:
            self._close()
        elif (phase == HEADERS and waited > limits.header_seconds) or (
            phase == BODY and waited > limits.body_seconds
        ):
            if self._rest or self.flow.read_paused:
                self._since = now  # it is we who do not read on
                return
            self._deaf = True
            if not self._busy and not self.pipeline and not self._discard:
                self._write(TOO_SLOW, keep_alive=False, head_only=False)
            self._close()

    @property
    def weight(self) -> int:
        """What waits for the client to read: answers, and questions behind them."""
        unsent = 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()
        return int(unsent) + len(self._rest) + 1_000 * len(self.pipeline)

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self.crowd.pause(self, self.loop.time())

    def _count(self, size: int) -> bool:
        """A large body grows; False when there are too many of them on their way."""
        self._counted += size
        self.crowd.body_bytes += size
        return self.crowd.body_bytes <= self.limits.bodies_bytes

    def _uncount(self) -> None:
        self.crowd.body_bytes -= self._counted
        self._counted = 0

    def shutdown(self) -> None:
        """Close now when idle, otherwise after the answer in flight."""
        self._deaf = True
        if self._busy or self.pipeline:
            return
        super().shutdown()

    # --- writing --------------------------------------------------------------------------------
    def _write(self, response: Response, *, keep_alive: bool, head_only: bool) -> None:
        ends = not keep_alive or (self._deaf and not self.pipeline)
        if not ends and not has_body(response.status):
            self._send(self.heads.bodiless(response, self.server_state.default_headers), now=False)
            return
        start = self.heads.start(response.status, self.server_state.default_headers)
        lines = self.heads.lines(response)
        close = b"connection: close\r\n" if ends else b""
        body = response.body
        if not has_body(response.status):
            data = b"".join((start, lines, close, b"\r\n"))
        else:
            length = b"content-length: %d\r\n" % len(body)
            data = b"".join((start, lines, length, close, b"\r\n", b"" if head_only else body))
        self._send(data, now=ends or len(data) > BIG)

    def _write_prepared(self, answer: Prepared) -> None:
        """The same for an answer to a GET whose header lines are bytes already."""
        body = answer.body
        start = self.heads.start(200, self.server_state.default_headers)
        length = b"content-length: %d\r\n\r\n" % len(body)
        self._send(b"".join((start, answer.lines, length, body)), now=len(body) > BIG)

    def _send(self, data: bytes, *, now: bool) -> None:
        """Send at the end of this turn; now what is large, last, or second on its connection."""
        if now or self._held:
            data, self._held = self._held + data, b""
            self.transport.write(data)
        else:
            self._held = data
            self.outbox.put(self)

    def send_held(self) -> None:
        """Send the answer held back, if any."""
        if self._held:
            data, self._held = self._held, b""
            self.transport.write(data)

    def _close(self) -> None:
        self.send_held()
        self.transport.close()
