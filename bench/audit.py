"""What the sealed log costs: a row entered, above the store's own durable note of the same bytes;
a row sealed; a call counted; a proof; a stranger's check.

`python -m bench.audit [--rows 20000] [--store postgresql://…]` prints one line a figure. 32 tasks
stand in for connections; a row is durable when it is counted. CPU is that of the whole process,
the store's writer thread included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from bench.measuring import at
from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Audit
from pintu.kernel.audit.rows import row_bytes
from pintu.kernel.clock import CityClock
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op
from pintu.kernel.tables import open_tables
from pintu_verify.program import main as verify

CONNECTIONS = 32
ROUNDS = 5
MOST_ABOVE_US = 25.0
"""CPU of `enter` above the store's own group commit: issue D's share of 60 µs for gate and log."""


def look(subject: str, number: int) -> Entry:
    """A retrieve under an agreement as the gate writes it down: some 450 bytes."""
    return Entry(
        what="read",
        deed="read",
        actor="person:5f0c7a9e",
        person="5f0c7a9e",
        organisation="school",
        roles=("clerk",),
        data_set="vaccinations",
        owner="health",
        purpose="enrolment",
        reason=f"入学核对 {number}",
        agreement="AG-7f3a/2",
        basis="agreement AG-7f3a/2",
        fields=("done",),
        subjects=(subject,),
        rows=1,
        answer="0123456789abcdef0123456789abcdef",
    )


async def each(count: int, one: Callable[[int], Awaitable[Any]]) -> tuple[float, list[float]]:
    """(CPU µs an operation, seconds each) of many over 32 tasks."""
    waits: list[float] = []
    left = iter(range(count))

    async def lane() -> None:
        for number in left:
            began = perf_counter()
            await one(number)
            waits.append(perf_counter() - began)

    before = process_time()
    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
    return (process_time() - before) * 1e6 / count, waits


async def entering(audit: Audit, store: Any, rows: int) -> float:
    """Rows entered against bare notes of the same bytes, turn about; the median difference, µs."""
    subject = audit.digest("320102199001011234")

    async def bare(number: int) -> None:
        await store.submit((Op(0, "", note=body),))

    entries = [look(subject, number) for number in range(rows // ROUNDS)]

    async def enter(number: int) -> None:
        await audit.enter(entries[number])

    body = row_bytes(look(subject, 0), CityClock().now_us())
    floors, costs, waits = [], [], []
    for _ in range(ROUNDS):
        floors.append((await each(rows // ROUNDS, bare))[0])
        cost, seen = await each(rows // ROUNDS, enter)
        costs.append(cost)
        waits += seen
    above = median(cost - floor for cost, floor in zip(costs, floors, strict=True))
    print(f"a bare durable note of {len(body)} bytes (floor)  {median(floors):8.1f} µs CPU")
    print(f"a row entered                              {median(costs):8.1f} µs CPU, "
          f"p50 {at(waits, 0.5) * 1e3:.2f} ms, p99 {at(waits, 0.99) * 1e3:.2f} ms")  # fmt: skip
    print(f"above the store's own                      {above:8.1f} µs CPU "
          f"(bar {MOST_ABOVE_US:g}: {'ok' if above <= MOST_ABOVE_US else 'short'})")  # fmt: skip
    return above


def small_ones(audit: Audit, count: int = 100_000) -> None:
    """What happens on the caller's thread alone."""
    actor, act = Actor(id="token:a"), Act(deed=Deed.READ, data_set="lamps")
    subject = audit.digest("320102199001011234")
    entry = look(subject, 1)
    for name, one in (
        ("a call counted", lambda: audit.count(actor, act)),
        ("a digest", lambda: audit.digest("320102199001011234")),
        ("a row prepared", lambda: audit.prepare(entry)),
    ):
        before = process_time()
        for _ in range(count):
            one()
        print(f"{name:42} {(process_time() - before) * 1e6 / count:8.2f} µs CPU")


async def proving(audit: Audit, store: Any) -> None:
    """Sealing what was entered, then proofs out of it."""
    waiting = store.notes_head()
    before = process_time()
    await audit.sealer.seal()
    print(f"a row sealed and placed                    "
          f"{(process_time() - before) * 1e6 / waiting:8.1f} µs CPU")  # fmt: skip
    for name, one in (
        ("an inclusion proof", lambda n: audit.inclusion(1 + n * 7919 % waiting)),
        ("a proof as a file", lambda n: audit.proofs.bundle(1 + n * 7919 % waiting)),
        ("a search by agreement, 50 rows", lambda n: audit.search(agreement="AG-7f3a")),
    ):
        began = perf_counter()
        for number in range(50):
            await one(number)
        print(f"{name:42} {(perf_counter() - began) * 1e3 / 50:8.2f} ms")


async def checking(audit: Audit, folder: Path, rows: int) -> None:
    """A stranger's check of the whole log."""
    path = folder / "log.jsonl"
    await audit.export(path)
    began = perf_counter()
    # the bare notes of the floor all say one time
    code = verify(["log", str(path), "--key", audit.public(), "--tolerance", "3600"])
    took = perf_counter() - began
    print(f"pintu-verify of the whole log              {rows / took:8.0f} rows/s (exit {code})")


async def run(rows: int, address: str) -> int:
    """Every figure; 1 when a row costs more than its bar."""
    with tempfile.TemporaryDirectory(prefix="bench-audit-", dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        clock = CityClock()
        store = await open_store(address, folder, clock=clock)
        tables = open_tables(folder, address)
        audit = Audit(store, tables, Keys(folder / "keys"), clock, name="bench.example")
        await audit.sealer.load()
        above = await entering(audit, store, rows)
        small_ones(audit)
        await proving(audit, store)
        await checking(audit, folder, store.notes_head())
        await audit.stop()
        await store.close()
        tables.close()
    return 0 if above <= MOST_ABOVE_US else 1


def main() -> int:
    """Read the words and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--store", default="sqlite:")
    told = parser.parse_args()
    return asyncio.run(run(told.rows, told.store))


if __name__ == "__main__":
    sys.exit(main())
