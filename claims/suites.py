"""Programs of their own whose tables are claims: the bench, and the outside conformance suite."""

from __future__ import annotations

import contextlib
import io
import re

from bench import http_ops
from claims.words import Finding, NotRun, judged
from tests.conformance import run as outside

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


def conformance() -> list[Finding]:
    """The outside suite through both doors: share of passes, and whether the doors agree."""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = outside.main([])
    text = told.getvalue()
    if code == 2:
        raise NotRun(text.strip())
    print(text)
    found = [
        judged(f"conformance, {door} door", f"{share} % of {count}", "≥ 97 %", float(share) >= 97)
        for door, count, share in re.findall(
            r"^(fast|plain) {3,}(\d+) tests counted, ([\d.]+) %", text, re.MULTILINE
        )
    ]
    differing = len(re.findall("^differs", text, re.MULTILINE))
    return [*found, judged("conformance, both doors", f"{differing} differ", "0", not differing)]
