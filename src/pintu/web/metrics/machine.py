"""The processes of a city as the machine sees them: who they are, what they used, what they hold.

Everything is read from `/proc`; where there is none, only this process is told of.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

STARTED_S: Final = time.time()
PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
NAMES: Final = ("broker", "field", "loads", "demo", "packing", "job", "supervisor", "other")
"""Every name a process is told by; there are never more labels than these."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: seconds of CPU since its start, bytes it holds, open descriptors."""

    name: str
    pid: int
    cpu_s: float
    resident: int
    threads: int


def city_processes() -> list[Process]:
    """This process, its siblings and all their children; the supervisor first."""
    me, parent = os.getpid(), os.getppid()
    if not PROC.is_dir():
        return [Process("broker", me, own_cpu_s(), resident_bytes(), threading.active_count())]
    root = parent if "pintu" in command_of(parent) and parent > 1 else me
    found: list[Process] = []
    waiting = [root]
    while waiting and len(found) < 64:
        pid = waiting.pop(0)
        one = _process(pid)
        if one is not None:
            found.append(one)
            waiting += children(pid)
    return found


def children(pid: int) -> list[int]:
    """The children of a process, of every thread of it."""
    found: list[int] = []
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            found += [int(one) for one in (task / "children").read_text().split()]
    except (OSError, ValueError):
        pass
    return found


def command_of(pid: int) -> str:
    """The command line of a process."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode("utf-8", "replace")


@lru_cache(maxsize=256)
def name_of(pid: int, command: str) -> str:
    """What a process is called: one of `NAMES`."""
    for part, name in (
        ("pintu.processes.broker", "broker"),
        ("pintu.processes.field", "field"),
        ("pintu.processes.loads_job", "job"),
        ("pintu.processes.loads", "loads"),
        ("pintu.demo", "demo"),
        ("packing", "packing"),
        (" up", "supervisor"),
    ):
        if part in command:
            return name
    return "broker" if pid == os.getpid() else "other"


def _process(pid: int) -> Process | None:
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    cpu_s = (int(fields[11]) + int(fields[12])) / TICKS
    name = name_of(pid, command_of(pid))
    return Process(name, pid, cpu_s, int(fields[21]) * PAGE, int(fields[17]))


def thread_cpu_s() -> dict[str, float]:
    """Seconds of CPU of this process by what its threads do: the loop, the writer, others."""
    known = {one.native_id: one.name for one in threading.enumerate() if one.native_id}
    found = {"loop": 0.0, "writer": 0.0, "readers": 0.0, "other": 0.0}
    try:
        tasks = list((PROC / "self" / "task").iterdir())
    except OSError:
        return found
    for task in tasks:
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent = (int(fields[11]) + int(fields[12])) / TICKS
        found[_thread(int(task.name), known.get(int(task.name), ""))] += spent
    return found


def _thread(native: int, name: str) -> str:
    if native == os.getpid():
        return "loop"
    if name.startswith("pintu-writer") or name.startswith("pintu-checkpoint"):
        return "writer"
    return "readers" if name.startswith("pintu-read") else "other"


def own_cpu_s() -> float:
    """Seconds of CPU this process used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes() -> int:
    """Resident memory of this process."""
    try:
        return int((PROC / "self" / "statm").read_text().split()[1]) * PAGE
    except OSError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024


def give_back() -> float:
    """Give memory that was freed back to the machine; how many seconds that took. After a city
    was loaded a fifth of what its broker holds is free, in pieces that glibc keeps."""
    began = time.perf_counter()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return time.perf_counter() - began


def open_files() -> int:
    """Descriptors this process holds."""
    try:
        return len(os.listdir(PROC / "self" / "fd"))
    except OSError:
        return 0


def disk(folder: Path) -> tuple[int, int]:
    """(bytes there are, bytes that are free) of the file system a folder lies on."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return 0, 0
    return told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize
