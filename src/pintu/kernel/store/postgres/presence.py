"""Is the server here, which one is it, since when is it away, and what callers are told then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from pintu.kernel.errors import Unavailable

GRACE_S = 1.0
"""A read waits so long for a server that was here a moment ago."""

RETRY_S = 2
"""Seconds after which callers may try again."""

TOLD_EVERY_S = 15.0

log = logging.getLogger("pintu.store")


class Presence:
    """What everybody who uses one server shares; lives on the store's loop."""

    def __init__(self) -> None:
        self.host = ""  # "HOST:PORT" of the server we have or had
        self.standby = False  # it only reads: it follows another one
        self.writable = asyncio.Event()
        self.here = asyncio.Event()
        self.away_since: float | None = time.monotonic()
        self.last_error = ""
        self.closed = False
        self._told_at = 0.0

    @property
    def away_s(self) -> float:
        """Seconds since the server was last here; 0 while it is."""
        return 0.0 if self.away_since is None else time.monotonic() - self.away_since

    def why_not(self) -> str:
        """Why nothing can be written now, in plain words; empty when it can."""
        if self.closed:
            return "The store is closed"
        if self.writable.is_set():
            return ""
        if self.away_since is None:
            return f"The server {self.host} is a standby: it can be read, not written"
        return f"The store has been away for {self.away_s:.0f} s: {self.last_error or 'starting'}"

    def unavailable(self) -> Unavailable:
        """The error of a call that cannot be served now."""
        told = self.why_not() or "The server does not finish what is under way"
        return Unavailable(told, retry_after=RETRY_S)

    def gone(self, why: str, *, told: bool = True) -> None:
        """The server is away from now on."""
        if self.away_since is None:
            self.away_since = time.monotonic()
            if told:
                self.tell(f"The store at {self.host} is away: {why}", now=True)
        self.last_error = why
        self.here.clear()
        self.writable.clear()

    def arrived(self, host: str, *, standby: bool) -> None:
        """A server is here."""
        if self.host:
            kind = "a standby, which can only be read" if standby else "it takes writes"
            log.warning("The store is back after %.1f s at %s: %s", self.away_s, host, kind)
        self.host = host
        self.standby = standby
        self.away_since = None
        self.last_error = ""
        if not standby:
            self.writable.set()
        self.here.set()

    async def wait_a_moment(self) -> None:
        """For a server that was here a moment ago; raises Unavailable when that is over."""
        left = GRACE_S - self.away_s
        if left > 0 and not self.closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.here.wait()
        if self.closed or not self.here.is_set():
            raise self.unavailable()

    def tell(self, text: str, *, now: bool = False) -> None:
        """Into the log, but not at every attempt."""
        if now or time.monotonic() - self._told_at > TOLD_EVERY_S:
            self._told_at = time.monotonic()
            log.warning("%s; waiting for it", text)
