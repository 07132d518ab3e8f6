"""Where the CPU of one operation goes: `python -m bench.profile create patch retrieve type_q near`.

Starts the installed city, stores entities, drives the operation over 32 connections and looks at
the broker 250 times a second meanwhile (`py-spy`, which needs root or the right to trace; `pip
install py-spy`). A look counts for the room of ours that is innermost on the stack, and what runs
in C for whoever called it. What a thread does while it may also wait (the loop for sockets, the
writer for the disk) is the rest of the CPU that the kernel counted for it in the same seconds.
Looking costs some per cent: the sum is not a figure of `make bench`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench.http_ops import City
from bench.measuring import load
from bench.processes import command_line, tree

OPERATIONS: Final = ("create", "patch", "batch_new", "retrieve", "type_q", "near")
RATE: Final = 250
TICK_US: Final = 10_000
LOOP, WRITER, OTHERS = "loop", "writer", "other threads"
REST: Final = {LOOP: "event loop, sockets", WRITER: "commit", OTHERS: "checkpoint, tables"}
"""What each thread does when it may also wait."""
STEPS: Final = (
    (r"(_attempt|_gather|_run) \(pintu/kernel/store/sqlite/writer", REST[WRITER]),
    (r"pintu/processes", REST[LOOP]),
    (r"pintu/kernel/store/sqlite/(log|bulk|names)", "log row, names"),
    (r"pintu/kernel/store/(sqlite/(read|statements|plan|plans)|choosing)", "plan, read rows"),
    (r"pintu/kernel/store", "look up, apply, rows of indexes"),
    (r"pintu/kernel/context|pintu/kernel/jsonld|json_entities", "read, check, merge, names"),
    (r"pintu/kernel/(identity|access|exchange/gate|limits)", "who asks, gate, limits"),
    (r"pintu/kernel/(audit|exchange)", "sealed log, finder"),
    (r"pintu/kernel/(feed|subscriptions|intake|operations|timers)|pintu/web/(events|api)",
     "those who follow changes"),
    (r"pintu/kernel/analytics", "history"),
    (r"pintu/web/metrics|pintu/kernel/counting", "counting"),
    (r"pintu/web", "request and answer"),
    (r"pintu", "the rest of the city"),
    (r"", REST[LOOP]),
)  # fmt: skip
_THREAD: Final = re.compile(r"^thread \((\d+)\): (MainThread|pintu-writer)", re.M)
_STEPS: Final = tuple((re.compile(pattern), step) for pattern, step in STEPS)


def step_of(frames: list[str]) -> str:
    """The step a stack (outermost first) counts for: that of the innermost frame of ours."""
    ours = next((one for one in reversed(frames) if "pintu/" in one), "")
    return next(step for pattern, step in _STEPS if pattern.search(ours))


def counted(raw: str) -> dict[str, Counter[str]]:
    """Looks by step, by thread, of what `py-spy record --format raw --threads` wrote."""
    found: dict[str, Counter[str]] = {}
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        name = LOOP if "MainThread" in thread else WRITER if "pintu-writer" in thread else OTHERS
        short = [re.sub(r"\(.*?(pintu/)", r"(\1", one) for one in frames]
        found.setdefault(name, Counter())[step_of(short)] += int(count)
    return found


def threads_us(pid: int) -> dict[int, float]:
    """CPU µs so far of each thread of a process, by its number."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        parts = (task / "stat").read_text().rpartition(")")[2].split()
        found[int(task.name)] = float(int(parts[11]) + int(parts[12])) * TICK_US
    return found


def named(raw: str) -> dict[int, str]:
    """The loop's and the writer's thread, by number, as the looks name them."""
    found = {}
    for number, name in _THREAD.findall(raw):
        found[int(number)] = LOOP if name == "MainThread" else WRITER
    return found


def divided(looks: dict[str, Counter[str]], used_us: dict[str, float]) -> dict[str, float]:
    """CPU µs by thread and step: looks are so many parts of a second, and the rest waits or is
    what the thread does when it may also wait."""
    found: dict[str, float] = {}
    for name, used in used_us.items():
        some = Counter[str]() if name == OTHERS else looks.get(name, Counter[str]())
        firm = {step: n * 1e6 / RATE for step, n in some.items() if step not in REST.values()}
        much = max(1.0, sum(firm.values()) / max(1.0, used))
        for step, us in firm.items():
            found[f"{name}: {step}"] = us / much
        found[f"{name}: {REST[name]}"] = max(0.0, used - sum(firm.values()))
    return found


def profiled(city: City, plan: dict[str, Any], seconds: float) -> tuple[dict[str, float], float]:
    """(CPU µs an operation by thread and step, operations a second)."""
    pid = next(one for one in tree(city.process.pid) if ".broker" in command_line(one))
    with tempfile.NamedTemporaryFile(suffix=".raw") as file:
        command = ["py-spy", "record", "--pid", str(pid), "--format", "raw", "--threads"]
        command += ["--rate", str(RATE), "--duration", str(int(seconds)), "--output", file.name]
        done: list[dict[str, Any]] = []
        driver = threading.Thread(target=lambda: done.append(load(plan)))
        driver.start()
        time.sleep(0.5)
        before, began = threads_us(pid), time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        after, passed = threads_us(pid), time.monotonic() - began
        driver.join()
        raw = Path(file.name).read_text("utf-8")
    pace = done[0]["n"] / done[0]["seconds"]
    names, used = named(raw), dict.fromkeys(REST, 0.0)
    for number, us in after.items():
        used[names.get(number, OTHERS)] += (us - before.get(number, 0.0)) * seconds / passed
    found = divided(counted(raw), used)
    return {name: us / (pace * seconds) for name, us in found.items()}, pace


def shown(op: str, found: dict[str, float], pace: float) -> None:
    """Print one table, steps of less than a hundredth left out."""
    total = sum(found.values())
    print(f"\n{op}: {total:.0f} µs an operation, {pace:,.0f} a second")
    for step, us in sorted(found.items(), key=lambda one: -one[1]):
        if us >= 0.01 * total:
            print(f"  {step:<46}{us:8.1f} µs {us / total:6.0%}")


def run(operations: list[str], entities: int, seconds: float) -> None:
    """Every operation in turn on one city."""
    with tempfile.TemporaryDirectory(prefix="pintu-profile-") as name:
        city = City(Path(name) / "data")
        try:
            base = {"port": city.port, "token": city.token, "connections": 32}
            made = {"op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2}
            load({**base, **made})
            load({**base, "op": "type_q", "n": 2000, "stock": entities})
            time.sleep(5)
            first = entities
            for op in operations:
                trial = 20 if op == "batch_new" else 6_000
                plan = {**base, "op": op, "stock": entities, "size": 1000}
                seen = load({**plan, "n": trial, "first": first})
                first += trial * 1000
                n = int(seen["n"] / seen["seconds"] * (seconds + 2))
                shown(op, *profiled(city, {**plan, "n": n, "first": first}, seconds))
                first += n * 1000
        finally:
            city.stop()


def main() -> int:
    """Print a table for each operation asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operations", nargs="*", default=["create"], choices=OPERATIONS)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    asked = parser.parse_args()
    if shutil.which("py-spy") is None:
        print("py-spy is not installed: pip install py-spy")
        return 2
    run(asked.operations, asked.entities, asked.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
