"""Which of several brokers does what only one may do: a lock of the server that ends with its
session, and a row that says since when nobody heard of whoever holds it.

A killed broker's session ends at once, and the lock is the next one's within a beat. One that is
only silent (its machine hangs, its network is cut) keeps its session: when its row is older than
`LAPSE_S` its sessions are ended by whoever waits, and it stops by itself before that, `SURE_S`
after it last knew. So there are never two. Times in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from pintu.kernel.errors import PintuError
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import claim_key, require, told_plainly
from pintu.kernel.store.postgres.line import FAILED, Line, Purpose, connect_any
from pintu.kernel.store.postgres.opened import prepare

BEAT_S: Final = 0.5
"""How often it is asked who leads."""

SURE_S: Final = 4.0
LAPSE_S: Final = 6.0
ASK_S: Final = 2.0
"""A statement that takes longer is not waited for: the connection is made anew."""

GONE_S: Final = 15.0
"""A broker nobody heard of for so long is not told of any more."""

_KEYS: Final = "keys/log.pem of this data folder is not the one this city's log is signed with"

_BEAT = """
INSERT INTO broker(name, session, address, beat) VALUES($1, $2, $3, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET session = $2, address = $3, beat = clock_timestamp()
WHERE broker.session = $2 OR NOT EXISTS(
  SELECT FROM pg_stat_activity WHERE starts_with(application_name, broker.session))
RETURNING name
"""
_HOLD = """
UPDATE lead SET beat = clock_timestamp(), keys = $3, address = $4
WHERE session = $1 AND term = $2 RETURNING term
"""
_TAKE = """
UPDATE lead SET term = term + 1, broker = $1, session = $2, address = $3, keys = $4,
  secret = CASE secret WHEN '' THEN $5 ELSE secret END, beat = clock_timestamp()
RETURNING term
"""
_LOOK = """
SELECT term, broker, session, address, secret, keys,
  extract(epoch FROM clock_timestamp() - beat)::float8 AS age FROM lead
"""
_LEAVE = "UPDATE lead SET broker = '', session = '', address = '' WHERE session = $1 AND term = $2"
_END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid()
"""
_BROKERS = """
SELECT name, address, extract(epoch FROM clock_timestamp() - beat)::float8 AS age FROM broker
WHERE beat > clock_timestamp() - $1::float8 * interval '1 s' ORDER BY name
"""

_BROKEN: Final[tuple[type[BaseException], ...]] = (PintuError, *FAILED)

log = logging.getLogger("pintu.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One broker: its name among the others, how its sessions on the server are called, where the
    others reach it, the digest of the keys it would sign with."""

    name: str
    session: str
    address: str
    keys: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who leads: `term` grows with each change; `secret` is what brokers know each other by."""

    term: int
    name: str
    address: str
    secret: str


NOBODY: Final = Leader(term=0, name="", address="", secret="")


class Leading:
    """Asks for the lead as long as it lives; `changed` is called on the loop when it came or went,
    or when somebody else leads.
    """

    def __init__(self, address: StoreAddress, me: Member) -> None:
        self._address, self.me = address, me
        self._key = claim_key(f"{address.schema} lead")
        self._line: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._sure: asyncio.TimerHandle | None = None
        self._prepared = False  # the city's tables are there
        self._resigned = False
        self._taken = False  # the lock is ours
        self._wake = asyncio.Event()
        self._asking = asyncio.Lock()  # one statement at a time
        self.leader = NOBODY
        self.leads = False
        self.others: tuple[str, ...] = ()
        self.named = False  # nobody else has our name
        self.why_not = ""  # why this broker may not lead, in a sentence
        self.changed: Callable[[], None] = _nothing

    # --- life -------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run(), name="pintu-leading")

    async def resign(self) -> None:
        """Lead no more and do not ask again; the next one hears of it at his next beat."""
        self._resigned = True
        with contextlib.suppress(*_BROKEN):
            async with asyncio.timeout(ASK_S), self._asking:
                await self._let_go()

    async def close(self) -> None:
        """Let go of the lead and of the connection."""
        await self.resign()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._hang_up()

    async def wait(self, within_s: float) -> Leader:
        """Who leads, waited for so long; NOBODY when nobody does by then."""
        until = monotonic() + within_s
        while not self.leader.address and monotonic() < until:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(until - monotonic(), BEAT_S)):
                    await self._wake.wait()
        return self.leader

    # --- asking -----------------------------------------------------------------------------------
    async def _run(self) -> None:
        while True:
            began = monotonic()
            await self.ask()
            await asyncio.sleep(max(0.05, BEAT_S - (monotonic() - began)))

    async def ask(self) -> None:
        """Ask who leads, now: `leads` is then sure for `SURE_S`, if the server answered. What a
        loop that was busy did not notice in time is noticed first."""
        await asyncio.sleep(0)  # whose time is over by now is told so
        try:
            # at the start tables may have to be made
            async with asyncio.timeout(ASK_S if self._prepared else None), self._asking:
                await self._beat()
        except _BROKEN as error:
            log.info("Who leads cannot be asked: %s", told_plainly(error))
            await self._hang_up()
        except Exception:  # the loop's edge: it asks again
            log.exception("Who leads cannot be asked")
            await self._hang_up()

    async def _beat(self) -> None:
        connection = await self._connection()
        me, began = self.me, monotonic()
        named = await connection.fetchval(_BEAT, me.name, me.session, me.address)
        there = await connection.fetch(_BROKERS, GONE_S)
        self.others = tuple(row["name"] for row in there if row["name"] != me.name)
        if self.leads and await self._held(connection, began):
            return
        row = await connection.fetchrow(_LOOK)
        self._heard(row)
        self.named = named is not None
        self.why_not = self._unfit(row)
        if self._resigned or self.why_not or not self.named:
            return
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._key):
            await self._take(connection, row["session"], began)
        elif row["age"] > LAPSE_S and row["session"]:
            log.warning("%s leads and was not heard of for %.0f s", row["broker"], row["age"])
            await connection.execute(_END, row["session"])

    def _unfit(self, row: Any) -> str:
        """A log is signed with one set of keys: who has others serves, and does not lead."""
        return "" if row["keys"] in ("", self.me.keys()) else _KEYS

    async def _held(self, connection: Any, began: float) -> bool:
        """We led until now: do we still? The lock is asked for anew on a new connection."""
        me = self.me
        if not self._taken:
            self._taken = await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._key)
        if self._taken and await connection.fetchval(
            _HOLD, me.session, self.leader.term, me.keys(), me.address
        ):
            self._surely(began)
            return True
        self._lost("somebody else took the lead")
        if self._taken:  # and is gone again: ours is asked for anew
            await self._hang_up()
            raise OSError("the lead went to somebody else meanwhile")
        return False

    async def _take(self, connection: Any, before: str, began: float) -> None:
        """The lock is ours. What is left of whoever led before is ended before we do anything."""
        me = self.me
        if before and before != me.session:
            await connection.execute(_END, before)
        term = await connection.fetchval(
            _TAKE, me.name, me.session, me.address, me.keys(), secrets.token_urlsafe(32)
        )
        secret = await connection.fetchval("SELECT secret FROM lead")
        self._taken = self.leads = True
        self.leader = Leader(term=term, name=me.name, address=me.address, secret=secret)
        self._surely(began)
        self._tell()

    def _heard(self, row: Any) -> None:
        if self.leads:
            return
        here = row["age"] <= LAPSE_S
        heard = Leader(
            term=row["term"],
            name=row["broker"] if here else "",
            address=row["address"] if here else "",
            secret=row["secret"],
        )
        if heard != self.leader:
            self.leader = heard
            self._tell()

    # --- being sure -------------------------------------------------------------------------------
    def _surely(self, began: float) -> None:
        """Nobody else leads for `SURE_S` after the question that told us so was asked."""
        self._forget_sure()
        loop = asyncio.get_running_loop()
        left = began + SURE_S - monotonic()
        self._sure = loop.call_later(left, self._lost, "the server was not reached in time")

    def _forget_sure(self) -> None:
        if self._sure is not None:
            self._sure.cancel()
            self._sure = None

    def _lost(self, why: str) -> None:
        self._forget_sure()
        if self.leads:
            log.warning("%s leads no more: %s", self.me.name, why)
            self.leads = False
            self.leader = Leader(
                term=self.leader.term, name="", address="", secret=self.leader.secret
            )
            self._tell()

    def _tell(self) -> None:
        self._wake.set()
        self.changed()

    async def _let_go(self) -> None:
        term, led = self.leader.term, self.leads
        self._lost("it was told to stop")
        if led and self._line is not None:
            await self._line.connection.execute(_LEAVE, self.me.session, term)
            await self._hang_up()

    # --- the connection ---------------------------------------------------------------------------
    async def _connection(self) -> Any:
        if self._line is None or self._line.connection.is_closed():
            self._taken = False
            self._line = None
            kind = Purpose(me=self.me.session, name="leads", writes=True)
            line, standby = await connect_any(self._address, kind)
            if standby:
                line.terminate()
                raise OSError("there is only a standby")
            self._line = line
            if not self._prepared:
                await require(line.connection, self._address)
                await prepare(line.connection, self._address.schema)
                self._prepared = True
        return self._line.connection

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        self._taken = False
        if line is not None:
            line.terminate()


def _nothing() -> None:
    return None
