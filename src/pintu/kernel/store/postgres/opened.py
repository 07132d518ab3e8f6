"""What happens when a writing connection is there: the schema is brought to the newest version,
what we knew is compared with what the server has.
"""

from __future__ import annotations

import logging
from typing import Any

import asyncpg

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.postgres.group import State
from pintu.kernel.store.postgres.schema import MIGRATIONS
from pintu.kernel.store.postgres.statements import all_types

WRITING = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
}
"""Settings of the connection that writes: its few statements have one good plan, made once, also
while the tables are still empty.
"""

log = logging.getLogger("pintu.store")


async def prepare(
    connection: Any, schema: str, migrations: tuple[str, ...] = MIGRATIONS
) -> tuple[int, int]:
    """Bring a city's schema to the newest version, each step in one transaction; (version before,
    after).

    Raises ConfigurationError when it is newer than this Pintu or may not be made.
    """
    async with connection.transaction():
        # two that open one city at once: the second waits and finds it made
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", schema)
        try:
            if await connection.fetchval("SELECT to_regnamespace($1)", schema) is None:
                await connection.execute(f'CREATE SCHEMA "{schema}"')
            before = await _version(connection)
            if before > len(migrations):
                known = f"this Pintu's {len(migrations)}"
                raise ConfigurationError(
                    [f"Schema {schema} has version {before}, newer than {known}"]
                )
            for version in range(before, len(migrations)):
                await connection.execute(migrations[version])
                await connection.execute(
                    "INSERT INTO meta VALUES('version', $1) ON CONFLICT (key) DO UPDATE "
                    "SET value = excluded.value",
                    version + 1,
                )
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                [f"The schema {schema} cannot be made or changed by this user: {error}"]
            ) from error
    return before, len(migrations)


async def _version(connection: Any) -> int:
    if await connection.fetchval("SELECT to_regclass('meta')") is None:
        return 0
    found = await connection.fetchval("SELECT value FROM meta WHERE key = 'version'")
    return int(found or 0)


async def regain(connection: Any, state: State, *, known: int) -> None:
    """Know what the server has. `known`: the newest position this broker ever told, 0 at the start;
    a server that has less is one that had not received everything.
    """
    if not await connection.fetchval("SELECT pg_is_in_recovery()"):
        await connection.prepare(all_types(state.schema))
        await connection.execute("".join(f"SET {name} = {one};" for name, one in WRITING.items()))
    position, notes = await connection.fetchrow("SELECT position, notes FROM head")
    tombstones = await connection.fetchval("SELECT EXISTS(SELECT FROM tombstone)")
    cursors = await connection.fetch("SELECT name, position FROM cursor")
    if known:
        # numbers of names move no head: a server that lacks only those cannot be told from ours
        await _keep_tenants(connection, dict(state.names.tenants))
        state.names.forget()
    if position < known:
        state.lost += known - position
        log.critical(
            "The server has the log up to position %d, %d were acknowledged: it is a standby that "
            "had not received everything. What is missing is lost; positions go on after %d",
            position,
            known,
            known,
        )
        await connection.execute("UPDATE head SET position = greatest(position, $1)", known)
        position = known
    await state.names.load(connection)
    if notes < state.notes:
        log.critical(
            "The server has %d notes, %d were acknowledged: those behind are lost, and who has a "
            "receipt of one can prove it",
            notes,
            state.notes,
        )
    # from here on nothing is waited for: a read that began before must not come in between
    state.readings += 1
    state.position = position
    state.notes = notes
    state.numbers.clear()
    state.cache.clear()
    state.lookups.touched_all()
    state.entities = sum(shape.count for shape in state.names.shapes.values())
    state.tombstones = tombstones
    state.cursors.clear()
    state.cursors.update((row[0], row[1]) for row in cursors)


async def _keep_tenants(connection: Any, tenants: dict[str, int]) -> None:
    """Tenants whose numbers are in use keep them, also on a server that never heard of them."""
    await connection.execute(
        "INSERT INTO tenant(n, name) SELECT * FROM unnest($1::int[], $2::text[]) "
        "ON CONFLICT DO NOTHING",
        list(tenants.values()),
        list(tenants),
    )
    await connection.execute(
        "SELECT setval(pg_get_serial_sequence('tenant', 'n'), max(n)) FROM tenant"
    )
