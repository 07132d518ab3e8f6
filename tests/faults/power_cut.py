"""The power goes at a random moment: every write that was answered is there when it comes back.

The disk below SQLite keeps what was not synced aside; at the cut any sectors of it arrive or not,
torn and out of order. The moments fall into commits, into folding the log back and into starting
it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

from pintu.kernel.clock import CityClock
from pintu.kernel.store.sqlite import open_sqlite
from tests.faults.disks import disk
from tests.faults.promises import SMALL, Promises, broken_promises
from tests.faults.seen import Seen

Claim = tuple[str, float, float, bool]
"""What is claimed, the figure, its bar, and whether it holds."""


async def one_cut(seed: int) -> tuple[int, list[str]]:
    """(answers given before the cut, promises broken by it)."""
    chance = random.Random(seed)
    answers = chance.randrange(1, 900)
    with (
        tempfile.TemporaryDirectory(prefix="pintu-power-") as folder,
        disk(f"forgetful{seed}") as made,
    ):
        store = open_sqlite(
            Path(folder) / "city.db", clock=CityClock(), vfs=made.name, tuning=SMALL
        )
        promises = Promises()
        tasks = [
            asyncio.ensure_future(promises.write(store, which, random.Random(seed * 100 + which)))
            for which in range(chance.choice([1, 4, 16]))
        ]
        while len(promises.positions) < answers:
            await asyncio.sleep(chance.random() * 0.002)
        # no await between what was answered and what the disk held: a later moment would flatter us
        images = made.forgetful.cut(chance)
        found = Promises()
        found.kept, found.asked = dict(promises.kept), dict(promises.asked)
        found.positions = dict(promises.positions)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await store.close()
        after = Path(folder) / "after"
        after.mkdir()
        for name, image in images.items():
            (after / name).write_bytes(image)
        return len(found.positions), await broken_promises(after / "city.db", found)


def measure(_way: str, cuts: int) -> Seen:
    """So many cuts at moments nobody chose."""
    first = random.SystemRandom().randrange(10**6)
    seen = Seen(tries=cuts, acknowledged=0, told=f"seeds from {first}")
    for seed in range(first, first + cuts):
        answers, wrong = asyncio.run(one_cut(seed))
        seen.acknowledged += answers
        seen.lost += wrong
    return seen


def run(fast: bool) -> list[Claim]:
    """50 cuts, or 5."""
    cuts = 5 if fast else 50
    broken: list[str] = []
    for seed in range(cuts):
        _, wrong = asyncio.run(one_cut(seed))
        broken += wrong
    name = f"power cut {cuts} times: answered writes lost or tables that disagree"
    return [(name, len(broken), 0, not broken)]
