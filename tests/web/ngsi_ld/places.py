"""Servers for the adapters, around a small broker that only echoes or makes one wait."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn

from pintu.web.ngsi_ld.answers import Deferred, problem
from pintu.web.ngsi_ld.asgi import asgi
from pintu.web.ngsi_ld.fast_lane import fast_lane
from pintu.web.ngsi_ld.message import Answer, Request, Response
from pintu.web.ngsi_ld.wire import Limits

LIMITS = Limits(
    body_bytes=10_000, header_bytes=4_000, header_count=30, header_seconds=1.0,
    body_seconds=1.0, idle_seconds=2.0, discard_bytes=1_000_000,
)  # fmt: skip


class EchoBroker:
    """Answers with what it was asked; `/slow/N` in N ms by a future, `/task/N` by a coroutine."""

    def handle(self, request: Request) -> Answer:
        """Answer in one of the three ways a broker may."""
        body = b" ".join((request.method.encode(), request.path, request.query, request.body))
        response = Response(200, body, ((b"content-type", b"text/plain"),))
        parts = request.path.split(b"/")
        if parts[2] == b"slow":
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(int(parts[3]) / 1000, future.set_result, None)
            return Deferred(future, lambda _: response, problem)
        if parts[2] == b"task":
            return _slept(int(parts[3]) / 1000, response)
        if parts[2] == b"empty":
            return Response(204)
        if parts[2] == b"large":
            return Response(200, b"x" * int(parts[3]), ((b"content-type", b"text/plain"),))
        return response


async def _slept(seconds: float, response: Response) -> Response:
    await asyncio.sleep(seconds)
    return response


async def other(scope: Any, receive: Any, send: Any) -> None:
    """What is not NGSI-LD: an ordinary page, a slow one under /wait."""
    body = b""
    more = scope["type"] == "http"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"].startswith("/wait"):
        await asyncio.sleep(0.05)
    page = b"page " + scope["path"].encode() + b" " + body
    headers = [(b"content-length", b"%d" % len(page))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})


def both(broker: Any) -> Any:
    """The plain twin: one ASGI application, NGSI-LD beside the pages."""
    inner = asgi(broker, LIMITS)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        chosen = inner if scope.get("path", "").startswith("/ngsi-ld/") else other
        await chosen(scope, receive, send)

    return app


class Place:
    """Where a server listens, and raw connections to it."""

    def __init__(self, port: int, lane: bool) -> None:
        self.port = port
        self.lane = lane

    async def talk(self, *pieces: bytes, pause: float = 0.0, wait: float = 5.0) -> bytes:
        """Send pieces, read until the server closes or nothing comes for 0.3 s."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if pause:
                    await asyncio.sleep(pause)
            got = b""
            quiet = 0.3
            while wait > 0:
                try:
                    part = await asyncio.wait_for(reader.read(65536), quiet)
                except TimeoutError:
                    wait -= quiet
                    if got:
                        break
                    continue
                if not part:
                    break
                got += part
            return got
        finally:
            writer.close()


async def start(broker: Any, lane: bool) -> tuple[uvicorn.Server, asyncio.Task[None], Place]:
    """A uvicorn server on a free port, in this loop."""
    config = uvicorn.Config(
        other if lane else both(broker),
        http=fast_lane(broker, LIMITS) if lane else "httptools",
        port=0, host="127.0.0.1", log_config=None, lifespan="off", access_log=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    return server, task, Place(port, lane)
