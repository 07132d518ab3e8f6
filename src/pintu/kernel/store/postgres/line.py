"""One connection to a server: made to the right host, with what it needs said once at its start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg import Connection

from pintu.kernel.store.address import StoreAddress

log = logging.getLogger("pintu.store")

LOST: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # the server became a standby under us
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # also a time-out: of what became of the statement we know nothing
)
"""What a statement raises when its connection is gone or cannot be trusted any more."""

FAILED: tuple[type[BaseException], ...] = (asyncpg.PostgresError, *LOST)
"""What goes wrong while a connection is made."""

_TIMELINE = """
SELECT CASE WHEN pg_is_in_recovery() THEN 0
ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END
"""

LEAVE_S = 2.0
ASK_S = 5.0


def is_lost(error: BaseException) -> bool:
    """Did a statement fail because of its connection, so that nobody knows what became of it?

    asyncpg's complaint about an argument (DataError) is an InterfaceError too, and is not one.
    """
    return isinstance(error, LOST) and not isinstance(error, asyncpg.DataError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a connection is for; times in seconds, 0: no limit."""

    me: str  # who we are and
    name: str  # what this is for: so the server's list of sessions calls it
    writes: bool = False
    deadline_s: float = 0  # of a statement
    lock_s: float = 0  # a statement waits for a lock

    def settings(self, address: StoreAddress) -> dict[str, str]:
        """What the server is told when the connection begins."""
        return {
            "search_path": f"{address.schema},public",
            "application_name": f"{self.me} {self.name}",
            "timezone": "UTC",
            "statement_timeout": str(int(self.deadline_s * 1000)),
            "lock_timeout": str(int(self.lock_s * 1000)),
            "default_transaction_read_only": "off" if self.writes else "on",
            "jit": "off",  # compiling costs more than any statement of a page
            "tcp_keepalives_idle": "15",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }


@dataclass(slots=True, eq=False)
class Line:
    """A connection and where it leads; `age` says of which life of the server it is."""

    connection: Connection
    host: str
    age: int = 0

    async def close(self) -> None:
        """Say goodbye, but wait for no answer that does not come."""
        with contextlib.suppress(*FAILED):
            await self.connection.close(timeout=LEAVE_S)

    def terminate(self) -> None:
        """End it without a word."""
        if not self.connection.is_closed():
            self.connection.terminate()


def on_end(line: Line, ended: Callable[[], None]) -> None:
    """Call `ended` on the loop when the connection is gone, whoever ended it."""

    def told(_: Any) -> None:
        ended()

    line.connection.add_termination_listener(told)


async def connect(address: StoreAddress, host: str, port: int, purpose: Purpose) -> Line:
    """One connection to one host.

    Raises what asyncpg and the network raise, ConfigurationError for a file that is not readable.
    """
    connection: Connection = await asyncpg.connect(
        **address.for_asyncpg(host, port),
        server_settings=purpose.settings(address),
        statement_cache_size=300,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
        # a server that answers nothing at all is noticed a little after its own deadline
        command_timeout=purpose.deadline_s + 2 if purpose.deadline_s else None,
    )
    return Line(connection, f"{host}:{port}")


async def connect_any(
    address: StoreAddress, purpose: Purpose, *, first: str = "", only: bool = False
) -> tuple[Line, bool]:
    """(connection, is it to a standby): to a host that takes writes, else to a standby.

    `first` ("HOST:PORT") is preferred, with `only` no other is asked. Of two that take writes, as
    after a failover whose old server came back, the one with the longer history is right. Raises
    the last host's error when none answers.
    """
    hosts = sorted(address.hosts, key=lambda one: f"{one[0]}:{one[1]}" != first)
    if only:
        return await connect(address, *hosts[0], purpose), False
    asking = [asyncio.ensure_future(_known(address, *host, purpose)) for host in hosts]
    try:
        answers = await asyncio.gather(*asking, return_exceptions=True)
    except BaseException:
        for one in asking:
            one.add_done_callback(_let_go)
        raise
    found = [one for one in answers if not isinstance(one, BaseException)]
    if not found:
        raise next(one for one in reversed(answers) if isinstance(one, BaseException))
    chosen = max(found, key=lambda one: one[1])  # the first of the best
    writing = {timeline for _, timeline in found if timeline}
    if len(writing) > 1:
        log.critical(
            "%s take writes, each for itself: %s was promoted last and is used; stop the others",
            " and ".join(line.host for line, timeline in found if timeline),
            chosen[0].host,
        )
    for line, _ in found:
        if line is not chosen[0]:
            line.terminate()
    return chosen[0], chosen[1] == 0


def _let_go(asked: asyncio.Future[tuple[Line, int]]) -> None:
    """Nobody waits for this connection any more."""
    if not asked.cancelled() and asked.exception() is None:
        asked.result()[0].terminate()


async def _known(address: StoreAddress, host: str, port: int, purpose: Purpose) -> tuple[Line, int]:
    """A connection and how often its server's history was continued by a promotion; a standby, that
    replays another one's log, is 0.
    """
    line = await connect(address, host, port, purpose)
    try:
        async with asyncio.timeout(ASK_S):
            return line, int(await line.connection.fetchval(_TIMELINE))
    except BaseException:
        line.terminate()
        raise
