"""What one operation costs with one, two and three brokers on one PostgreSQL, and where it goes:
CPU of the brokers and of the server, beside a broker that is alone on PostgreSQL, and SQLite's.

`python -m bench.brokers [--entities 20000] [--scale 1] [--out bench/brokers.json]` starts five
cities at once with the same entities, and measures them in turns, slice by slice: a plan is shared
out evenly among the brokers of a city, over 32 connections altogether. The floor is SQLite's
durable upsert of the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.entities import entity_json
from bench.floors import Floors
from bench.http_ops import SERVER_SETTINGS, free_port, wait_ready
from bench.measuring import load
from bench.processes import cpu_s, server_cpu_s, tree
from tests.faults.brokers_town import Told, Town
from tests.faults.callers import Line
from tests.faults.postgres_load import make_city
from tests.real_databases import PASSWORD, Server, postgres

SLICES = 3
CONNECTIONS = 32
STORE_PORTS = (9790, 9799)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operation: how often, entities a request."""

    name: str
    op: str
    n: int
    per: int = 1


FIGURES = (
    Figure(name="create", op="create", n=4_500),
    Figure(name="PATCH", op="patch", n=4_500),
    Figure(name="batch of 500 replaced, an entity", op="batch_replaced", n=12, per=500),
    Figure(name="retrieve", op="retrieve", n=9_000),
    Figure(name="type + q, limit 20", op="type_q", n=4_500),
    Figure(name="near 1 km, limit 20", op="near", n=3_000),
)


@dataclass(slots=True)
class City:
    """One arrangement: its brokers, and what each figure's slices gave."""

    name: str
    town: Town
    server: Server | None
    first: int = 0  # entities made so far
    seen: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    """Figure → (broker µs, server µs, operations a second) of each slice."""

    def broker_s(self) -> float:
        """CPU seconds of all its brokers so far."""
        roots = [one.process.pid for one in self.town.brokers if one.process is not None]
        return cpu_s([pid for root in roots for pid in tree(root)])

    def server_s(self) -> float:
        """CPU seconds of the server so far: only one city at a time is asked."""
        if self.server is None or self.server.process is None:
            return 0.0
        return server_cpu_s(self.server.process.pid)

    def fill(self, entities: int) -> None:
        """Entities that everything is about."""
        line = Line(self.town.brokers[0].port, self.town.token, timeout_s=120)
        for start in range(0, entities, 1000):
            batch = [
                json.loads(entity_json(one)) for one in range(start, min(start + 1000, entities))
            ]
            answer = line.ask("POST", "/ngsi-ld/v1/entityOperations/create", batch)
            assert answer is not None and answer[0] == 201, answer
        self.first = entities

    def measure(self, figure: Figure, n: int, stock: int, seed: int) -> None:
        """One slice of a figure, shared out among the brokers."""
        brokers = self.town.brokers
        each = max(n // len(brokers), 1)
        plans = []
        for at, one in enumerate(brokers):
            plans.append({
                "op": figure.op, "n": each, "port": one.port, "token": self.town.token,
                "stock": stock, "first": self.first + at * each, "seed": seed * 10 + at,
                "size": figure.per, "connections": max(CONNECTIONS // len(brokers), 1),
            })  # fmt: skip
        if figure.op == "create":
            self.first += each * len(brokers)
        before = self.broker_s(), self.server_s()
        with ThreadPoolExecutor(len(plans)) as pool:
            told = list(pool.map(load, plans))
        items = sum(one["n"] for one in told) * figure.per
        errors = [one["sample"] for one in told if one["errors"]]
        if errors:
            raise SystemExit(f"{self.name}, {figure.name}: {errors[0]}")
        spent = self.broker_s() - before[0], self.server_s() - before[1]
        rate = items / max(one["seconds"] for one in told)
        row = (spent[0] * 1e6 / items, spent[1] * 1e6 / items, rate)
        self.seen.setdefault(figure.name, []).append(row)

    def median(self, figure: Figure) -> tuple[float, float, float]:
        """Of the slices: broker µs, server µs, operations a second."""
        rows = self.seen[figure.name]
        broker, server, rate = (statistics.median(column) for column in zip(*rows, strict=True))
        return broker, server, rate


def cities(ends: ExitStack, told: Told) -> list[City]:
    """The five arrangements, running."""
    server = ends.enter_context(
        postgres(settings={**SERVER_SETTINGS, "max_connections": "200"}, ports=STORE_PORTS)
    )
    make_city(server)
    at = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="pintu-bench-brokers-")))
    found: list[City] = []
    for name, number in (("SQLite", 0), ("alone", 0), ("1 broker", 1), ("2", 2), ("3", 3)):
        where = f"owner:{PASSWORD}@127.0.0.1:{server.port}/city"
        store = f"postgresql://{where}?schema=s{len(found)}" if name != "SQLite" else "sqlite:"
        town = Town(at / str(len(found)), store, max(number, 1), told)
        if not number:
            town.brokers[0].name = ""
        ends.callback(town.stop)
        town.start()
        found.append(City(name, town, None if name == "SQLite" else server))
    return found


def main() -> int:
    """Measure, print, write."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--entities", type=int, default=20_000)
    asked.add_argument("--scale", type=float, default=1.0)
    asked.add_argument("--out", type=Path)
    said = asked.parse_args()
    with ExitStack() as ends:
        told = Told()
        ends.callback(told.close)
        found = cities(ends, told)
        for one in found:
            one.fill(said.entities)
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        floors = Floors(folder, 1_500, port := free_port())
        ends.callback(floors.stop)
        wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 60)
        upsert: list[float] = []
        time.sleep(3)
        for seed in range(SLICES + 1):  # the first one warms caches and learns
            upsert.append(floors.take("upsert").cpu_us)
            for figure in FIGURES:
                for one in found:
                    many = max(int(figure.n * said.scale / SLICES), 3)
                    one.measure(figure, many, said.entities, seed)
        for one in found:
            one.seen = {name: rows[1:] for name, rows in one.seen.items()}
        rows = printed(found, statistics.median(upsert))
    if said.out is not None:
        said.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return 0


def printed(found: list[City], upsert_us: float) -> list[dict[str, Any]]:
    """A line an operation; CPU µs of brokers + server, and operations a second."""
    print(f"floor: SQLite's durable upsert {upsert_us:.0f} µs; CPU µs brokers + server, (a second)")
    print(f"{'':<34}" + "".join(f"{one.name:>22}" for one in found))
    rows = []
    for figure in FIGURES:
        cells = []
        row: dict[str, Any] = {"operation": figure.name, "floor_upsert_us": round(upsert_us, 1)}
        for one in found:
            broker, server, rate = one.median(figure)
            cells.append(f"{broker:>7.0f} +{server:>5.0f} ({rate:>5.0f})")
            row[one.name] = {"broker_us": round(broker, 1), "server_us": round(server, 1),
                             "a_second": round(rate)}  # fmt: skip
        print(f"{figure.name:<34}" + "".join(f"{cell:>22}" for cell in cells))
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main())
