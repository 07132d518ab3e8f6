"""The bench table: `python -m bench [--quick] [--full] [--only NAME] [--out bench/results.json]`.

Each operation of the installed city beside its goal, the floor of the same run, and what a C++
broker with a document database was measured to need (`PEERS_US`: Orion-LD 1.6, history off,
acknowledging before the disk has it; a quiet 2-core machine). `--quick` does a tenth of the work;
`--full` adds how the costs grow to 1,000,000 entities, which takes half an hour. Parts:
operations, agreed, beside, notifications, memory, growth.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import beside, gate, growth, http_ops, memory, notify, stores

PEERS_US: Final = {
    "create": "310-420",
    "PATCH": "330-370",
    "batch of 1,000 new, an entity": "55",
    "batch of 500 replaced, an entity": "147-156",
    "retrieve": "193",
    "type + q, limit 20": "8,800-10,400",
    "near 1 km, limit 20": "8,500-8,900",
}
WRITE_P99_MS: Final = 6.0
NOTIFIED_MS: Final = (0.9, 1.8)
"""p50 and p99 from the first byte of a PATCH to the last of its notification, at 100 a second."""

Row = dict[str, Any]


def row(name: str, figure: float, unit: str, goal: float, **more: Any) -> Row:
    """One line of the table: reached when the figure is no more than the goal."""
    found = {"name": name, "figure": figure, "unit": unit, "goal": goal}
    return {**found, "reached": figure <= goal, **more}


def line(one: Row) -> str:
    """A line as text."""
    floor = f"  floor {one['floor']} {one['floor_us']:.1f} µs" if "floor" in one else ""
    ratio = f" ×{one['ratio']:.1f}" if "ratio" in one else ""
    peer = f"  (Orion-LD {PEERS_US[one['name']]})" if one["name"] in PEERS_US else ""
    listed = f" (listed {one['listed']:g})" if "listed" in one else ""
    return (
        f"{one['name']:<44}{one['figure']:>9.2f} {one['unit']:<3} goal {one['goal']:8.2f}{listed}"
        f"{floor}{ratio}{peer}  {'ok' if one['reached'] else 'short'}"
    )


def operations(scale: float) -> list[Row]:
    """CPU an operation with 100,000 entities, latencies of single writes, memory, start."""
    entities = 100_000 if scale == 1 else 20_000
    every = (*http_ops.FIGURES, *http_ops.COUNTED)
    found = http_ops.run(entities, scale, figures=every, paced_s=max(2.0, 10 * scale))
    rows = [
        row(one["name"], one["cpu_us"], "µs", one["scaled_goal_us"], listed=one["goal_us"],
            **{key: one[key] for key in ("floor", "floor_us", "ratio", "p50_ms", "p99_ms")})
        for one in found["rows"]
    ]  # fmt: skip
    rows += [
        row(f"{one['name']}, p99", one["p99_ms"], "ms", WRITE_P99_MS) for one in found["rows"][:2]
    ]
    for one, name in zip(found["paced"], ("create", "PATCH"), strict=True):
        told = {key: one[key] for key in ("p50_ms", "late_ms", "longest_ms")}
        rows.append(row(f"{name}, p99 at {one['rate']:,} a second", one["p99_ms"], "ms",
                        WRITE_P99_MS, **told))  # fmt: skip
    told = {"entities": found["entities"], "broker_mb_before": found["broker_rss_mb"]}
    return [*rows, row("ready again with that data", found["ready_s"], "s", 3.0, **told)]


def agreed(scale: float) -> list[Row]:
    """The same read under an agreement: its row of the log, its receipt, its masks."""
    seen = gate.served(max(2_000, int(10_000 * scale)), 5_000)
    times = seen["echo"] / http_ops.LISTED_FLOORS_US["echo"]
    added = seen["retrieve agreed"] - seen["retrieve owner"]
    bar = gate.BARS["retrieve"]
    floor = {"floor": "echo", "floor_us": seen["echo"], "ratio": added / seen["echo"]}
    return [
        row("retrieve under an agreement, added", added, "µs", bar * times, listed=bar, **floor),
        row("page of 100 under an agreement ÷ owner's", seen["page agreed"] / seen["page owner"],
            "×", gate.BARS["page"]),
    ]  # fmt: skip


def reads_beside(scale: float) -> list[Row]:
    """Single reads while batches are replaced."""
    seen = beside.run(100_000 if scale == 1 else 20_000, max(3.0, 20 * scale))
    told = {"p50_ms": seen["p50_ms"], "alone_p99_ms": seen["alone_p99_ms"]}
    return [row("reads beside batches, p99", seen["p99_ms"], "ms", beside.GOAL_MS, **told)]


def notifications(scale: float) -> list[Row]:
    """How soon a change is told, at 100 a second."""
    seconds = max(2.0, 10 * scale)
    asked = argparse.Namespace(subscriptions=100, idle=0, seconds=seconds, rates=[100])
    with tempfile.TemporaryDirectory(prefix="bench-notify-") as folder:
        place = Path(folder) / "city"
        place.mkdir()
        city = http_ops.City(place, "--open", "--no-pieces")
        try:
            ((_, seen),) = uvloop.run(notify.every(asked, city))
        finally:
            city.stop()
    sync = {"fdatasync_p50_ms": seen["sync_ms"], "fdatasync_p99_ms": seen["sync_p99_ms"]}
    return [
        row(f"notification, {name}", seen[f"{name}_ms"], "ms", goal, lost=seen["lost"], **sync)
        for name, goal in zip(("p50", "p99"), NOTIFIED_MS, strict=True)
    ]


def held(scale: float) -> list[Row]:
    """What the broker holds with exactly 100,000 entities, worked and come to rest."""
    entities = 100_000 if scale == 1 else 20_000
    found = memory.run(entities, scale)
    told = {"worked_mb": found["worked_mb"], "city_pss_mb": found["city_mb"]}
    name = f"broker with exactly {entities:,} entities"
    return [row(name, found["broker_mb"], "MB", http_ops.MEMORY_MB, **told)]


def growing(scale: float) -> list[Row]:
    """10,000 to 1,000,000 entities."""
    most = int(1_000_000 * min(1.0, scale * 2))
    found = growth.run(most, scale)
    rows = [
        row(f"{one['name']}, {most:,} ÷ 10,000", one["ratio"], "×", stores.GROWTH_BAR,
            small_us=one["small_us"], large_us=one["large_us"])
        for one in found["rows"]
    ]  # fmt: skip
    memory = row(f"broker with {most:,} entities", found["large_mb"], "MB", growth.MEMORY_MB)
    return [*rows, {**memory, "counted": found["counted"], "ready_s": found["ready_s"]}]


PARTS: Final[dict[str, Callable[[float], list[Row]]]] = {
    "operations": operations,
    "agreed": agreed,
    "beside": reads_beside,
    "notifications": notifications,
    "memory": held,
    "growth": growing,
}
SLOW: Final = frozenset({"growth"})


def main() -> int:
    """Measure, print, write; 1 when a goal is not reached."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--full", action="store_true", help="growth to 1,000,000 entities too")
    parser.add_argument("--only", choices=sorted(PARTS), help="one part")
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    asked = parser.parse_args()
    chosen = [asked.only] if asked.only else [n for n in PARTS if asked.full or n not in SLOW]
    rows: list[Row] = []
    for name in chosen:
        found = PARTS[name](0.1 if asked.quick else 1.0)
        rows += [{"part": name, **one} for one in found]
        print(f"\n{name} (load {os.getloadavg()[0]:.1f})")
        print("\n".join(line(one) for one in found), flush=True)
    asked.out.write_text(json.dumps({"load": os.getloadavg(), "rows": rows}, indent=1))
    return int(not all(one["reached"] for one in rows))
