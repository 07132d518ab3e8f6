"""The one client of addresses that somebody else wrote: kept connections an origin, few at once.

A name is looked up when a connection is opened, every address it has is checked, and the connection
goes to a checked address; what is kept stays where it was checked and is opened anew after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from typing import Any, Final

from pintu.kernel.calling.connection import Connection, Done
from pintu.kernel.calling.requests import Place, head_of, place_of, request_of
from pintu.kernel.calling.words import Ask, Reply, failure, kind_of
from pintu.kernel.egress import CONNECT_TIMEOUT_S, Egress
from pintu.kernel.errors import PintuError, Unavailable

AT_ONCE: Final = 32
"""Calls to one origin under way; more wait their turn, within their time."""

MOST_WAITING: Final = 2_000
MOST_OPEN: Final = 1_000
"""Connections to everybody: descriptors are not without end."""

IDLE_S: Final = 50.0
"""A connection nobody used is let go, before most servers do."""

OLDEST_S: Final = 300.0
"""A connection is not kept for ever: names move, and are checked again."""

SWEEP_S: Final = 10.0
_REMEMBERED: Final = 2_048
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class _Line:
    """What is open to one origin."""

    __slots__ = ("idle", "opened", "promised", "waiting")

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.promised = 0  # idle ones that somebody was woken for who waited for one
        self.opened = 0  # connections, idle or not
        self.waiting: deque[asyncio.Future[None]] = deque()


class Under:
    """A call under way over a kept connection that nobody's task waits for."""

    __slots__ = ("_ask", "_caller", "_connection", "_done", "_line")

    def __init__(
        self, caller: Caller, line: _Line, connection: Connection, ask: Ask, done: Done
    ) -> None:
        self._caller, self._line, self._connection = caller, line, connection
        self._ask, self._done = ask, done

    def finished(self, result: Reply | PintuError) -> None:
        """What the connection says: the connection is free before anybody hears of it."""
        done, self._done = self._done, _nobody
        self._caller.let_go(self._line, self._connection)
        done(result if isinstance(result, Reply) else _named(result, self._ask))

    def cancel(self) -> None:
        """Nobody wants to hear how it ends: the connection is closed."""
        self._done = _nobody
        self._connection.close()


def _nobody(result: Reply | PintuError) -> None:
    """Hears and forgets."""


