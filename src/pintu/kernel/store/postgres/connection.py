"""The connections of one city to its server: one that writes and holds the claim, several that
read; a keeper brings them back after the server was away.

Nothing here repeats a write. Who writes asks for the writing connection, and when that breaks says
so with `lost` and asks again: before it gets the new one, the `regained` hooks were asked with it,
so that they can find out what became of a commit under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from asyncpg import Connection

from pintu.kernel.errors import ConfigurationError, Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import claim_key, claimant, require, told_plainly
from pintu.kernel.store.postgres.line import FAILED, LOST, Line, Purpose, connect_any, on_end
from pintu.kernel.store.postgres.presence import RETRY_S, Presence
from pintu.kernel.store.postgres.readers import Readers

BACK_OFF_S = (0.05, 0.5)
"""First and longest pause between two attempts to reach the server."""

CLAIM_S = 10.0
"""How long a city that somebody has is waited for at the start: a killed broker's session ends
soon.
"""

BEAT_S = 5.0
"""How often the server is asked whether it is there: a dead network says nothing."""

AGAIN_S = 30.0
"""What is asked of a server that is back may take so long, else it is not back."""

LOOK_S = 1.0
"""How often a city on a standby looks for a server that takes writes."""

_CLAIM = "SELECT pg_try_advisory_lock($1)"
_SHARED = "SELECT pg_try_advisory_lock_shared($1)"
"""One of several writers: they keep out who wants the city alone, and the other way round."""

_END_EARLIER = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = $1 AND pid <> pg_backend_pid()
"""
_SETTLE = "SELECT pg_logical_emit_message(true, 'pintu', 'here')"
"""A commit of nothing: with synchronous standbys it waits until they have all that was before it.
"""

log = logging.getLogger("pintu.store")
T = TypeVar("T")
Hook = Callable[[Connection], Awaitable[None]]


