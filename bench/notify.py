"""How soon a change is told: from the first byte of a PATCH to the last byte of its notification.

`python -m bench.notify [--subscriptions 100] [--idle 0] [--seconds 10] [--rates 100,2000]` starts a
city of its own and subscribes to so many entities, each to its own endpoint path of this process.
At each rate changes go out by the clock, whatever came back; a notification carries the number of
its change. Beside it the floor of the same moment: an fdatasync of 4 KiB on the disk under test,
taken between the slices of the load when nothing is under way (it stops this process, too), for
the city answers and tells after its commit; a fast load has two slices, a slow one ten. Prints p50
and p99, what p50 is above the fdatasync's, when the PATCH itself was answered, CPU a change, and
what was lost; --check makes bars of it. The bars are for a quiet machine on which a durable upsert
costs 29 µs of CPU: what it costs here is measured in the same run, and they grow by that much.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.http_ops import City
from bench.machine import times_listed
from bench.measuring import at

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NUMBER = re.compile(rb'"number":\{"type":"Property","value":(\d+)')
SLICES, BUSY_SLICES = 10, 2
BUSY = 1_000
SYNCS = 20
LATE_S = 5.0
LANES = 128
ABOVE_MS, P99_MS, BUSY_P99_MS = 0.7, 3.0, 50.0


@dataclass(slots=True)
class Run:
    """What was sent when, and what came back when."""

    sent: dict[int, float] = field(default_factory=dict)
    took_ms: list[float] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)
    refused: int = 0

    def came(self, body: bytes) -> None:
        """A notification with the numbers of its changes."""
        now = time.perf_counter()
        for found in NUMBER.findall(body):
            number = int(found)
            began = self.sent.get(number)
            if began is None:
                continue
            if number not in self.told:
                self.took_ms.append((now - began) * 1e3)
            self.told[number] = self.told.get(number, 0) + 1

    @property
    def lost(self) -> int:
        """Changes nobody was told of."""
        return len(self.sent) - len(self.told)


class Ear(asyncio.Protocol):
    """The endpoint: answers every request, notes its numbers."""

    def __init__(self, run: Run) -> None:
        self._run, self._buffer = run, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read requests as they become whole."""
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r", 1)[0]) if place >= 0 else 0
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._run.came(body)
            self._transport.write(ANSWER)


class Lane(asyncio.Protocol):
    """One connection to the city; requests wait their turn."""

    def __init__(self, run: Run) -> None:
        self._run, self._waiting = run, list[tuple[int, bytes]]()
        self._buffer, self._under_way = b"", 0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self.transport = cast(asyncio.Transport, transport)

    def send(self, number: int, data: bytes) -> None:
        """Send now, or after the answer that is awaited; the wait counts."""
        self._run.sent[number] = time.perf_counter()
        if self._busy:
            self._waiting.append((number, data))
        else:
            self._busy, self._under_way = True, number
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """An answer without a body, or a refusal with one."""
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer:
            return
        self._run.refused += not self._buffer.startswith(b"HTTP/1.1 204")
        began = self._run.sent.get(self._under_way)
        if began is not None:
            self._run.answered_ms.append((time.perf_counter() - began) * 1e3)
        self._buffer, self._busy = b"", bool(self._waiting)
        if self._waiting:
            self._under_way, data = self._waiting.pop(0)
            self.transport.write(data)


def patch(entity: int, number: int) -> bytes:
    """A change of one attribute."""
    body = b'{"number":{"type":"Property","value":%d}}' % number
    return (
        b"PATCH /ngsi-ld/v1/entities/urn:ngsi-ld:Lamp:%d/attrs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (entity, len(body), body)
    )


