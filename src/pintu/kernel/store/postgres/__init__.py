"""The second store: PostgreSQL with PostGIS through asyncpg, behind the same port."""

from __future__ import annotations

from pintu.kernel.clock import Clock
from pintu.kernel.store.port import Store


async def open_postgres(address: str, *, clock: Clock) -> Store:
    """Open (or make) the city's schema on a server and bring it to the newest version."""
    raise NotImplementedError
