"""Reads while batches go on: `python -m bench.beside [--entities 100000] [--seconds 20]`.

One connection replaces 500 entities a call, without a pause; four others retrieve single entities
one after another. Printed: p50 and p99 of the reads with and without the batches, and the floor: an
echo under the same four connections in the same minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from bench.floors import Floors
from bench.http_ops import City, free_port, wait_ready
from bench.measuring import at, load

GOAL_MS: Final = 4.0
READERS: Final = 4
BATCH: Final = 500
READS_A_SECOND: Final = 2_000
"""What four readers reach beside batches, about: it only says how long a run is."""


def measured(city: City, entities: int, seconds: float) -> dict[str, Any]:
    """Latencies of reads alone and beside batches, ms; the city holds so many entities."""
    base = {"port": city.port, "token": city.token}
    reads = {
        **base,
        "op": "retrieve",
        "n": int(READS_A_SECOND * seconds),
        "stock": entities,
        "connections": READERS,
    }
    alone = load(reads)
    batches = {**base, "op": "batch_replaced", "size": BATCH, "stock": entities, "connections": 1}
    done: list[dict[str, Any]] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            done.append(load({**batches, "n": 20, "seed": len(done) + 1}))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        beside = load({**reads, "seed": 2})
    finally:
        ended.set()
        writer.join()
    failed = sum(one["errors"] for one in [alone, beside, *done])
    return {
        "alone_p50_ms": at(alone["times_ms"], 0.5),
        "alone_p99_ms": at(alone["times_ms"], 0.99),
        "p50_ms": at(beside["times_ms"], 0.5),
        "p99_ms": at(beside["times_ms"], 0.99),
        "entities_a_second": sum(one["n"] * BATCH for one in done)
        / sum(one["seconds"] for one in done),
        "errors": failed,
    }


def run(entities: int, seconds: float) -> dict[str, Any]:
    """The whole measurement on a city of its own."""
    with tempfile.TemporaryDirectory(prefix="pintu-beside-") as name:
        folder = Path(name)
        floors = Floors(folder, 20_000, port := free_port())
        wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 60)
        city = City(folder / "data")
        try:
            made = {"op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2}
            load({**made, "port": city.port, "token": city.token})
            echo = floors.take("echo")
            return {**measured(city, entities, seconds), "echo_p99_ms": at(echo.times_ms, 0.99)}
        finally:
            floors.stop()
            city.stop()


def line(seen: dict[str, Any]) -> str:
    """The figures as text."""
    kept = seen["p99_ms"] <= GOAL_MS and not seen["errors"]
    return (
        f"reads beside batches: p50 {seen['p50_ms']:.2f} ms  p99 {seen['p99_ms']:.2f} ms"
        f" (goal {GOAL_MS}; alone {seen['alone_p50_ms']:.2f} and {seen['alone_p99_ms']:.2f};"
        f" echo's p99 under 32 connections {seen['echo_p99_ms']:.2f};"
        f" {seen['entities_a_second']:,.0f} entities a second replaced meanwhile)"
        f"  {'ok' if kept else 'short'}"
    )


def main() -> int:
    """Measure and print; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    seen = run(options.entities, options.seconds)
    print(line(seen))
    return int(seen["p99_ms"] > GOAL_MS or bool(seen["errors"]))


if __name__ == "__main__":
    sys.exit(main())
