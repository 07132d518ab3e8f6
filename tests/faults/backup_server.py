"""Any moment of a city on PostgreSQL: its server is written to, what it writes is fetched, and each
moment that was looked at live comes back equal, in another database.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from pintu.kept import Kept
from pintu.kernel.clock import CityClock
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.postgres import open_postgres
from pintu.processes.keeping.bringing import Wanted, bring, chosen
from pintu.processes.keeping.replaying import Goal
from pintu.processes.keeping.schedule import Moments, make_base
from pintu.processes.keeping.server import look_at
from pintu.settings import Settings, load_settings
from tests.faults.postgres_load import SCHEMA, address_of, make_city
from tests.faults.promises import Promises
from tests.faults.seen import Seen
from tests.real_databases import PASSWORD, Server, postgres

PORTS = (9770, 9779)
SETTINGS = {"max_connections": "60", "max_wal_senders": "4"}
Moment = tuple[int, int, str]


def measure(_way: str, tries: int) -> Seen:
    """A whole copy of the server, load after it, moments of it."""
    seen = Seen(tries=tries, acknowledged=0)
    with (
        postgres(settings=SETTINGS, ports=PORTS) as server,
        tempfile.TemporaryDirectory(prefix="pintu-moments-") as text,
    ):
        make_city(server)
        folder = Path(text)
        folder.chmod(0o755)
        address = address_of([server], PASSWORD)
        settings = _settings(folder, address)
        kept = Kept(folder=folder / "backups", keys="open", server=address)
        moments = Moments(settings, kept)
        moments.start()
        try:
            found = asyncio.run(_loaded(settings, kept, server, tries))
        finally:
            time.sleep(2)
            moments.stop()
        seen.acknowledged = found[-1][1]
        for n, one in enumerate(found):
            seen.wrong += _asked(server, kept, folder, (n, one))
    return seen


def _settings(folder: Path, address: str) -> Settings:
    data = folder / "data"
    data.mkdir()
    (data / "pintu.toml").write_text(f'store = "{address}"\n', "utf-8")
    return load_settings(data, {})


async def _loaded(settings: Settings, kept: Kept, server: Server, tries: int) -> list[Moment]:
    store: Any = await open_postgres(settings.store, clock=CityClock(), patience_s=None)
    found: list[Moment] = []
    try:
        await _written(store, 0.3, 0)
        while not list((kept.folder / "stream").glob("*.keep")):
            await asyncio.sleep(0.05)
        await asyncio.to_thread(make_base, settings, kept)
        await _followed(kept)
        for turn in range(tries):
            await _written(store, 0.3, turn + 1)
            told = await asyncio.to_thread(_live, server, "city")
            found.append((time.time_ns() // 1000, *told))
            await asyncio.sleep(0.05)
        await _written(store, 0.2, 99)
    finally:
        await store.close()
    return found


async def _followed(kept: Kept) -> None:
    """Wait until what follows the whole copy is kept: a moment before is told to be the copy's."""
    until = time.monotonic() + 60
    while chosen(kept.folder, Goal(to_us=time.time_ns() // 1000), earlier=True)[1] is None:
        assert time.monotonic() < until, "nothing is kept behind the whole copy"
        await asyncio.sleep(0.1)


async def _written(store: Any, seconds: float, turn: int) -> None:
    promises = Promises()
    tasks = [
        asyncio.create_task(promises.write(store, turn * 8 + n, random.Random(turn * 8 + n)))
        for n in range(8)
    ]
    await asyncio.sleep(seconds)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.submit(())


def _live(server: Server, database: str) -> tuple[int, str]:
    with contextlib.closing(server.connect(database)) as connection:
        told = look_at(connection, SCHEMA, [SCHEMA])
    return told["position"], told["entities"]


def _asked(server: Server, kept: Kept, folder: Path, told: tuple[int, Moment]) -> list[str]:
    """One moment, brought into a database of its own: what is not as it was."""
    n, (at_us, position, digest) = told
    database = f"again{n}"
    server.run(f"CREATE DATABASE {database}")
    server.run("CREATE EXTENSION postgis", database=database)
    store = address_of([server], PASSWORD).replace("/city?", f"/{database}?")
    assert parse_address(store).database == database
    data = folder / database
    wanted = Wanted(backup=kept.folder, data=data, store=store, anew=True, goal=Goal(to_us=at_us))
    print(bring(wanted))
    found = _live(server, database)
    return [] if found == (position, digest) else [f"moment {n}: {found[0]} instead of {position}"]
