"""CPU microseconds an operation of the store alone, its writer thread included, beside floors of
the same run.

`python -m bench.store_ops [--entities 100000] [--ops 10000] [--only create,patch]` prints one
line a figure. 32 tasks stand in for connections; every write is durable when it is counted.
Floors: bare apsw upserts of the same body committed in groups of 16 on one thread, bare point
reads, and one fdatasync of this disk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import inspect
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import apsw
import orjson

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put, Record
from pintu.kernel.context.selection import Compare, GeoSelection, Selection, TypeSelection
from pintu.kernel.context.selection import Path as QPath
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import SqliteStore, open_sqlite

CONNECTIONS = 32
LAMP = TypeSelection((frozenset({"Streetlight"}),))


def entity(i: int, chance: random.Random) -> dict[str, Any]:
    """About 600 bytes, 8 attributes, in a square of about 10 by 9 km."""
    at = "2026-11-22T08:00:00Z"
    return {
        "id": f"urn:ngsi-ld:Streetlight:bench:L{i:07d}",
        "type": "Streetlight",
        "location": {
            "type": "GeoProperty",
            "value": {
                "type": "Point",
                "coordinates": [
                    round(120.10 + chance.random() * 0.1, 6),
                    round(30.20 + chance.random() * 0.08, 6),
                ],
            },
        },
        "powerState": {"type": "Property", "value": "on" if i % 3 else "off", "observedAt": at},
        "activePower": {
            "type": "Property",
            "value": round(chance.random() * 200, 2),
            "observedAt": at,
        },
        "voltage": {"type": "Property", "value": 220 + i % 15, "observedAt": at},
        "illuminanceLevel": {"type": "Property", "value": i % 101},
        "workingHours": {"type": "Property", "value": i * 7 % 20000},
        "status": {"type": "Property", "value": "ok"},
        "refGroup": {
            "type": "Relationship",
            "object": f"urn:ngsi-ld:StreetlightGroup:bench:{i // 100}",
        },
    }


class Figures:
    """Runs an operation many times over 32 tasks and prints what it cost."""

    def __init__(self, only: set[str]) -> None:
        self.only = only

    def wanted(self, name: str) -> bool:
        """Was this figure asked for?"""
        return not self.only or name.split()[0] in self.only

    async def run(self, name: str, times: int, one: Callable[[int], Any], *, each: int = 1) -> None:
        """`one(i)` is called `times` times; `each` operations are counted for a call."""
        if not self.wanted(name):
            return
        took: list[float] = []
        pending = iter(range(times))

        async def connection() -> None:
            for i in pending:
                begun = perf_counter()
                answer = one(i)
                if inspect.isawaitable(answer):
                    await answer
                took.append(perf_counter() - begun)

        gc.collect()
        cpu, wall = process_time(), perf_counter()
        tasks = CONNECTIONS if each == 1 else 2
        await asyncio.gather(*[connection() for _ in range(tasks)])
        cpu, wall = process_time() - cpu, perf_counter() - wall
        took.sort()
        ops = times * each
        print(
            f"{name:34s} {cpu / ops * 1e6:8.1f} µs CPU  {wall / ops * 1e6:8.1f} µs wall  "
            f"p50 {took[len(took) // 2] * 1e3:6.2f}  "
            f"p99 {took[len(took) * 99 // 100] * 1e3:6.2f} ms",
            flush=True,
        )


def patch(value: float) -> Callable[[Record | None, int], Put]:
    """Write one attribute, as a PATCH does."""

    def transform(record: Record | None, now: int) -> Put:
        assert record is not None
        doc = orjson.loads(record.body)
        doc["activePower"] = {"type": "Property", "value": value}
        return Put(
            doc, "updated", ("activePower",), times={"activePower": [record.created_us, now]}
        )

    return transform


def replacing(doc: dict[str, Any]) -> Callable[[Record | None, int], Put]:
    """Replace the whole document."""
    return lambda record, now: Put(doc, "replaced")


def fresh(i: int, chance: random.Random) -> Op:
    """A create as the broker hands it over: parsed and as bytes."""
    doc = entity(i, chance)
    return Op(1, doc["id"], fresh=Put(doc, "created", body=orjson.dumps(doc)))


async def writes(store: SqliteStore, figures: Figures, entities: int, ops: int) -> None:
    """Fill the store, then write in each way."""
    chance = random.Random(7)
    at = 0
    batches = [[fresh(at + k * 1000 + j, chance) for j in range(1000)] for k in range(10)]
    at = 10_000
    await figures.run(
        "batch-new of 1,000 (empty store)", 10, lambda i: store.submit(batches[i]), each=1000
    )
    if figures.only and not figures.wanted("batch-new"):
        at = 0
    while at < entities:
        await store.submit([fresh(at + j, chance) for j in range(1000)])
        at += 1000
    batches = [[fresh(at + k * 1000 + j, chance) for j in range(1000)] for k in range(10)]
    await figures.run("batch-new of 1,000", 10, lambda i: store.submit(batches[i]), each=1000)
    at += 10_000
    made = [fresh(at + i, chance) for i in range(ops)]
    await figures.run("create", ops, lambda i: store.submit([made[i]]))
    ids = [f"urn:ngsi-ld:Streetlight:bench:L{chance.randrange(entities):07d}" for _ in range(ops)]
    await figures.run("patch", ops, lambda i: store.submit([Op(1, ids[i], patch(i * 0.01))]))
    old = [entity(chance.randrange(entities), chance) for _ in range(10_000)]
    replaced = [
        [Op(1, d["id"], replacing(d)) for d in old[k * 500 : k * 500 + 500]] for k in range(20)
    ]
    await figures.run("batch-replaced of 500", 20, lambda i: store.submit(replaced[i]), each=500)


async def reads(store: SqliteStore, figures: Figures, entities: int, ops: int) -> None:
    """Read in each way; the q path is learned first."""
    chance = random.Random(8)
    ids = [f"urn:ngsi-ld:Streetlight:bench:L{chance.randrange(entities):07d}" for _ in range(ops)]
    await figures.run("retrieve", ops, lambda i: store.retrieve(1, ids[i]))

    def by_q(i: int, **more: Any) -> Any:
        low = chance.random() * 190
        q = Compare(QPath("activePower"), ">", low)
        return store.select(Selection(tenant=1, types=LAMP, q=q, limit=20, **more))

    for i in range(4):
        answer = by_q(i)
        if isinstance(answer, Awaitable):
            await answer
    begun = perf_counter()
    while store.statistics().get("learning") and perf_counter() - begun < 60:
        await asyncio.sleep(0.05)
    print(f"{'learned index ready after':34s} {perf_counter() - begun:8.2f} s")
    await figures.run("type+q limit 20", ops, by_q)

    def near(i: int) -> Any:
        place = [120.11 + chance.random() * 0.08, 30.21 + chance.random() * 0.06]
        geo = GeoSelection("near", {"type": "Point", "coordinates": place}, max_distance_m=1000.0)
        return store.select(Selection(tenant=1, types=LAMP, geo=geo, limit=20))

    await figures.run("near 1 km limit 20", ops, near)
    await figures.run("type+q limit 20 with count", 200, lambda i: by_q(i, count=True))
    await figures.run("type limit 20", ops, lambda i: store.select(Selection(tenant=1, types=LAMP)))


def floors(folder: Path, ops: int) -> None:
    """What the bare library costs on this machine now."""
    db = apsw.Connection(str(folder / "floor.db"))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", 2)
    db.execute("CREATE TABLE e(n INTEGER PRIMARY KEY, id TEXT UNIQUE, body BLOB)")
    chance = random.Random(9)
    body = orjson.dumps(entity(1, chance))
    run = db.cursor().execute
    cpu = process_time()
    for i in range(0, ops, 16):
        run("BEGIN IMMEDIATE")
        for j in range(i, i + 16):
            run(
                "INSERT INTO e(id, body) VALUES(?,?) "
                "ON CONFLICT(id) DO UPDATE SET body=excluded.body",
                (f"urn:{j}", body),
            )
        run("COMMIT")
    print(
        f"{'floor: bare upsert, groups of 16':34s} {(process_time() - cpu) / ops * 1e6:8.1f} µs CPU"
    )
    cpu = process_time()
    for _ in range(ops):
        run("SELECT n, body FROM e WHERE id=?", (f"urn:{chance.randrange(ops)}",)).fetchone()
    print(f"{'floor: bare point read':34s} {(process_time() - cpu) / ops * 1e6:8.1f} µs CPU")
    db.close()
    with (folder / "sync").open("wb") as file:
        wall = perf_counter()
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        print(f"{'one fdatasync':34s} {(perf_counter() - wall) / 50 * 1e3:8.2f} ms wall")


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(arguments: argparse.Namespace) -> None:
    """Floors, writes, reads, then how long opening takes."""
    sys.setswitchinterval(0.0005)
    folder = Path(tempfile.mkdtemp(prefix="pintu-bench-"))
    figures = Figures(set(arguments.only.split(",")) if arguments.only else set())
    try:
        floors(folder, 10_000)
        store = open_sqlite(folder / "city.db", clock=CityClock())
        before = resident_mib()
        await writes(store, figures, arguments.entities, arguments.ops)
        await reads(store, figures, arguments.entities, arguments.ops)
        print(f"resident {resident_mib():.0f} MiB, {before:.0f} before", store.statistics())
        await store.close()
        begun = perf_counter()
        store = open_sqlite(folder / "city.db", clock=CityClock())
        print(f"{'opened again after':34s} {(perf_counter() - begun) * 1e3:8.1f} ms")
        await store.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--ops", type=int, default=10_000)
    parser.add_argument("--only", default="")
    parsed = parser.parse_args()
    try:
        import uvloop

        uvloop.run(main(parsed))
    except ImportError:
        asyncio.run(main(parsed))
