"""Messages on their way into one stream, in order: each says which sequence must come before it, so
that one that is lost, late or sent twice cannot slip in, and nothing is behind an answer's back.

The sequences are known beforehand, because nobody else writes to the stream: what JetStream answers
only confirms them. Whatever it answers otherwise ends the lane; the stream is then asked what it
has, and sending goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.errors import Unavailable
from pintu.kernel.relay.bus import Bus
from pintu.kernel.relay.rows import EXPECTED, MESSAGE_ID, PLACE, Headers, place

if TYPE_CHECKING:
    from nats.aio.msg import Msg

ACK_S: Final = 4.0
"""Without an answer for so long the stream is asked what it has."""

MOST_BYTES: Final = 8_000_000
"""Under way at once, besides the bound of messages."""


class _Ack(msgspec.Struct, frozen=True):
    """What JetStream answers to a message."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as the lane takes it."""

    subject: str
    tenant: str
    id: str
    position: int
    body: bytes
    acknowledged: Callable[[], None] | None = None


class _Sent(msgspec.Struct, frozen=True, gc=False):
    sequence: int
    position: int
    size: int
    at_s: float
    acknowledged: Callable[[], None] | None


_decode = msgspec.json.Decoder(_Ack).decode


class Lane:
    """The outgoing messages of one session; `end` is the sequence of the newest one sent."""

    def __init__(
        self, bus: Bus, city: str, *, end: int, tails: dict[str, int], window: int
    ) -> None:
        """`tails`: the sequence of each tenant's newest message in the stream."""
        self._bus, self._city, self._window = bus, city, window
        self.end, self._tails = end, tails
        self._under_way: deque[_Sent] = deque()
        self._bytes = 0
        self._inbox = ""
        self._stop: Any = None
        self._moved = asyncio.Event()
        self._generation = bus.generation
        self.broken = ""
        self.acked = 0

    async def open(self) -> None:
        """Begin to hear answers."""
        self._inbox = self._bus.inbox()
        self._stop = await self._bus.listen(f"{self._inbox}.*", self._heard)

    async def close(self) -> None:
        """Hear no more."""
        if self._stop is not None:
            await self._stop()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def oldest(self) -> int | None:
        """The position of the oldest message without an answer."""
        return self._under_way[0].position if self._under_way else None

    def check(self) -> None:
        """Raise Unavailable when this lane is at its end."""
        if self._bus.generation != self._generation:
            raise Unavailable("NATS was away for a moment")
        if self.broken:
            raise Unavailable(f"JetStream answers: {self.broken}")
        if self._under_way and time.monotonic() - self._under_way[0].at_s > ACK_S:
            raise Unavailable(f"JetStream has not answered for {ACK_S:.0f} s")

    async def room(self) -> None:
        """Until there is room for one message more. Raises Unavailable at the end of the lane."""
        while len(self._under_way) >= self._window or self._bytes > MOST_BYTES:
            await self.moved(0.5)
        self.check()

    async def send(self, message: Message) -> None:
        """Send on its way, at once: `room` was awaited. Raises Unavailable."""
        expected, self.end = self.end, self.end + 1
        before = self._tails.get(message.tenant, 0)
        headers = {
            MESSAGE_ID: message.id,
            EXPECTED: str(expected),
            PLACE: place(Headers(self._city, message.position, before)),
        }
        self._tails[message.tenant] = self.end
        size = len(message.body) + 300
        self._under_way.append(
            _Sent(self.end, message.position, size, time.monotonic(), message.acknowledged)
        )
        self._bytes += size
        reply = f"{self._inbox}.{self.end}"
        await self._bus.publish(message.subject, message.body, reply=reply, headers=headers)

    async def moved(self, seconds: float) -> None:
        """Wait until something was answered, or so long. Raises Unavailable at the end."""
        self.check()
        self._moved.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), seconds)
        self.check()

    async def _heard(self, message: Msg) -> None:
        """An answer: in order, of the sequence that was foretold, or the end of the lane."""
        if self.broken or not self._under_way:
            return
        oldest = self._under_way[0]
        try:
            ack = _decode(message.data) if message.data else _Ack()
        except msgspec.DecodeError:
            ack = _Ack()
        if ack.error is not None:
            self.broken = str(ack.error.get("description", "an error"))
        elif not ack.seq:
            self.broken = "nobody takes messages of this stream now"
        elif ack.seq != oldest.sequence:
            self.broken = f"sequence {ack.seq} where {oldest.sequence} was next"
        else:
            self._under_way.popleft()
            self._bytes -= oldest.size
            self.acked += 1
            if oldest.acknowledged is not None:
                oldest.acknowledged()
        self._moved.set()
