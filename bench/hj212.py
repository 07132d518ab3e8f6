"""HJ 212: 2,000 frames a second over 5,000 connections, CPU a frame beside a bare echo of the same.

`python -m bench.hj212 [--connections 5000] [--rate 2000] [--seconds 10] [--city]` runs the load in
a process of its own against (1) an asyncio server that echoes bytes, (2) the connector with its
runner, each frame read by its normaliser and acknowledged after an answer of a link that keeps
nothing, (3) the same before a real broker, where the 9014 comes after the commit; with --city also
against (4) the whole city with the piece `environment`, which works out means and indexes of each
frame. Prints CPU a frame, the wait for the 9014 and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.http_ops import City
from bench.processes import cpu_s, rss_mb, tree
from pintu.kernel.intake.link import FieldLink
from pintu.kernel.intake.words import Batch, Receipt
from pintu.kit import Envelope, Piece, Unreadable, Update
from pintu.kit.hj212 import Hj212Connector, Hj212Limits
from pintu.kit.link import Link
from pintu.kit.protocols import Frame, read_hj212, write_hj212
from pintu.kit.sources import SourceRunner
from pintu.kit.testing import FakeClock, MemoryLink, free_port

FACTORS = ("a34004", "a34002", "a21026", "a21004", "a21005", "a05024")
WARM_S = 1.0


def frame(station: int, number: int) -> bytes:
    """One hour of six pollutants, about 420 bytes."""
    clock = f"{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}"
    qn = f"20261122{clock}{station % 1000:03d}"
    told = {"Min": "10.5", "Avg": f"{number % 90}.5", "Max": "99.5", "Flag": "N"}
    fields = {"QN": qn, "ST": "22", "CN": "2061", "PW": "123456",
              "MN": f"DE30BEC4{station:016d}", "Flag": "5"}  # fmt: skip
    return write_hj212(
        Frame(fields=fields, data_time=qn[:10] + "0000", factors=dict.fromkeys(FACTORS, told))
    )


# --- servers --------------------------------------------------------------------------------------
class Echo(asyncio.Protocol):
    """The floor: bytes back as they come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        """Send back."""
        self.transport.write(data)


class NoLink(MemoryLink):
    """Answers at once and keeps nothing: what is measured is the door."""

    async def accept(self, batch: Batch) -> Receipt:
        """Taken."""
        return Receipt(batch.key, len(batch.updates), len(batch.unreadable))


def normalise(envelope: Envelope) -> list[Update | Unreadable]:
    """A station's entity with an attribute a factor."""
    told = read_hj212(envelope.body)
    day, at = told.data_time[:8], told.data_time[8:]
    observed = f"{day[:4]}-{day[4:6]}-{day[6:]}T{at[:2]}:{at[2:4]}:{at[4:]}Z"
    entity: dict[str, Any] = {
        "id": f"urn:ngsi-ld:AirQualityObserved:{told.fields['MN']}",
        "type": "AirQualityObserved",
    }
    for code, parts in told.factors.items():
        entity[code] = {
            "type": "Property",
            "value": float(parts["Avg"]),
            "observedAt": observed,
        }
    return [Update(entity)]


async def serve(kind: str, port: int, link: Link) -> None:
    """A bare echo, or the door before a link, until ended."""
    if kind == "echo":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", port, backlog=1024)
        await server.serve_forever()
    clock = FakeClock()
    limits = Hj212Limits(per_address=10_000)
    connector = Hj212Connector("hj212", f"127.0.0.1:{port}", clock, limits=limits)
    piece = Piece(name="bench", read_settings=lambda told: told, normalise=normalise)
    if isinstance(link, FieldLink):
        await link.start()
    await SourceRunner(connector, piece, link, clock, tenant="").run()


# --- load -----------------------------------------------------------------------------------------
class Station(asyncio.Protocol):
    """One connection; notes how long each answer took."""

    def __init__(self, waits: list[float]) -> None:
        self.waits, self.sent_s, self.answers = waits, 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def send(self, body: bytes) -> None:
        """One frame."""
        self.sent_s = time.perf_counter()
        self.transport.write(body)

    def data_received(self, data: bytes) -> None:
        """An answer (of an echo: our own frame)."""
        count = data.count(b"\r\n")
        self.answers += count
        if count and self.sent_s:
            self.waits.append(time.perf_counter() - self.sent_s)
            self.sent_s = 0.0


