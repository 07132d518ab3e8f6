"""What a running city costs: CPU and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def as_installed() -> dict[str, str]:
    """The environment of a city as a user starts it: where Python may keep no bytecode, each start
    compiles all of the source anew, a third of what a start costs."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def tree(pid: int) -> list[int]:
    """`pid` and every living descendant."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo.extend(children.get(one, ()))
    return found


def cpu_s(pids: list[int]) -> float:
    """CPU seconds spent so far: the scheduler's nanoseconds a thread."""
    total = 0.0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
            except (OSError, ValueError, IndexError):
                continue
    return total


def server_cpu_s(pid: int) -> float:
    """CPU seconds of a server and all it started so far: its processes now by the nanosecond, and
    those that ended meanwhile (vacuum workers, closed connections) by ticks of 10 ms.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    ended = int(fields[13]) + int(fields[14])
    return cpu_s(tree(pid)) + ended / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of one process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def command_line(pid: int) -> str:
    """The command a process was started with."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
