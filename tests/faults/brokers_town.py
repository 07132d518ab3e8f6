"""Several real brokers on one PostgreSQL, those who write to them, somebody who is told, and a
balancer in front: what faults of several brokers stand on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pintu.kit.testing import free_port
from pintu.processes.supervisor import die_with
from pintu.settings import as_plain, load_settings
from tests.faults.callers import ENTITIES, SUBSCRIPTIONS, Line

PORTS: Final = (9340, 9399)
LAMP: Final = "urn:ngsi-ld:Lamp:"
HEARD: Final = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Told:
    """An endpoint: every value of every entity it was told, in order, and when."""

    def __init__(self) -> None:
        self.values: dict[str, list[int]] = {}
        self.last = time.monotonic()
        self.opened = 0.0  # when the newest connection began over which something was told
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def _run(self) -> None:
        async def serve() -> None:
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            with contextlib.suppress(asyncio.CancelledError):
                await server.serve_forever()

        self._serving = self._loop.create_task(serve())
        self._loop.run_until_complete(self._serving)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = time.monotonic()
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                for entity in json.loads(await reader.readexactly(length))["data"]:
                    self.values.setdefault(entity["id"], []).append(entity["n"]["value"])
                self.last, self.opened = time.monotonic(), max(self.opened, opened)
                writer.write(HEARD)
        writer.close()

    def close(self) -> None:
        """Hear no more."""
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(10)

    def missing(self, acknowledged: dict[str, list[int]]) -> list[str]:
        """Acknowledged values nobody was told of."""
        return [
            f"{id} {value} was never told"
            for id, values in acknowledged.items()
            for value in sorted(set(values) - set(self.values.get(id, ())))
        ]

    def disordered(self) -> list[str]:
        """Entities whose values came for the first time in another order than they were written."""
        found = []
        for id, values in self.values.items():
            first = list(dict.fromkeys(values))
            if first != sorted(first):
                found.append(f"{id} was told as {first[-20:]}")
        return found


@dataclass(slots=True)
class One:
    """One broker: its own data folder, port and process."""

    name: str
    data: Path
    port: int
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    hangs: bool = False

    def start(self) -> None:
        """Start it; does not wait."""
        settings = load_settings(
            self.data, self.environ, pieces=False, node=self.name or None, port=self.port
        )
        parent = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pintu.processes.broker"],
            stdin=subprocess.PIPE,
            env={**os.environ, **self.environ},
            preexec_fn=lambda: die_with(parent),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(as_plain(settings)).encode())
        self.process.stdin.close()

    def ready(self, within_s: float = 300) -> None:
        """Wait until it answers."""
        until = time.monotonic() + within_s
        line = Line(self.port, "", timeout_s=5)
        while (answer := line.ask("GET", "/readyz")) is None or answer[0] != 200:
            assert time.monotonic() < until, f"{self.name} is not ready"
            assert self.process is not None and self.process.poll() is None, f"{self.name} ended"
            time.sleep(0.05)
        line.close()

    @property
    def leads(self) -> bool:
        """Whether it says that it leads."""
        return (self.data / "leads").exists() and self.alive

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Tell it."""
        assert self.process is not None
        self.process.send_signal(number)

    def hang(self, *, hangs: bool) -> None:
        """Stop it where it is, or let it go on."""
        self.hangs = hangs
        self.signal(signal.SIGSTOP if hangs else signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, within_s: float = 30) -> None:
        """Until it ended."""
        assert self.process is not None
        self.process.wait(within_s)


