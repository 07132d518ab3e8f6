"""What tests of pieces stand on: a clock that is told, a link that remembers, a real small broker,
replayed fixtures."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pintu.kernel.errors import Unavailable
from pintu.kernel.intake.words import (
    Batch,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
    Update,
)
from pintu.kit.link import Changed

NULL = "urn:ngsi-ld:null"
Verb = Literal["created", "replaced", "updated", "deleted"]


@dataclass(slots=True)
class FakeClock:
    """A city clock that stands still until it is told to go on."""

    at_us: int = 1_780_000_000_000_000
    rate: float = 1.0

    def now_us(self) -> int:
        """The time it was told."""
        return self.at_us

    def advance(self, seconds: float) -> int:
        """Go on; returns the new time."""
        self.at_us += int(seconds * 1_000_000)
        return self.at_us


class MemoryContext:
    """The least of a context broker that watchers need: merges updates, tells what changed."""

    def __init__(self) -> None:
        self.entities: dict[str, dict[str, Any]] = {}

    def apply(self, update: Update, at_us: int, source: str = "") -> Changed:
        """Apply one update and say what it did."""
        told = update.entity
        known = self.entities.get(told["id"])
        changed = tuple(name for name in told if name not in ("id", "type"))
        if known is None or update.mode == "upsert":
            entity = {k: v for k, v in told.items() if v != NULL}
            verb: Verb = "created" if known is None else "replaced"
        else:
            entity, verb = {**known, **told}, "updated"
            for name in [one for one, value in entity.items() if value == NULL]:
                del entity[name]
        self.entities[told["id"]] = entity
        kind = entity["type"]
        types = (kind,) if isinstance(kind, str) else tuple(kind)
        return Changed(told["id"], types, verb, at_us, source, entity, changed)


@dataclass(slots=True)
class MemoryLink:
    """A link that keeps everything in memory, can be away, and plays the city back to the piece."""

    clock: Any
    context: MemoryContext = field(default_factory=MemoryContext)
    batches: list[Batch] = field(default_factory=list)
    quarantine: list[Any] = field(default_factory=list)
    command_reports: list[CommandReport] = field(default_factory=list)
    source_reports: dict[str, SourceReport] = field(default_factory=dict)
    away: bool = False
    _known: dict[tuple[str, str], Receipt] = field(default_factory=dict)
    _streams: list[tuple[frozenset[str], asyncio.Queue[Changed]]] = field(default_factory=list)
    _commands: asyncio.Queue[Command] = field(default_factory=asyncio.Queue)
    _recalls: asyncio.Queue[list[str]] = field(default_factory=asyncio.Queue)
    _retries: asyncio.Queue[Envelope] = field(default_factory=asyncio.Queue)

    async def accept(self, batch: Batch) -> Receipt:
        """Keep and apply a batch; Unavailable while `away`; a known key is answered, not
        applied."""
        if self.away:
            raise Unavailable("The city is away")
        known = self._known.get((batch.source, batch.key))
        if known is not None:
            return Receipt(known.key, known.accepted, known.quarantined, repeated=True)
        self.batches.append(batch)
        self.quarantine.extend(batch.unreadable)
        for update in batch.updates:
            change = self.context.apply(update, self.clock.now_us(), batch.source)
            for types, queue in self._streams:
                if types & set(change.types):
                    queue.put_nowait(change)
        receipt = Receipt(batch.key, len(batch.updates), len(batch.unreadable))
        self._known[batch.source, batch.key] = receipt
        return receipt

    async def report_source(self, report: SourceReport) -> None:
        """Keep the newest report of each source."""
        self.source_reports[report.source] = report

    async def report_command(self, report: CommandReport) -> None:
        """Keep every report."""
        self.command_reports.append(report)

    async def commands(self, piece: str) -> AsyncIterator[Command]:
        """What `ask` asked for."""
        while True:
            yield await self._commands.get()

    async def recalls(self, piece: str) -> AsyncIterator[list[str]]:
        """What `recall` took back."""
        while True:
            yield await self._recalls.get()

    async def changes(self, types: Sequence[str], tenant: str) -> AsyncIterator[Changed]:
        """Everything there is, then every change."""
        wanted = frozenset(types)
        queue: asyncio.Queue[Changed] = asyncio.Queue()
        for entity in self.context.entities.values():
            if entity["type"] in wanted:
                at_us = self.clock.now_us()
                queue.put_nowait(
                    Changed(entity["id"], (entity["type"],), "created", at_us, "", entity)
                )
        self._streams.append((wanted, queue))
        while True:
            yield await queue.get()

    async def retries(self, piece: str) -> AsyncIterator[Envelope]:
        """What `retry` put back."""
        while True:
            yield await self._retries.get()

    def ask(self, command: Command) -> None:
        """Give the piece a command."""
        self._commands.put_nowait(command)

    def recall(self, *ids: str) -> None:
        """Take commands back."""
        self._recalls.put_nowait(list(ids))

    def retry(self, envelope: Envelope) -> None:
        """Give the piece an envelope to read again."""
        self._retries.put_nowait(envelope)

    def states(self, command_id: str) -> list[str]:
        """The states a command was reported in, in order."""
        return [one.state for one in self.command_reports if one.id == command_id]


def replay(folder: Path, source: str) -> Iterator[tuple[str, Envelope]]:
    """The fixtures of a piece as (file name, envelope), in the order of their names.

    A fixture is the payload as it came; `NAME.meta.json` beside it holds `meta` and `received_us`.
    """
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".meta.json") or path.name.startswith("."):
            continue
        told: dict[str, Any] = {}
        beside = path.with_name(path.name + ".meta.json")
        if beside.exists():
            told = json.loads(beside.read_text("utf-8"))
        body, received_us = path.read_bytes(), int(told.get("received_us", 0))
        yield path.name, Envelope(source, path.name, received_us, body, told.get("meta", {}))


_PORTS = itertools.count(os.getpid() * 31, 7)


def free_port(first: int = 9300, last: int = 9399) -> int:
    """A TCP port of a range on which nothing listens now; another one each time it is asked.

    Where it begins differs between processes, so that suites that run side by side seldom meet;
    the next one is some ports further on: a city with a demo takes five.
    """
    span, begin = last - first + 1, next(_PORTS)
    for number in range(begin, begin + span):
        port = first + number % span
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {first} and {last}")


def find_mosquitto() -> str | None:
    """The path of mosquitto, also where it lies outside of the search path of plain users."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def mosquitto(extra: str = "", port: int | None = None) -> Iterator[int]:
    """A real broker on loopback for the length of a test; yields its port. FileNotFoundError
    without one."""
    program = find_mosquitto()
    if program is None:
        raise FileNotFoundError("mosquitto is not installed")
    chosen = port or free_port()
    with tempfile.TemporaryDirectory(prefix="lamps-mosquitto-") as folder:
        told = Path(folder) / "mosquitto.conf"
        access = "" if "allow_anonymous" in extra else "allow_anonymous true\n"
        told.write_text(f"listener {chosen} 127.0.0.1\n{access}{extra}\n", "utf-8")
        process = subprocess.Popen(
            [program, "-c", str(told)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for_port(chosen, process)
            yield chosen
        finally:
            process.terminate()
            process.wait(5)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(f"mosquitto ended with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise OSError("mosquitto did not listen within 5 s")
