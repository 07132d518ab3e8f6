"""NGSI-LD as a plain ASGI application: the same broker, limits and answers without the fast
lane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pintu.web.metrics.meter import Meter
from pintu.web.ngsi_ld.answers import from_error
from pintu.web.ngsi_ld.headers import gather
from pintu.web.ngsi_ld.message import Request, Response
from pintu.web.ngsi_ld.wire import LIMITS, Limits, has_body

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.broker import Broker

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi(broker: Broker, limits: Limits = LIMITS) -> Application:
    """An ASGI 3 application that hands every HTTP request to `broker.handle`."""

    meter = getattr(broker, "meter", None) or Meter()  # a floor goes without

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        pairs = [(name.lower(), value) for name, value in scope["headers"]]
        size = sum(len(name) + len(value) for name, value in pairs)
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        path, query = raw_path.partition(b"?")[0], scope.get("query_string", b"")
        if size + len(path) + len(query) > limits.header_bytes or len(pairs) > limits.header_count:
            refusal = Response(431, b"", ((b"content-type", b"application/problem+json"),))
            await send_response(send, refusal, head_only=False, close=True)
            return
        announced = gather(pairs).get(b"content-length")
        try:
            body = await _read(receive, limits.body_bytes, announced)
        except _Gone:
            return
        if body is None:
            detail = f"The request body is longer than {limits.body_bytes} bytes"
            await send_response(send, from_error(413, detail), head_only=False, close=True)
            return
        method, head_only = scope["method"], scope["method"] == "HEAD"
        client = scope.get("client")
        request = Request(
            "GET" if head_only else method,
            path,
            query,
            gather(pairs),
            body,
            client[0] if client else "",
        )
        began = perf_counter()
        answer = broker.handle(request)
        response = answer if isinstance(answer, Response) else await answer
        meter.count(request, response.status, perf_counter() - began)
        await send_response(send, response, head_only=head_only, close=False)

    return application


class _Gone(Exception):
    """The caller went away before all of the body came: what came is no request."""


async def _read(receive: Receive, limit: int, announced: bytes | None) -> bytes | None:
    """The whole body, or None when it is (or says it is) longer than `limit` bytes."""
    if announced is not None and announced.isdigit() and int(announced) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def send_response(send: Send, response: Response, *, head_only: bool, close: bool) -> None:
    """A whole response; `close` ends the connection after it."""
    headers = [
        (name, value.replace(b"\r", b" ").replace(b"\n", b" ")) for name, value in response.headers
    ]
    if has_body(response.status):
        headers.append((b"content-length", b"%d" % len(response.body)))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if head_only or not has_body(response.status) else response.body
    await send({"type": "http.response.body", "body": body})
