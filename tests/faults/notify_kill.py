"""A day of subscriptions with endpoints that fail at random and kill -9 in between.

`python -m tests.faults.notify_kill [SECONDS] [KILLS]`: 24 hours of the town's clock in so many
seconds. Every change that was acknowledged is told to everybody who subscribed before it and stays,
at least once and in order a lamp; nobody is told after they unsubscribed or after their agreement
ended, and under an agreement nobody is told more than it says.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.notify_child import STAYING

ROOT = Path(__file__).resolve().parents[2]
DAY_S = 86_400.0
MODES = ("well", "well", "well", "500", "hang", "drop", "redirect", "slow")
ANSWERS = {
    "well": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "slow": b"HTTP/1.1 204 No Content\r\n\r\n",
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
    "redirect": b"HTTP/1.1 302 Go\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
}
SETTLE_S = 60.0


@dataclass(slots=True)
class Promise:
    """What the town said it did: by the machine's monotonic clock in ns, ends by its own in µs."""

    wrote: list[tuple[str, int, int]] = field(default_factory=list)
    subscribed: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)  # gone, or without a right
    idle: bool = False

    def take(self, line: str) -> None:
        """One line of a child."""
        words = line.split()
        match words:
            case ["wrote", lamp, number, at]:
                self.wrote.append((lamp, int(number), int(at)))
            case ["subscribed", name, at]:
                self.subscribed[name] = int(at)
            case [("gone" | "revoked"), name, at]:
                self.ended.setdefault(name, int(at))
            case ["idle", _]:
                self.idle = True


@dataclass(slots=True)
class Endpoints:
    """Every endpoint of the day: what each took, what each was sent, how each behaves just now."""

    dice: random.Random
    hour_s: float  # real seconds
    taken: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    bodies: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    modes: dict[str, tuple[str, float]] = field(default_factory=dict)
    failed: int = 0
    day_over: bool = False

    def mode(self, name: str) -> str:
        """How an endpoint behaves now: it changes its mind after a minute to two hours."""
        if self.day_over:
            return "well"
        mode, until = self.modes.get(name, ("well", 0.0))
        if time.monotonic() >= until:
            mode = self.dice.choice(MODES)
            until = time.monotonic() + self.hour_s * self.dice.uniform(1 / 60, 2)
            self.modes[name] = mode, until
        return mode

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
                body = await reader.readexactly(length)
                if not await self._answer(head.split(" ")[1][1:], body, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()

    async def _answer(self, name: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        self.bodies[name].append(body)
        mode = self.mode(name)
        self.failed += mode not in ("well", "slow")
        if mode == "hang":
            await asyncio.sleep(5)
            return False
        if mode == "drop":
            return False
        if mode == "slow":
            await asyncio.sleep(0.05)
        if mode in ("well", "slow"):
            for one in json.loads(body)["data"]:
                self.taken[name].append((one["id"], one["number"]["value"]))
        writer.write(ANSWERS[mode])
        await writer.drain()
        return True


async def child(folder: Path, port: int, rate: float, seed: int) -> asyncio.subprocess.Process:
    """The next life of the town."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.notify_child", str(folder), str(port), str(rate),
        str(seed), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environ,
        cwd=ROOT,
    )  # fmt: skip


async def read(process: asyncio.subprocess.Process, promise: Promise) -> None:
    """Every whole line a child says."""
    assert process.stdout is not None
    while (line := await process.stdout.readline()).endswith(b"\n"):
        promise.take(line.decode())


async def one_day(folder: Path, seconds: float, kills: int, seed: int) -> tuple[Promise, Endpoints]:
    """A day with so many kills; then everybody is well and hears what is missing."""
    dice = random.Random(seed)
    promise, endpoints = Promise(), Endpoints(dice, seconds / 24)
    server = await asyncio.start_server(endpoints.serve, "127.0.0.1", 0, limit=8_000_000)
    port = server.sockets[0].getsockname()[1]
    rate = DAY_S / seconds
    for life in range(kills + 1):
        process = await child(folder, port, rate, seed * 1000 + life)
        reading = asyncio.create_task(read(process, promise))
        said = len(promise.wrote)
        while len(promise.wrote) == said and process.returncode is None:
            await asyncio.sleep(0.01)  # it lives
        assert process.returncode is None, "the town ended by itself"
        await asyncio.sleep(seconds / (kills + 1) * dice.uniform(0.5, 1.5))
        if life == kills:
            endpoints.day_over = True
            await _settled(process, promise)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await reading
    server.close()
    return promise, endpoints


async def _settled(process: asyncio.subprocess.Process, promise: Promise) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    ends = time.monotonic() + SETTLE_S
    while not promise.idle and time.monotonic() < ends:
        await asyncio.sleep(0.05)


def broken(promise: Promise, endpoints: Endpoints) -> list[str]:
    """What was promised and is not so, one sentence each."""
    found = [] if promise.idle else ["The town still owes something after the day"]
    for name in STAYING:
        found += _wrong(name, promise, endpoints)
    for name, ended in promise.ended.items():
        late = [body for body in endpoints.bodies.get(name, ()) if _told_us(body) > ended]
        if late:
            found.append(f"{name} was told {len(late)} times after its end")
    for name, bodies in endpoints.bodies.items():
        if name.startswith("agreed") and any(b"secret" in body for body in bodies):
            found.append(f"{name} was told more than agreed")
    return found


def _told_us(body: bytes) -> int:
    """When a message was made, by the town's clock; one under way may arrive a moment later."""
    told = datetime.fromisoformat(json.loads(body)["notifiedAt"])
    return round(told.timestamp() * 1e6)


def _wrong(name: str, promise: Promise, endpoints: Endpoints) -> list[str]:
    since, told = promise.subscribed[name], endpoints.taken[name]
    known = set(told)
    missing = [
        (lamp, number)
        for lamp, number, at in promise.wrote
        if at > since and (lamp, number) not in known
    ]
    found = [f"{name} never heard of {len(missing)}: {missing[:3]}"] if missing else []
    highest: dict[str, int] = defaultdict(int)
    first: set[tuple[str, int]] = set()
    for lamp, number in told:
        if (lamp, number) not in first and number < highest[lamp]:
            found.append(f"{name} heard of {lamp} {number} after {highest[lamp]}")
        first.add((lamp, number))
        highest[lamp] = max(highest[lamp], number)
    return found


def day(seconds: float, kills: int, seed: int = 1) -> tuple[dict[str, Any], list[str]]:
    """One day on a folder of its own: (figures, what broke)."""
    with tempfile.TemporaryDirectory(prefix="pintu-notify-kill-") as name:
        promise, endpoints = asyncio.run(one_day(Path(name), seconds, kills, seed))
    taken = sum(len(one) for one in endpoints.taken.values())
    twice = sum(len(one) - len(set(one)) for one in endpoints.taken.values())
    figures = {
        "changes": len(promise.wrote), "subscriptions": len(promise.subscribed),
        "ended": len(promise.ended), "told": taken, "again": twice,
        "messages": sum(len(one) for one in endpoints.bodies.values()),
        "refused": endpoints.failed, "kills": kills,
    }  # fmt: skip
    return figures, broken(promise, endpoints)


def main() -> int:
    """Print the figures and what broke; 1 when something did."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 240.0
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    figures, wrong = day(seconds, kills)
    print(figures)
    for one in wrong:
        print(one)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
