"""A mover's own connection to PostgreSQL: to the host that takes writes, looking in one schema."""

from __future__ import annotations

from typing import Any

import asyncpg

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.schema import MIGRATIONS


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
                return found
            await found.close()
            answers.append(f"{host}:{port} takes no writes (a standby)")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            answers.append(f"{host}:{port}: {str(error) or type(error).__name__}")
    raise Unavailable(f"No server of the store takes writes: {'; '.join(answers)}")


async def prepare(address: StoreAddress, connection: asyncpg.Connection[Any]) -> None:
    """Make the city's schema where it is missing."""
    there = await connection.fetchval("SELECT to_regclass('meta') IS NOT NULL")
    if not there:
        async with connection.transaction():
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
            for step in MIGRATIONS:
                await connection.execute(step)
            version = "INSERT INTO meta VALUES('version', $1)"
            await connection.execute(version, len(MIGRATIONS))
