"""What history costs: bytes a sample hot and in Parquet, the last day of one attribute, the hourly
mean of everybody, a query as of a moment.

`python -m bench.temporal [--entities 1000] [--days 30] [--folder F]` prints one line a figure
beside its bar. Each entity's one attribute is written about every four minutes, two decimals,
`observedAt` to the second, jitter of the network. Rows are handed to the room as the log hands
them, so that ten million need not be written one by one; what a row takes in the log itself is
measured on a real store with fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]

from bench.machine import times_listed
from pintu.kernel.analytics.aggregating import Ask
from pintu.kernel.analytics.engines.words import Limits, Question, Sums
from pintu.kernel.analytics.history import History
from pintu.kernel.analytics.moments import Moment
from pintu.kernel.analytics.rollups import HOUR_US
from pintu.kernel.clock import CityClock, iso
from pintu.kernel.context.record import Put, Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.port import Change, Op, Page
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import open_tables

BEGIN_US = 1_793_404_800_000_000  # 2026-10-31T00:00:00Z
DAY_US = 86_400_000_000
EVERY_US = 240_000_000
HOT_BYTES, PARQUET_BYTES = 60.0, 8.0
"""Bars a sample: 600 MB and 80 MB of ten million."""


def sensor(number: int) -> str:
    """An id like those of a town."""
    return f"urn:ngsi-ld:AirQualityObserved:bench:S{number:05d}"


def document(number: int) -> dict[str, Any]:
    """What a sensor is at first."""
    return {"id": sensor(number), "type": "AirQualityObserved", "temperature": reading(20.0, 0)}


def reading(value: float, at_us: int) -> dict[str, Any]:
    """One sample."""
    observed = iso(BEGIN_US + at_us - at_us % 1_000_000)
    return {"type": "Property", "value": value, "observedAt": observed, "unitCode": "CEL"}


class Made:
    """A log of samples that is made while it is read; nothing is kept of it."""

    def __init__(self, entities: int, days: float, every_us: int = EVERY_US) -> None:
        self.every_us = every_us
        self.cycles = int(days * DAY_US / every_us)
        self.entities = entities
        self._chance = random.Random(1)
        self._phases = [self._chance.randrange(every_us) for _ in range(entities)]
        self._values = [20 + self._chance.random() * 10 for _ in range(entities)]
        self._last = [0] * entities
        self._waiting: list[Change] = []
        self._cycle = -1
        self.now_us = BEGIN_US
        self._position = 0

    def head(self) -> int:
        """The last position there will be."""
        return self.entities * (self.cycles + 1)

    def changes(self, after: int, limit: int) -> list[Change]:
        """The next rows."""
        while len(self._waiting) < limit and self._cycle < self.cycles:
            self._waiting += self._made()
        page, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return page

    def _made(self) -> list[Change]:
        self._cycle += 1
        chance, base = self._chance, (self._cycle - 1) * self.every_us
        if not self._cycle:
            times = [(0, n) for n in range(self.entities)]
        else:
            times = [
                (base + phase + int(chance.gauss(400_000, 250_000)), n)
                for n, phase in enumerate(self._phases)
            ]
        return [self._row(at_us, n) for at_us, n in sorted(times)]

    def _row(self, at_us: int, n: int) -> Change:
        self._position += 1
        previous, self._last[n] = self._last[n], self._position
        self.now_us = max(self.now_us + 1, BEGIN_US + at_us)
        told: dict[str, Any] = document(n)
        if self._cycle:
            self._values[n] += self._chance.gauss(0, 0.15)
            told = {"temperature": reading(round(self._values[n], 2), max(at_us - 400_000, 0))}
        return Change(
            self._position, 1, sensor(n), ("AirQualityObserved",),
            "updated" if self._cycle else "created", self.now_us, "air/http",
            ("temperature",) if self._cycle else None, orjson.dumps(told), previous,
        )  # fmt: skip

    def history(self, tenant: int, id: str, *, before: int | None = None, limit: int = 0) -> Any:
        """Everything is packed: the log's tail has nothing."""
        return []

    def select(self, selection: Selection) -> Page:
        """Nobody is as they were: all are folded."""
        return Page([])

    def past_ids(self, tenant: int, types: Any, after: str, limit: int) -> list[str]:
        """Every sensor."""
        ids = (sensor(n) for n in range(self.entities))
        return [id for id in ids if id > after][:limit]

    def cursors(self) -> dict[str, int]:
        """Nobody reads."""
        return {}

    def trim(self, before_us: int, up_to: int) -> int:
        """Nothing to trim."""
        return 0


def say(name: str, value: float, unit: str, bar: float | None = None, floor: str = "") -> None:
    """One line a figure."""
    told = "" if bar is None else f" (bar {bar:g}{', MISSED' if value > bar else ''})"
    print(f"{name}: {value:.4g} {unit}{told}{floor and '; ' + floor}", flush=True)


async def packed(history: History, samples: int) -> None:
    """Pack everything; sizes and cost of that."""
    began = process_time()
    await history.pack()
    used = process_time() - began
    say("packing and summing up, CPU a sample (making it, too)", used / samples * 1e6, "µs")
    size = sum(one.stat().st_size for one in (history.filing.folder.parent / "rooms").glob("h*"))
    say("hot: packs, sums and states a sample", size / samples, "bytes", HOT_BYTES)


