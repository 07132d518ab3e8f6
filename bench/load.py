"""The load: closed-loop HTTP/1.1 clients on raw sockets in a process of their own.

Run as `python -m bench.load PLAN.json`; prints one JSON line
{n, errors, seconds, p50_ms, p99_ms, times_ms, statuses, sample, bytes}.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvloop

from bench.entities import SOUTH, SPAN, TYPE, WEST, entity_id, entity_json

ROOT = "/ngsi-ld/v1"


def _request(method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def requests(plan: dict[str, Any]) -> Iterator[bytes]:
    """The requests of one plan, in order; deterministic by its seed."""
    dice, make = random.Random(plan.get("seed", 1)), OPERATIONS[plan["op"]]
    for number in range(plan["n"]):
        method, path, body = make(plan, number, dice)
        yield _request(method, path, body, plan.get("token", ""))


# --- operations: (method, path, body) of request `i` of a plan ------------------------------------
Plan = dict[str, Any]
Asked = tuple[str, str, bytes]


def _create(plan: Plan, i: int, dice: random.Random) -> Asked:
    return "POST", f"{ROOT}/entities", entity_json(plan.get("first", 0) + i)


def _patch(plan: Plan, i: int, dice: random.Random) -> Asked:
    body = (
        b'{"activePower":{"type":"Property","value":%.2f,"unitCode":"WTT",'
        b'"observedAt":"2026-11-22T09:00:00Z"}}' % (dice.random() * 150)
    )
    number = dice.randrange(plan.get("stock", 1))
    return "PATCH", f"{ROOT}/entities/{entity_id(number)}/attrs", body


def _retrieve(plan: Plan, i: int, dice: random.Random) -> Asked:
    return "GET", f"{ROOT}/entities/{entity_id(dice.randrange(plan.get('stock', 1)))}", b""


def _retrieve_each(plan: Plan, i: int, dice: random.Random) -> Asked:
    number = (plan["first"] + i) * 7919 % plan["stock"]  # a prime: once before any comes again
    return "GET", f"{ROOT}/entities/{entity_id(number)}", b""


def _batch_new(plan: Plan, i: int, dice: random.Random) -> Asked:
    size = plan["size"]
    rows = [entity_json(plan.get("first", 0) + i * size + k) for k in range(size)]
    return "POST", f"{ROOT}/entityOperations/create", b"[" + b",".join(rows) + b"]"


def _batch_replaced(plan: Plan, i: int, dice: random.Random) -> Asked:
    size = plan["size"]
    start = dice.randrange(max(1, plan.get("stock", 1) - size))
    rows = [entity_json(start + k, i + 1) for k in range(size)]
    path = f"{ROOT}/entityOperations/upsert?options=replace"
    return "POST", path, b"[" + b",".join(rows) + b"]"


def _type_q(plan: Plan, i: int, dice: random.Random) -> Asked:
    q = quote(f"illuminanceLevel=={dice.randrange(1000)}")
    return "GET", f"{ROOT}/entities?type={TYPE}&q={q}&limit=20", b""


def _up_to(plan: Plan, i: int, dice: random.Random) -> Asked:
    """About so many thousandths of all."""
    q = quote(f"illuminanceLevel<{plan['thousandths']}")
    return "GET", f"{ROOT}/entities?type={TYPE}&q={q}&limit=20", b""


def _near(plan: Plan, i: int, dice: random.Random) -> Asked:
    lon, lat = WEST + dice.random() * SPAN, SOUTH + dice.random() * SPAN
    where = f"georel={quote('near;maxDistance==1000')}&geometry=Point"
    coordinates = quote(f"[{lon:.5f},{lat:.5f}]")
    path = f"{ROOT}/entities?type={TYPE}&{where}&coordinates={coordinates}&limit=20"
    return "GET", path, b""


def _counted(make: Callable[[Plan, int, random.Random], Asked]) -> Callable[..., Asked]:
    """The same page with the exact count of all that match."""

    def with_count(plan: Plan, i: int, dice: random.Random) -> Asked:
        method, path, body = make(plan, i, dice)
        return method, f"{path}&count=true", body

    return with_count


def _path(plan: Plan, i: int, dice: random.Random) -> Asked:
    number = plan.get("first", 0) + i
    body = entity_json(number) if plan["method"] == "POST" else b""
    return plan["method"], plan["path"].replace("{i}", str(number)), body


OPERATIONS: dict[str, Callable[[Plan, int, random.Random], Asked]] = {
    "create": _create,
    "patch": _patch,
    "retrieve": _retrieve,
    "retrieve_each": _retrieve_each,
    "batch_new": _batch_new,
    "batch_replaced": _batch_replaced,
    "type_q": _type_q,
    "type_q_count": _counted(_type_q),
    "up_to_count": _counted(_up_to),
    "near": _near,
    "near_count": _counted(_near),
    "path": _path,
}


class _Client(asyncio.Protocol):
    """One connection: sends the next request when an answer is whole."""

    def __init__(self, run: Run) -> None:
        self.run, self.buffer = run, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        data = next(self.run.requests, None)
        if data is None:
            self.transport.close()
            self.run.finish()
            return
        self.began = time.perf_counter()
        self.transport.write(data)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head.find(b"\r\n", at) + 1 or end + 1) - 1]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.run.note(status, time.perf_counter() - self.began, self.buffer[end + 4 :])
        self.buffer = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if error:
            self.run.errors += 1
            self.run.finish()


class Run:
    """One plan being driven by several connections."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.requests = requests(plan)
        self.left = plan.get("connections", 32)
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.errors = 0
        self.sample = b""
        self.bytes = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, status: int, seconds: float, body: bytes) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        self.latencies.append(seconds)
        self.bytes += len(body)
        if status >= 400 and not self.sample:
            self.sample = body[:300]

    def finish(self) -> None:
        """One connection has nothing more to do."""
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result(None)


async def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Drive one plan against 127.0.0.1:`plan["port"]`."""
    run, loop, count = Run(plan), asyncio.get_running_loop(), plan.get("connections", 32)
    began = time.perf_counter()
    for _ in range(count):
        await loop.create_connection(lambda: _Client(run), "127.0.0.1", plan["port"])
    await asyncio.wait_for(run.done, plan.get("timeout", 600))
    seconds = time.perf_counter() - began
    times = sorted(run.latencies) or [0.0]
    return {
        "n": len(run.latencies),
        "errors": run.errors + sum(c for s, c in run.statuses.items() if s >= 400),
        "seconds": seconds,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[min(len(times) - 1, int(len(times) * 0.99))] * 1e3,
        "times_ms": [round(time * 1e3, 3) for time in times],
        "statuses": dict(run.statuses),
        "sample": run.sample.decode(errors="replace"),
        "bytes": run.bytes,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(json.loads(Path(sys.argv[1]).read_text())))))
