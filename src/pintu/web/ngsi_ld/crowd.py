"""All connections of one door: how many there may be, what those who do not read may cost, and one
look a second at the clocks of each.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from pintu.web.ngsi_ld.wire import Limits

LOOK_S = 1.0
LINGERING = 256
"""Connections over the limit that may wait for their 503 to be read; more are cut at once."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b"retry-after: 5\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
)
_TOLD = (
    b'{"type":"about:blank","title":"Service unavailable","status":503,'
    b'"detail":"There are %d connections, which is all there may be"}'
)


class Member(Protocol):
    """One connection, as the crowd sees it."""

    transport: Any

    def look(self, now: float) -> None:
        """Close what waited too long."""
        ...

    @property
    def weight(self) -> int:
        """About how many bytes of memory wait for the client to read."""
        ...


class Crowd:
    """Everybody who is connected. `refused`, `cut`: connections over the limit, and those that did
    not read."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.members: set[Member] = set()
        self.paused: dict[Member, tuple[float, int]] = {}  # since when, and how much was unread
        self.body_bytes = 0  # of large bodies that are on their way
        self.refused = 0
        self.cut = 0
        self._lingering = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- coming and going -------------------------------------------------------------------------
    def enter(self, member: Member, loop: asyncio.AbstractEventLoop) -> bool:
        """Take a connection in; False: it was one too many, and was told."""
        if len(self.members) >= self.limits.connections:
            self._refuse(member, loop)
            return False
        self.members.add(member)
        if self._timer is None:
            self._timer = loop.call_later(LOOK_S, self._look, loop)
        return True

    def leave(self, member: Member) -> None:
        """It is gone."""
        self.members.discard(member)
        self.paused.pop(member, None)

    def _refuse(self, member: Member, loop: asyncio.AbstractEventLoop) -> None:
        self.refused += 1
        transport = member.transport
        if self._lingering >= LINGERING:
            transport.abort()
            return
        # closed at once, the answer would be lost with the request that is on its way
        self._lingering += 1
        told = _TOLD % self.limits.connections
        transport.write(FULL % (len(told), told))
        with contextlib.suppress(NotImplementedError, RuntimeError, OSError):  # TLS has no half
            transport.write_eof()

        def over() -> None:
            self._lingering -= 1
            transport.abort()

        loop.call_later(LOOK_S, over)

    # --- those who do not read --------------------------------------------------------------------
    def pause(self, member: Member, now: float) -> None:
        """Its client reads no more; what waits for it counts from here on."""
        self.paused[member] = (now, member.weight)
        if sum(weight for _, weight in self.paused.values()) > self.limits.unread_bytes:
            self._relieve()

    def resume(self, member: Member) -> None:
        """Its client reads again."""
        self.paused.pop(member, None)

    def _relieve(self) -> None:
        """Too much waits altogether: those who cost most are cut until it is half."""
        weights = sorted(((one.weight, id(one), one) for one in self.paused), reverse=True)
        total = sum(weight for weight, _, _ in weights)
        for weight, _, one in weights:
            if total <= self.limits.unread_bytes // 2:
                return
            total -= weight
            self._cut(one)

    def _cut(self, member: Member) -> None:
        self.cut += 1
        self.paused.pop(member, None)
        member.transport.abort()

    # --- once a second ----------------------------------------------------------------------------
    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in list(self.paused):
            since, weight = self.paused[one]
            left = one.weight
            if left < weight:
                self.paused[one] = (now, left)  # slowly, but it reads
            elif now - since > self.limits.unread_seconds:
                self._cut(one)
        for member in list(self.members):
            member.look(now)
        busy = bool(self.members)
        self._timer = loop.call_later(LOOK_S, self._look, loop) if busy else None