class Caller:
    """Calls and keeps connections; lives on the city's loop. `tls` stands for the certificates that
    are believed; without it those of the machine."""

    def __init__(
        self, egress: Egress, *, tls: ssl.SSLContext | None = None, at_once: int = AT_ONCE
    ) -> None:
        self._egress, self._tls, self._at_once = egress, tls, at_once
        self._lines: dict[tuple[str, str, int], _Line] = {}
        self._opened = 0
        self._places: dict[str, Place] = {}
        self._heads: dict[tuple[str, str, tuple[tuple[str, str], ...]], bytes] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def call(self, ask: Ask) -> Reply:
        """Ask once and wait for the answer, whatever its status; redirects are not followed.

        Raises Forbidden for an address that may not be reached, BadRequestData for a header that is
        none, TooLarge for an answer over `ask.limit`, and Unavailable with a `kind_of` it for the
        rest. What was sent is sent again only where the method changes nothing.
        """
        place = self._place(ask.url)
        data = request_of(self._head(ask, place), ask.method, ask.body)
        line = self._lines.get(place.origin)
        if line is not None and not line.waiting and len(line.idle) > line.promised:
            connection = line.idle.pop()
            if connection.open:
                try:
                    return await self._on(line, connection, ask, data)
                except Unavailable as error:
                    if not (ask.method in _SAFE and connection.silent and _closed(error)):
                        raise
                self._drop_idle(line)  # what was kept as long as that one is likely gone too
            else:
                self._gone(line)
        return await self._anew(place, ask, data)

    def begin(self, ask: Ask, done: Done) -> Under | None:
        """As `call`, over a kept connection that is free now, without a task: `done` hears the
        reply or the error later. None: there is no such connection, or the call is none; `call`
        does it, or says why not.
        """
        line = self._free(ask.url)
        if line is None:
            return None
        place = self._place(ask.url)
        data = request_of(self._head(ask, place), ask.method, ask.body)
        connection = line.idle.pop()
        under = Under(self, line, connection, ask, done)
        connection.begin(
            data, ask.method, limit=ask.limit, timeout_s=ask.timeout_s, done=under.finished
        )
        return under

    def free(self, url: str) -> bool:
        """Whether a kept connection to an address is free now."""
        return self._free(url) is not None

    def _free(self, url: str) -> _Line | None:
        place = self._places.get(url)  # who was never called has no connection
        line = None if place is None else self._lines.get(place.origin)
        if line is None or line.waiting:
            return None
        while line.idle and not line.idle[-1].open:
            line.idle.pop()
            self._gone(line)
        return line if len(line.idle) > line.promised else None

    async def close(self) -> None:
        """Let go of what is kept; calls under way end as they end, nothing of them is kept."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for line in self._lines.values():
            self._drop_idle(line)
        self._lines.clear()

    def statistics(self) -> dict[str, int]:
        """Figures for the system page."""
        lines = self._lines.values()
        return {
            "origins": len(self._lines),
            "open": sum(one.opened for one in lines),
            "idle": sum(len(one.idle) for one in lines),
            "waiting": sum(len(one.waiting) for one in lines),
        }

    # --- a call -----------------------------------------------------------------------------------
    async def _anew(self, place: Place, ask: Ask, data: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        ends = loop.time() + ask.timeout_s
        line = self._lines.get(place.origin)
        if line is None:
            line = self._lines[place.origin] = _Line()
        try:
            async with asyncio.timeout_at(ends):
                connection = await self._connection(place, line)
        except TimeoutError as error:
            raise failure(
                "timeout", f"{place.authority} did not let us in within {ask.timeout_s:g} s"
            ) from error
        left_s = max(0.001, ends - loop.time())
        return await self._on(line, connection, ask, data, left_s)

    async def _on(
        self, line: _Line, connection: Connection, ask: Ask, data: bytes, left_s: float = 0.0
    ) -> Reply:
        timeout_s = left_s or ask.timeout_s
        try:
            return await connection.ask(data, ask.method, limit=ask.limit, timeout_s=timeout_s)
        except PintuError as error:
            raise _named(error, ask) from error
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self.let_go(line, connection)

    def _place(self, url: str) -> Place:
        place = self._places.get(url)
        if place is None:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            place = self._places[url] = place_of(url)
        return place

    def _head(self, ask: Ask, place: Place) -> bytes:
        key = (ask.method, ask.url, ask.headers)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _REMEMBERED:
                self._heads.clear()
            head = self._heads[key] = head_of(ask.method, place, ask.headers)
        return head

    # --- connections ------------------------------------------------------------------------------
    async def _connection(self, place: Place, line: _Line) -> Connection:
        """An open connection, a kept one or a new one; waits its turn."""
        while True:
            while line.idle:
                connection = line.idle.pop()
                if connection.open:
                    return connection
                self._gone(line)
            if line.opened < self._at_once:
                if not self._room():
                    raise failure("busy", f"{MOST_OPEN:,} connections are open already")
                return await self._open(place, line)
            await self._turn(line, place)

    def _room(self) -> bool:
        """Whether one more may be open; an idle one of somebody else makes room."""
        if self._opened < MOST_OPEN:
            return True
        for line in self._lines.values():
            if line.idle:
                line.idle.pop(0).close()
                self._gone(line)
                return True
        return False

    async def _turn(self, line: _Line, place: Place) -> None:
        if len(line.waiting) >= MOST_WAITING:
            raise failure("busy", f"{len(line.waiting):,} calls to {place.authority} wait already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
            line.promised -= 1
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                line.promised -= 1
                self._next(line)  # it was our turn already: it is the next one's
            raise
        finally:
            with contextlib.suppress(ValueError):
                line.waiting.remove(turn)

    async def _open(self, place: Place, line: _Line) -> Connection:
        line.opened += 1
        self._opened += 1
        try:
            return await self._connected(place)
        except BaseException:
            self._gone(line)
            self._next(line)
            raise

    async def _connected(self, place: Place) -> Connection:
        loop = asyncio.get_running_loop()
        told: Exception = OSError("it has no address")
        for address in await self._looked_up(place):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop), address, place.port, **self._secured(place)
                    )
            except ssl.SSLError as error:
                raise failure("tls", f"{place.authority} is not believed: {error}") from error
            except OSError as error:  # TimeoutError is one
                told = error
            else:
                self._sweep_later(loop)
                return connection
        if isinstance(told, TimeoutError):
            raise failure("timeout", f"{place.authority} does not take up connections") from told
        raise failure("refused", f"{place.authority} refused the connection: {told}") from told

    async def _looked_up(self, place: Place) -> list[str]:
        try:
            return await self._egress.addresses(place.host, place.port)
        except Unavailable as error:
            raise failure("unknown", error.detail) from error

    def _secured(self, place: Place) -> dict[str, Any]:
        if place.scheme != "https":
            return {}
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return {"ssl": self._tls, "server_hostname": place.host}

    def let_go(self, line: _Line, connection: Connection) -> None:
        """After a call: kept for the next one, or gone."""
        if connection.open and connection.used and not self._closed:
            connection.asked = True
            line.idle.append(connection)
        else:
            connection.close()
            self._gone(line)
        if line.waiting:
            self._next(line)

    def _drop_idle(self, line: _Line) -> None:
        for connection in line.idle:
            connection.close()
            self._gone(line)
        line.idle.clear()

    def _gone(self, line: _Line) -> None:
        line.opened -= 1
        self._opened -= 1

    def _next(self, line: _Line) -> None:
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                line.promised += 1
                turn.set_result(None)
                return

    # --- sweeping ---------------------------------------------------------------------------------
    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_S, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of what nobody used, forget origins without connections."""
        self._sweeping = None
        now = loop.time()
        for origin, line in list(self._lines.items()):
            for connection in list(line.idle):
                if connection.asked:
                    connection.asked, connection.idle_since = False, now
                old = now - connection.born > OLDEST_S or now - connection.idle_since > IDLE_S
                if old or not connection.open:
                    connection.close()
                    line.idle.remove(connection)
                    self._gone(line)
            if not line.opened and not line.waiting:
                del self._lines[origin]
        if self._lines:
            self._sweep_later(loop)


def _closed(error: PintuError) -> bool:
    return kind_of(error) == "closed"


def _named(error: PintuError, ask: Ask) -> PintuError:
    """The same error, saying which address it is about."""
    within = f" (within {ask.timeout_s:g} s)" if kind_of(error) == "timeout" else ""
    return type(error)(f"{ask.url}: {error.detail}{within}", **error.extra)
