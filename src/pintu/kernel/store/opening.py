"""Which store a city has: its address decides, and nobody else ever asks."""

from __future__ import annotations

from pathlib import Path

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import is_postgres
from pintu.kernel.store.port import Store
from pintu.kernel.store.sqlite import open_sqlite

CITY_FILE = "city.db"


async def open_store(
    address: str, data: Path, *, clock: Clock, patience_s: float | None = 0, session: str = ""
) -> Store:
    """Open the store of the city in the folder `data`: `sqlite:` or `postgresql://…`. A server that
    is away is waited for so long (None: until it is there), and the log says so. `session`: how
    this broker's sessions are called, where others write to this city, too.

    Raises Unavailable when it cannot be reached or another process has it, ConfigurationError when
    it is not what this Pintu needs (a newer schema, a missing extension, a missing driver).
    """
    if not is_postgres(address):
        return open_sqlite(data / CITY_FILE, clock=clock)
    try:
        from pintu.kernel.store.postgres import open_postgres
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigurationError(
            ["A store on PostgreSQL needs asyncpg: pip install 'pintu[postgres]'"]
        ) from error
    return await open_postgres(
        address, clock=clock, patience_s=patience_s, alone=not session, called=session
    )
