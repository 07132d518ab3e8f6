"""Bytes of an HTTP/1.1 response: status lines, header blocks, and the limits both adapters keep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from pintu.web.ngsi_ld.message import Response

Pairs = tuple[tuple[bytes, bytes], ...]

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset((204, 304))
_MAX_HEADS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may cost: bytes of headers and body, seconds in each phase; how many there
    may be, and what all who do not read may keep in memory."""

    body_bytes: int = 10 * 1024 * 1024
    header_bytes: int = 32 * 1024
    header_count: int = 100
    discard_bytes: int = 64 * 1024 * 1024  # read and thrown away so that a 413 can be read
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    connections: int = 20_000
    turns: int = 64  # requests of one connection that wait; more are not even parsed
    unread_seconds: float = 30.0  # without a byte read by the client
    unread_bytes: int = 256 * 1024 * 1024
    bodies_bytes: int = 512 * 1024 * 1024  # of large bodies on their way, all together


LIMITS = Limits()


class Heads:
    """Renders response heads: the server's own lines once a second, those of ordinary answers
    once.
    """

    def __init__(self) -> None:
        self._defaults: Sequence[tuple[bytes, bytes]] | None = None
        self._starts: dict[int, bytes] = {}
        self._whole: dict[tuple[int, Pairs], bytes] = {}
        self._kept: dict[Pairs, bytes] = {}

    def start(self, status: int, defaults: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The status line and the server's own headers (date, server), a list that the server
        replaces as a whole when it changes.
        """
        if defaults is not self._defaults:
            self._defaults = defaults
            self._starts = {}
            self._whole = {}
        found = self._starts.get(status)
        if found is None:
            found = self._starts[status] = STATUS_LINES[status] + header_lines(defaults)
        return found

    def bodiless(self, response: Response, defaults: Sequence[tuple[bytes, bytes]]) -> bytes:
        """An answer that has no body and after which the connection stays, whole."""
        key = response.status, response.headers
        found = self._whole.get(key) if defaults is self._defaults else None
        if found is None:
            start = self.start(response.status, defaults)
            found = b"".join((start, self.lines(response), b"\r\n"))
            if len(self._whole) < _MAX_HEADS:
                self._whole[key] = found
        return found

    def lines(self, response: Response) -> bytes:
        """The header lines of a response."""
        found = self._kept.get(response.headers)
        if found is None:
            found = header_lines(response.headers)
            if response.status != 201 and len(self._kept) < _MAX_HEADS:
                self._kept[response.headers] = found
        return found


class Outbox:
    """Answers made in one turn of the loop, sent together at its end.

    Sending wakes whoever waits at the other end; a client that is woken once while thirty answers
    leave costs this side far less than thirty clients woken one by one between the work.
    """

    def __init__(self) -> None:
        self._waiting: list[Sender] = []

    def put(self, sender: Sender) -> None:
        """Send what `sender` holds back at the end of this turn."""
        if not self._waiting:
            sender.loop.call_soon(self._flush)
        self._waiting.append(sender)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            sender.send_held()


class Sender(Protocol):
    """A connection that may hold one answer back."""

    loop: asyncio.AbstractEventLoop

    def send_held(self) -> None:
        """Send it, if it is still held."""
        ...


def has_body(status: int) -> bool:
    """Whether a response of this status has a body and a Content-Length (RFC 9110, 8.6)."""
    return status not in _BODILESS


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they go over the wire; no value can end its line."""
    parts = []
    for name, value in headers:
        if b"\r" in value or b"\n" in value:
            value = value.replace(b"\r", b" ").replace(b"\n", b" ")
        parts.append(name + b": " + value + b"\r\n")
    return b"".join(parts)
