"""A process that writes through the store until it is killed, saying each answer on its output."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from pintu.kernel.clock import CityClock
from pintu.kernel.store.sqlite import open_sqlite
from tests.faults.promises import SMALL, Promises


class Telling(Promises):
    """Says each ask before it is made and each answer after it came."""

    def promise(self, id: str, value: int | None, position: int) -> None:
        super().promise(id, value, position)
        sys.stdout.write(f"{id} {value} {position}\n")
        sys.stdout.flush()


async def main(path: Path, seed: int) -> None:
    """Write with 16 tasks for ever."""
    store = open_sqlite(path, clock=CityClock(), tuning=SMALL)
    promises = Telling()
    await asyncio.gather(
        *[promises.write(store, seed * 16 + which, random.Random(which)) for which in range(16)]
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
