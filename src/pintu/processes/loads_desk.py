"""The desk of loads: one job a source and mapping, at its times and on wish; none ends another."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.intake.doors.register import door_module
from pintu.kernel.intake.doors.secrets import read_secret
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.link import FieldLink
from pintu.kernel.intake.loading_context import PIECE
from pintu.kernel.intake.runs import Asked, Runs
from pintu.kernel.intake.words import SourceReport
from pintu.kernel.tables import CityTables
from pintu.kit.declared import Declared
from pintu.kit.landings import data_set_called
from pintu.processes.loads_job import Job, Told

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet

log = logging.getLogger("pintu.loads")
LOOK_S: Final = 1.0
REPORT_EVERY_S: Final = 2.0
MOST_JOBS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the loads of one process stand on."""

    data: Path
    clock: Clock
    egress: Egress
    link: FieldLink
    tables: CityTables
    words: Callable[[], Any]  # the vocabulary, a town's adopted words with it
    zone: str = "Asia/Shanghai"
    folders: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()
    data_sets: tuple[DataSet, ...] = ()  # that pieces declare


@dataclass(slots=True)
class _Source:
    """One source with its jobs, or the sentence why it has none."""

    declared: Declared
    jobs: dict[str, Job] = field(default_factory=dict)
    trouble: str = ""


