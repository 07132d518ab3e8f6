"""One request of a connection waiting for its turn, and the refusals that need no broker."""

from __future__ import annotations

import asyncio

import msgspec

from pintu.web.ngsi_ld.message import Request, Response

TOO_MANY_HEADERS = Response(431, b"", ((b"content-type", b"application/problem+json"),))
TOO_SLOW = Response(408, b"", ((b"content-type", b"application/problem+json"),))
TOO_MANY_BODIES = Response(
    503,
    b'{"type":"about:blank","title":"Service unavailable","status":503,'
    b'"detail":"Too many large request bodies are on their way"}',
    ((b"content-type", b"application/problem+json"), (b"retry-after", b"2")),
)
TOO_LARGE = b"The request body is longer than %d bytes"


class Turn(msgspec.Struct, gc=False):
    """One lane request waiting for or having its turn.

    `ready` answers without asking the broker; `linger` says the end but leaves the closing to
    the reader.
    """

    request: Request
    keep_alive: bool
    head_only: bool = False
    ready: Response | None = None
    linger: bool = False


class Occupied:
    """Stands where uvicorn looks for a cycle while the lane is at work, so that uvicorn queues
    behind it.
    """

    response_complete = False
    disconnected = False
    keep_alive = True

    def __init__(self) -> None:
        self.message_event = asyncio.Event()