class Town:
    """Brokers of one city."""

    def __init__(self, folder: Path, store: str, number: int, told: Told, drain_s: int = 0) -> None:
        self.told = told
        environ = {
            "PINTU_STORE": store,
            "PINTU_EGRESS_ALLOW": f"127.0.0.1:{told.port}",
            "PINTU_DRAIN_S": str(drain_s),
        }
        ports: set[int] = set()
        while len(ports) < number:
            ports.add(free_port(*PORTS))
        self.brokers = [
            One(f"b{at}", folder / f"b{at}", port, environ) for at, port in enumerate(sorted(ports))
        ]

    def start(self) -> None:
        """The first one makes the city; the others get its key and join."""
        first = self.brokers[0]
        for one in self.brokers:
            (one.data / "keys").mkdir(mode=0o700, parents=True)
        first.start()
        first.ready()
        for one in self.brokers[1:]:
            shutil.copy2(first.data / "keys" / "log.pem", one.data / "keys")
            one.start()
        for one in self.brokers[1:]:
            one.ready()

    @property
    def token(self) -> str:
        """The administrator's."""
        return (self.brokers[0].data / "admin.token").read_text("utf-8").strip()

    def leader(self, within_s: float = 60) -> One:
        """Whoever leads now."""
        until = time.monotonic() + within_s
        while True:
            for one in self.brokers:
                if one.leads:
                    return one
            assert time.monotonic() < until, "nobody leads"
            time.sleep(0.02)

    def subscribe(self, broker: One) -> None:
        """Be told of every change of a lamp; asked of any broker."""
        uri = f"http://127.0.0.1:{self.told.port}/"
        asked = {
            "type": "Subscription",
            "entities": [{"type": "Lamp"}],
            "notification": {"endpoint": {"uri": uri}},
        }
        answer = Line(broker.port, self.token).ask("POST", SUBSCRIPTIONS, asked)
        assert answer is not None and answer[0] == 201, answer

    def stop(self) -> None:
        """End every process."""
        for one in self.brokers:
            if one.alive:
                one.signal(signal.SIGTERM)
        for one in self.brokers:
            if one.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.wait(15)
                if one.alive:
                    one.kill()


@dataclass(slots=True)
class Writer:
    """Counts one lamp up, a write after the other, each to a broker that `choose` names."""

    id: str
    choose: Callable[[], Line]
    pause_s: float = 0.04
    acknowledged: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stopped: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the write under way."""
        self.stopped = True
        assert self._thread is not None
        self._thread.join(60)

    def _run(self) -> None:
        n, made = 0, False
        while not self.stopped:
            n += 1
            value = {"n": {"type": "Property", "value": n}}
            if made:
                answer = self.choose().ask("PATCH", f"{ENTITIES}/{self.id}/attrs", value)
            else:
                lamp = {"id": self.id, "type": "Lamp", **value}
                answer = self.choose().ask("POST", ENTITIES, lamp)
            status = 0 if answer is None else answer[0]
            if status in (201, 204):
                made = True
                self.acknowledged.append(n)
            else:
                if status == 409:  # the first write was done and never answered
                    made = True
                told = "no answer" if answer is None else f"{status} {answer[1][:200]!r}"
                self.refused.append(f"{n}: {told}")
            time.sleep(self.pause_s)


class Balancer:
    """TCP on loopback: each connection goes to the next broker that is ready, by `/readyz`."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._in = set(ports)
        self._at = 0
        self.port = 0
        self.refused = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(10)

    def _run(self) -> None:
        async def serve() -> None:
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._looking = asyncio.create_task(self._look())
            self._ready.set()

        self._loop.run_until_complete(serve())
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _look(self) -> None:
        while True:
            for port in self._ports:
                (self._in.add if await _is_ready(port) else self._in.discard)(port)
            await asyncio.sleep(0.2)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._ports:
            there = sorted(self._in) or self._ports
            self._at += 1
            port = there[self._at % len(there)]
            try:
                up, down = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self._in.discard(port)
                continue
            await asyncio.gather(_pump(reader, down), _pump(up, writer))
            return
        self.refused += 1
        writer.close()

    def close(self) -> None:
        """Take no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.readline()
            writer.close()
            return b" 200 " in answer
    except OSError:
        return False


@contextlib.contextmanager
def writing(writers: list[Writer]) -> Iterator[None]:
    """While they write."""
    for one in writers:
        one.start()
    try:
        yield
    finally:
        for one in writers:
            one.stopped = True
        for one in writers:
            one.stop()


def wait_until(true: Callable[[], Any], within_s: float, every_s: float = 0.02) -> float:
    """Seconds until something holds; as long as it may take when it does not."""
    began = time.monotonic()
    while not true() and time.monotonic() - began < within_s:
        time.sleep(every_s)
    return time.monotonic() - began
