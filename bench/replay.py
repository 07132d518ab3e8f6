"""How fast the past is replayed: rows folded, applied to a wall's map and written out, a second.

`python -m bench.replay [LAMPS] [ROWS]`: at 60x a city of so many events a second keeps up.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.moments import STEP_US, HandClock, build
from pintu.kernel.analytics.history import History
from pintu.kernel.store.opening import open_store
from pintu.kernel.tables import open_tables
from pintu.kit.manifest import find_pieces
from pintu.web.api.picture import Pictures
from pintu.web.api.replay_session import Session

SPEED = 60
TICK_US = 250_000 * SPEED


async def main(lamps: int, rows: int) -> None:
    """Build, seek to the first minute, then play to the end, a tick after the other."""
    with tempfile.TemporaryDirectory(prefix="replay-bench-") as folder:
        data, clock = Path(folder), HandClock()
        store = await open_store("sqlite:", data, clock=clock)
        tables = open_tables(data, "sqlite:")
        history = History(store, tables, clock)
        began_us = clock.now
        await build(history, clock, lamps, rows)
        rooms: Any = SimpleNamespace(
            store=store, history=history, clock=clock, pieces=find_pieces()
        )
        session = Session(Pictures(rooms), 1, "bench", clock.now)
        busy = time.process_time()
        await session.seek(began_us + STEP_US + STEP_US // 2)
        print(f"sought in {time.process_time() - busy:.2f} s of processor, {lamps} lamps")
        busy, ticks, written = time.process_time(), 0, 0
        while not session.over:
            if not await session.advance(session.at_us + TICK_US):
                await asyncio.sleep(0.001)
                continue
            ticks += 1
            written += sum(len(data) for data in session._news())
        busy = time.process_time() - busy
        told = session._replaying.rows if session._replaying is not None else 0
        span_s = (clock.now - began_us) / 1e6
        print(
            f"{told} rows of {span_s / 3600:.1f} h in {busy:.2f} s of processor: {told / busy:.0f} "
            f"rows/s, so {told / busy / SPEED:.0f} events/s live at {SPEED}x; "
            f"{ticks} ticks, {written / 1e6:.1f} MB told"
        )
        await session.close()
        tables.close()
        await store.close()


if __name__ == "__main__":
    sizes = [int(one) for one in sys.argv[1:]] or [200, 240]
    asyncio.run(main(*sizes))
