"""The screens on one of several brokers: an application that can be changed under the server, and
that hands what is asked of it on while this broker does not lead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

import h11
import orjson

from pintu.kernel.errors import PintuError
from pintu.web.brokers.forwarding import HEADER, MISDIRECTED, Asked, Forwarder, Told

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OWN: Final = frozenset(("/healthz", "/readyz", "/metrics"))
"""What every broker says of itself."""

HELD_BYTES: Final = 1_000_000
"""A body up to this is held, so that it can be sent again when nobody got it."""


class Lifespan:
    """Starts and ends an ASGI application as its server would."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run its hooks of the start."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        run = self._application(scope, self._told.get, self._said.put)
        self._task = asyncio.create_task(run)
        await self._ask("lifespan.startup")

    async def stop(self) -> None:
        """Run its hooks of the end."""
        if self._task is not None:
            await self._ask("lifespan.shutdown")
            await asyncio.wait([self._task], timeout=1)

    async def _ask(self, what: str) -> None:
        assert self._task is not None
        await self._told.put({"type": what})
        said = asyncio.create_task(self._said.get())
        await asyncio.wait([said, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            said.cancel()
            self._task.result()


class Standing:
    """An ASGI application that stands for whichever one it was given last."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._life: Lifespan | None = None
        self._application: Any = None
        self.leads = False

    @property
    def state(self) -> Any:
        """What the application keeps."""
        return self._application.state

    async def adopt(self, application: Any, *, leads: bool) -> None:
        """Stand for this one from the next request on; the one before ends."""
        life, before = Lifespan(application), self._life
        await life.start()
        self._application, self._life, self.leads = application, life, leads
        if before is not None:
            await before.stop()

    async def close(self) -> None:
        """End the application."""
        if self._life is not None:
            await self._life.stop()
            self._life = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer here, or hand on."""
        if scope["type"] != "http":
            return
        told = next((value for name, value in scope["headers"] if name == HEADER), None)
        if told is not None:
            refusal = self._taken_over(scope, told)
            if refusal:
                await _refuse(send, *refusal)
                return
        if self.leads or scope["path"] in OWN:
            await self._application(scope, receive, send)
        else:
            await self._hand_on(scope, receive, send)

    def _taken_over(self, scope: Message, told: bytes) -> tuple[int, str] | None:
        vouched = self._forwarder.vouched(told)
        if vouched is None:
            return 403, "No broker of this city says so"
        if not self.leads:
            return MISDIRECTED, "This broker does not lead the city"
        scope["client"] = (vouched.peer, 0)
        kept = [one for one in scope["headers"] if one[0] not in (HEADER, b"host")]
        scope["headers"] = [*kept, (b"host", vouched.host)] if vouched.host else kept
        return None

    async def _hand_on(self, scope: Message, receive: Receive, send: Send) -> None:
        target = scope.get("raw_path") or scope["path"].encode()
        if scope.get("query_string"):
            target = target.partition(b"?")[0] + b"?" + scope["query_string"]
        try:
            asked = Asked(
                method=scope["method"],
                target=target,
                headers=scope["headers"],
                peer=scope["client"][0] if scope.get("client") else "",
                body=await _body(receive),
            )
            told = await self._forwarder.ask(asked)
        except _Gone:
            return
        except PintuError as error:
            await _refuse(send, error.status, error.detail or error.title, error.retry_after_s)
            return
        telling = asyncio.create_task(_tell(told, send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait([telling, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (telling, gone):
                one.cancel()
            await asyncio.gather(telling, gone, return_exceptions=True)
            await told.body.aclose()


class _Gone(Exception):
    """The caller went away before all of the body came: what came is no request."""


async def _piece(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message


async def _body(receive: Receive) -> bytes | AsyncIterator[bytes]:
    """A body as a whole, or what came of a longer one and the rest as it comes."""
    parts: list[bytes] = []
    size = 0
    while size <= HELD_BYTES:
        message = await _piece(receive)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            return b"".join(parts)
    return _rest(b"".join(parts), receive)


async def _rest(first: bytes, receive: Receive) -> AsyncIterator[bytes]:
    yield first
    more = True
    while more:
        message = await _piece(receive)
        if message.get("body"):
            yield message["body"]
        more = message.get("more_body", False)


async def _gone(receive: Receive) -> None:
    """Until the caller went away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _tell(told: Told, send: Send) -> None:
    start = {"type": "http.response.start", "status": told.status, "headers": told.headers}
    with contextlib.suppress(OSError, EOFError, h11.RemoteProtocolError):
        await send(start)
        async for part in told.body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _refuse(send: Send, status: int, detail: str, retry_s: int | None = None) -> None:
    body = orjson.dumps({"status": status, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"),
               (b"content-length", b"%d" % len(body))]  # fmt: skip
    if retry_s is not None:
        headers.append((b"retry-after", b"%d" % retry_s))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