async def post(port: int, path: str, document: Any) -> None:
    """POST one document; SystemExit when it is not taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(document).encode()
    head = f"POST /ngsi-ld/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    told = await reader.read()
    writer.close()
    if not told.startswith(b"HTTP/1.1 201"):
        raise SystemExit(f"{path}: {told[:500]!r}")


async def prepare(city: City, ear: int, subscriptions: int, idle: int) -> None:
    """Entities of eight attributes, a subscription each, and subscriptions nobody changes for."""
    for number in range(subscriptions):
        entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp"}
        for name in ("number", "a", "b", "c", "d", "e", "f", "g"):
            entity[name] = {"type": "Property", "value": 0}
        await post(city.port, "entities", entity)
    for number in range(subscriptions + idle):
        watched = "number" if number < subscriptions else "idle"
        await post(
            city.port,
            "subscriptions",
            {
                "type": "Subscription",
                "entities": [{"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp"}],
                "watchedAttributes": [watched],
                "notification": {"endpoint": {"uri": f"http://127.0.0.1:{ear}/{number}"}},
            },
        )


def sync_ms(folder: Path) -> Iterator[float]:
    """How long some synced writes take on the disk under test, now."""
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            yield (time.perf_counter() - began) * 1e3


async def drive(run: Run, lanes: list[Lane], plan: tuple[int, float, int], first: int) -> int:
    """Send `rate` changes a second for some seconds; returns the next number."""
    rate, seconds, entities = plan
    began, number = time.perf_counter(), first
    for step in range(int(rate * seconds)):
        wait_s = began + step / rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        entity = number % entities
        lanes[entity % len(lanes)].send(number, patch(entity, number))
        number += 1
    return number


async def told(run: Run) -> None:
    """Wait until everybody was told, or some seconds."""
    ends = time.perf_counter() + LATE_S
    while run.lost and time.perf_counter() < ends:
        await asyncio.sleep(0.005)


async def measured(
    city: City, rate: int, seconds: float, subscriptions: int, runs: list[Run]
) -> dict[str, float]:
    """One rate: latencies, the disk's, CPU, and what was lost."""
    loop = asyncio.get_running_loop()
    run, disk = runs[0], list[float]()
    lanes = [
        (await loop.create_connection(lambda: Lane(run), "127.0.0.1", city.port))[1]
        for _ in range(min(LANES, subscriptions))
    ]
    number = await drive(run, lanes, (rate, 1.0, subscriptions), 1)  # the first second is nobody's
    await asyncio.sleep(0.5)
    run.sent.clear()
    run.told.clear()
    run.took_ms.clear()
    run.answered_ms.clear()
    used = 0.0
    slices = SLICES if rate < BUSY else BUSY_SLICES
    for _ in range(slices):
        disk += sync_ms(city.folder)
        before = city.cpu_s()
        number = await drive(run, lanes, (rate, seconds / slices, subscriptions), number)
        await told(run)
        used += city.cpu_s() - before
    for lane in lanes:
        lane.transport.close()
    return {
        "n": len(run.sent), "lost": run.lost, "refused": run.refused,
        "twice": sum(count > 1 for count in run.told.values()),
        "p50_ms": statistics.median(run.took_ms), "p99_ms": at(run.took_ms, 0.99),
        "answer_ms": statistics.median(run.answered_ms),
        "sync_ms": statistics.median(disk), "sync_p99_ms": at(disk, 0.99),
        "cpu_us": used / max(1, len(run.sent)) * 1e6,
    }  # fmt: skip


async def every(asked: argparse.Namespace, city: City) -> list[tuple[int, dict[str, float]]]:
    """Every rate in turn."""
    runs = [Run()]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Ear(runs[0]), "127.0.0.1", 0)
    await prepare(city, server.sockets[0].getsockname()[1], asked.subscriptions, asked.idle)
    found = []
    for rate in asked.rates:
        runs[0].__init__()  # type: ignore[misc]
        found.append((rate, await measured(city, rate, asked.seconds, asked.subscriptions, runs)))
    server.close()
    return found


def shown(rate: int, seen: dict[str, float], scale: float) -> bool:
    """Print a rate's figures; whether they are within their bars."""
    above = seen["p50_ms"] - seen["sync_ms"]
    print(
        f"{rate:5d} changes/s  n {seen['n']:.0f}  p50 {seen['p50_ms']:.2f} ms"
        f" (fdatasync {seen['sync_ms']:.2f}, above it {above:.2f};"
        f" the PATCH's own answer {seen['answer_ms']:.2f})  p99 {seen['p99_ms']:.2f} ms"
        f" (fdatasync {seen['sync_p99_ms']:.2f})  lost {seen['lost']:.0f}"
        f"  twice {seen['twice']:.0f}  refused {seen['refused']:.0f}"
        f"  CPU {seen['cpu_us']:.0f} µs a change"
    )
    if rate <= 100:
        held = above <= ABOVE_MS * scale and seen["p99_ms"] <= P99_MS * scale
        told = f"p50 {ABOVE_MS * scale:.2f} ms above fdatasync, p99 {P99_MS * scale:.2f} ms"
    else:
        held = seen["p99_ms"] <= BUSY_P99_MS * scale
        told = f"p99 {BUSY_P99_MS * scale:.0f} ms"
    print(f"    (bars {told}, none lost)")
    return held and not seen["lost"]


def main() -> int:
    """Measure; 1 when --check asks for bars and one is missed."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--subscriptions", type=int, default=100)
    reader.add_argument("--idle", type=int, default=0)
    reader.add_argument("--seconds", type=float, default=10.0)
    reader.add_argument("--rates", type=lambda text: [int(one) for one in text.split(",")],
                        default=[100, 2000])  # fmt: skip
    reader.add_argument("--check", action="store_true")
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-notify-") as folder:
        place = Path(folder) / "city"
        place.mkdir()
        (Path(folder) / "floors").mkdir()
        scale = times_listed(Path(folder) / "floors", "upsert")
        city = City(place, "--open", "--no-pieces")
        try:
            found = uvloop.run(every(asked, city))
        finally:
            city.stop()
    good = [shown(*one, scale) for one in found]
    return 0 if all(good) or not asked.check else 1


if __name__ == "__main__":
    sys.exit(main())
