"""How long a city of many entities with history takes to another store and back, and how much
memory that needs.

`python -m bench.moving [--entities 100000] [--updates 2] [--server URL]` makes a city in files
(each entity created, then updated), moves it to PostgreSQL with `pintu move` as a person would, and
back, and prints seconds, rows a second, the pause and the mover's peak memory. Without `--server`
it starts a private PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import orjson

from bench.store_ops import entity
from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put, Record
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import open_sqlite

CALL = 500


def _later(value: float) -> object:
    def transform(record: Record | None, now: int) -> Put:
        assert record is not None
        doc = orjson.loads(record.body)
        doc["activePower"] = {"type": "Property", "value": value}
        return Put(doc, "updated", ("activePower",))

    return transform


async def fill(path: Path, count: int, updates: int) -> None:
    """A city of lamps; `updates` changes of each."""
    chance = random.Random(1)
    store = open_sqlite(path, clock=CityClock())
    ids = []
    for first in range(0, count, CALL):
        docs = [entity(i, chance) for i in range(first, min(first + CALL, count))]
        ids += [doc["id"] for doc in docs]
        await store.submit([Op(1, doc["id"], fresh=Put(doc, "created")) for doc in docs], "bench")
    for turn in range(updates):
        for first in range(0, count, CALL):
            part = ids[first : first + CALL]
            ops = [Op(1, id, _later(turn + 0.5)) for id in part]  # type: ignore[arg-type]
            await store.submit(ops, "bench")
    await store.close()


def moved(data: Path, to: str, label: str, rows: int) -> None:
    """One move in a process of its own, with its figures."""
    command = [sys.executable, "-m", "pintu", "move", "--to", to, "--plain", "--data", str(data)]
    started = perf_counter()
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    told, _ = done.communicate()
    took = perf_counter() - started
    if done.returncode:
        print(told)
        sys.exit(1)
    lines = told.strip().splitlines()
    print("\n".join(line for line in lines if not line.startswith("move: ")))
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{label}: {took:.1f} s, {rows / took:,.0f} rows/s, largest child {peak:.0f} MB\n")


@contextlib.contextmanager
def server(told: str) -> Iterator[str]:
    """The address of a PostgreSQL."""
    if told:
        yield told
        return
    from tests.real_databases import PASSWORD, postgres

    settings = {"shared_buffers": "256MB", "max_wal_size": "2GB", "max_connections": "40"}
    with postgres(settings=settings, ports=(9820, 9829)) as running:
        running.run("CREATE DATABASE city")
        running.run("CREATE EXTENSION postgis", database="city")
        yield f"postgresql://owner:{PASSWORD}@127.0.0.1:{running.port}/city?schema=bench"


def main() -> None:
    """Run it."""
    words = argparse.ArgumentParser()
    words.add_argument("--entities", type=int, default=100_000)
    words.add_argument("--updates", type=int, default=2)
    words.add_argument("--server", default="")
    words.add_argument("--folder", default="")
    told = words.parse_args()
    os.environ.pop("PINTU_STORE", None)
    folder = Path(told.folder or tempfile.mkdtemp(prefix="pintu-moving-"))
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "city.db").exists():
        started = perf_counter()
        asyncio.run(fill(data / "city.db", told.entities, told.updates))
        print(f"a city was made in {perf_counter() - started:.0f} s")
    rows = told.entities * (2 + told.updates)
    size = (data / "city.db").stat().st_size
    print(f"{told.entities:,} entities, {rows - told.entities:,} rows of history, {size:,} bytes")
    with server(told.server) as address:
        moved(data, address, "to PostgreSQL", rows)
        forget = ["move", "--forget-old", "--yes", "--data", str(data)]
        subprocess.run([sys.executable, "-m", "pintu", *forget], check=True)
        moved(data, "sqlite:", "back to files", rows)
    if not told.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
