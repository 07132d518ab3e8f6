"""How slow this machine is now: a listed floor measured in the same run."""

from __future__ import annotations

from pathlib import Path

from bench.floors import Floors
from bench.http_ops import LISTED_FLOORS_US, free_port, wait_ready


def times_listed(folder: Path, floor: str) -> float:
    """How many times its listed CPU a floor (echo, upsert, read) costs here, at least 1; prints
    both. `folder` lies on the disk under test.
    """
    floors = Floors(folder, 2_000, port := free_port())
    try:
        wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 60)
        here_us = floors.take(floor).cpu_us
    finally:
        floors.stop()
    listed_us = LISTED_FLOORS_US[floor]
    scale = max(1.0, here_us / listed_us)
    print(f"floor {floor}: {here_us:.1f} µs of CPU, listed {listed_us:.1f}: bars × {scale:.2f}")
    return scale
