"""A city in files that is kept each moment, written to until it is killed. Now and then it holds
still and says how it stands: `moment AT_US POSITION DIGEST`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

from pintu.kept import Kept
from pintu.kernel.clock import CityClock
from pintu.kernel.store.sqlite import Tuning, open_sqlite
from pintu.processes.keeping.counting import entities_of
from pintu.processes.keeping.keeper import Keeper
from tests.faults.promises import Promises
from tests.faults.store_child import Telling

TASKS = 8
FOLDS = Tuning(checkpoint_pages=4_000, wal_limit_pages=16_000)


async def main(data: Path, backups: Path, seed: int) -> None:
    """Write with some tasks for ever, in turns."""
    keeper = Keeper(data, Kept(folder=backups, keys="open"), every_s=0.1)
    keeper.prepare()
    store = open_sqlite(data / "city.db", clock=CityClock(), tuning=FOLDS)
    keeper.attach(store, CityClock().now_us)
    chance, turn = random.Random(seed), 0
    while True:
        turn += 1
        promises: Promises = Telling()
        tasks = [
            promises.write(store, seed * 1000 + turn * 8 + n, random.Random(turn * 8 + n))
            for n in range(TASKS)
        ]
        running = [asyncio.create_task(one) for one in tasks]
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await store.submit(())
        copy = data / "live.partial"
        copy.unlink(missing_ok=True)
        await store.backup(copy)
        at_us = time.time_ns() // 1000
        position, digest = entities_of(copy)
        await asyncio.sleep(0.02)
        sys.stdout.write(f"moment {at_us} {position} {digest}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
