"""What agreements cost: loading them, keeping them, and asking which is in force.

`python -m bench.agreements [--agreements 100000]` prints one line a figure, beside floors of the
same run: a bare dictionary's look-up with the clock's reading, and the decoding of the same rows.
Agreements are signed by both sides, one in a hundred tells of other fields.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import msgspec
import psutil  # type: ignore[import-untyped]
import sqlalchemy as sa

from pintu.kernel.access import Mask
from pintu.kernel.clock import CityClock
from pintu.kernel.exchange.agreements import Agreement, Agreements, Limits, Terms, signing
from pintu.kernel.exchange.agreements.ledger import version_row
from pintu.kernel.exchange.agreements.schema import TABLES, VERSION
from pintu.kernel.exchange.words import Condition, DataSet
from pintu.kernel.identity.keys import Keys
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Timers

LOOK_UPS = 1_000_000


def agreement(number: int, signatures: signing.Signatures, now_us: int) -> Agreement:
    """One in force between two of 200 departments."""
    provider, consumer = f"d{number % 200}", f"d{(number // 200 + number + 1) % 200}"
    fields = {f"f{one}": Mask(kind="yes_no") for one in range(3 + number % 100 // 99)}
    made = Agreement(
        id=f"ag-{number:010d}",
        version=1,
        terms=Terms(
            data_set=f"set{number % 2000}",
            provider=provider,
            consumer=consumer,
            purpose="enrolment",
            basis="statutory_duty",
            fields=fields,
            where=(Condition("school", "=", f"S{number % 500}"),),
            subject="id_number",
            limits=Limits(subjects_a_day=300, looks_at_one=5),
            retention_days=30,
            until_us=now_us + 10**13 + number,
        ),
        state="active",
        requested_by=f"p{number % 1000}",
        approved_by=f"q{number % 1000}",
        reason="入学核验疫苗接种（演示）",
        requested_us=now_us,
        changed_us=now_us,
    )
    message = signing.canonical(made)
    both = tuple(signatures.sign(one, message, now_us) for one in (provider, consumer))
    return msgspec.structs.replace(made, signatures=both)


def fill(folder: Path, count: int) -> float:
    """Write the agreements; seconds of making and signing one, in microseconds."""
    tables = open_tables(folder, "sqlite:")
    file = tables.register(TABLES)
    signatures = signing.Signatures(Keys(folder / "keys"))
    now_us = CityClock().now_us()
    began = process_time()
    for first in range(0, count, 5_000):
        rows = [
            version_row(agreement(number, signatures, now_us), number + 1, signatures.seal)
            for number in range(first, min(first + 5_000, count))
        ]
        file.run_now(partial(insert, rows))
    spent = process_time() - began
    tables.close()
    return spent / count * 1e6


def insert(rows: list[dict[str, Any]], connection: sa.Connection) -> None:
    """Put rows into the table."""
    connection.execute(VERSION.insert(), rows)


def opened(folder: Path) -> Agreements:
    """The room over that folder, as a city opens it."""
    tables = open_tables(folder, "sqlite:")
    clock = CityClock()

    def find(name: str) -> DataSet:
        raise NotImplementedError(name)

    return Agreements(
        tables,
        clock,
        Timers(tables, clock),
        Keys(folder / "keys"),
        audit=None,
        find_data_set=find,
        codes=lambda _: frozenset(),
    )


def nanoseconds(work: Callable[[str], object], ids: list[str]) -> float:
    """CPU nanoseconds a call, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = process_time()
        for one in ids:
            work(one)
        best = min(best, (process_time() - began) / len(ids) * 1e9)
    return best


def floors(folder: Path) -> float:
    """CPU seconds to read and decode the same rows, nothing kept."""
    tables = open_tables(folder, "sqlite:")
    file = tables.register(TABLES)
    decode = msgspec.json.Decoder(Agreement).decode
    began = process_time()
    rows = file.read_now(lambda c: c.execute(sa.select(VERSION.c.body)).all())
    for (body,) in rows:
        decode(body)
    spent = process_time() - began
    tables.close()
    return spent


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.agreements", description=__doc__)
    parser.add_argument("--agreements", type=int, default=100_000)
    count: int = parser.parse_args().agreements
    with tempfile.TemporaryDirectory(prefix="pintu-agreements-") as name:
        folder = Path(name)
        print(f"made and signed by both: {fill(folder, count):.0f} µs an agreement")
        floor_s = floors(folder)
        gc.collect()
        before = psutil.Process().memory_info().rss
        began = process_time()
        room = opened(folder)
        load_s = process_time() - began
        gc.collect()
        kept = psutil.Process().memory_info().rss - before
        print(f"loaded {count}: {load_s:.2f} s CPU (floor, read and decoded: {floor_s:.2f} s)")
        print(f"in memory: {kept / 1e6:.0f} MB, {kept / count:.0f} bytes an agreement")
        chance = random.Random(7)
        ids = [f"ag-{chance.randrange(count):010d}" for _ in range(LOOK_UPS)]
        known = dict.fromkeys(ids, room)
        now_us = CityClock().now_us

        def bare(id: str) -> object:
            return known.get(id) is not None and now_us() > 0

        print(f"active(id): {nanoseconds(room.active, ids):.0f} ns", end=" ")
        print(f"(floor, a dictionary and the clock: {nanoseconds(bare, ids):.0f} ns)")
        used = ids[:1_000] * 300
        print(
            f"active(id) of 1,000 that are in use: {nanoseconds(room.active, used):.0f} ns", end=" "
        )
        print(f"(floor: {nanoseconds(bare, used):.0f} ns)")
        print(f"active of an unknown id: {nanoseconds(room.active, ['ag-x'] * 100_000):.0f} ns")
        print(
            f"a look that finds nothing: {nanoseconds(lambda _: room.look(), ids[:10_000]):.0f} ns"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
