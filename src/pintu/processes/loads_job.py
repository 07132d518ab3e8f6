"""One source through one mapping: waits for its time or a wish, runs, and says how it went."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.kernel.intake.doors.register import door_module
from pintu.kernel.intake.doors.words import Around
from pintu.kernel.intake.loading import HOPELESS, STOPPED, Load, load
from pintu.kernel.intake.loading_context import ContextLanding
from pintu.kernel.intake.loading_gone import Leaving
from pintu.kernel.intake.loading_retry import read_again
from pintu.kernel.intake.loading_words import Accepts, Chunk, Landed, Landing, Reader
from pintu.kernel.intake.mapping import Mapper, compile_mapping, read_mapping
from pintu.kernel.intake.mapping.words import BadRecord, Mapping, Row
from pintu.kernel.intake.runs import Asked, Run, Runs
from pintu.kernel.intake.words import Envelope
from pintu.kernel.tables import CityTables
from pintu.kit.declared import Declared

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet

log = logging.getLogger("pintu.loads")
BACK_OFF_S: Final = (5.0, 15.0, 60.0, 300.0, 600.0)
SHORTEST_S: Final = 0.2
QUIET_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a job is told when it is made."""

    declared: Declared
    mapping: str
    around: Around
    link: Accepts
    runs: Runs
    tables: CityTables
    words: Callable[[], Any]
    data_set: Callable[[str], DataSet]
    zone: str = "Asia/Shanghai"


