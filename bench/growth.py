"""What a hundred times as many entities change: `python -m bench.growth [--most 1000000]`.

Two cities on the default store, one with 10,000 entities and one with 1,000,000, are asked in
turns, slice by slice, so that what the machine does meanwhile is done to both. Printed: CPU µs an
operation in each and their ratio (bar 1.3), how the cost of an exact count grows with what it
counts, and the memory and the start of the large one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.http_ops import City
from bench.stores import FIGURES, GROWTH_BAR, calm, filled, measured, slice_of, used_up

SMALL: Final = 10_000
GROWING: Final = (
    "create",
    "PATCH",
    "batch of 1,000 new",
    "batch of 500 replaced",
    "retrieve, cache cold",
    "type + q, limit 20",
    "near 1 km, limit 20",
)
MEMORY_MB: Final = 700
THOUSANDTHS: Final = (1, 10, 100)
"""Which parts of a million entities are counted: 1,000, 10,000 and 100,000 matches."""


@contextlib.contextmanager
def cities(most: int) -> Iterator[dict[str, City]]:
    """The small one and the large one, filled and at rest."""
    with (
        tempfile.TemporaryDirectory(prefix="pintu-growth-") as name,
        contextlib.ExitStack() as stack,
    ):
        running = {}
        for size, entities in (("small", SMALL), ("large", most)):
            (Path(name) / size).mkdir()
            running[size] = City(Path(name) / size / "data")
            stack.callback(running[size].stop)
            filled(running[size], entities)
        for city in running.values():
            calm(city)
        yield running


def grown(running: dict[str, City], most: int, scale: float) -> list[dict[str, Any]]:
    """A row an operation; each is printed as it is known."""
    rows, first = [], most
    for figure in (one for one in FIGURES if one.name in GROWING):
        seen = measured(figure, running, first, {"small": SMALL, "large": most}, scale)
        first += used_up(figure, scale)
        small, large = (seen[size]["cpu_us"] for size in ("small", "large"))
        ratio = large / small
        rows.append({"name": figure.name, "small_us": small, "large_us": large, "ratio": ratio})
        kept = "ok" if ratio <= GROWTH_BAR else "short"
        costs = f"{small:7.1f} → {large:7.1f} µs  ×{ratio:.2f} of {GROWTH_BAR}"
        print(f"{figure.name:<24} {costs}  {kept}", flush=True)
    return rows


def counted(city: City, most: int) -> list[dict[str, Any]]:
    """CPU µs of a page with its exact count, by how many match."""
    rows = []
    for part in THOUSANDTHS:
        matches = most * part // 1000
        plan = {"op": "up_to_count", "thousandths": part, "n": max(20, 400 // part)}
        seen = slice_of(city, {**plan, "connections": 4, "timeout": 600}, 1)
        rows.append({"matches": matches, "cpu_us": seen["city_us"]})
        told = f"page with exact count of about {matches:>9,}"
        print(f"{told}: {seen['city_us']:10.0f} µs", flush=True)
    return rows


def run(most: int, scale: float) -> dict[str, Any]:
    """Everything of this bench."""
    with cities(most) as running:
        large = running["large"]
        found: dict[str, Any] = {"most": most, "rows": grown(running, most, scale)}
        found["counted"] = counted(large, most)
        found["large_mb"] = large.broker_mb()
        large.stop()
        large.start()
        found["ready_s"] = large.ready_s
    print(
        f"broker with {most:,} entities: {found['large_mb']:.0f} MB (goal {MEMORY_MB}),"
        f" ready in {found['ready_s']:.1f} s"
    )
    return found


def main() -> int:
    """Measure, print, write; 1 when a ratio or the memory is over its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--scale", type=float, default=1.0, help="fewer operations: a quick look")
    parser.add_argument("--out", type=Path, default=Path("bench/growth.json"))
    options = parser.parse_args()
    found = run(options.most, options.scale)
    options.out.write_text(json.dumps(found, indent=1))
    over = any(one["ratio"] > GROWTH_BAR for one in found["rows"])
    return int(over or found["large_mb"] > MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
