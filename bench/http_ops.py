"""What one operation costs, end to end: CPU of all city processes beside floors of the same run.

`python -m bench.http_ops [--entities 100000] [--out bench/results.json] [--quick]` starts the
installed city (`pintu up`) on an empty folder, loads it from a process of its own over 32
connections, and prints a row an operation. A bar in µs is scaled by measured ÷ listed
floor; both are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.floors import Floors
from bench.measuring import at, load, measure
from bench.paced import paced
from bench.processes import as_installed, command_line, cpu_s, rss_mb, server_cpu_s, tree

SLICES = 4
_QUARTER_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // 1024**2
SERVER_SETTINGS = {
    "shared_buffers": f"{_QUARTER_MB}MB",
    "max_connections": "60",
    "max_wal_size": "4GB",
}
"""A server as docs/operate.md says to set it; every commit waits for the disk."""
MEMORY_MB = 300
"""Of the broker with 100,000 entities."""
LISTED_FLOORS_US = {"echo": 10.0, "upsert": 29.0, "read": 17.8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operation to measure: how often, what the city promised at first (`bar_us`), what it
    goes for (`goal_us`), and the floor both are scaled by."""

    name: str
    op: str
    n: int
    bar_us: float
    goal_us: float
    floor: str
    per: int = 1  # entities a request


FIGURES = (
    Figure(name="create", op="create", n=20_000, bar_us=110, goal_us=75, floor="upsert"),
    Figure(name="PATCH", op="patch", n=20_000, bar_us=85, goal_us=55, floor="upsert"),
    Figure(name="retrieve", op="retrieve", n=40_000, bar_us=22, goal_us=15, floor="echo"),
    Figure(
        name="batch of 1,000 new, an entity",
        op="batch_new",
        n=40,
        bar_us=45,
        goal_us=32,
        floor="upsert",
        per=1000,
    ),
    Figure(
        name="batch of 500 replaced, an entity",
        op="batch_replaced",
        n=60,
        bar_us=65,
        goal_us=45,
        floor="upsert",
        per=500,
    ),
    Figure(name="type + q, limit 20", op="type_q", n=20_000, bar_us=80, goal_us=40, floor="read"),
    Figure(name="near 1 km, limit 20", op="near", n=10_000, bar_us=150, goal_us=70, floor="read"),
)
COUNTED = (
    Figure(
        name="type + q, exact count",
        op="type_q_count",
        n=8_000,
        bar_us=100,
        goal_us=100,
        floor="read",
    ),
    Figure(
        name="near 1 km, exact count",
        op="near_count",
        n=4_000,
        bar_us=200,
        goal_us=200,
        floor="read",
    ),
)


def free_port() -> int:
    """A port nobody listens on, with five free ones above it: a city has neighbours, and the range
    from which outgoing connections take theirs is left alone."""
    for port in random.sample(range(20_000, 30_000, 10), 1000):
        with contextlib.ExitStack() as probes:
            try:
                for one in range(port, port + 6):
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", one))
            except OSError:
                continue
            return port
    raise OSError("There are no six free ports in a row between 20000 and 30000")


