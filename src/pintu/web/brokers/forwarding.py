"""Handing a request on to the broker that leads, and telling its answer.

A connection a request: whether it reached the other side is then known, so that what did not is
tried again, also while the lead changes hands, and what may have been done never is. Both sides
know each other by a secret of the store; it goes with the caller's own address and Host, so that
nobody gains by which broker he asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import quote_from_bytes, urlsplit

import h11

from pintu.kernel.errors import BadRequestData, Unavailable

WAIT_S: Final = 10.0
"""So long a request waits for somebody who leads."""

CONNECT_S: Final = 2.0
PAUSE_S: Final = 0.1
ANSWER_S: Final = 60.0
"""So long the head of an answer may take, and every further piece of its body."""

MOST_UNDER_WAY: Final = 256
"""Requests whose answer has not begun, or is read as a whole: others wait, then are refused."""

HEAD_BYTES: Final = 64 * 1024
READ: Final = 64 * 1024
HEADER: Final = b"pintu-forwarded"
MISDIRECTED: Final = 421
"""Whoever is asked does not lead: nothing was done."""

STREAM: Final = b"text/event-stream"
_BROKEN: Final = (OSError, h11.RemoteProtocolError, EOFError)
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_HOP: Final = frozenset(
    (b"host", b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade",
     b"transfer-encoding", b"expect", HEADER)
)  # fmt: skip
_IN_TARGET: Final = "/?:@!$&'()*+,;=-._~%[]"
Pairs = list[tuple[bytes, bytes]]


class Leader(Protocol):
    """Who leads."""

    @property
    def address(self) -> str:
        """Where the others reach it; "" for nobody."""
        ...

    @property
    def secret(self) -> str:
        """What brokers of this city know each other by."""
        ...


class Lead(Protocol):
    """What is asked of the room that knows who leads."""

    @property
    def leads(self) -> bool:
        """Whether this broker does."""
        ...

    @property
    def leader(self) -> Leader:
        """Who leads, as far as is known."""
        ...

    async def wait(self, within_s: float) -> Leader:
        """Who leads, waited for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to be handed on; `body` whole, or what is still to come of it."""

    method: str
    target: bytes
    headers: Iterable[tuple[bytes, bytes]]
    peer: str
    body: bytes | AsyncIterator[bytes] = b""


class Body:
    """The pieces of an answer. Whoever got it closes it, read or not: a connection and a place are
    held until then.
    """

    def __init__(self, talk: _Talk) -> None:
        self._talk = talk

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        try:
            part = await self._talk.part()
        except BaseException:
            self._talk.end()
            raise
        if part is None:
            self._talk.end()
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        """Let go of what is left."""
        self._talk.end()


@dataclass(slots=True)
class Told:
    """An answer whose body comes piece by piece."""

    status: int
    headers: Pairs
    body: Body


@dataclass(frozen=True, slots=True)
class Vouched:
    """What another broker says of who asked it."""

    peer: str
    host: bytes


class Forwarder:
    """Lives on the loop."""

    def __init__(self, lead: Lead) -> None:
        self._lead = lead
        self._places = asyncio.Semaphore(MOST_UNDER_WAY)
        self.forwarded = 0

    def vouched(self, told: bytes) -> Vouched | None:
        """Who asked, when it is one of us who says so; None: it is not."""
        secret, _, rest = told.partition(b" ")
        known = self._lead.leader.secret.encode()
        if not known or not hmac.compare_digest(secret, known):
            return None
        peer, _, host = rest.partition(b" ")
        return Vouched("" if peer == b"-" else peer.decode("latin-1"), host)

    async def ask(self, asked: Asked) -> Told:
        """The leader's answer. Raises Unavailable when nobody leads in time, or when it is not
        known what became of a request that may have changed something.
        """
        until = monotonic() + WAIT_S
        self.forwarded += 1
        while True:
            leader = await self._lead.wait(until - monotonic())
            if not leader.address:
                raise Unavailable("No broker leads the city at this moment", retry_after=2)
            try:
                told = await self._once(leader, asked, until)
                if told.status != MISDIRECTED:
                    return told
                async for _ in told.body:  # nothing was done there: the lead has changed hands
                    pass
                if not isinstance(asked.body, bytes):
                    raise Unavailable("The lead of the city is changing hands", retry_after=2)
            except _NotReached as error:
                if monotonic() > until:
                    why = "The broker that leads cannot be reached"
                    raise Unavailable(why, retry_after=2) from error
            except h11.LocalProtocolError as error:
                raise BadRequestData(f"The request cannot be handed on: {error}") from error
            except _BROKEN as error:
                once = asked.method not in _SAFE or not isinstance(asked.body, bytes)
                if once or monotonic() > until:
                    told_plainly = "The broker that leads ended while it was asked: look whether "
                    raise Unavailable(told_plainly + "it was done", retry_after=1) from error
            if monotonic() > until:
                raise Unavailable("The lead of the city is changing hands", retry_after=2)
            await asyncio.sleep(PAUSE_S)

    async def _once(self, leader: Leader, asked: Asked, until: float) -> Told:
        try:
            async with asyncio.timeout(max(0.0, until - monotonic())):
                await self._places.acquire()
        except TimeoutError as error:
            why = f"{MOST_UNDER_WAY} requests wait for the broker that leads"
            raise Unavailable(why, retry_after=2) from error
        try:
            reader, writer = await _connected(leader.address)
        except BaseException:
            self._places.release()
            raise
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        talk = _Talk(reader, writer, connection, self._places)
        try:
            async with asyncio.timeout(ANSWER_S):
                await talk.say(asked, leader)
                return await talk.hear()
        except BaseException:
            talk.end()
            raise


class _NotReached(Exception):
    """Nobody heard the request."""


class _Talk:
    """One request and its answer on a connection of their own."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: h11.Connection,
        places: asyncio.Semaphore,
    ) -> None:
        self._reader, self._writer, self._http = reader, writer, connection
        self._places: asyncio.Semaphore | None = places

    async def say(self, asked: Asked, leader: Leader) -> None:
        """The request, as it came."""
        send = self._http.send
        request = h11.Request(
            method=asked.method.encode(),
            target=quote_from_bytes(asked.target, safe=_IN_TARGET).encode(),
            headers=_headers(asked, leader),
        )
        self._writer.write(send(request) or b"")
        if isinstance(asked.body, bytes):
            if asked.body:
                self._writer.write(send(h11.Data(data=asked.body)) or b"")
        else:
            async for part in asked.body:
                self._writer.write(send(h11.Data(data=part)) or b"")
                await self._writer.drain()
        self._writer.write(send(h11.EndOfMessage()) or b"")
        await self._writer.drain()

    async def hear(self) -> Told:
        """The head of the answer; its body comes as it is read."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                pairs = [(name, value) for name, value in event.headers if name not in _HOP]
                if (b"content-type", STREAM) in ((n, v[: len(STREAM)]) for n, v in pairs):
                    self._leave()  # it lasts as long as somebody looks at a page
                return Told(event.status_code, pairs, Body(self))

    async def part(self) -> bytes | None:
        """The next piece of its body; None at the end."""
        while True:
            async with asyncio.timeout(ANSWER_S):
                event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return None
            if isinstance(event, h11.Data):
                return bytes(event.data)

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(READ))
        if isinstance(event, h11.ConnectionClosed):
            raise EOFError
        return event

    def end(self) -> None:
        """Let go of the connection, whatever is left to be read."""
        self._writer.close()
        self._leave()

    def _leave(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.release()


async def _connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(address)
    secured = parts.scheme == "https"
    port = parts.port or (443 if secured else 80)
    context = ssl.create_default_context() if secured else None
    try:
        async with asyncio.timeout(CONNECT_S):
            return await asyncio.open_connection(parts.hostname, port, ssl=context)
    except OSError as error:  # TimeoutError is one
        raise _NotReached from error


def _headers(asked: Asked, leader: Leader) -> Pairs:
    pairs = [(name, value) for name, value in asked.headers if name.lower() not in _HOP]
    host = next((value for name, value in asked.headers if name.lower() == b"host"), b"")
    given = {name.lower() for name, _ in pairs}
    if isinstance(asked.body, bytes):
        pairs = [one for one in pairs if one[0].lower() != b"content-length"]
        if asked.body or b"content-length" in given or asked.method not in _SAFE:
            pairs.append((b"content-length", b"%d" % len(asked.body)))
    elif b"content-length" not in given:
        pairs.append((b"transfer-encoding", b"chunked"))
    authority = urlsplit(leader.address).netloc.encode()
    vouch = b" ".join((leader.secret.encode(), asked.peer.encode() or b"-", host)).rstrip()
    return [(b"host", authority), (b"connection", b"close"), *pairs, (HEADER, vouch)]


async def whole(told: Told, limit: int) -> bytes:
    """The body of an answer at once; Unavailable when it is longer than `limit` bytes, or ends
    before its end.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with contextlib.aclosing(told.body) as body:
            async for part in body:
                size += len(part)
                if size > limit:
                    raise Unavailable(f"The answer of the broker that leads is over {limit} bytes")
                parts.append(part)
    except _BROKEN as error:
        ended = f"The broker that leads ended while it answered {told.status}: look whether "
        raise Unavailable(ended + "it was done", retry_after=1) from error
    return b"".join(parts)