class Desk:
    """Runs every enabled source of a door that loads, until cancelled."""

    def __init__(self, configuration: Configuration, ground: Ground) -> None:
        self._configuration, self._ground = configuration, ground
        self._runs = Runs(ground.tables, ground.clock)
        self._sources: dict[str, _Source] = {}
        self._tasks: dict[tuple[str, str], tuple[str, asyncio.Task[None]]] = {}
        self._seen: object = None
        self._version = -1

    async def run(self) -> None:
        """Follow the configuration and the wishes, report, read again what is asked for."""
        await self._ground.link.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(), name="loads following")
                group.create_task(self._report(), name="loads reporting")
                group.create_task(self._retry(), name="loads retrying")
        finally:
            running = [task for _, task in self._tasks.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """Let go of the link and of every file."""
        await self._ground.link.stop()
        self._ground.tables.close()

    # --- what there is to load --------------------------------------------------------------------
    async def _follow(self) -> None:
        while True:
            try:
                seen = (self._configuration.signature(), _secrets(self._ground.data))
                if seen != self._seen:
                    await self._reconcile()
                    self._seen = seen
                await self._wishes()
            except Exception:  # a loop's edge: what cannot be read now is read a second later
                log.exception("The loads' configuration could not be followed")
            await asyncio.sleep(LOOK_S)

    async def _reconcile(self) -> None:
        """Start what is new, end what is gone, start anew what changed; leave the rest alone."""
        wanted: dict[str, _Source] = {}
        fingerprints: dict[tuple[str, str], str] = {}
        for declared, trouble in self._declared():
            found = _Source(declared=declared, trouble=trouble)
            wanted[declared.name] = found
            if trouble or not self._loads(found):
                if not found.trouble:
                    del wanted[declared.name]
                continue
            for mapping in declared.source.mappings:
                fingerprints[declared.name, mapping] = self._fingerprint(declared, mapping)
        for key, (fingerprint, task) in list(self._tasks.items()):
            if fingerprints.get(key) != fingerprint:
                del self._tasks[key]
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for name in self._sources.keys() - wanted.keys():
            await self._ground.link.report_source(self._told(self._sources[name], off=True))
        for key, fingerprint in list(fingerprints.items())[:MOST_JOBS]:
            before = self._sources.get(key[0])
            if key in self._tasks and before is not None:
                wanted[key[0]].jobs[key[1]] = before.jobs[key[1]]
                continue
            job = wanted[key[0]].jobs[key[1]] = self._job(wanted[key[0]].declared, key[1])
            task = asyncio.create_task(job.keep(), name=f"load {key[0]} {key[1]}")
            self._tasks[key] = (fingerprint, task)
        self._sources = wanted

    def _declared(self) -> list[tuple[Declared, str]]:
        """(source with its mappings, what is wrong with its file)."""
        found: list[tuple[Declared, str]] = [(one, "") for one in self._ground.declared]
        mappings = {one.name: one.content for one in self._configuration.list_saved("mappings")}
        folder = self._configuration.folder / "sources"
        for path in sorted(folder.glob("*.toml")):
            name = path.stem
            try:
                content = self._configuration.get("sources", name).content
                source = msgspec.convert({**content, "name": name}, SourceFile)
            except (PintuError, msgspec.ValidationError) as error:
                said = error.detail if isinstance(error, PintuError) else str(error)
                lost = Declared(source=SourceFile(name=name, door=""), mappings={})
                found.append((lost, f"config/sources/{name}.toml: {said}"))
                continue
            mine = {one: mappings[one] for one in source.mappings if one in mappings}
            found.append((Declared(source=source, mappings=mine), ""))
        return found

    def _loads(self, one: _Source) -> bool:
        """Whether it is enabled and its door loads; a door that cannot be opened is its trouble."""
        source = one.declared.source
        if not source.enabled:
            return False
        try:
            module = door_module(source.door)
        except PintuError as error:
            one.trouble = error.detail if source.door in ("", "database") else ""
            return False
        if module.DOOR.kind != "load":
            return False
        if not source.mappings:
            one.trouble = "It has no mapping yet: nobody knows what its columns mean"
        return bool(source.mappings)

    def _fingerprint(self, declared: Declared, mapping: str) -> str:
        """Differs whenever anything changed that a job of this mapping stands on."""
        content = declared.mappings.get(mapping, {})
        saved = None
        with contextlib.suppress(PintuError):
            saved = self._configuration.find("datasets", str(content.get("data_set") or "-"))
        secret = read_secret(self._ground.data, declared.source.name)
        told = msgspec.json.encode(
            (declared.source, content, saved.content if saved else None), enc_hook=str
        )
        return hashlib.blake2b(told + b"\0" + secret.encode(), digest_size=16).hexdigest()

    def _job(self, declared: Declared, mapping: str) -> Job:
        ground = self._ground
        around = Around(
            data=ground.data,
            secret=read_secret(ground.data, declared.source.name),
            egress=ground.egress,
            clock=ground.clock,
            folders=ground.folders,
            tables=ground.tables,
        )
        told = Told(
            declared=declared,
            mapping=mapping,
            around=around,
            link=ground.link,
            runs=self._runs,
            tables=ground.tables,
            words=ground.words,
            zone=ground.zone,
            data_set=self._data_set,
        )
        return Job(told)

    def _data_set(self, name: str) -> DataSet:
        """The data set a mapping fills; ResourceNotFound, ConfigurationError."""
        for one in self._ground.data_sets:
            if one.name == name:
                return one
        return data_set_called(self._configuration, name)

    # --- what people ask --------------------------------------------------------------------------
    async def _wishes(self) -> None:
        version = self._runs.version()
        if version == self._version:
            return
        self._version = version
        wishes = await self._runs.asked()
        granted: list[Asked] = []
        for one in wishes:
            source = self._sources.get(one.source)
            for job in source.jobs.values() if source is not None else ():
                job.wish(one)
            granted.append(one)
        await self._runs.granted(granted)

    # --- what is told -----------------------------------------------------------------------------
    async def _report(self) -> None:
        while True:
            for one in list(self._sources.values()):
                with contextlib.suppress(PintuError):
                    await self._ground.link.report_source(self._told(one))
            await asyncio.sleep(REPORT_EVERY_S)

    def _told(self, one: _Source, *, off: bool = False) -> SourceReport:
        source, jobs = one.declared.source, list(one.jobs.values())
        trouble = one.trouble or next((job.trouble for job in jobs if job.trouble), "")
        detail = trouble or next((job.detail for job in jobs if job.detail), "")
        begun = any(job.begun for job in jobs)
        return SourceReport(
            source=f"{PIECE}/{one.declared.name}",
            piece=one.declared.piece or PIECE,
            messages=sum(job.read for job in jobs),
            bytes=0,
            unreadable=sum(job.bad for job in jobs),
            last_us=max((job.last_us for job in jobs), default=0),
            lag_us=0,
            state="stopped" if off else "down" if trouble else "up" if begun else "connecting",
            detail=detail[:500],
            expected_interval_s=source.expected_interval_s,
            tenant=source.tenant,
        )

    # --- out of quarantine ------------------------------------------------------------------------
    async def _retry(self) -> None:
        async for envelope in self._ground.link.retries(PIECE):
            name, mapping = envelope.source.partition("/")[2], envelope.meta.get("mapping", "")
            source = self._sources.get(name)
            job = source.jobs.get(mapping) if source is not None else None
            if job is None:
                log.warning("Source %s of a retried envelope does not run", envelope.source)
                continue
            try:
                await job.read_again(envelope)
            except ConfigurationError as error:
                log.warning("%s cannot be read again: %s", envelope.key, error.detail)
            except Exception:  # a loop's edge: it stays held, and can be retried once more
                log.exception("A held envelope of %s could not be read again", envelope.source)


def _secrets(data: Path) -> tuple[tuple[str, int], ...]:
    folder = data / "keys" / "sources"
    try:
        return tuple(sorted((one.name, one.stat().st_mtime_ns) for one in folder.iterdir()))
    except OSError:
        return ()
