"""kill -9 of the city, of the process that moves its days, or of both, night after night on each
store. `python -m tests.faults.history_kill --rounds N [--seed S] [--store sqlite|postgres|both]`.

Every night has new rows to pack, days to move, packs and files to let go of; whenever it ends, all
that was ever written is told as the log told it, by row and as of any moment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pintu.kernel.analytics.history import History
from pintu.kernel.analytics.moments import Moment
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Page, settled
from pintu.kernel.tables import open_tables
from tests.faults.postgres_load import make_city
from tests.faults.power_cut import Claim
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, HandClock, Town, sensor
from tests.kernel.analytics.test_packing import lived
from tests.real_databases import PASSWORD, postgres

PORTS = (9960, 9969)
IDS = [sensor(number) for number in range(4)]
MODULE = "tests.faults.history_kill"
LONGEST_S = 3.0
"""A night of these few rows takes about so long."""


@dataclass(slots=True)
class Model:
    """What was written, as the log told it, and the entities as they stood after each part."""

    rows: dict[str, list[Change]] = field(default_factory=lambda: {id: [] for id in IDS})
    stood: dict[int, list[Any]] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def opened(folder: Path, address: str, day: int) -> Any:
    """The city of a folder on some day."""
    clock = HandClock(BEGIN_US + day * DAY_US)
    store = await open_store(address, folder, clock=clock)
    tables = open_tables(folder, address)
    try:
        yield Town(store=store, history=History(store, tables, clock, address), clock=clock)
    finally:
        tables.close()
        await store.close()


async def write_on(folder: Path, address: str, day: int, model: Model) -> None:
    """Another part of some days; noted is what nobody may lose."""
    async with opened(folder, address, day) as town:
        await lived(town, writes=25, seed=day)
        for id in IDS:
            last = model.rows[id][-1].position if model.rows[id] else 0
            model.rows[id] += [row for row in await town.log(id) if row.position > last]
        page = await settled(town.store.select(Selection(tenant=1, limit=20)))
        model.stood[town.clock.now] = _documents(page)


def _documents(page: Page) -> list[Any]:
    found = [orjson.loads(one.body) for one in page.records]
    return sorted(found, key=lambda one: str(one["id"]))


async def wrong_in(folder: Path, address: str, day: int, model: Model) -> list[str]:
    """What the city tells otherwise than it was."""
    found: list[str] = []
    async with opened(folder, address, day) as town:
        for id in IDS:
            if model.rows[id] != await town.rows(id):
                found.append(f"day {day}: rows of {id}")
            if model.rows[id][::-1] != await town.history.past.history(1, id, limit=10_000):
                found.append(f"day {day}: the chain of {id}")
        for at_us, stood in model.stood.items():
            moment = Moment(town.history, at_us, deadline_s=60)
            page = await moment.select(Selection(tenant=1, limit=20))
            if stood != _documents(page):
                found.append(f"day {day}: as of {at_us}")
    return found


async def night(folder: Path, address: str, day: int) -> None:
    """What is killed: packing, moving, dropping, trimming."""
    async with opened(folder, address, day) as town:
        print("begun", flush=True)
        await town.history.night()
        await town.history.packing.trim(town.clock.now - DAY_US)
        await town.history.night()
        await town.history.packing.trim(town.clock.now - DAY_US)
        print("done", flush=True)


def killed(folder: Path, address: str, day: int, chance: random.Random) -> bool:
    """One night, killed somewhere in it; False: it came to its end."""
    words = [sys.executable, "-m", MODULE, "--night", str(folder), address, str(day)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        assert "begun\n" == process.stdout.readline()
        try:
            process.wait(chance.random() * LONGEST_S)
            return False
        except subprocess.TimeoutExpired:
            if chance.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            else:  # the process that writes files goes on, of which nobody hears
                process.kill()
            process.wait()
            return True
    finally:
        process.stdout.close()


def run_rounds(address: str, rounds: int, seed: int) -> tuple[int, int, list[str]]:
    """(nights killed, rows written, what was wrong)."""
    chance, model, kills = random.Random(seed), Model(), 0
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pintu-nights-") as name:
        folder = Path(name)
        for round in range(rounds):
            asyncio.run(write_on(folder, address, 4 * round, model))
            kills += killed(folder, address, 4 * round + 3, chance)
            wrong += asyncio.run(wrong_in(folder, address, 4 * round + 3, model))
        asyncio.run(night(folder, address, 4 * rounds + 4))
        wrong += asyncio.run(wrong_in(folder, address, 4 * rounds + 4, model))
        wrong += [f"{path} is left" for path in folder.glob("history/*/*.partial")]
    return kills, sum(map(len, model.rows.values())), wrong


def addresses(store: str) -> Iterator[str]:
    """Each store that is asked for, empty."""
    if store in ("sqlite", "both"):
        yield "sqlite:"
    if store in ("postgres", "both"):
        with postgres(ports=PORTS) as server:
            make_city(server)
            yield f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.port}/city?schema=nights"


def claims(store: str, rounds: int, seed: int = 1) -> list[Claim]:
    """One line a store."""
    found: list[Claim] = []
    for address in addresses(store):
        kills, rows, wrong = run_rounds(address, rounds, seed)
        kind = "SQLite" if address == "sqlite:" else "PostgreSQL"
        said = f"nights of {kind} killed {kills} of {rounds} times, {rows} rows, wrong: {wrong[:3]}"
        found.append((said, len(wrong), 0, not wrong))
    return found


def run(fast: bool) -> list[Claim]:
    """30 nights of each store; or one, and two on PostgreSQL."""
    if fast:
        return [*claims("sqlite", 1), *claims("postgres", 2)]
    return claims("both", 30)


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="tests.faults.history_kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--night", nargs=3, metavar=("FOLDER", "ADDRESS", "DAY"))
    asked = parser.parse_args()
    if asked.night:
        folder, address, day = asked.night
        asyncio.run(night(Path(folder), address, int(day)))
        return 0
    found = claims(asked.store, asked.rounds, asked.seed)
    for said, _, _, ok in found:
        print(f"{'ok' if ok else 'WRONG'}: {said}")
    return 0 if all(ok for *_, ok in found) else 1


if __name__ == "__main__":
    sys.exit(main())