async def asked(history: History, entities: int, days: int, made: Made) -> None:
    """The questions."""
    last = made.now_us
    took = []
    for n in range(0, 200):
        id = sensor(n % entities)
        began = process_time()
        rows = await history.past.rows(1, id, since_us=last - DAY_US, limit=5_000)
        took.append((process_time() - began) * 1e3)
    took.sort()
    with tempfile.TemporaryDirectory(prefix="pintu-floor-") as name:
        bar = 1.0 * times_listed(Path(name), "echo")
    say("rows of an entity's last day, CPU", took[100], "ms", bar, f"{len(rows)} rows")
    ask = Ask(
        tenant=1, ids=tuple(sensor(n) for n in range(entities)), attribute="temperature",
        low_us=BEGIN_US, high_us=BEGIN_US + days * DAY_US, step_us=HOUR_US, methods=("avg",),
    )  # fmt: skip
    wall, began = perf_counter(), process_time()
    found = await history.past.aggregate(ask)
    assert found is not None
    hours = sum(len(begins) for begins, _ in found.values())
    say("hourly mean of everybody, wall", perf_counter() - wall, "s", 2.0,
        f"CPU {process_time() - began:.2f} s, {hours:,} hours")  # fmt: skip
    wall = perf_counter()
    moment = Moment(history, last - DAY_US // 2, deadline_s=60.0)
    page = await moment.select(Selection(tenant=1, limit=20))
    say("a query as of half a day ago, wall", perf_counter() - wall, "s", None, page.plan)


async def filed(history: History, made: Made, samples: int) -> None:
    """Move everything to files; sizes, cost, and a day of one entity from there."""
    began, child = perf_counter(), psutil.Process()
    moved = await history.filing.night(made.now_us + 4 * DAY_US)
    say("moving to files, wall a sample", (perf_counter() - began) / max(moved, 1) * 1e6, "µs")
    files = [*history.filing.folder.glob("*/*.parquet")]
    size = sum(one.stat().st_size for one in files)
    say("Parquet a sample", size / max(moved, 1), "bytes", PARQUET_BYTES, f"{len(files)} files")
    say("memory of the city's process", child.memory_info().rss / 1e6, "MB")
    await history.filing.night(made.now_us + 8 * DAY_US)
    middle = BEGIN_US + int((made.now_us - BEGIN_US) / 2)
    took = []
    for n in range(20):
        began = process_time()
        await history.past.rows(1, sensor(n), since_us=middle, until_us=middle + DAY_US, limit=5000)
        took.append((process_time() - began) * 1e3)
    say("a day of one entity from files, CPU", sorted(took)[10], "ms")
    wall = perf_counter()
    moment = Moment(history, middle, deadline_s=60.0)
    page = await moment.select(Selection(tenant=1, limit=20))
    say("a query as of the middle, from files, wall", perf_counter() - wall, "s", None, page.plan)


async def anew(history: History, days: int) -> None:
    """The hourly means once more, from the files' samples, in the process that is kept for that."""
    question = Question(
        ask=Sums(), types=("AirQualityObserved",), attributes=("temperature",), since_us=BEGIN_US,
        until_us=BEGIN_US + days * DAY_US,
    )  # fmt: skip
    analyst = history.analyst
    analyst.limits = Limits(rows=10_000_000, seconds=600.0, memory_mb=4_096)
    try:
        for what in ("its process begun for it", "asked again"):
            wall = perf_counter()
            found = await analyst.ask(1, question)
            child = psutil.Process(analyst.pid)
            used, told = sum(child.cpu_times()[:2]), f"{len(found.columns['sum']):,} hours"
            size = child.memory_info().rss / 1e6
            said = f"{told}, CPU since it began {used:.2f} s, {size:.0f} MB"
            name = f"hourly sums of everybody anew from files, {what}, wall"
            say(name, perf_counter() - wall, "s", None, said)
    finally:
        await analyst.close()


async def real(folder: Path, samples: int = 40_000) -> None:
    """What a sample takes in the log of a real store."""
    clock = CityClock()
    store = open_sqlite(folder / "city.db", clock=clock)
    await store.submit([Op(1, sensor(n), fresh=Put(document(n), "created")) for n in range(100)])
    before = store.statistics()["bytes"]
    for start in range(0, samples, 500):
        ops = [Op(1, sensor(n % 100), _patch(n)) for n in range(start, start + 500)]
        await store.submit(ops, "air/http")
    await store.close()
    grown = (folder / "city.db").stat().st_size - before
    say("in the log a sample, as long as it is there", grown / samples, "bytes")


def _patch(n: int) -> Callable[[Record | None, int], Put]:
    def transform(record: Record | None, now: int) -> Put:
        assert record is not None
        doc = orjson.loads(record.body)
        doc["temperature"] = reading(20 + n % 500 / 100, n * 1_000_000)
        return Put(doc, "updated", ("temperature",))

    return transform


async def run(folder: Path, entities: int, days: int, every_us: int) -> None:
    """All figures."""
    made: Any = Made(entities, days, every_us)
    tables = open_tables(folder)
    history = History(made, tables, CityClock())
    samples = made.head()
    print(f"{samples:,} samples of {entities} entities over {days} days", flush=True)
    await real(folder)
    await packed(history, samples)
    await asked(history, entities, days, made)
    await filed(history, made, samples)
    await anew(history, days)
    tables.close()


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.temporal", description=__doc__)
    parser.add_argument("--entities", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--every", type=int, default=240, help="seconds between two samples")
    parser.add_argument("--folder", type=Path)
    told = parser.parse_args()
    if told.folder is not None:
        told.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(told.folder, told.entities, told.days, told.every * 1_000_000))
        return 0
    with tempfile.TemporaryDirectory(prefix="pintu-temporal-") as name:
        asyncio.run(run(Path(name), told.entities, told.days, told.every * 1_000_000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
