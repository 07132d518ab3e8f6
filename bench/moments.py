"""How long a moment of the past takes: a city of lamps that told of themselves for hours, packed.

`python -m bench.moments [LAMPS] [ROWS]`: a map as of a moment in the middle, and one entity.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import orjson

from pintu.kernel.analytics.history import History
from pintu.kernel.clock import iso
from pintu.kernel.context.record import Put, Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op
from pintu.kernel.tables import open_tables

STEP_US = 60_000_000


class HandClock:
    """Time moves when the bench says so."""

    rate = 1.0
    now = 1_793_404_800_000_000

    def now_us(self) -> int:
        """Microseconds since 1970."""
        self.now += 1
        return self.now


def telemetry(number: int, chance: random.Random, at_us: int) -> dict[str, object]:
    """What a lamp says of itself each minute."""
    at = iso(at_us)
    on = chance.random() < 0.8
    said = {
        "powerState": "on" if on else "off",
        "illuminanceLevel": chance.choice((1.0, 0.6, 0.3)) if on else 0.0,
        "activePower": round(90 * chance.random(), 1),
        "voltage": round(220 + chance.random() * 6, 1),
        "workingHours": 1200 + number,
    }
    return {n: {"type": "Property", "value": v, "observedAt": at} for n, v in said.items()}


async def build(history: History, clock: HandClock, lamps: int, rows: int) -> None:
    """Each lamp is made, then tells of itself `rows` times; some rows stay in the log."""
    chance = random.Random(1)
    for n in range(rows):
        clock.now += STEP_US
        ops = []
        for number in range(lamps):
            said = telemetry(number, chance, clock.now)
            id = f"urn:ngsi-ld:Streetlight:street_lights:L{number:05d}"
            if n == 0:
                where = {"type": "Point", "coordinates": [120 + number / 1e4, 30.2]}
                made = {"id": id, "type": "Streetlight", "name": said["voltage"], **said}
                made["location"] = {"type": "GeoProperty", "value": where}
                ops.append(Op(1, id, fresh=Put(made, "created")))
                continue

            def write(record: Record | None, now: int, said=said) -> Put:  # type: ignore[no-untyped-def]
                assert record is not None
                doc = orjson.loads(record.body)
                doc.update(said)
                return Put(doc, "updated", tuple(said))

            ops.append(Op(1, id, write))
        await history.store.submit(ops, "street_lights/mqtt")
        if n == rows - 2:
            await history.pack()


async def main(lamps: int, rows: int) -> None:
    """Build, then ask."""
    with tempfile.TemporaryDirectory(prefix="replay-bench-") as folder:
        data, clock = Path(folder), HandClock()
        store = await open_store("sqlite:", data, clock=clock)
        tables = open_tables(data, "sqlite:")
        history = History(store, tables, clock)
        began_us = clock.now
        began = time.perf_counter()
        await build(history, clock, lamps, rows)
        print(f"built {lamps} lamps x {rows} rows in {time.perf_counter() - began:.1f} s")
        for share in (0.25, 0.5, 0.9):
            at_us = began_us + int(rows * share) * STEP_US
            began, busy = time.perf_counter(), time.process_time()
            page = await history.moment(at_us, deadline_s=120).select(
                Selection(tenant=1, limit=20_000)
            )
            took, busy = time.perf_counter() - began, time.process_time() - busy
            print(
                f"moment at {share:.0%}: {len(page.records)} entities in {took:.2f} s, "
                f"{busy / lamps * 1000:.3f} ms of processor each"
            )
        tables.close()
        await store.close()


if __name__ == "__main__":
    told = [int(one) for one in sys.argv[1:]] or [150, 500]
    asyncio.run(main(*told))
