"""A city on a server of a test's own, that may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import count

from pintu.kernel.clock import CityClock
from pintu.kernel.store.postgres import PostgresStore, open_postgres
from tests.real_databases import PASSWORD

PORTS = (9770, 9779)
NUMBERS = count(1)


def address_of(port: int, **more: object) -> str:
    """The address of a new city on a port; writes wait 1 s."""
    told = {"schema": f"living{next(NUMBERS)}", "wait_s": 1, "connect_s": 1, **more}
    tail = "&".join(f"{name}={value}" for name, value in told.items())
    return f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/postgres?{tail}"


@contextlib.asynccontextmanager
async def opened(address: str, *, alone: bool = True) -> AsyncIterator[PostgresStore]:
    """An open store, closed afterwards."""
    store = await open_postgres(address, clock=CityClock(), alone=alone, patience_s=5)
    try:
        yield store
    finally:
        await store.close()


async def until(wanted: object, look: object, within_s: float = 5) -> None:
    """Wait until `look()` answers what is wanted."""
    assert callable(look)
    end = time.monotonic() + within_s
    while look() != wanted and time.monotonic() < end:
        await asyncio.sleep(0.01)
    assert wanted == look()
