"""`python -m bench.box [--seconds 120] [--limit-mb 4096]`: does the demo city fit a small box?

It runs `pintu up --demo` in a cgroup with a limit where one may be made (as root, cgroup v2), else
without; prints the proportional memory (PSS) of every process at its peak, and what they add up to
at the worst moment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.http_ops import City
from bench.processes import command_line, tree

GROUP = Path("/sys/fs/cgroup/pintu-box")


def pss_mb(pid: int) -> float:
    """Proportional memory of a process: what it shares counts by its share."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


@contextlib.contextmanager
def limited(mb: int) -> Iterator[str]:
    """Put this process, and whatever it starts, into a cgroup of so much memory and no swap; tells
    what became of that."""
    before = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.max").write_text(str(mb * 1024 * 1024))
        with contextlib.suppress(OSError):
            (GROUP / "memory.swap.max").write_text("0")
        (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        yield f"no limit could be set here ({error.strerror}): measured only"
        return
    try:
        yield f"limited to {mb} MB by a cgroup"
    finally:
        with contextlib.suppress(OSError):
            Path("/sys/fs/cgroup", before.lstrip("/"), "cgroup.procs").write_text(str(os.getpid()))
            GROUP.rmdir()


def name_of(pid: int) -> str:
    """What a process is called here."""
    told = command_line(pid)
    known = ("processes.broker", "processes.field", "processes.loads", "pintu.demo", "analytics")
    for part in known:
        if part in told:
            return part.rpartition(".")[2]
    return "supervisor" if " up" in told else "other"


def main() -> int:
    """Run, sample each half second, print; 1 when the city did not stay below the limit."""
    parser = argparse.ArgumentParser(prog="bench.box", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--limit-mb", type=int, default=4096)
    asked = parser.parse_args()
    peaks: dict[str, float] = {}
    worst = last = 0.0
    with (
        limited(asked.limit_mb) as told,
        tempfile.TemporaryDirectory(prefix="pintu-box-", ignore_cleanup_errors=True) as folder,
    ):
        print(told)
        city = City(Path(folder) / "data", "--demo")
        try:
            until = time.monotonic() + asked.seconds
            while time.monotonic() < until:
                sums: dict[str, float] = {}
                for pid in tree(city.process.pid):
                    sums[name_of(pid)] = sums.get(name_of(pid), 0.0) + pss_mb(pid)
                for name, mb in sums.items():
                    peaks[name] = max(peaks.get(name, 0.0), mb)
                last = sum(sums.values())
                worst = max(worst, last)
                time.sleep(0.5)
        finally:
            city.stop()
    for name, mb in sorted(peaks.items(), key=lambda one: -one[1]):
        print(f"{name:>12} {mb:8.1f} MB PSS at its peak")
    print(f"{'together':>12} {worst:8.1f} MB at the worst moment, {last:.1f} MB in the end")
    return 0 if worst < asked.limit_mb else 1


if __name__ == "__main__":
    sys.exit(main())
