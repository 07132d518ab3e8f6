"""`python -m bench.backup`: what keeping every moment and making a whole copy cost a writing city
in files: the latency of single writes meanwhile, MB a second of copy, check and restore, CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pintu.cli import run as pintu
from pintu.kept import Kept
from pintu.kernel.clock import CityClock
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import open_sqlite
from pintu.processes.keeping.keeper import Keeper
from tests.faults.promises import writing

TASKS = 32
MAKE = (
    "import os, sys; from pathlib import Path; from pintu.kept import Kept;"
    "from pintu.settings import load_settings;"
    "from pintu.processes.keeping.schedule import make_base;"
    "os.nice(10);"
    "kept = Kept(folder=Path(sys.argv[2]), keys='open');"
    "make_base(load_settings(Path(sys.argv[1]), {}), kept)"
)


async def filled(store: Any, entities: int) -> None:
    """So many entities, before anything is measured."""
    for at in range(0, entities, 500):
        ops = []
        for n in range(at, min(at + 500, entities)):
            id = f"urn:ngsi-ld:Lamp:{n}"
            ops.append(Op(1, id, writing(id, n * 7 % 100_000)))
        await store.submit(ops)


async def latencies(store: Any, entities: int, busy: Callable[[], bool]) -> list[float]:
    """ms of each write of TASKS writers, one after another each, while `busy` says so."""
    found: list[float] = []

    async def one(which: int) -> None:
        chance = random.Random(which)
        while busy():
            id = f"urn:ngsi-ld:Lamp:{chance.randrange(entities)}"
            began = time.perf_counter()
            await store.submit([Op(1, id, writing(id, chance.randrange(100_000)))])
            found.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(one(n) for n in range(TASKS)))
    return found


def told(name: str, ms: list[float], seconds: float, more: str = "") -> None:
    """One line."""
    ms.sort()
    p50, p99 = statistics.median(ms), ms[int(len(ms) * 0.99)]
    rate = len(ms) / seconds
    print(f"{name:<34} {rate:>7.0f}/s  p50 {p50:>6.2f} ms  p99 {p99:>7.2f} ms  {more}", flush=True)


async def measured(folder: Path, entities: int, seconds: float) -> None:
    """Nothing kept, every moment kept, a whole copy made as well: the same writers, three times."""
    data, backups = folder / "data", folder / "backups"
    data.mkdir()
    for name in ("nothing kept", "every moment kept", "nothing kept", "every moment kept"):
        keeper = Keeper(data, Kept(folder=backups, keys="open")) if "every" in name else None
        if keeper is not None:
            keeper.prepare()
        store: Any = open_sqlite(data / "city.db", clock=CityClock())
        if keeper is not None:
            keeper.attach(store, CityClock().now_us)
        if not store.statistics()["entities"]:
            await filled(store, entities)
        until = time.monotonic() + seconds
        ms = await latencies(store, entities, partial(_before, until))
        stream = sum(one.stat().st_size for one in (backups / "stream").glob("*"))
        told(name, ms, seconds, f"stream {stream / 1e6:.0f} MB" if keeper else "")
        if keeper is not None:
            await _copied(store, entities, data, backups)
        await store.close()
        if keeper is not None:
            keeper.stop()


def _before(until: float) -> bool:
    return time.monotonic() < until


async def _copied(store: Any, entities: int, data: Path, backups: Path) -> None:
    words = [sys.executable, "-c", MAKE, str(data), str(backups)]
    before = _children_s()
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": "src"})
    began = time.monotonic()
    ms = await latencies(store, entities, lambda: process.poll() is None)
    took, cpu = time.monotonic() - began, _children_s() - before
    mb = (data / "city.db").stat().st_size / 1e6
    rate = f"copy {mb:.0f} MB in {took:.1f} s ({mb / took:.0f} MB/s, {cpu:.1f} s CPU)"
    told("… and a whole copy made", ms, took, rate)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def brought(folder: Path) -> None:
    """Check and restore, MB of the databases a second."""
    size = (folder / "data" / "city.db").stat().st_size
    backups = folder / "backups"
    for name, words in (
        ("verify", ["verify", str(backups)]),
        ("restore to the end", ["restore", str(backups), "--data", str(folder / "again")]),
    ):
        began = time.monotonic()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = pintu(words)
        took = time.monotonic() - began
        assert code == 0, said.getvalue()
        print(f"{name:<34} {took:>6.1f} s   {size / 1e6 / took:>5.0f} MB/s", flush=True)


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(prog="bench.backup", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pintu-bench-") as text:
        asyncio.run(measured(Path(text), asked.entities, asked.seconds))
        brought(Path(text))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