class Job:
    """Runs until cancelled; cancelled in the middle, its run is gone on with by the next one."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._wish: Asked | None = None
        self._woken = asyncio.Event()
        self._held = False
        self._running: asyncio.Task[float | None] | None = None
        self._lock = asyncio.Lock()
        self._chosen: Mapping | None = None
        self._made: tuple[Mapping, Mapper] | None = None
        self.trouble = self.detail = ""
        self.read = self.bad = self.last_us = 0
        self.begun = False

    @property
    def name(self) -> str:
        """Its source's name."""
        return self._told.declared.name

    def wish(self, asked: Asked) -> None:
        """Somebody asked: run now, run again from the beginning, or stop."""
        if asked.what == "stop":
            self._held = True
            if self._running is not None:
                self._running.cancel()
            return
        self._wish, self._held = asked, False
        self._woken.set()

    async def keep(self) -> None:
        """Run at once, then at its times and on wish."""
        failures = 0
        while True:
            began_s = time.monotonic()
            wish, self._wish = self._wish, None
            again_s: float | None = None
            try:
                self._running = asyncio.create_task(self._round(wish))
                again_s = await self._running
                failures, self.trouble = 0, ""
            except asyncio.CancelledError:
                outer = asyncio.current_task()
                if not self._held or (outer is not None and outer.cancelling()):
                    raise
                await self._stopped()
            except ConfigurationError as error:  # a change of the configuration makes a new job
                self.trouble = "; ".join(error.mistakes)[:1500]
            except PintuError as error:
                self.trouble = error.detail or error.title
                again_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
            except Exception as error:  # a loop's edge: no load's mistake ends another load
                log.exception("Load %s failed and is tried again", self.name)
                self.trouble = f"{type(error).__name__}: {error}"[:500]
                again_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
            self.begun = True
            await self._wait(began_s, again_s)

    async def _stopped(self) -> None:
        """Somebody stopped the run under way: what landed stays, the next goes on behind it."""
        latest = (await self._told.runs.latest()).get((self.name, self._told.mapping))
        if latest is not None and latest.state == "running":
            await self._told.runs.end(latest, "stopped", STOPPED)
        self.detail = STOPPED["en"]

    async def _wait(self, began_s: float, every_s: float | None) -> None:
        left_s = None
        if every_s is not None and not self._held:
            left_s = max(SHORTEST_S, began_s + every_s - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._woken.wait()
        self._woken.clear()

    async def _round(self, wish: Asked | None) -> float | None:
        """One pass; seconds until the next, None: only on wish."""
        told, again = self._told, wish is not None and wish.what == "again"
        mapping = self._mapping()
        if not told.declared.piece:  # a piece's own mapping is compiled when there is a record
            await self._mapper()
        source = told.declared.source
        module = door_module(source.door)
        reader: Reader = await asyncio.to_thread(module.make_reader, source, mapping, told.around)
        every_s = _every(source.settings, module.DOOR.settings)
        print_ = _fingerprint(mapping)
        landing = await asyncio.to_thread(self._table, mapping)
        after = "" if again else await self._position(landing, mapping)
        chunks = reader.chunks(after)
        try:
            first = await self._first(chunks)
        except PintuError as error:
            await self._note(mapping, print_, error)
            raise
        if first is None and wish is None and not await self._unfinished(mapping):
            return every_s  # nothing is new: no run is worth a line
        run = await told.runs.begin(
            self.name, mapping.name, fingerprint=print_, by=wish.by if wish else "", again=again
        )
        if landing is None:
            landing = self._context(mapping, run)
        _, mapper = await self._mapper()
        return await self._load(run, landing, mapper, _Begun(reader, first, chunks), every_s)

    async def _first(self, chunks: AsyncIterator[Chunk]) -> Chunk | None:
        """The first chunk, or None; a source that answers and has nothing new is up."""
        waiting = asyncio.ensure_future(anext(chunks, None))
        try:
            done, _ = await asyncio.wait({waiting}, timeout=QUIET_S)
            if not done:
                self.begun, self.trouble = True, ""
            return await waiting
        finally:
            waiting.cancel()

    async def _load(
        self, run: Run, landing: Landing, mapper: Mapper, reader: Reader, every_s: float | None
    ) -> float | None:
        told = self._told
        before = (self.read - run.read, self.bad - run.bad)

        def progress(now: Run) -> None:
            self.read, self.bad = before[0] + now.read, before[1] + now.bad
            self.last_us, self.begun, self.trouble = now.changed_us, True, ""
            of = f" of {now.total}" if now.total else ""
            self.detail = f"{now.read}{of} records read, {now.bad} in quarantine"

        ended = await load(
            Load(
                run=run,
                reader=reader,
                mapper=mapper,
                landing=_Guarded(landing, self._lock),
                link=told.link,
                runs=told.runs,
                clock=told.around.clock,
                tenant=told.declared.source.tenant,
                progress=progress,
            )
        )
        if ended.state == "failed":
            said = ended.messages[-1] if ended.messages else HOPELESS
            if said == HOPELESS:
                raise ConfigurationError([said["en"]])
            raise Unavailable(said["en"])
        return every_s

    async def _mapper(self) -> tuple[Mapping, Mapper]:
        if self._made is None:
            self._made = await asyncio.to_thread(self._compile)
        return self._made

    def _compile(self) -> tuple[Mapping, Mapper]:
        told, mapping = self._told, self._mapping()
        return mapping, compile_mapping(mapping, told.words(), source=told.declared.space)

    def _mapping(self) -> Mapping:
        told = self._told
        if self._chosen is None:
            content = told.declared.mappings.get(told.mapping)
            if content is None:
                raise ConfigurationError(
                    [f"Source {self.name} names mapping {told.mapping!r}, which does not exist"]
                )
            self._chosen = read_mapping({**content, "name": told.mapping})
        return self._chosen

    def _table(self, mapping: Mapping) -> Landing | None:
        """The landing of a mapping into a table; None: it goes into the context."""
        if mapping.target == "context":
            return None
        from pintu.kernel.exchange.landing import open_landing

        told = self._told
        data_set = told.data_set(mapping.data_set)
        source = f"{self.name}/{mapping.name}"
        clock = told.around.clock
        landing: Landing = open_landing(told.tables, clock, data_set, source=source, zone=told.zone)
        return landing

    def _context(self, mapping: Mapping, run: Run) -> Landing:
        told, tenant = self._told, self._told.declared.source.tenant
        clock, gone = told.around.clock, mapping.gone
        leaving = Leaving(told.link, told.runs, run=run, clock=clock, tenant=tenant, gone=gone)
        return ContextLanding(told.link, self.name, tenant, told.runs, run=run, leaving=leaving)

    async def _position(self, landing: Landing | None, mapping: Mapping) -> str:
        if landing is None:
            return await self._told.runs.position(self.name, mapping.name)
        return await landing.position()

    async def _unfinished(self, mapping: Mapping) -> bool:
        latest = (await self._told.runs.latest()).get((self.name, mapping.name))
        return latest is not None and latest.state == "running"

    async def _note(self, mapping: Mapping, print_: str, error: PintuError) -> None:
        """A source that cannot be read is told of in the list of runs, once for each reason."""
        en = error.detail or error.title
        said = {"zh": str(error.extra.get("zh") or en), "en": en}
        latest = (await self._told.runs.latest()).get((self.name, mapping.name))
        if latest is None or latest.state != "failed" or said not in latest.messages:
            run = await self._told.runs.begin(self.name, mapping.name, fingerprint=print_)
            await self._told.runs.end(run, "failed", said)

    async def read_again(self, envelope: Envelope) -> None:
        """Records out of quarantine, by the mapping as it is now."""
        mapping, mapper = await self._mapper()
        table = await asyncio.to_thread(self._table, mapping)

        async def land(key: str, rows: Sequence[Row]) -> Landed:
            assert table is not None
            async with self._lock:
                return await table.land(key, await table.position(), rows, [])

        await read_again(
            self._told.link,
            self._told.declared.source.tenant,
            envelope,
            mapper,
            clock=self._told.around.clock,
            land=None if table is None else land,
        )


class _Begun:
    """A reader whose first chunk was asked for already."""

    def __init__(self, reader: Reader, first: Chunk | None, rest: AsyncIterator[Chunk]) -> None:
        self._first, self._rest = first, rest
        if hasattr(reader, "landed"):
            self.landed = reader.landed

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        try:
            if self._first is not None:
                yield self._first
                async for chunk in self._rest:
                    yield chunk
        finally:
            close = getattr(self._rest, "aclose", None)
            if close is not None:
                await close()


class _Guarded:
    """A landing of which one chunk lands at a time, retried records among them."""

    def __init__(self, landing: Landing, lock: asyncio.Lock) -> None:
        self._landing, self._lock = landing, lock
        for name in ("finish", "remove", "present"):
            if hasattr(landing, name):
                setattr(self, name, getattr(landing, name))

    async def position(self) -> str:
        return await self._landing.position()

    async def land(
        self,
        chunk_key: str,
        position: str,
        items: Sequence[Any],
        bad: Sequence[BadRecord],
    ) -> Landed:
        async with self._lock:
            return await self._landing.land(chunk_key, position, items, bad)


def _every(settings: dict[str, Any], known: Sequence[Any]) -> float | None:
    """How often a source is looked at, as it says or as its door does; None: only on wish."""
    default = next((one.default for one in known if one.name == "every_s"), None)
    told = settings.get("every_s", default)
    try:
        every_s = float(told) if told not in (None, "") else 0.0
    except (TypeError, ValueError):
        every_s = 0.0
    return every_s if every_s > 0 else None


def _fingerprint(mapping: Mapping) -> str:
    return hashlib.blake2b(msgspec.json.encode(mapping, enc_hook=str), digest_size=8).hexdigest()
