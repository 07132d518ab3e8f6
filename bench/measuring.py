"""One plan of load, run in a process of its own: CPU on the served side, latencies on the other."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any


def load(plan: dict[str, Any], driver: str = "bench.load") -> dict[str, Any]:
    """Run one plan in the load process and return what it saw."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", driver, file.name],
            capture_output=True,
            text=True,
            check=True,
            timeout=900,
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(cpu_s: Callable[[], float], plan: dict[str, Any], per: int = 1) -> dict[str, Any]:
    """One plan: CPU µs an item on the served side, and latencies a request on the other."""
    before = cpu_s()
    seen = load(plan)
    used = cpu_s() - before
    if seen["errors"]:
        raise SystemExit(
            f"{plan['op']}: {seen['errors']} of {seen['n']} failed "
            f"{seen['statuses']}: {seen['sample']}"
        )
    return {**seen, "cpu_us": used * 1e6 / max(1, seen["n"] * per)}


def at(times: list[float], part: float) -> float:
    """The value below which that part of them lies; 0 of none."""
    ordered = sorted(times) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