def wait_ready(url: str, seconds: float) -> float:
    """Seconds until `url` answers 200; raises TimeoutError."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return time.monotonic() - began
        except urllib.error.HTTPError as not_yet:
            not_yet.close()
            time.sleep(0.02)
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"{url} did not answer within {seconds} s")


class City:
    """The installed city on an empty folder, as a user starts it; its store is the folder's unless
    an address is told, then with the process id of the server when that one's CPU counts."""

    store = ""
    server = 0

    def __init__(self, folder: Path, *extra: str, store: str = "", server: int = 0) -> None:
        self.folder, self.port, self.extra = folder, free_port(), extra
        self.store, self.server = store, server
        self.start()

    def start(self) -> None:
        """Start, wait until ready, and remember which process is the broker."""
        command = [
            sys.executable,
            "-m",
            "pintu",
            "up",
            "--data",
            str(self.folder),
            "--port",
            str(self.port),
            *self.extra,
        ]
        with (self.folder.parent / "city.log").open("ab") as log:
            environ = {**as_installed(), **({"PINTU_STORE": self.store} if self.store else {})}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            self.ready_s = wait_ready(f"http://127.0.0.1:{self.port}/readyz", 60)
        except TimeoutError as late:
            self.stop()
            told = (self.folder.parent / "city.log").read_text("utf-8", "replace")
            raise TimeoutError(f"{late}: {told[-1000:]}") from late
        token = self.folder / "admin.token"
        self.token = token.read_text().strip() if token.exists() else ""

    def cpu_s(self) -> float:
        """CPU seconds of all its processes, and of its server's."""
        return sum(self.shares_s())

    def shares_s(self) -> tuple[float, float]:
        """CPU seconds of its processes, and of its server's."""
        server = server_cpu_s(self.server) if self.server else 0.0
        return cpu_s(tree(self.process.pid)), server

    def broker_mb(self) -> float:
        """Resident memory of the broker process in MB."""
        sizes = {pid: rss_mb(pid) for pid in tree(self.process.pid)}
        named = [size for pid, size in sizes.items() if "broker" in command_line(pid)]
        return max(named or sizes.values())

    def stop(self) -> None:
        """Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)


def _plan(base: dict[str, Any], figure: Figure, scale: float) -> dict[str, Any]:
    """What the load process is to do for a figure."""
    n = max(20, int(figure.n * scale))
    plan = {**base, "op": figure.op, "n": n, "size": figure.per}
    return {**plan, "connections": 2} if figure.per > 1 else plan


def _slices(city: City, plan: dict[str, Any], figure: Figure, floors: Floors) -> dict[str, Any]:
    """One figure in slices with its floor between them: a shared machine drifts, and neither may
    have the better part of a run.
    """
    count = min(SLICES, plan["n"])
    n = plan["n"] // count
    used, measured, disk = 0.0, [floors.take(figure.floor)], floors.sync_ms()
    times: list[float] = []
    for i in range(count):
        part = {**plan, "n": n, "first": plan["first"] + i * n * figure.per, "seed": i + 1}
        seen = measure(city.cpu_s, part, figure.per)
        used += seen["cpu_us"] / count
        times += seen["times_ms"]
        measured.append(floors.take(figure.floor))
        disk += floors.sync_ms()
    return {
        "n": n * count,
        "cpu_us": used,
        "p50_ms": at(times, 0.5),
        "p99_ms": at(times, 0.99),
        "floor_us": sum(one.cpu_us for one in measured) / len(measured),
        "floor_p99_ms": at([time for one in measured for time in one.times_ms], 0.99),
        "sync_p50_ms": at(disk, 0.5),
        "sync_p99_ms": at(disk, 0.99),
    }


@contextlib.contextmanager
def served(store: str) -> Iterator[tuple[str, int]]:
    """(address of an empty store, process id of its server): `postgres` starts a private server as
    careful as a real one, `sqlite` needs none, an address is taken as it is.
    """
    if store != "postgres":
        yield ("" if store == "sqlite" else store), 0
        return
    from tests.real_databases import PASSWORD, postgres

    with postgres(settings=SERVER_SETTINGS) as server:
        server.run("CREATE DATABASE city")
        server.run("CREATE EXTENSION postgis", database="city")
        assert server.process is not None
        address = f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.port}/city"
        yield address, server.process.pid


def run(
    entities: int,
    scale: float,
    store: str = "sqlite",
    figures: tuple[Figure, ...] = FIGURES,
    paced_s: float = 0.0,
) -> dict[str, Any]:
    """Measure every figure, and single writes by the clock for so many seconds; returns what is
    printed and written.
    """
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="pintu-bench-") as name,
        served(store) as (address, pid),
    ):
        folder = Path(name)
        floors = Floors(folder, int(5_000 * scale), floor_port := free_port())
        wait_ready(f"http://127.0.0.1:{floor_port}/ngsi-ld/echo", 60)
        city = City(folder / "data", store=address, server=pid)
        try:
            base = {"port": city.port, "token": city.token, "connections": 32}
            load({**base, "op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2})
            stock, first = entities, entities
            load({**base, "op": "type_q", "n": 2000, "stock": stock})  # the index is learned here
            time.sleep(5)
            for figure in figures:
                plan = _plan({**base, "stock": stock, "first": first}, figure, scale)
                seen = _slices(city, plan, figure, floors)
                first += plan["n"] * figure.per if figure.op in ("create", "batch_new") else 0
                rows.append(row(figure, seen))
                print(line(rows[-1]), flush=True)
            memory = city.broker_mb()
            base |= {"stock": stock, "first": first}
            by_clock = [paced(base, op, paced_s) for op in ("create", "patch") if paced_s]
            city.stop()
            city.start()
            ready_s = city.ready_s
        finally:
            floors.stop()
            city.stop()
    return {
        "rows": rows,
        "paced": by_clock,
        "fdatasync_ms": statistics.median(one["sync_p50_ms"] for one in rows),
        "broker_rss_mb": memory,
        "ready_s": ready_s,
        "entities": first + sum(one["n"] for one in by_clock if one["op"] == "create"),
    }


def row(figure: Figure, seen: dict[str, Any]) -> dict[str, Any]:
    """One line of the table as data."""
    listed = LISTED_FLOORS_US[figure.floor]
    scale = max(1.0, seen["floor_us"] / listed)
    bar, goal = figure.bar_us * scale, figure.goal_us * scale
    return {
        "name": figure.name,
        **seen,
        "bar_us": figure.bar_us,
        "scaled_bar_us": bar,
        "goal_us": figure.goal_us,
        "scaled_goal_us": goal,
        "reached": seen["cpu_us"] <= goal,
        "floor": figure.floor,
        "floor_listed_us": listed,
        "ratio": seen["cpu_us"] / seen["floor_us"],
        "ok": seen["cpu_us"] <= bar,
    }


def line(row: dict[str, Any]) -> str:
    """One line of the table as text."""
    return (
        f"{row['name']:<34}{row['cpu_us']:8.1f} µs"
        f"  goal {row['goal_us']:5.0f} → {row['scaled_goal_us']:6.1f}"
        f"  {row['floor']} {row['floor_us']:5.1f} (listed {row['floor_listed_us']:4.1f})"
        f"  ×{row['ratio']:5.1f}  p50 {row['p50_ms']:7.2f} ms  p99 {row['p99_ms']:7.2f} ms"
        f"  (floor's p99 {row['floor_p99_ms']:.2f}, fdatasync {row['sync_p50_ms']:.2f}"
        f" p99 {row['sync_p99_ms']:.2f} ms)"
        f"  {'ok' if row['reached'] else 'short'}"
    )


def main() -> int:
    """Print the table, write it, and say by the exit code whether every bar held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="fewer operations for a quick look"
    )
    parser.add_argument(
        "--store", default="sqlite", help="sqlite, postgres (a private server), or an address"
    )
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    options = parser.parse_args()
    result = run(options.entities, options.scale, options.store, (*FIGURES, *COUNTED))
    print(
        f"fdatasync {result['fdatasync_ms']:.2f} ms"
        f" · broker RSS {result['broker_rss_mb']:.0f} MB (goal {MEMORY_MB})"
        f" · ready with {result['entities']} entities in {result['ready_s']:.1f} s (bar 3)"
    )
    options.out.write_text(json.dumps(result, indent=1))
    good = (
        all(r["reached"] for r in result["rows"])
        and result["broker_rss_mb"] <= MEMORY_MB
        and result["ready_s"] <= 3
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
