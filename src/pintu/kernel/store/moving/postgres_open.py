"""A mover's own connection to PostgreSQL: to the host that takes writes, looking in one schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import claim_key, require
from pintu.kernel.store.postgres.opened import prepare as made

UNHURRIED = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN "
    "('idle_in_transaction_session_timeout', 'idle_session_timeout')"
)
"""A lock or claim is held while nothing is asked of its connection; older servers know one."""


async def connect(address: StoreAddress) -> asyncpg.Connection[Any]:
    """One connection; commits of a move need not wait for the disk one by one, its last one does.

    Raises Unavailable, saying what each host answered.
    """
    answers = []
    for host, port in address.hosts:
        try:
            found: asyncpg.Connection[Any] = await asyncpg.connect(
                **address.for_asyncpg(host, port),
                server_settings={
                    "search_path": f'"{address.schema}", public',
                    "timezone": "UTC",
                    "application_name": "pintu move",
                    "synchronous_commit": "off",
                },
            )
            if not await found.fetchval("SELECT pg_is_in_recovery()"):
                await found.execute(UNHURRIED)
                return found
            await found.close()
            answers.append(f"{host}:{port} takes no writes (a standby)")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            answers.append(f"{host}:{port}: {str(error) or type(error).__name__}")
    raise Unavailable(f"No server of the store takes writes: {'; '.join(answers)}")


async def prepare(address: StoreAddress, connection: asyncpg.Connection[Any]) -> None:
    """Look whether the server is what a city needs, and make the city's schema where it is missing.

    Raises ConfigurationError with a sentence for each thing that is not so.
    """
    await require(connection, address)
    await made(connection, address.schema)


async def claimed(address: StoreAddress) -> asyncpg.Connection[Any]:
    """A connection that has the right to write a schema, as a running city has it.

    Raises Unavailable when somebody has it already.
    """
    connection = await connect(address)
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", claim_key(address.schema)):
        await connection.close()
        raise Unavailable(f"A city runs on {address.shown}: stop it first")
    return connection


async def forget(address: StoreAddress, more: Sequence[str]) -> list[str]:
    """Drop the schema of a city that moved away, and `more` schemas: its private tables.

    Raises Unavailable while a city runs on it.
    """
    connection = await claimed(address)
    try:
        gone = []
        for name in (address.schema, *more):
            if await connection.fetchval("SELECT to_regnamespace($1)", f'"{name}"') is not None:
                await connection.execute(f'DROP SCHEMA "{name}" CASCADE')
                gone.append(name)
        return gone
    finally:
        await connection.close()
