"""Device sources that people connected and that pieces declare: each started, changed and stopped
as the configuration says, none ended by another's mistake."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.intake.doors.mapped import Mapped, compile_source, read_source
from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.register import device_connector, door_module
from pintu.kernel.intake.doors.secrets import read_secret
from pintu.kernel.intake.doors.told import INSTANCE
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.mapping.words import Words
from pintu.kernel.intake.words import SourceReport
from pintu.kit.declared import Declared
from pintu.kit.landings import TableSets
from pintu.kit.lanes import Pace
from pintu.kit.link import Link
from pintu.kit.piece import Connector, Piece, Received
from pintu.kit.sources import SourceRunner

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands

log = logging.getLogger("pintu.kit")
DOORS_PIECE: Final = "doors"
"""The first half of every such source's name: `doors/NAME`, of a piece's `doors/PIECE.NAME`."""
HEARD_ELSEWHERE: Final = "push"
LOOK_S = 1.0
REPORT_EVERY_S = 3.0
BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
MOST_SOURCES = 500
MESSAGES_S = 5_000.0
PER_SENDER_S = 100.0
BURST_S = 5.0
LANES = 32  # as many as a broker sends before it waits, so that messages share a commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the doors of one process stand on."""

    data: Path
    egress: Egress
    clock: Clock
    words: Callable[[], Words]  # the vocabulary, read when a first mapping needs it
    declared: Sequence[Declared] = ()
    sets: TableSets | None = None  # table data sets to fill; None: there are none here


@dataclass(slots=True)
class _Standing:
    """One source at work, or the sentence why it is not."""

    declared: Declared
    fingerprint: str
    task: asyncio.Task[None] | None = None
    runner: SourceRunner | None = None
    trouble: str = ""


