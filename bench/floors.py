"""The floors of this machine at this moment: a server beside the city, and the disk itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import measure
from bench.processes import cpu_s

PATHS = {"echo": "/ngsi-ld/echo", "upsert": "/ngsi-ld/upsert", "read": "/ngsi-ld/point/{i}"}
_SYNCS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """One floor, measured once."""

    cpu_us: float
    times_ms: list[float]  # of its requests


class Floors:
    """CPU µs and latencies, end to end, of the least that an echo, a durable upsert and a point
    read can be.

    A read is taken whole, echo and all: what the row adds is the difference of two measurements
    of like size, which says more about their noise than about the machine.
    """

    def __init__(self, folder: Path, n: int, port: int) -> None:
        self._n, self._first, self._port, self._folder = n, 200_000, port, folder
        command = [sys.executable, "-m", "bench.floor_server", str(port), str(folder)]
        self._process = subprocess.Popen(command)

    def take(self, name: str) -> Floor:
        """One floor, now."""
        if name == "upsert":
            self._first += self._n
        return self._measure(name, self._first)

    def sync_ms(self) -> list[float]:
        """How long each of some synced 4 KiB writes takes on the disk under test, now."""
        times = []
        with (self._folder / "sync").open("wb", buffering=0) as file:
            for _ in range(_SYNCS):
                file.write(b"x" * 4096)
                began = time.perf_counter()
                os.fdatasync(file.fileno())
                times.append((time.perf_counter() - began) * 1e3)
        return times

    def _measure(self, name: str, first: int) -> Floor:
        plan = {
            "op": "path",
            "method": "POST" if name == "upsert" else "GET",
            "path": PATHS[name],
            "n": self._n,
            "port": self._port,
            "first": first,
        }
        seen = measure(lambda: cpu_s([self._process.pid]), plan)
        return Floor(cpu_us=float(seen["cpu_us"]), times_ms=seen["times_ms"])

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(10)