class Connections:
    """Every connection of one store; lives on the store's loop. Times in seconds."""

    def __init__(self, address: StoreAddress, *, alone: bool = True, called: str = "") -> None:
        self.address = address
        self.alone = alone  # this process is the only writer of its city, by a lock of the server
        self.regained: list[Hook] = []  # asked with a new writing connection before anybody else
        self.only_reads: list[Callable[[], None]] = []  # told when there is only a standby
        self.presence = Presence()
        self.reconnects = 0
        self.switches = 0  # times another host was chosen
        self.me = f"{called or 'pintu'} {secrets.token_hex(4)}"  # in the server's list of sessions
        self._wrote = False  # we once had a server that takes writes
        self._writer: Line | None = None
        self._readers = Readers(address, self.presence, self._suspect, self.me)
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    # --- opening and closing ---------------------------------------------------------------------
    async def open(self, patience_s: float | None = None) -> None:
        """Connect, check the server, take the claim, and keep it so until `close`.

        Waits for a server that is away for `patience_s` (None: as long as it takes), saying so in
        the log. Raises Unavailable when that is over or another Pintu has the city,
        ConfigurationError for a server that is not what this Pintu needs or does not let us in.
        """
        started = time.monotonic()
        pause = BACK_OFF_S[0]
        while True:
            try:
                await self._connect()
                break
            except Refusal as refusal:
                if isinstance(refusal.shown, ConfigurationError):
                    raise refusal.shown from refusal
                patience = CLAIM_S if refusal.taken else patience_s
                if patience is not None and time.monotonic() - started + pause > patience:
                    raise refusal.shown from refusal
                self.presence.tell(str(refusal.shown))
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACK_OFF_S[1])
        self._keeper = asyncio.create_task(self._keep(), name="pintu-store-keeper")

    async def close(self) -> None:
        """End every connection; the claim ends with its own."""
        self.presence.closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._readers.close()
        self.presence.writable.clear()
        self.presence.here.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    # --- writing ---------------------------------------------------------------------------------
    @property
    def writer_now(self) -> Connection | None:
        """The writing connection, when there is one at this moment."""
        return None if self._writer is None else self._writer.connection

    async def writer(self, wait_s: float | None = None) -> Connection:
        """The writing connection, waited for at most `wait_s` (default: the address's).

        Only one task uses it at a time. Raises Unavailable: nothing was written, try again.
        """
        presence = self.presence
        if presence.closed or (presence.standby and not self._wrote):
            raise presence.unavailable()
        if self._writer is None:
            left = self.address.wait_s if wait_s is None else wait_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await presence.writable.wait()
        if self._writer is None:
            raise presence.unavailable()
        return self._writer.connection

    def lost(self, connection: Connection, error: BaseException) -> None:
        """The writing connection broke, or may have: a new one is made, the claim taken, the hooks
        asked. Says nothing about a statement that was under way: `head` knows.
        """
        writer = self._writer
        if writer is not None and writer.connection is connection:
            self._away(told_plainly(error))

    # --- reading ---------------------------------------------------------------------------------
    async def read(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What `ask` gets from a reading connection; asked again when that breaks meanwhile.

        Raises Unavailable when the server has been away for more than a moment or all connections
        are busy, DeadlineExceeded when a statement took longer than the address allows.
        """
        return await self._readers.read(ask)

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """The rows of one reading statement; see `read`."""
        return await self._readers.read(lambda connection: connection.fetch(sql, *arguments))

    async def apart(self, name: str, *, writes: bool = False, deadline_s: float = 0) -> Line:
        """One more connection for long work (a copy, an index); its caller closes it.

        Raises Unavailable when the server is away.
        """
        if not self.presence.here.is_set():
            raise self.presence.unavailable()
        kind = Purpose(me=self.me, name=name, writes=writes, deadline_s=deadline_s)
        try:
            line, _ = await connect_any(self.address, kind, first=self.presence.host, only=True)
        except FAILED as error:
            raise Unavailable(told_plainly(error), retry_after=RETRY_S) from error
        return line

    def statistics(self) -> dict[str, Any]:
        """Figures for the system page."""
        return {
            "server": self.presence.host,
            "standby": self.presence.standby,
            "writable": self.presence.writable.is_set(),
            "away_s": round(self.presence.away_s, 1),
            "reconnects": self.reconnects,
            "switches": self.switches,
            "connections": len(self._readers) + (self._writer is not None),
            "connection_error": self.presence.last_error,
        }

    # --- keeping ---------------------------------------------------------------------------------
    def _suspect(self, error: BaseException) -> None:
        """A reading connection broke: does the server still answer?"""
        if self._writer is None:
            self._away(told_plainly(error))
        self._wake.set()

    def _away(self, why: str, *, told: bool = True) -> None:
        """The server is gone, or is another one now: nothing of before is used again."""
        self.presence.gone(why, told=told)
        self._readers.renew()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.terminate()
        self._wake.set()

    async def _keep(self) -> None:
        """Bring the connections back whenever they are lost; look for one that writes while there
        is none; ask the server from time to time whether it is there.
        """
        presence = self.presence
        pause = BACK_OFF_S[0]
        while True:
            with contextlib.suppress(TimeoutError):
                beat_s = BEAT_S if self._writer is not None else LOOK_S
                async with asyncio.timeout(beat_s):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if presence.here.is_set() and await self._answers() and not presence.standby:
                    continue
                await self._connect()
                pause = BACK_OFF_S[0]
            except Refusal as refusal:
                self._refused(refusal)
            except Exception as error:  # the loop's edge: the keeper never ends
                log.exception("The store's connections cannot be kept")
                presence.last_error = told_plainly(error)
            if not presence.here.is_set():
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACK_OFF_S[1])
                self._wake.set()

    def _refused(self, refusal: Refusal) -> None:
        if self.presence.here.is_set():  # on a standby: nobody else to be found yet
            return
        cause = refusal.__cause__
        self.presence.last_error = str(refusal) if cause is None else told_plainly(cause)
        self.presence.tell(str(refusal.shown))

    async def _answers(self) -> bool:
        """Does the server answer a statement within its time?"""
        before = self.presence.here.is_set()
        try:
            async with asyncio.timeout(self.address.connect_s):
                await self.fetch("SELECT 1")
        except Unavailable:
            return before and self.presence.here.is_set()
        except LOST as error:
            # readers that are all busy keep our question waiting: others got their answers
            if self._readers.answered > time.monotonic() - self.address.connect_s:
                return True
            self._away(told_plainly(error))
            return False
        return True

    async def _connect(self) -> None:
        """One attempt: the hosts in turn, the claim, the hooks. Raises Refusal."""
        kind = Purpose(me=self.me, name="writes", writes=True, lock_s=self.address.lock_s)
        line = None
        try:
            line, standby = await connect_any(self.address, kind, first=self.presence.host)
            # at the start tables may be made, and that takes its time
            async with asyncio.timeout(AGAIN_S if self._wrote else None):
                await self._take_over(line, standby)
        except BaseException as error:
            if line is not None:
                line.terminate()
            if isinstance(error, (*FAILED, ConfigurationError)):
                raise Refusal(self._told(error)) from error
            raise

    async def _take_over(self, line: Line, standby: bool) -> None:
        presence = self.presence
        if presence.closed:
            raise Refusal(presence.unavailable())
        if standby and presence.here.is_set():
            await line.close()
            return
        if line.host != presence.host:
            await require(line.connection, self.address)
        if not standby:
            await self._claim(line.connection)
            for hook in self.regained:
                await hook(line.connection)
            if presence.here.is_set():
                self._away("a server that takes writes was found", told=False)
        self._arrived(line, standby)

    def _arrived(self, line: Line, standby: bool) -> None:
        if self.presence.host:
            self.reconnects += 1
            self.switches += line.host != self.presence.host
        if standby:
            for told in self.only_reads:
                told()
            self._readers.adopt(line)
        else:
            self._wrote = True
            self._writer = line
            on_end(line, lambda: self._ended(line))
        self.presence.arrived(line.host, standby=standby)

    async def _claim(self, connection: Connection) -> None:
        """Take the city for as long as this connection lives; without `alone` only our own name.

        Either way an earlier writing session of ours is over then, and what it committed is where
        a synchronous standby has it: else a commit could still arrive after we looked.
        """
        schema = self.address.schema
        key = claim_key(schema if self.alone else f"{schema} {self.me}")
        if not await connection.fetchval(_CLAIM, key):
            await connection.execute(_END_EARLIER, f"{self.me} writes")
            await asyncio.sleep(BACK_OFF_S[0])
            if not await connection.fetchval(_CLAIM, key):
                who = await claimant(connection, key)
                told = f"Another Pintu has the city in {self.address.shown}: {who}"
                raise Refusal(Unavailable(told, retry_after=RETRY_S), taken=True)
        if not self.alone and not await connection.fetchval(_SHARED, claim_key(schema)):
            who = await claimant(connection, claim_key(schema))
            raise Refusal(Unavailable(f"{who} has the city alone", retry_after=RETRY_S), taken=True)
        await connection.fetchval(_SETTLE)

    def _ended(self, line: Line) -> None:
        if self._writer is line and not self.presence.closed:
            self._away("the server closed the connection")

    def _told(self, error: BaseException) -> Exception:
        if isinstance(error, ConfigurationError):
            return error
        told = told_plainly(error)
        if isinstance(
            error,
            asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError,
        ):
            return ConfigurationError([f"The store {self.address.shown}: {told}"])
        where = self.address.shown
        return Unavailable(f"The store {where} cannot be reached: {told}", retry_after=RETRY_S)


class Refusal(Exception):
    """One attempt to connect failed; `shown` is what our caller gets when patience ends."""

    def __init__(self, shown: Exception, *, taken: bool = False) -> None:
        super().__init__(str(shown))
        self.shown = shown
        self.taken = taken
