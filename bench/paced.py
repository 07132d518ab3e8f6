"""Writes by the clock: requests leave when they are due, whatever was answered, and a time counts
from the moment the request was due, so that one that waits for a free connection, or for a late
client, is not forgotten.

`python -m bench.paced [--ops create,patch] [--rate 1000] [--seconds 10] [--entities 100000]` starts
the installed city, fills it and prints p50, p99 and the longest of each operation. With a file it
drives one plan of `bench.load` with a `rate` against a city that runs, in a process of its own, and
prints one JSON line {n, errors, late_ms, times_ms, sample}; `late_ms` is the p99 of how late this
side was itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final, cast

import uvloop

from bench.load import requests
from bench.measuring import at, load

RATE: Final = 1_000
CONNECTIONS: Final = 32
WARM_S: Final = 1.0
"""At the start nobody's: connections are new, lines are learned."""


class Pace:
    """The requests that are due, and the connections that are free."""

    def __init__(self, wanted: int) -> None:
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.free: list[Lane] = []
        self.times_ms: list[float] = []
        self.late_ms: list[float] = []
        self.errors, self.sample = 0, b""
        self.wanted = wanted
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def due(self, moment: float, data: bytes) -> None:
        """A request is due: it leaves now, or when a connection is free."""
        self.late_ms.append((time.perf_counter() - moment) * 1e3)
        if self.free:
            self.free.pop().send(moment, data)
        else:
            self.waiting.append((moment, data))

    def answered(self, lane: Lane, answer: bytes) -> None:
        """An answer is whole."""
        self.times_ms.append((time.perf_counter() - lane.due) * 1e3)
        if int(answer[9:12]) >= 400:
            self.errors, self.sample = self.errors + 1, self.sample or answer[:500]
        if len(self.times_ms) == self.wanted:
            self.done.set_result(None)
        elif self.waiting:
            lane.send(*self.waiting.popleft())
        else:
            self.free.append(lane)


class Lane(asyncio.Protocol):
    """One connection to the city, one request at a time."""

    due = 0.0

    def __init__(self, pace: Pace) -> None:
        self._pace, self._buffer = pace, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a request."""
        self.transport = cast(asyncio.Transport, transport)
        self._pace.free.append(self)

    def send(self, due: float, data: bytes) -> None:
        """Send a request that was due at a moment."""
        self.due = due
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or all of it."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        _, _, rest = head.lower().partition(b"content-length:")
        if len(body) >= int(rest.partition(b"\r")[0] or 0):
            answer, self._buffer = self._buffer, b""
            self._pace.answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The city hung up: what is under way will never be answered."""
        if not self._pace.done.done():
            self._pace.done.set_exception(exc or ConnectionError("The city closed a connection"))


def beat(loop: asyncio.AbstractEventLoop, pace: Pace, plan: dict[str, Any]) -> None:
    """Tell the loop of each request when it is due: a thread sleeps to the tenth of a millisecond,
    a loop only to a whole one."""
    began = time.perf_counter() + 0.05
    for step, data in enumerate(requests(plan)):
        moment = began + step / plan["rate"]
        if (wait_s := moment - time.perf_counter()) > 0:
            time.sleep(wait_s)
        if pace.done.done():
            return
        loop.call_soon_threadsafe(pace.due, moment, data)


async def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Drive one plan against 127.0.0.1:`plan["port"]`."""
    loop, pace = asyncio.get_running_loop(), Pace(plan["n"])
    for _ in range(plan.get("connections", CONNECTIONS)):
        await loop.create_connection(lambda: Lane(pace), "127.0.0.1", plan["port"])
    beating = threading.Thread(target=beat, args=(loop, pace, plan), daemon=True)
    beating.start()
    await asyncio.wait_for(pace.done, plan.get("timeout", 600))
    skip = int(plan["rate"] * WARM_S)
    return {
        "n": len(pace.times_ms),
        "errors": pace.errors,
        "late_ms": at(pace.late_ms, 0.99),
        "times_ms": [round(one, 3) for one in pace.times_ms[skip:]],
        "sample": pace.sample.decode(errors="replace"),
    }


def paced(base: dict[str, Any], op: str, seconds: float, rate: int = RATE) -> dict[str, Any]:
    """One operation by the clock, against a city that runs; SystemExit when a request fails."""
    n = int(rate * (seconds + WARM_S))
    plan = {**base, "op": op, "n": n, "rate": rate, "connections": CONNECTIONS}
    seen = load(plan, "bench.paced")
    if seen["errors"]:
        raise SystemExit(f"{op}: {seen['errors']} of {seen['n']} failed: {seen['sample']}")
    times = seen["times_ms"]
    return {
        "op": op, "n": len(times), "rate": rate, "late_ms": seen["late_ms"],
        "p50_ms": at(times, 0.5), "p99_ms": at(times, 0.99), "longest_ms": max(times),
    }  # fmt: skip


def run(ops: list[str], rate: int, seconds: float, entities: int) -> None:
    """Every operation in turn on one city."""
    from bench.http_ops import City  # which takes this module

    with tempfile.TemporaryDirectory(prefix="pintu-bench-") as name:
        city = City(Path(name) / "data")
        try:
            base = {"port": city.port, "token": city.token, "stock": entities, "first": entities}
            made = {"op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2}
            load({**base, **made, "first": 0})
            load({**base, "op": "type_q", "n": 2000, "connections": 32})  # the index is learned
            time.sleep(5)
            for op in ops:
                seen = paced(base, op, seconds, rate)
                print(
                    f"{op:8} {rate} a second, n {seen['n']}  p50 {seen['p50_ms']:.2f}"
                    f"  p99 {seen['p99_ms']:.2f}  longest {seen['longest_ms']:.2f} ms"
                    f"  (p99 of this side's own lateness {seen['late_ms']:.2f})",
                    flush=True,
                )
        finally:
            city.stop()


def main() -> None:
    """Drive the plan of a file, or measure a city of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, nargs="?")
    parser.add_argument("--ops", default="create,patch")
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--entities", type=int, default=100_000)
    asked = parser.parse_args()
    if asked.plan is not None:
        print(json.dumps(uvloop.run(drive(json.loads(asked.plan.read_text())))))
    else:
        run(asked.ops.split(","), asked.rate, asked.seconds, asked.entities)


if __name__ == "__main__":
    main()
