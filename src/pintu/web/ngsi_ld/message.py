"""One request and one response, as plain data: what both adapters (fast lane, ASGI) hand to the
broker.
"""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec


class Request(msgspec.Struct, gc=False):
    """One HTTP request with its whole body. Header names are lower-case bytes; the last of a
    name wins,
    except that repeated Accept and Link lines are joined with a comma."""

    method: str
    path: bytes  # raw, percent-encoded, without query
    query: bytes  # raw
    headers: dict[bytes, bytes]
    body: bytes = b""
    peer: str = ""  # IP address of the other side; "" for a Unix socket
    operation: str = ""  # its name, once it was found


class Response(msgspec.Struct, gc=False):
    """One HTTP response. Content-Length is the adapter's business."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Prepared(msgspec.Struct, gc=False):
    """A 200 whose header lines are bytes already."""

    lines: bytes
    body: bytes


def as_response(answer: Prepared | Response) -> Response:
    """The same answer with its header lines as pairs."""
    if isinstance(answer, Response):
        return answer
    lines = [line.partition(b": ") for line in answer.lines.split(b"\r\n")[:-1]]
    return Response(200, answer.body, tuple((name, value) for name, _, value in lines))


Answer = Response | Awaitable[Response]
