"""A program of its own whose table is claims: the bench."""

from __future__ import annotations

from bench import http_ops
from claims.words import Finding, judged

ENTITIES = 100_000
P99_BAR_MS = 10.0
SINGLE_WRITES = ("create", "PATCH")


def bench() -> list[Finding]:
    """CPU an operation beside its bar (scaled by this run's floor), memory, and readiness."""
    result = http_ops.run(ENTITIES, 1.0)
    found = []
    for row in result["rows"]:
        figure = f"{row['cpu_us']:.0f} µs, p99 {row['p99_ms']:.1f} ms"
        bar = f"≤ {row['bar_us']:.0f} ({row['scaled_bar_us']:.0f}) µs"
        found.append(judged(f"{row['name']}, CPU", figure, bar, bool(row["ok"])))
        if row["name"] in SINGLE_WRITES:
            good = row["p99_ms"] <= P99_BAR_MS
            found.append(judged(f"{row['name']}, p99", f"{row['p99_ms']:.1f} ms", "≤ 10 ms", good))
    memory, ready_s = result["broker_rss_mb"], result["ready_s"]
    found.append(judged("memory of the broker", f"{memory:.0f} MB", "≤ 350 MB", memory <= 350))
    found.append(judged("ready with that data", f"{ready_s:.1f} s", "≤ 3 s", ready_s <= 3))
    return found
