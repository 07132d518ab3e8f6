"""Timers: durable, at least once, in the city's time however fast it runs."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, PintuError, TooLarge
from pintu.kernel.tables import CityTables, put_rows
from pintu.kernel.timers.schema import TABLES, TIMER

log = logging.getLogger("pintu.timers")

MAX_TIMERS = 200_000
MAX_PAYLOAD = 16_384
LONGEST_SLEEP_S = 1.0  # how soon a clock that was set by hand is noticed
ATTEMPTS = 10
HANDLER_TIMEOUT_S = 60.0
PAUSE_S = 1.0  # before the second call, doubled each time after; real seconds
AT_ONCE = 32
AT_ONCE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One call of a handler. `id` is the same however often the call is repeated: do its work once
    a id.
    """

    name: str
    key: str
    at_us: int
    payload: Any
    attempt: int

    @property
    def id(self) -> str:
        """The idempotency key of what the handler does."""
        return f"{self.name}/{self.key}/{self.at_us}"


Handler = Callable[[Firing], Awaitable[None]]


@dataclass(slots=True)
class _Entry:
    at_us: int
    payload: bytes
    attempts: int = 0
    error: str = ""
    running: bool = False
    kept: bool = True  # on disk


class Timers:
    """Calls handlers when their time has come.

    A timer is one (name, key); setting it again moves it. It is on disk before `set` returns and
    leaves
    after its handler returned, so a crash repeats a call rather than losing it. What came due while
    the
    city was down fires at once. A handler that raises is called again with growing pauses, ten
    times;
    then the timer stays, with its error, in `list_failed`.
    """

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._file = tables.register(TABLES)
        self._clock = clock
        self._handlers: dict[str, Handler] = {}
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._heap: list[tuple[int, str, str]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._file.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        for row in connection.execute(sa.select(TIMER)):
            entry = _Entry(row.at_us, row.payload, row.attempts, row.error)
            self._entries[row.name, row.key] = entry
            self._push(row.name, row.key, row.at_us)

    def _push(self, name: str, key: str, at_us: int) -> None:
        heapq.heappush(self._heap, (at_us, name, key))
        self._wake.set()

    # --- asking -----------------------------------------------------------------------------------
    def on(self, name: str, handler: Handler) -> None:
        """Who is called for timers of this name; what is overdue fires at once. One handler a
        name.
        """
        if name in self._handlers:
            raise ValueError(f"timer {name!r} has a handler already")
        self._handlers[name] = handler
        for (other, key), entry in self._entries.items():
            if other == name:
                self._push(name, key, entry.at_us)

    async def set(self, name: str, key: str, at_us: int, payload: Any = None) -> None:
        """Call the handler of `name` at `at_us` (city time) with JSON `payload`; durable when it
        returns.

        Raises TooLarge for a payload over 16 kB or more than 200,000 timers.
        """
        before = self._entries.get((name, key))
        entry = self._enter(name, key, at_us, payload)
        try:
            await self._file.run(_row(name, key, entry))
        except PintuError:
            if before is None:
                self._entries.pop((name, key), None)
            else:
                self._entries[name, key] = before
            raise
        if self._entries.get((name, key)) is entry:
            self._push(name, key, at_us)

    def set_now(self, name: str, key: str, at_us: int, payload: Any = None) -> None:
        """As `set`, waiting for the disk: while a city starts."""
        entry = self._enter(name, key, at_us, payload)
        self._file.run_now(_row(name, key, entry))
        self._push(name, key, at_us)

    async def set_many(
        self, name: str, wanted: Sequence[tuple[str, int, Any]], *, gone: Iterable[str] = ()
    ) -> None:
        """As `set` for many (key, time, payload) of one name, and `cancel` for the keys in `gone`,
        in one transaction. Raises TooLarge when there is no room for all; then none is set."""
        keys = [key for key in gone if self._entries.pop((name, key), None) is not None]
        if len(self._entries) + len(wanted) > MAX_TIMERS:
            raise TooLarge(f"There are {len(self._entries)} timers already")
        entered = [(key, self._enter(name, key, at, told)) for key, at, told in wanted]
        rows = [_values(name, key, entry) for key, entry in entered]

        def work(connection: Connection) -> None:
            for at in range(0, len(keys), AT_ONCE_ROWS):
                some = TIMER.c.key.in_(keys[at : at + AT_ONCE_ROWS])
                connection.execute(TIMER.delete().where(TIMER.c.name == name, some))
            put_rows(connection, TIMER, rows)

        try:
            if rows or keys:
                await self._file.run(work)
        finally:  # also of what could not be written: in this life it fires all the same
            for key, entry in entered:
                if self._entries.get((name, key)) is entry:
                    self._push(name, key, entry.at_us)

    def remind(
        self, name: str, wanted: Iterable[tuple[str, int, Any]], *, gone: Iterable[str] = ()
    ) -> None:
        """As `set_many`, in this life of the city only and without a disk: for who knows at the
        next start what waits, and asks again. Raises TooLarge when there is no room."""
        for key in gone:
            self._entries.pop((name, key), None)
        for key, at_us, payload in wanted:
            self._enter(name, key, at_us, payload).kept = False
            self._push(name, key, at_us)

    def _enter(self, name: str, key: str, at_us: int, payload: Any) -> _Entry:
        if not name or not key or len(name) > 100 or len(key) > 300:
            raise BadRequestData(f"Timer {name[:50]!r}/{key[:50]!r} needs a name and a key")
        body = msgspec.json.encode(payload)
        if len(body) > MAX_PAYLOAD:
            raise TooLarge(f"Timer {name}/{key} has a payload of {len(body)} bytes")
        if len(self._entries) >= MAX_TIMERS and (name, key) not in self._entries:
            raise TooLarge(f"There are {MAX_TIMERS} timers already")
        entry = self._entries[name, key] = _Entry(at_us, body)
        return entry

    async def cancel(self, name: str, key: str) -> bool:
        """Forget a timer; False when there was none. A call under way is not interrupted."""
        if self._entries.pop((name, key), None) is None:
            return False
        gone = TIMER.delete().where(TIMER.c.name == name, TIMER.c.key == key)
        await self._file.run(lambda connection: connection.execute(gone))
        return True

    def due(self, name: str, key: str) -> int | None:
        """When a timer will fire (city µs), or None."""
        entry = self._entries.get((name, key))
        return None if entry is None else entry.at_us

    def count(self) -> int:
        """How many timers are set."""
        return len(self._entries)

    def list_failed(self) -> list[tuple[str, str, str]]:
        """(name, key, error) of those whose handler failed ten times."""
        return [
            (name, key, entry.error)
            for (name, key), entry in self._entries.items()
            if entry.attempts >= ATTEMPTS
        ]

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to call."""
        self._task = asyncio.create_task(self._run(), name="timers")

    async def stop(self) -> None:
        """Stop calling; calls under way are cut off and repeated after the next start."""
        for task in [*self._calls, *([self._task] if self._task else [])]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._task = None

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            while self._heap and len(self._calls) < AT_ONCE:
                if self._heap[0][0] > self._clock.now_us():
                    break
                self._fire(*heapq.heappop(self._heap))
            wait_s = LONGEST_SLEEP_S
            if self._heap and len(self._calls) < AT_ONCE:
                ahead_us = self._heap[0][0] - self._clock.now_us()
                wait_s = min(wait_s, max(0.0, ahead_us / self._clock.rate / 1e6))
            # Not wait_for: in 3.11 it may swallow the cancellation of `stop`.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _fire(self, at_us: int, name: str, key: str) -> None:
        entry = self._entries.get((name, key))
        if entry is None or entry.running or entry.attempts >= ATTEMPTS:
            return
        if entry.attempts == 0 and entry.at_us != at_us:
            return  # it was moved; its own place in the heap is elsewhere
        handler = self._handlers.get(name)
        if handler is None:
            return  # `on` puts it back
        entry.running = True
        task = asyncio.create_task(self._call(handler, name, key, entry))
        self._calls.add(task)
        task.add_done_callback(self._called)

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._wake.set()

    async def _call(self, handler: Handler, name: str, key: str, entry: _Entry) -> None:
        payload = msgspec.json.decode(entry.payload)
        firing = Firing(
            name=name, key=key, at_us=entry.at_us, payload=payload, attempt=entry.attempts + 1
        )
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                await handler(firing)
        except Exception as error:  # a loop's edge: one handler's mistake stops no other timer
            log.exception("Timer %s/%s failed (attempt %d)", name, key, firing.attempt)
            await self._again(name, key, entry, f"{type(error).__name__}: {error}"[:500])
            return
        finally:
            entry.running = False
        if self._entries.get((name, key)) is entry:
            del self._entries[name, key]
            if not entry.kept:
                return
            gone = _mine(TIMER.delete(), name, key, entry)
            await self._write_down(lambda connection: connection.execute(gone), name, key)

    async def _write_down(self, work: Callable[[Connection], Any], name: str, key: str) -> None:
        """What was done is written down even when `stop` cuts us off here; where it cannot be, the
        next life of the city repeats the call rather than losing it."""
        try:
            await asyncio.shield(self._file.run(work))
        except PintuError as error:
            log.warning("Timer %s/%s is not written down: %s", name, key, error.detail)

    async def _again(self, name: str, key: str, entry: _Entry, error: str) -> None:
        if self._entries.get((name, key)) is not entry:
            return
        entry.attempts += 1
        entry.error = error
        if entry.kept:
            change = _mine(TIMER.update(), name, key, entry).values(
                attempts=entry.attempts, error=error
            )
            await self._write_down(lambda connection: connection.execute(change), name, key)
        pause_s = min(PAUSE_S * 2.0 ** (entry.attempts - 1), 300.0)
        # real seconds: a clock that is set back meanwhile makes nobody wait for an hour
        asyncio.get_running_loop().call_later(pause_s, self._push, name, key, entry.at_us)


def _row(name: str, key: str, entry: _Entry) -> Callable[[Connection], None]:
    row = _values(name, key, entry)
    return lambda connection: put_rows(connection, TIMER, [row])


def _values(name: str, key: str, entry: _Entry) -> dict[str, Any]:
    row = {"name": name, "key": key, "at_us": entry.at_us, "payload": entry.payload}
    return row | {"attempts": 0, "error": ""}


def _mine(statement: Any, name: str, key: str, entry: _Entry) -> Any:
    """Only the row this entry stands for: a handler may have set the same timer again meanwhile."""
    return statement.where(TIMER.c.name == name, TIMER.c.key == key, TIMER.c.at_us == entry.at_us)
