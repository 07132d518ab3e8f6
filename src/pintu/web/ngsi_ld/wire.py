"""Bytes of an HTTP/1.1 response: status lines, header blocks, and the limits both adapters keep."""

from __future__ import annotations

import asyncio
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
    """What one connection may cost: bytes of headers and body, and seconds in each phase."""

    body_bytes: int = 10 * 1024 * 1024
    header_bytes: int = 32 * 1024
    header_count: int = 100
    discard_bytes: int = 64 * 1024 * 1024  # read and thrown away so that a 413 can be read
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0


LIMITS = Limits()


class Heads:
    """Renders response heads; those of ordinary answers are kept, with the server's own headers
    in them.
    """

    def __init__(self) -> None:
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._kept: dict[tuple[int, Pairs], bytes] = {}

    def head(self, response: Response, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """Everything up to and including `content-length: `, or the last header when there is no
        body.

        `defaults` is the server's list (date, server), which it replaces as a whole when it
        changes.
        """
        if defaults is not self._defaults:
            self._defaults = defaults
            self._kept = {}
        key = (response.status, response.headers)
        found = self._kept.get(key)
        if found is None:
            found = _render(response, defaults)
            if response.status != 201 and len(self._kept) < _MAX_HEADS:
                self._kept[key] = found
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


def _render(response: Response, defaults: list[tuple[bytes, bytes]]) -> bytes:
    parts = [STATUS_LINES[response.status]]
    for name, value in (*defaults, *response.headers):
        if b"\r" in value or b"\n" in value:
            value = value.replace(b"\r", b" ").replace(b"\n", b" ")
        parts.append(name + b": " + value + b"\r\n")
    if has_body(response.status):
        parts.append(b"content-length: ")
    return b"".join(parts)