class DoorRunner:
    """Runs every enabled device source until cancelled."""

    def __init__(self, configuration: Configuration, link: Link, ground: Ground) -> None:
        self._configuration, self._link, self._ground = configuration, link, ground
        self._standing: dict[str, _Standing] = {}
        self._seen: object = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look for changes each second; report and read again what is asked for, until
        cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._report(), name="doors reporting")
                group.create_task(self._retry(), name="doors retrying")
                group.create_task(self._follow(), name="doors following the configuration")
        finally:
            tasks = [one.task for one in self._standing.values() if one.task is not None]
            for task in [*tasks, *self._leaving]:
                task.cancel()
            await asyncio.gather(*tasks, *self._leaving, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                seen = (self._configuration.signature(), _secrets(self._ground.data))
                if seen != self._seen:
                    await self._reconcile()
                    self._seen = seen
            except Exception:  # a loop's edge: what cannot be read now is read a second later
                log.exception("The sources' configuration could not be followed")
            await asyncio.sleep(LOOK_S)

    async def _reconcile(self) -> None:
        """Start what is new, stop what is gone, start anew what changed; leave the rest alone."""
        wanted: dict[str, _Standing] = {}
        for declared in [*self._ground.declared, *self._connected(wanted)]:
            if not declared.source.enabled or not _is_ours(declared.source, wanted, declared):
                continue
            if len(wanted) >= MOST_SOURCES:
                log.error("There are more than %d sources; %s waits", MOST_SOURCES, declared.name)
                continue
            print_ = self._fingerprint(declared)
            wanted[declared.name] = _Standing(declared=declared, fingerprint=print_)
        for name, standing in list(self._standing.items()):
            after = wanted.get(name)
            if after is None or after.fingerprint != standing.fingerprint:
                del self._standing[name]
                self._stop(standing)
                if after is None and standing.declared.source.door != HEARD_ELSEWHERE:
                    await self._link.report_source(_report(standing, off=True))
        for name, standing in wanted.items():
            if name not in self._standing:
                self._standing[name] = standing
                if not standing.trouble:
                    standing.task = asyncio.create_task(self._keep(standing), name=f"door {name}")

    def _connected(self, broken: dict[str, _Standing]) -> list[Declared]:
        """Sources that people connected; a file that cannot be read stands there with its
        mistake."""
        saved = {one.name: one.content for one in self._configuration.list_saved("mappings")}
        found = []
        for path in sorted((self._configuration.folder / "sources").glob("*.toml")):
            name = path.stem
            try:
                content = self._configuration.get("sources", name).content
                source = read_source(name, content)
            except PintuError as error:
                lost = Declared(source=SourceFile(name=name, door=""), mappings={})
                broken[name] = _Standing(
                    declared=lost, fingerprint=error.detail, trouble=error.detail
                )
                continue
            mappings = {one: saved[one] for one in source.mappings if one in saved}
            found.append(Declared(source=source, mappings=mappings))
        return found

    def _fingerprint(self, declared: Declared) -> str:
        names = [one.get("data_set") for one in declared.mappings.values()]
        sets = self._ground.sets
        filled = [sets.told(str(one)) for one in names if one] if sets is not None else []
        told = msgspec.json.encode((declared.source, declared.mappings, filled), enc_hook=str)
        secret = read_secret(self._ground.data, declared.source.name)
        return hashlib.blake2b(told + b"\0" + secret.encode(), digest_size=16).hexdigest()

    def _stop(self, standing: _Standing) -> None:
        task = standing.task
        if task is not None:
            task.cancel()
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    # --- one source -------------------------------------------------------------------------------
    async def _keep(self, standing: _Standing) -> None:
        """Run one source for ever; its own mistake is its state, and it starts again."""
        name, failures = standing.declared.name, 0
        while self._leaving:
            # a broker takes a second client of one name for the first one's return
            await asyncio.wait(list(self._leaving))
        while True:
            try:
                standing.runner = await asyncio.to_thread(self._make, standing.declared)
                standing.trouble = ""
                await standing.runner.run()
            except ConfigurationError as error:
                standing.trouble = "; ".join(error.mistakes)[:1500]
                log.error("Source doors/%s is not started: %s", name, standing.trouble)
                return  # a change of the configuration starts it again
            except PintuError as error:
                standing.trouble = error.detail or error.title
            except Exception as error:  # a loop's edge: no source's mistake ends another source
                standing.trouble = f"{type(error).__name__}: {error}"[:500]
                log.exception("Source doors/%s failed and starts again", name)
            standing.runner = None
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    def _make(self, declared: Declared) -> SourceRunner:
        source, ground = declared.source, self._ground
        around = Around(
            data=ground.data,
            secret=read_secret(ground.data, source.name),
            egress=ground.egress,
            clock=ground.clock,
        )
        mapped = self._mapped(declared)
        settings = {INSTANCE: _instance(ground.data), **source.settings}
        named = msgspec.structs.replace(source, settings=settings)
        connector = _connector(named, around)
        connector.name = declared.name
        return SourceRunner(
            connector,
            Piece(name=DOORS_PIECE, read_settings=lambda told: told, normalise=mapped.normalise),
            self._link,
            ground.clock,
            tenant=source.tenant,
            pace=getattr(connector, "pace", None) or _pace(source),
            lands=self._lands(declared, mapped),
        )

    def _lands(self, declared: Declared, mapped: Mapped) -> Lands | None:
        """Where the rows of its messages land, when one of its mappings fills a table."""
        sets = self._ground.sets
        if sets is None or all(one.words.target == "context" for one in mapped.ways):
            return None
        return sets.arrivals(declared.name)

    def _mapped(self, declared: Declared) -> Mapped:
        source = declared.source
        payload_of = getattr(door_module(source.door), "payload_of", None)
        payload = payload_of(source) if payload_of is not None else Payload()
        return compile_source(
            source,
            payload,
            declared.mappings,
            self._ground.words(),
            space=declared.space,
        )

    # --- what is told -----------------------------------------------------------------------------
    async def _report(self) -> None:
        while True:
            for standing in list(self._standing.values()):
                if standing.declared.source.door == HEARD_ELSEWHERE:
                    continue  # whoever hears it tells how it is
                with contextlib.suppress(PintuError):
                    await self._link.report_source(_report(standing))
            await asyncio.sleep(REPORT_EVERY_S)

    async def _retry(self) -> None:
        """Read again what somebody took out of quarantine, by the mapping as it is now."""
        async for envelope in self._link.retries(DOORS_PIECE):
            name = envelope.source.partition("/")[2]
            standing = self._standing.get(name)
            if standing is None or standing.runner is None:
                log.warning("Source %s of a retried envelope does not run", envelope.source)
                continue
            await standing.runner.take_again(envelope)


def _is_ours(source: SourceFile, wanted: dict[str, _Standing], declared: Declared) -> bool:
    """Device sources; loads run in a process of their own."""
    try:
        module = door_module(source.door)
    except PintuError as error:
        wanted[declared.name] = _Standing(
            declared=declared, fingerprint=error.detail, trouble=error.detail
        )
        return False
    return bool(module.DOOR.kind == "device")


def _report(standing: _Standing, *, off: bool = False) -> SourceReport:
    source, runner = standing.declared.source, standing.runner
    if runner is not None and not off:
        return msgspec.structs.replace(runner.report(), piece=standing.declared.piece or "doors")
    return SourceReport(
        source=f"{DOORS_PIECE}/{standing.declared.name}",
        piece=standing.declared.piece or DOORS_PIECE,
        messages=0,
        bytes=0,
        unreadable=0,
        last_us=0,
        lag_us=0,
        state="stopped" if off else ("down" if standing.trouble else "connecting"),
        detail=standing.trouble,
        expected_interval_s=source.expected_interval_s,
        tenant=source.tenant,
    )


def _connector(source: SourceFile, around: Around) -> Connector:
    """The connector of a device source. Stations of HJ 212 connect to a server of the kit's, which
    pieces use too; whoever pushes by HTTP is heard in the broker: here it can only be read
    again."""
    module = door_module(source.door)
    if hasattr(module, "listening"):
        from pintu.kit.hj212 import Hj212Connector

        told = module.listening(source, around)
        return Hj212Connector(
            source.name,
            told.listen,
            around.clock,
            expected_interval_s=source.expected_interval_s,
            passwords=told.passwords,
            add_to=f"the passwords of source {source.name}",
            ask_missing=told.ask_missing,
        )
    if hasattr(module, "connector"):
        return device_connector(source, around)
    return _HeardElsewhere(source.name)


class _HeardElsewhere:
    """The connector of a source whose messages come in by another process."""

    expected_interval_s = 0.0
    connected = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def receive(self) -> AsyncIterator[Received]:
        """Nothing ever comes here."""
        await asyncio.Event().wait()
        return
        yield


def _pace(source: SourceFile) -> Pace:
    told = source.settings.get("most_a_second")
    good = isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= 100_000
    per_sender_s = float(told) if good else PER_SENDER_S  # type: ignore[arg-type]
    return Pace(
        messages_s=max(MESSAGES_S, per_sender_s),
        per_sender_s=per_sender_s,
        burst=BURST_S * per_sender_s,
        lanes=LANES,
    )


def _instance(data: Path) -> str:
    """Eight signs that are this city's own: its machine and its folder."""
    told = f"{socket.gethostname()} {data.resolve()}".encode()
    return hashlib.blake2b(told, digest_size=4).hexdigest()


def _secrets(data: Path) -> tuple[tuple[str, int], ...]:
    folder = data / "keys" / "sources"
    try:
        return tuple(sorted((one.name, one.stat().st_mtime_ns) for one in folder.iterdir()))
    except OSError:
        return ()
