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
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import command_line, cpu_s, rss_mb, tree

LISTED_FLOORS_US = {"echo": 10.0, "upsert": 29.0, "point": 7.8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operation to measure: how often, its bar, and the floor it is scaled by."""

    name: str
    op: str
    n: int
    bar_us: float
    floor: str
    per: int = 1  # entities a request


FIGURES = (
    Figure(name="create", op="create", n=20_000, bar_us=110, floor="upsert"),
    Figure(name="PATCH", op="patch", n=20_000, bar_us=85, floor="upsert"),
    Figure(name="retrieve", op="retrieve", n=40_000, bar_us=22, floor="echo"),
    Figure(
        name="batch of 1,000 new, an entity",
        op="batch_new",
        n=40,
        bar_us=45,
        floor="upsert",
        per=1000,
    ),
    Figure(
        name="batch of 500 replaced, an entity",
        op="batch_replaced",
        n=60,
        bar_us=65,
        floor="upsert",
        per=500,
    ),
    Figure(name="type + q, limit 20", op="type_q", n=20_000, bar_us=80, floor="point"),
    Figure(name="near 1 km, limit 20", op="near", n=10_000, bar_us=150, floor="point"),
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


def load(plan: dict[str, Any]) -> dict[str, Any]:
    """Run one plan in the load process and return what it saw."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", file.name],
            capture_output=True,
            text=True,
            check=True,
            timeout=900,
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


class City:
    """The installed city on an empty folder, as a user starts it."""

    def __init__(self, folder: Path, *extra: str) -> None:
        self.folder, self.port, self.extra = folder, free_port(), extra
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
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.ready_s = wait_ready(f"http://127.0.0.1:{self.port}/readyz", 60)
        token = self.folder / "admin.token"
        self.token = token.read_text().strip() if token.exists() else ""

    def cpu_s(self) -> float:
        """CPU seconds of all its processes."""
        return cpu_s(tree(self.process.pid))

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


def measure(cpu: Any, plan: dict[str, Any], per: int = 1) -> dict[str, Any]:
    """One plan: CPU µs an item on the served side, and latencies a request on the other."""
    before = cpu()
    seen = load(plan)
    used = cpu() - before
    if seen["errors"]:
        raise SystemExit(
            f"{plan['op']}: {seen['errors']} of {seen['n']} failed "
            f"{seen['statuses']}: {seen['sample']}"
        )
    return {**seen, "cpu_us": used * 1e6 / max(1, seen["n"] * per)}


def fdatasync_ms(folder: Path) -> float:
    """Median of 50 synced 4 KiB writes on the disk under test."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[25] * 1e3


FLOOR_PATHS = {"echo": "/ngsi-ld/echo", "upsert": "/ngsi-ld/upsert", "point": "/ngsi-ld/point/{i}"}


class Floors:
    """The three floors of this machine at this moment, in CPU µs, from a server beside the city."""

    def __init__(self, folder: Path, n: int) -> None:
        self._n, self._first = n, 200_000
        self._port = free_port()
        command = [sys.executable, "-m", "bench.floor_server", str(self._port), str(folder)]
        self._process = subprocess.Popen(command)
        wait_ready(f"http://127.0.0.1:{self._port}/ngsi-ld/echo", 60)

    def us(self, name: str) -> float:
        """One floor, now. The listed point read is a bare one: what it adds to an echo."""
        if name == "point":
            return max(1.0, self._measure("point", 0) - self._measure("echo", 0))
        if name == "upsert":
            self._first += self._n
        return self._measure(name, self._first)

    def _measure(self, name: str, first: int) -> float:
        plan = {
            "op": "path",
            "method": "POST" if name == "upsert" else "GET",
            "path": FLOOR_PATHS[name],
            "n": self._n,
            "port": self._port,
            "first": first,
        }
        return float(measure(lambda: cpu_s([self._process.pid]), plan)["cpu_us"])

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(10)


def run(entities: int, scale: float) -> dict[str, Any]:
    """Measure everything; returns what is printed and written."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="pintu-bench-") as name:
        folder = Path(name)
        sync_ms = fdatasync_ms(folder)
        floors = Floors(folder, int(10_000 * scale))
        city = City(folder / "data")
        try:
            base = {"port": city.port, "token": city.token, "connections": 32}
            load({**base, "op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2})
            stock, first = entities, entities
            load({**base, "op": "type_q", "n": 2000, "stock": stock})  # the index is learned here
            time.sleep(5)
            for figure in FIGURES:
                n = max(20, int(figure.n * scale))
                plan = {
                    **base,
                    "op": figure.op,
                    "n": n,
                    "stock": stock,
                    "first": first,
                    "size": figure.per,
                }
                if figure.per > 1:
                    plan["connections"] = 2
                # a shared machine drifts: the floor is measured on both sides of its figure
                before = floors.us(figure.floor)
                seen = measure(city.cpu_s, plan, figure.per)
                floor = (before + floors.us(figure.floor)) / 2
                first += n * figure.per if figure.op in ("create", "batch_new") else 0
                rows.append(row(figure, seen, floor))
                print(line(rows[-1]), flush=True)
            memory = city.broker_mb()
            city.stop()
            city.start()
            ready_s = city.ready_s
        finally:
            floors.stop()
            city.stop()
    return {
        "rows": rows,
        "fdatasync_ms": sync_ms,
        "broker_rss_mb": memory,
        "ready_s": ready_s,
        "entities": first,
    }


def row(figure: Figure, seen: dict[str, Any], measured: float) -> dict[str, Any]:
    """One line of the table as data."""
    listed = LISTED_FLOORS_US[figure.floor]
    bar = figure.bar_us * max(1.0, measured / listed)
    return {
        "name": figure.name,
        "cpu_us": seen["cpu_us"],
        "bar_us": figure.bar_us,
        "scaled_bar_us": bar,
        "floor": figure.floor,
        "floor_us": measured,
        "floor_listed_us": listed,
        "ratio": seen["cpu_us"] / measured,
        "p50_ms": seen["p50_ms"],
        "p99_ms": seen["p99_ms"],
        "n": seen["n"],
        "ok": seen["cpu_us"] <= bar,
    }


def line(row: dict[str, Any]) -> str:
    """One line of the table as text."""
    return (
        f"{row['name']:<34}{row['cpu_us']:8.1f} µs"
        f"  bar {row['bar_us']:5.0f} → {row['scaled_bar_us']:6.1f}"
        f"  {row['floor']} {row['floor_us']:5.1f} (listed {row['floor_listed_us']:4.1f})"
        f"  ×{row['ratio']:5.1f}  p50 {row['p50_ms']:7.2f} ms  p99 {row['p99_ms']:7.2f} ms"
        f"  {'ok' if row['ok'] else 'short'}"
    )


def main() -> int:
    """Print the table, write it, and say by the exit code whether every bar held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="fewer operations for a quick look"
    )
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    options = parser.parse_args()
    result = run(options.entities, options.scale)
    print(
        f"fdatasync {result['fdatasync_ms']:.2f} ms"
        f" · broker RSS {result['broker_rss_mb']:.0f} MB (bar 350)"
        f" · ready with {result['entities']} entities in {result['ready_s']:.1f} s (bar 3)"
    )
    options.out.write_text(json.dumps(result, indent=1))
    good = (
        all(r["ok"] for r in result["rows"])
        and result["broker_rss_mb"] <= 350
        and result["ready_s"] <= 3
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