async def load(port: int, connections: int, rate: float, seconds: float) -> dict[str, Any]:
    """Connect all, then send round robin at the rate; what came of it."""
    loop, waits = asyncio.get_running_loop(), list[float]()
    total = int(rate * seconds)
    frames = [frame(n % connections, n // connections) for n in range(total)]
    stations: list[Station] = []
    for begin in range(0, connections, 200):
        some = range(begin, min(connections, begin + 200))
        stations += [
            one
            for _, one in await asyncio.gather(
                *(
                    loop.create_connection(
                        lambda: Station(waits),
                        "127.0.0.1",
                        port,
                        # a platform lets only so many of one address in
                        local_addr=(f"127.0.0.{2 + number % 50}", 0),
                    )
                    for number in some
                )
            )
        ]
    await asyncio.sleep(WARM_S)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()
    for number, body in enumerate(frames):
        ahead_s = number / rate - (time.perf_counter() - began)
        if ahead_s > 0.001:
            await asyncio.sleep(ahead_s)
        stations[number % connections].send(body)
    sent_s = time.perf_counter() - began
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while sum(one.answers for one in stations) < total:
                await asyncio.sleep(0.02)
    waits.sort()
    return {
        "sent": total,
        "answered": sum(one.answers for one in stations),
        "rate": total / sent_s,
        "p50_ms": waits[len(waits) // 2] * 1000 if waits else 0.0,
        "p99_ms": waits[len(waits) * 99 // 100] * 1000 if waits else 0.0,
        "bytes": sum(map(len, frames)) / total,
    }


HERE = (sys.executable, "-m", "bench.hj212")


def measure(
    kind: str, asked: argparse.Namespace, *, socket: str = "", beside: tuple[int, ...] = ()
) -> dict[str, Any]:
    """One server under the load, each in its own process; `beside` it are processes it uses."""
    port = free_port(9870, 9899)
    server = subprocess.Popen([*HERE, "--serve", kind, "--port", str(port), "--socket", socket])
    try:
        time.sleep(1.5)
        return _loaded([server.pid, *beside], port, asked)
    finally:
        server.terminate()
        server.wait(10)


def measure_commit(asked: argparse.Namespace) -> dict[str, Any]:
    """The door before a real broker: each frame is one update, durable before its 9014; CPU is
    that of both."""
    with tempfile.TemporaryDirectory(prefix="pintu-hj212-") as name:
        city = City(Path(name) / "data", "--no-pieces")
        try:
            time.sleep(5)
            beside = tuple(tree(city.process.pid))
            return measure("door", asked, socket=str(city.folder / "broker.sock"), beside=beside)
        finally:
            city.stop()


def measure_city(asked: argparse.Namespace) -> dict[str, Any]:
    """The whole city with the piece `environment`: read, checked, committed, then acknowledged;
    CPU is that of all its processes."""
    port = free_port(9870, 9899)
    with tempfile.TemporaryDirectory(prefix="pintu-hj212-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        told = f'[pieces.environment]\nlisten = "127.0.0.1:{port}"\nforecast = false\n'
        (folder / "pintu.toml").write_text(told, "utf-8")
        city = City(folder)
        try:
            time.sleep(5)  # what it starts once (a link to sign in) is over
            return _loaded(tree(city.process.pid), port, asked)
        finally:
            city.stop()


def _loaded(pids: list[int], port: int, asked: argparse.Namespace) -> dict[str, Any]:
    before_mb = _memory_mb(pids)
    plan = [f"--{name}={getattr(asked, name)}" for name in ("connections", "rate", "seconds")]
    client = subprocess.Popen(
        [*HERE, "--load", *plan, "--port", str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdin is not None and client.stdout is not None
    if client.stdout.readline() != "connected\n":
        raise RuntimeError("The load could not connect")
    open_mb, began_s = _memory_mb(pids), cpu_s(pids)
    told, _ = client.communicate("go\n", timeout=300)
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    found["cpu_us"] = (cpu_s(pids) - began_s) / found["sent"] * 1e6
    found["kb_a_connection"] = (open_mb - before_mb) * 1024 / asked.connections
    return found


def _memory_mb(pids: list[int]) -> float:
    """A city's short helpers may be gone by now."""
    return sum(rss_mb(pid) for pid in pids if Path(f"/proc/{pid}").exists())


def main() -> int:
    """Floor, door, floor again; exits 1 when a frame was lost or the rate was not held."""
    parser = argparse.ArgumentParser(prog="bench.hj212", description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--city", action="store_true", help="the whole city too")
    parser.add_argument("--serve", choices=("echo", "door"), help=argparse.SUPPRESS)
    parser.add_argument("--socket", default="", help=argparse.SUPPRESS)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        with contextlib.suppress(KeyboardInterrupt):
            link = (
                FieldLink(Path(asked.socket), name="bench") if asked.socket else NoLink(FakeClock())
            )
            uvloop.run(serve(asked.serve, asked.port, link))
        return 0
    if asked.load:
        told = uvloop.run(load(asked.port, asked.connections, asked.rate, asked.seconds))
        print(json.dumps(told))
        return 0
    rows = {name: measure(name.split()[0], asked) for name in ("echo", "door", "echo again")}
    rows["committed"] = measure_commit(asked)
    if asked.city:
        rows["city"] = measure_city(asked)
    for name, row in rows.items():
        print(
            f"{name:<12} {row['cpu_us']:7.1f} µs a frame of {row['bytes']:.0f} bytes   "
            f"{row['rate']:6.0f}/s   answered {row['answered']}/{row['sent']}   "
            f"p50 {row['p50_ms']:.1f} ms  p99 {row['p99_ms']:.1f} ms   "
            f"{row['kb_a_connection']:.1f} KB a connection"
        )
    floor = (rows["echo"]["cpu_us"] + rows["echo again"]["cpu_us"]) / 2
    door = rows["door"]
    print(f"door / floor: {door['cpu_us'] / floor:.1f}")
    return int(door["answered"] < door["sent"] or door["rate"] < 0.95 * asked.rate)


if __name__ == "__main__":
    sys.exit(main())
