"""One connection: one call at a time, its answer read as it comes; the unexpected closes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from pintu.kernel.calling.answers import Answer, Heads
from pintu.kernel.calling.words import Reply, failure
from pintu.kernel.errors import PintuError

Done = Callable[[Reply | PintuError], None]


class Connection(asyncio.Protocol):
    """A kept connection to a checked address."""

    __slots__ = (
        "_answer", "_done", "_ends", "_known", "_loop", "_timer", "_transport", "asked", "born",
        "idle_since", "open", "used",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._done: Done | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._known: Heads = {}
        self._ends = 0.0
        self.open = False
        self.used = 0  # calls answered
        self.asked = True  # since the caller last looked for what nobody uses
        self.born = self.idle_since = loop.time()

    def ask(
        self, data: bytes, method: str, *, limit: int, timeout_s: float
    ) -> asyncio.Future[Reply]:
        """As `begin`; the future has the answer."""
        waiter: asyncio.Future[Reply] = self._loop.create_future()

        def done(result: Reply | PintuError) -> None:
            if waiter.done():
                return
            if isinstance(result, Reply):
                waiter.set_result(result)
            else:
                waiter.set_exception(result)

        self.begin(data, method, limit=limit, timeout_s=timeout_s, done=done)
        return waiter

    def begin(self, data: bytes, method: str, *, limit: int, timeout_s: float, done: Done) -> None:
        """Send a whole request; `done` hears its answer or what went wrong, once. Call only while
        `open` and idle."""
        assert self._transport is not None and self._done is None
        self._done = done
        self._answer = Answer(method, limit, self._known)
        self._ends = ends = self._loop.time() + timeout_s
        # One timer serves many calls: it looks whether its time has come when it fires.
        if self._timer is None or self._timer.when() > ends:
            self._set_timer(ends)
        self._transport.write(data)

    @property
    def silent(self) -> bool:
        """Nothing of an answer came yet."""
        return self._answer is None or not self._answer.started

    def close(self) -> None:
        """Let go at once; a call under way fails."""
        self.open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    # --- what the loop calls ----------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self.open = True

    def data_received(self, data: bytes) -> None:
        """A part of an answer; without a question it is nobody's and ends the connection."""
        answer = self._answer
        if answer is None or self._done is None:
            self.close()
            return
        try:
            reply = answer.feed(data)
        except PintuError as error:
            self._finish(error)
            return
        if reply is not None:
            self._finish(reply)

    def eof_received(self) -> bool:
        """The other side will say no more: close, `connection_lost` ends what is under way."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone; where closing is the end of an answer, the answer is whole."""
        self.close()
        answer = self._answer
        if answer is None or self._done is None:
            return
        if error is not None:
            self._finish(failure("closed", f"The connection broke: {error}"))
            return
        try:
            self._finish(answer.ended())
        except PintuError as told:
            self._finish(told)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if self._loop.time() < self._ends:
            self._set_timer(self._ends)
        else:
            self._finish(failure("timeout", "It did not answer in time"))

    def _finish(self, result: Reply | PintuError) -> None:
        done, answer = self._done, self._answer
        assert done is not None and answer is not None
        self._done = None
        if isinstance(result, Reply):
            self.used += 1
            self._answer = None
            if not answer.keep:
                self.close()
        else:
            self.close()
        done(result)
