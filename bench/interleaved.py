"""What a change bought: the same operations on several checkouts in turn, on a machine that is
shared.

`python -m bench.interleaved --ops create,patch --rounds 3 CHECKOUT…` starts a city of each
checkout, fills it, and lets them take turns; prints CPU µs an operation of the broker and of all
else, beside the floor of the same minutes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.floors import Floors
from bench.http_ops import City, free_port, wait_ready
from bench.measuring import at, load
from bench.processes import command_line, cpu_s, tree

N = {
    "create": 4000, "patch": 4000, "batch_new": 6, "batch_replaced": 10, "retrieve": 4000,
    "type_q": 4000, "near": 3000, "type_q_count": 2000, "near_count": 1000,
}  # fmt: skip
FLOORS = {"retrieve": "echo", "type_q": "read", "near": "read", "type_q_count": "read",
          "near_count": "read"}  # fmt: skip
SIZES = {"batch_new": 1000, "batch_replaced": 500}


def shares(city: City) -> tuple[float, float]:
    """CPU seconds of the broker, and of the city's other processes."""
    pids = tree(city.process.pid)
    brokers = [pid for pid in pids if "processes.broker" in command_line(pid)]
    return cpu_s(brokers), cpu_s([pid for pid in pids if pid not in brokers])


class Side:
    """One checkout's city, and what was seen of it."""

    def __init__(self, checkout: str, folder: Path, entities: int) -> None:
        os.environ["PYTHONPATH"] = f"{checkout}/src:{checkout}"
        folder.mkdir()
        self.checkout, self.stock, self.first = checkout, entities, entities
        self.city = City(folder / "data")
        self.seen: dict[str, list[tuple[float, float, float]]] = {}
        self.times: dict[str, list[float]] = {}
        self._load("batch_new", entities // 1000, first=0)
        self._load("type_q", 1000)
        time.sleep(5)  # the index of the queries is learned

    def _load(self, op: str, n: int, **more: Any) -> dict[str, Any]:
        size = SIZES.get(op, 1)
        plan = {
            "port": self.city.port, "token": self.city.token, "op": op, "n": n, "size": size,
            "stock": self.stock, "first": self.first, "connections": 2 if size > 1 else 32, **more,
        }  # fmt: skip
        seen = load(plan)
        if seen["errors"]:
            raise SystemExit(f"{op}: {seen['sample']}")
        return seen

    def turn(self, op: str, seed: int, floor_us: float) -> None:
        """Do one operation for a while."""
        before, count = shares(self.city), N[op] * SIZES.get(op, 1)
        seen = self._load(op, N[op], seed=seed)
        after = shares(self.city)
        self.first += count if op in ("create", "batch_new") else 0
        broker, rest = ((b - a) * 1e6 / count for a, b in zip(before, after, strict=True))
        self.seen.setdefault(op, []).append((broker, rest, floor_us))
        self.times.setdefault(op, []).extend(seen["times_ms"])

    def line(self, op: str) -> str:
        """What came of it."""
        broker, rest, floor = (fmean(column) for column in zip(*self.seen[op], strict=True))
        times = self.times[op]
        return (
            f"{op:15} {self.checkout[-24:]:24} broker {broker:6.1f} rest {rest:5.1f}"
            f" floor {floor:5.1f} ×{(broker + rest) / floor:.2f}"
            f" p50 {at(times, 0.5):6.2f} p99 {at(times, 0.99):6.2f} ms"
        )


def main() -> None:
    """Print a line an operation and checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ops", default="create,patch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entities", type=int, default=50_000)
    parser.add_argument("checkouts", nargs="+")
    options = parser.parse_args()
    sides: list[Side] = []
    with tempfile.TemporaryDirectory(prefix="pintu-bench-") as name:
        floors = Floors(Path(name), 2000, port := free_port())
        wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 60)
        try:
            for number, checkout in enumerate(options.checkouts):
                sides.append(Side(checkout, Path(name) / str(number), options.entities))
            for turn in range(options.rounds):
                for op in options.ops.split(","):
                    floor_us = floors.take(FLOORS.get(op, "upsert")).cpu_us
                    for side in sides if turn % 2 == 0 else sides[::-1]:
                        side.turn(op, turn + 1, floor_us)
            for op in options.ops.split(","):
                for side in sides:
                    print(side.line(op))
            for side in sides:
                print(f"{side.checkout[-24:]:24} broker {side.city.broker_mb():.0f} MB")
        finally:
            for side in sides:
                side.city.stop()
            floors.stop()


if __name__ == "__main__":
    main()
