"""What arrives at a connection of the fast lane: bytes to requests, within limits, as RFC 9112 says
they have to be.
"""

from __future__ import annotations

from typing import Any

import httptools

from pintu.web.ngsi_ld.answers import from_error
from pintu.web.ngsi_ld.connection import BODY, HEADERS, Connection
from pintu.web.ngsi_ld.message import Request
from pintu.web.ngsi_ld.repeated import Repeat
from pintu.web.ngsi_ld.turn import TOO_MANY_HEADERS, Turn
from pintu.web.ngsi_ld.wellformed import mistake_in, origin_form

SLICE = 32 * 1024
"""Parsed at once: thousands of small requests in one piece must not all become objects."""

CHUNKING = 8
"""Bytes that may come for a byte of a body: a chunk of one byte takes six."""


class Reading(Connection):
    """Parses what comes; who answers is decided elsewhere."""

    def data_received(self, data: bytes) -> None:
        """Parse what came; every complete request is answered or queued before this returns."""
        if self._deaf or (self._repeat is not None and self._answer_again(self._repeat, data)):
            return
        if self._rest:
            self._rest += data
        elif len(data) <= SLICE:
            self._data = data
            self._parse(data)
            self._data = b""
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """A large piece, a slice at a time, as long as not too many requests wait."""
        view = memoryview(data)
        for at in range(0, len(data), SLICE):
            if len(self.pipeline) >= self.limits.turns:
                self._rest = bytes(view[at:])
                self.flow.pause_reading()
                return
            self._parse(view[at : at + SLICE])
            if self._deaf and not self._discard:
                return

    def _parse(self, data: Any) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # what follows is another protocol, which nobody speaks here: this answer is the last
            self._deaf = True
        except httptools.HttpParserError:
            self._deaf = True
            if not (self._busy or self.pipeline or self.transport.is_closing()):
                self.send_held()
                self.send_400_response("Invalid HTTP request received.")
        else:
            if self._phase == HEADERS or self._phase == BODY:
                self._incomplete(len(data))

    def _incomplete(self, size: int) -> None:
        """A request goes on in the next piece: what the parser keeps of it has a limit too, such
        as one endless header name, chunk extension or trailer."""
        self._came += size
        most = self.limits.header_bytes + SLICE
        if self._phase == HEADERS:
            if self._came > most:
                self._refuse_headers()
        elif not self._discard and self._came > most + CHUNKING * self._body_bytes:
            self._deaf = True
            self._close()

    def on_message_begin(self) -> None:
        """A new request: its scope is made later, and only when uvicorn answers it."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._header_bytes = 0
        self._came = 0
        self._in_lane = False
        self._phase = HEADERS
        self._since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Gather the request target; it counts as header bytes."""
        self.url = self.url + url if self.url else url
        self._header_bytes += len(url)
        if self._header_bytes > self.limits.header_bytes:
            self._refuse_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather one header within the limits."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        self._header_bytes += len(name) + len(value)
        if (
            self._header_bytes > self.limits.header_bytes
            or len(self.headers) > self.limits.header_count
        ):
            self._refuse_headers()

    def _refuse_headers(self) -> None:
        if self._deaf:
            return
        self._deaf = True
        if self._phase == HEADERS:
            self._take(Turn(Request("GET", b"", b"", {}), False, False, TOO_MANY_HEADERS))
        else:  # trailers: the request they follow is not answered
            self._close()

    def _refused(self, version: str) -> bool:
        """True when the request is not what RFC 9112 lets us take, and was told so. An address as
        its target becomes a path."""
        if not self.url.startswith(b"/"):
            self.url, pairs = origin_form(self.url, self.headers)
            self.headers = list(pairs)
        wrong = mistake_in(version, self.url, self.headers)
        if wrong is None:
            return False
        self._deaf = True
        refusal = from_error(*wrong)
        self._take(Turn(Request("GET", b"", b"", {}), False, False, refusal))
        return True

    # --- whoever answers ------------------------------------------------------------------------
    def _answer_again(self, repeat: Repeat, data: bytes) -> bool:
        raise NotImplementedError

    def _take(self, turn: Turn) -> None:
        raise NotImplementedError
