"""How fast the past is replayed: `python -m bench.replay [--seconds 120] [--rate 2000] [--night]`.

A city of 21,500 points, 1,500 of which tell of themselves so often that 2,000 changes a second were
written; the span is packed but for its last seconds (with --night it lies in day files). It is then
played at 60x as a page would follow it, a quarter of a second after the other, and must come to its
end when its time is over: what is printed is how much of a core that takes, so how many live events
a second it keeps up with, and how late each quarter second was told.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import orjson

from bench.measuring import at
from bench.moments import HandClock, telemetry
from pintu.kernel.analytics.history import History
from pintu.kernel.context.record import Put, Record
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op
from pintu.kernel.tables import open_tables
from pintu.kit.manifest import find_pieces
from pintu.web.api.picture import Pictures
from pintu.web.api.replay_session import Session

SPEED = 60
TICK_S = 0.25
BLINKING, STILL = 1_500, 20_000
GRACE_S = 2 * TICK_S
DAY_US = 86_400_000_000


def lamp(number: int) -> str:
    """The id of a lamp."""
    return f"urn:ngsi-ld:Streetlight:street_lights:L{number:05d}"


async def build(history: History, clock: HandClock, seconds: int, rate: int) -> None:
    """Every lamp is made; then so many a second tell of themselves, in commits of a fiftieth."""
    chance = random.Random(1)
    for start in range(0, BLINKING + STILL, 500):
        made = []
        for n in range(start, start + 500):
            where = {"type": "Point", "coordinates": [120 + n % 200 / 1e3, 30 + n // 200 / 1e3]}
            doc: dict[str, Any] = {"id": lamp(n), "type": "Streetlight"}
            doc["location"] = {"type": "GeoProperty", "value": where}
            made.append(Op(1, lamp(n), fresh=Put({**doc, **telemetry(n, chance, clock.now)},
                                                 "created")))  # fmt: skip
        await history.store.submit(made, "street_lights/mqtt")
    for tick in range(seconds * 50):
        clock.now += 20_000
        ops = [
            Op(1, lamp(number), told(telemetry(number, chance, clock.now)))
            for number in (chance.randrange(BLINKING) for _ in range(rate // 50))
        ]
        await history.store.submit(ops, "street_lights/mqtt")
        if tick == (seconds - 5) * 50:
            await history.pack()


def told(said: dict[str, object]) -> Any:
    """A write of what a lamp says."""

    def write(record: Record | None, now: int) -> Put:
        assert record is not None
        return Put({**orjson.loads(record.body), **said}, "updated", tuple(said))

    return write


async def play(session: Session) -> tuple[list[float], int]:
    """From where it stands to its end, each step when it is due; how late each was (ms), and how
    many bytes were told."""
    late: list[float] = []
    written = steps = 0
    began_s, from_us = time.monotonic(), session.at_us
    while not session.over:
        steps += 1
        due_s = began_s + steps * TICK_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        while not await session.advance(from_us + int(steps * TICK_S * SPEED * 1e6)):
            await asyncio.sleep(0.002)
        written += sum(map(len, session._news()))
        late.append(1000 * (time.monotonic() - due_s))
    return late, written


class Played(NamedTuple):
    """How a replay went: seconds it took and was due, live events a second one core keeps up with,
    how late its steps were."""

    took_s: float
    due_s: float
    sought_s: float
    a_core: float
    late_p50_ms: float
    late_p99_ms: float
    rows: int
    told_mb: float

    @property
    def kept(self) -> bool:
        """Whether it came to its end in time."""
        return self.took_s <= self.due_s + GRACE_S


async def measure(seconds: int, rate: int, night: bool = False) -> Played:
    """Build, seek to the first second, play to the end."""
    with tempfile.TemporaryDirectory(prefix="replay-bench-") as folder:
        data, clock = Path(folder), HandClock()
        store = await open_store("sqlite:", data, clock=clock)
        tables = open_tables(data, "sqlite:")
        history = History(store, tables, clock)
        await build(history, clock, seconds, rate)
        ends_us = clock.now
        if night:
            clock.now += 2 * DAY_US
            await history.night()
            await history.packing.trim(clock.now)
            await history.night()
        rooms: Any = SimpleNamespace(
            store=store, history=history, clock=clock, pieces=find_pieces()
        )
        session = Session(Pictures(rooms), 1, "bench", ends_us)
        began = time.monotonic()
        await session.seek(ends_us - (seconds - 1) * 1_000_000)
        sought_s = time.monotonic() - began
        busy, began = time.process_time(), time.monotonic()
        late, written = await play(session)
        busy, took_s = time.process_time() - busy, time.monotonic() - began
        rows = session._replaying.rows if session._replaying is not None else 0
        await session.close()
        tables.close()
        await store.close()
    return Played(
        took_s, (seconds - 1) / SPEED, sought_s, rows / busy / SPEED, at(late, 0.5), at(late, 0.99),
        rows, written / 1e6,
    )  # fmt: skip


def main(seconds: int, rate: int, night: bool) -> int:
    """Print; 0 when it kept up."""
    told = asyncio.run(measure(seconds, rate, night))
    print(
        f"{'ok   ' if told.kept else 'short'} {told.rows} rows of {seconds - 1} s at {SPEED}x in "
        f"{told.took_s:.2f} s ({told.due_s:.2f} due): {told.a_core:,.0f} live events/s a core; "
        f"a step late by p50 {told.late_p50_ms:.0f} ms, p99 {told.late_p99_ms:.0f} ms; sought in "
        f"{told.sought_s:.2f} s; {told.told_mb:.1f} MB told"
    )
    return 0 if told.kept else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--night", action="store_true")
    asked = parser.parse_args()
    sys.exit(main(asked.seconds, asked.rate, asked.night))
