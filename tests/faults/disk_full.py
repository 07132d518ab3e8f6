"""A full disk: writes are refused with 507, nothing is half-written, and it is over when there is
space.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put
from pintu.kernel.errors import DiskFull
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import open_sqlite
from tests.faults.disks import disk
from tests.faults.power_cut import Claim
from tests.faults.promises import SMALL, Promises, broken_promises, document


async def full_and_over(path: Path, rounds: int) -> tuple[int, int, list[str]]:
    """(writes refused, answered, promises broken) while the disk fills up and is emptied again."""
    promises = Promises()
    with disk("filling") as made:
        store = open_sqlite(path, clock=CityClock(), vfs=made.name, tuning=SMALL)
        tasks = [
            asyncio.ensure_future(promises.write(store, which, random.Random(which)))
            for which in range(8)
        ]
        for _ in range(rounds):
            for full in (False, True):
                made.full = full
                refused, answered = promises.refused, len(promises.positions)
                await asyncio.sleep(0.05)
                if full:
                    while promises.refused == refused:
                        await asyncio.sleep(0.01)
                else:
                    while len(promises.positions) == answered:
                        await asyncio.sleep(0.01)
        made.full = True
        batch = [Op(1, f"b{i}", fresh=Put(document(f"b{i}", i), "created")) for i in range(2000)]
        with contextlib.suppress(DiskFull):
            await store.submit(batch)
        assert store.retrieve(1, "b0") is None
        made.full = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()
    return promises.refused, len(promises.positions), await broken_promises(path, promises)


def run(fast: bool) -> list[Claim]:
    """20 times full and over, or 3."""
    with tempfile.TemporaryDirectory(prefix="pintu-full-") as folder:
        refused, answered, broken = asyncio.run(
            full_and_over(Path(folder) / "city.db", 3 if fast else 20)
        )
    return [
        (
            "disk full: refused writes that were half-written, answered ones lost",
            len(broken),
            0,
            not broken,
        ),
        ("disk full: writes refused", refused, 1, refused >= 1),
        ("disk full: writes answered before, between and after", answered, 1, answered >= 1),
    ]
