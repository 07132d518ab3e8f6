"""The second store: PostgreSQL with PostGIS through asyncpg, behind the same port."""

from __future__ import annotations

from pintu.kernel.clock import Clock
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.postgres.schema import Tuning
from pintu.kernel.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "Tuning", "open_postgres"]


async def open_postgres(
    address: str,
    *,
    clock: Clock,
    alone: bool = True,
    tuning: Tuning | None = None,
    patience_s: float | None = 0,
    called: str = "",
) -> PostgresStore:
    """Open (or make) the city's schema on a server and bring it to the newest version.

    `alone` False: one of several writers of this city. `called`: how its sessions on the server are
    called. Raises Unavailable when the server stays
    away for `patience_s` (None: waits) or another process has the city, ConfigurationError when
    the address or the server is not what this Pintu needs.
    """
    store = PostgresStore(
        parse_address(address), clock=clock, alone=alone, tuning=tuning or Tuning(), called=called
    )
    try:
        await store.open(patience_s)
    except BaseException:
        await store.close()
        raise
    return store
