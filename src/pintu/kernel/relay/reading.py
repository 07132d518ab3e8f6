"""Reading one tenant of another city's stream in order, from behind a sequence: one session.

The durable consumer shows the other side who reads and how far; where it begins is said by us, each
time anew, because the position lies with what was landed. Messages come as they are asked for, so
that memory is bounded; anything that is not the next one ends the session.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import Unavailable
from pintu.kernel.relay import names
from pintu.kernel.relay.bus import Bus, Refusal
from pintu.kernel.relay.words import Route

if TYPE_CHECKING:
    from nats.aio.msg import Msg

WINDOW: Final = 500
"""Messages asked for and not handed out yet."""

EXPIRES_S: Final = 20.0
"""How long JetStream keeps an asking that is not used up."""

QUIET_S: Final = 5.0
"""Without a message for so long the consumer is asked whether there was none."""

FORGOTTEN_S: Final = 7 * 86_400
"""A consumer nobody used for so long goes by itself."""

NOT_FOUND: Final = 404
ACK: Final = "$JS.ACK."


class Came:
    """One message with its places: of the stream, of this session, and how many are behind it."""

    __slots__ = ("body", "headers", "pending", "sequence", "subject")

    def __init__(self, message: Msg, sequence: int, pending: int) -> None:
        self.subject, self.body = message.subject, message.data
        self.headers: dict[str, str] | None = message.headers
        self.sequence, self.pending = sequence, pending


def places(reply: str) -> tuple[int, int, int] | None:
    """(sequence of the stream, of the consumer, messages behind it) from the subject that would
    acknowledge a message; None when it is none. Newer servers put a domain and an account in."""
    parts = reply.split(".")
    try:
        if len(parts) == 9:
            return int(parts[5]), int(parts[6]), int(parts[8])
        if len(parts) >= 11:
            return int(parts[7]), int(parts[8]), int(parts[10])
    except ValueError:
        return None
    return None


class Reader:
    """One session; `batch` hands out what came, in order."""

    def __init__(self, bus: Bus, reader: str, route: Route) -> None:
        self._bus, self._route = bus, route
        self._stream = names.stream(route.city)
        self._consumer = names.consumer(reader, route.tenant)
        self._came: deque[Came] = deque()
        self._news = asyncio.Event()
        self._generation = bus.generation
        self._stop: Any = None
        self._inbox = ""
        self._next = 1  # of the consumer's own numbers
        self._asked = 0  # messages asked for that did not come yet
        self._asked_s = 0.0
        self._heard_s = 0.0
        self._over = ""
        self.waiting = 0  # messages of the tenant that were not handed out yet, as JetStream says

    async def open(self, after: int) -> None:
        """Begin behind a sequence. Raises Unavailable, Refusal when there is no such stream."""
        config = {
            "durable_name": self._consumer,
            "description": "read by another city; where it begins is that city's to say",
            "filter_subject": names.all_of(self._route.city, self._route.tenant),
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "replay_policy": "instant",
            "max_waiting": 16,
            "inactive_threshold": FORGOTTEN_S * 1_000_000_000,
        }
        try:
            await self._bus.api(f"CONSUMER.DELETE.{self._stream}.{self._consumer}")
        except Refusal as error:
            if error.code != NOT_FOUND:
                raise
        self._inbox = self._bus.inbox()
        self._stop = await self._bus.listen(self._inbox, self._heard)
        made = await self._bus.api(
            f"CONSUMER.DURABLE.CREATE.{self._stream}.{self._consumer}",
            {"stream_name": self._stream, "config": config},
        )
        self.waiting = int(made.get("num_pending", 0))
        self._heard_s = time.monotonic()
        await self._ask()

    async def close(self) -> None:
        """Hear no more."""
        if self._stop is not None:
            await self._stop()

    async def batch(self, wait_s: float) -> list[Came]:
        """What came, at once or within so long; empty when nothing did. Raises Unavailable when
        the session is over: a message is missing, or NATS was away."""
        if not self._came:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), wait_s)
            except TimeoutError:
                await self._look()
        self._check()
        found = list(self._came)
        self._came.clear()
        await self._ask()
        return found

    def _check(self) -> None:
        if self._bus.generation != self._generation:
            raise Unavailable("NATS was away for a moment")
        if self._over:
            raise Unavailable(self._over)

    async def _ask(self) -> None:
        """Ask for more when half of it came, or what was asked for is forgotten by now."""
        now_s = time.monotonic()
        if now_s - self._asked_s > EXPIRES_S * 0.9:
            self._asked = 0
        if self._asked > WINDOW // 2:
            return
        number = WINDOW - self._asked
        self._asked, self._asked_s = WINDOW, now_s
        told = {"batch": number, "expires": int(EXPIRES_S * 1_000_000_000)}
        where = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._bus.publish(where, json.dumps(told).encode(), reply=self._inbox)

    async def _look(self) -> None:
        """Nothing came for a while: was there nothing?"""
        if time.monotonic() - self._heard_s < QUIET_S:
            return
        self._heard_s = time.monotonic()
        found = await self._bus.api(f"CONSUMER.INFO.{self._stream}.{self._consumer}")
        self.waiting = int(found.get("num_pending", 0))
        delivered = int(found["delivered"]["consumer_seq"])
        if delivered >= self._next and not self._came:
            self._over = "messages were sent and did not come"

    async def _heard(self, message: Msg) -> None:
        """A message, or a word of JetStream's about what was asked for."""
        self._heard_s = time.monotonic()
        if not message.reply.startswith(ACK):
            self._status(message)
            return
        found = places(message.reply)
        if found is None or found[1] != self._next:
            self._over = "a message is missing or came twice"
        elif not self._over:
            self._next += 1
            self._asked = max(self._asked - 1, 0)
            self.waiting = found[2]
            self._came.append(Came(message, found[0], found[2]))
        self._news.set()

    def _status(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "408":  # an asking is over: its rest is asked for again
            left = headers.get("Nats-Pending-Messages", "")
            self._asked = max(self._asked - int(left), 0) if left.isdigit() else 0
        elif status not in ("", "100"):
            self._over = f"JetStream says {status} {headers.get('Description', '')}".strip()
        self._news.set()
