"""A city with history moved to PostgreSQL and back by `pintu move`, killed half-way and resumed:
what its port tells is the same in the end (`python -m claims.second_store_moving`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bench.http_ops import served
from bench.moving import fill
from claims.words import Finding, NotRun, judged
from pintu.kernel.clock import CityClock
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Store, settled

TO_THERE_BAR_S = 600.0
PIECE = 10_000


@dataclass(frozen=True, slots=True)
class Digest:
    """What a store tells through its port: how much, and a sum that hangs on every byte of it."""

    entities: int
    changes: int
    total: int

    def __str__(self) -> str:
        return f"{self.entities:,} entities, {self.changes:,} changes, {self.total:032x}"[:60]


async def digest(address: str, data: Path) -> Digest:
    """Everything of the default tenant and the whole log, read through the port."""
    store = await open_store(address, data, clock=CityClock())
    try:
        entities, one = await _entities(store)
        changes, two = await _changes(store)
        told = repr((sorted(store.tenants()), sorted(store.cursors().items()), store.head()))
        return Digest(entities, changes, (one + two + _sum(told.encode())) % 2**128)
    finally:
        await store.close()


async def _entities(store: Store) -> tuple[int, int]:
    count = total = 0
    while True:
        wanted = Selection(tenant=1, limit=PIECE, offset=count)
        found = (await settled(store.select(wanted))).records
        for one in found:
            shown = (one.id, one.types, one.body, one.created_us, one.modified_us, one.times)
            total += _sum(repr((*shown, one.last_change)).encode())
        count += len(found)
        if len(found) < PIECE:
            return count, total


async def _changes(store: Store) -> tuple[int, int]:
    count = total = after = 0
    while found := await settled(store.changes(after, PIECE)):
        for one in found:
            fields = [getattr(one, name) for name in one.__struct_fields__]
            total += _sum(repr(fields).encode())
        count += len(found)
        after = found[-1].position
    return count, total


def _sum(told: bytes) -> int:
    return int.from_bytes(blake2b(told, digest_size=16).digest())


def _move(data: Path, to: str) -> tuple[float, str]:
    """(seconds, what it said) of one move; RuntimeError when it did not come through."""
    began = time.monotonic()
    done = subprocess.run(_command(data, to), env=_environ(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pintu move ended with {done.returncode}: {done.stderr[-300:]}")
    return time.monotonic() - began, done.stdout


def _command(data: Path, *words: str) -> list[str]:
    told = ["--forget-old", "--yes"] if words == ("forget",) else ["--to", *words, "--plain"]
    return [sys.executable, "-m", "pintu", "move", *told, "--data", str(data)]


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PINTU_STORE"}


def _killed_half_way(data: Path, to: str, entities: int) -> int:
    """kill -9 of a move when half of the entities are there; how many were."""
    import psycopg

    process = subprocess.Popen(
        _command(data, to), env=_environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    there = 0
    with contextlib.closing(psycopg.connect(to.partition("?")[0], autocommit=True)) as looking:
        while process.poll() is None and there < entities // 2:
            with contextlib.suppress(psycopg.Error):
                row: Any = looking.execute("SELECT count(*) FROM pintu.entity").fetchone()
                there = row[0]
            time.sleep(0.02)
    if process.poll() is not None:
        raise RuntimeError(f"The move was over before half of {entities} entities were there")
    process.send_signal(signal.SIGKILL)
    process.wait()
    return there


def moved(entities: int, updates: int) -> list[Finding]:
    """There, killed half-way and resumed, and back."""
    try:
        import psycopg  # noqa: F401  the driver of the looking-on
    except ImportError as error:
        raise NotRun(f"{error.name} is not installed") from error
    with tempfile.TemporaryDirectory(prefix="pintu-moved-") as name, served("postgres") as where:
        data, address = Path(name) / "data", where[0]
        data.mkdir()
        asyncio.run(fill(data / "city.db", entities, updates))
        first = asyncio.run(digest("sqlite:", data))
        there = _killed_half_way(data, address, entities)
        to_s, told = _move(data, address)
        second = asyncio.run(digest(address, data))
        subprocess.run(_command(data, "forget"), env=_environ(), check=True, capture_output=True)
        back_s, _ = _move(data, "sqlite:")
        third = asyncio.run(digest("sqlite:", data))
    paused = re.search(r"writing paused for ([\d.]+) s", told)
    what = f"{entities:,} entities, {first.changes:,} changes"
    speed = f"{to_s:.0f} s there, {back_s:.0f} s back"
    return [
        judged(f"moved there: {what}", str(second.entities), "equal sums", first == second,
               "" if first == second else f"{first} is not {second}"),
        judged("moved back", str(third.entities), "equal sums", first == third,
               "" if first == third else f"{first} is not {third}"),
        judged("move killed half-way and resumed", f"{there:,} were there", "goes on", there > 0),
        judged("time of a resumed move there, and back", speed, "≤ 600 s", to_s <= TO_THERE_BAR_S),
        judged("writing paused", f"{paused[1] if paused else '?'} s", "told", bool(paused)),
    ]  # fmt: skip


def quick() -> list[Finding]:
    """20,000 entities."""
    return moved(20_000, 1)


def measure() -> list[Finding]:
    """1,000,000 entities with two rows of history each."""
    return moved(1_000_000, 1)


if __name__ == "__main__":
    for one in measure() if "--full" in sys.argv else quick():
        print(one.line())
