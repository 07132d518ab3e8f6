"""The loop of every load: read a chunk, map it, hold what is bad, land the rest, know how far.

One chunk lands while the next is read and mapped. Whoever is killed in between: the landing knows
the last durable position, the reader goes on behind it, a chunk that comes again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.intake.loading_context import PIECE, ContextLanding, hold
from pintu.kernel.intake.loading_words import (
    Accepts,
    Chunk,
    Landed,
    Landing,
    MakeReader,
    Reader,
    Record,
)
from pintu.kernel.intake.mapping.mapper import Mapper
from pintu.kernel.intake.mapping.words import BadRecord, Row
from pintu.kernel.intake.runs import Run, Runs
from pintu.kernel.intake.words import Envelope, Update

__all__ = [
    "Chunk",
    "ContextLanding",
    "Landed",
    "Landing",
    "Load",
    "MakeReader",
    "Reader",
    "Record",
    "load",
]

SLICE: Final = 500  # records mapped before others get a turn
GIVES_UP: Final = (2_000, 0.5)  # this many records looked at, this share of them bad
LOOKED_AT: Final = 2_000  # records of a run's first chunk that are looked at for doubts

STOPPED: Final = {
    "zh": "按要求停止；下次从此处继续",
    "en": "Stopped as asked; it will go on from here",
}
KEPT: Final = {
    "zh": "来源删除了一些记录；对应的实体仍保留",
    "en": "The source deleted some records; their entities stay",
}
HOPELESS: Final = {
    "zh": "多数记录无法读取，已停止：请检查映射，然后重新运行；已读的坏记录在隔离区",
    "en": "Most records cannot be read, so it stopped: look at the mapping, then run it again; the "
    "bad records are in quarantine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """All a run needs; `stopping` is asked after each chunk."""

    run: Run
    reader: Reader
    mapper: Mapper
    landing: Landing
    link: Accepts
    runs: Runs
    clock: Clock
    tenant: str = ""
    stopping: Callable[[], bool] = lambda: False
    progress: Callable[[Run], None] = lambda _run: None


async def load(work: Load) -> Run:
    """Run a load to its end; the run as it ended. PintuError from the reader or the landing ends it
    as `failed` with its sentence; nothing that landed is lost, and the next run goes on there."""
    return await _Loading(work).run()


class _Loading:
    """One run under way."""

    def __init__(self, work: Load) -> None:
        self._work, self._run = work, work.run
        self._looked = self._bad = 0
        self._doubted = False

    async def run(self) -> Run:
        runs = self._work.runs
        try:
            state = await self._chunks()
        except PintuError as error:
            return await runs.end(self._run, "failed", _said(error))
        if state == "hopeless":
            return await runs.end(self._run, "failed", HOPELESS)
        if state == "stopped":
            return await runs.end(self._run, "stopped", STOPPED)
        return await runs.end(self._run, "done")

    async def _chunks(self) -> str:
        work = self._work
        landing: asyncio.Task[None] | None = None
        state = "done"
        chunks = work.reader.chunks(await work.landing.position())
        try:
            async for chunk in chunks:
                items, bad = await self._map(chunk)
                if landing is not None:
                    await landing
                landing = asyncio.create_task(self._land(chunk, items, bad))
                if work.stopping():
                    state = "stopped"
                elif self._hopeless(chunk, len(bad)):
                    state = "hopeless"
                if state != "done":
                    break
            if landing is not None:
                await landing
        except BaseException:
            if landing is not None:
                # what is on its way is finished: the next life would only do it again
                await asyncio.gather(landing, return_exceptions=True)
            raise
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return state

    async def _map(self, chunk: Chunk) -> tuple[Sequence[Update] | Sequence[Row], list[BadRecord]]:
        mapper, bad = self._work.mapper, list(chunk.bad)
        items: list[Any] = []
        if chunk.records and not self._doubted:
            self._doubted = True
            doubts = mapper.doubts(chunk.records[:LOOKED_AT])
            self._run = self._run.told(*({"zh": one.zh, "en": one.en} for one in doubts))
        context = mapper.mapping.target == "context"
        for start in range(0, len(chunk.records), SLICE):
            part = chunk.records[start : start + SLICE]
            now_us = self._work.clock.now_us()
            good: Sequence[Any]
            good, wrong = mapper.context(part, now_us) if context else mapper.rows(part)
            items += good
            bad += wrong
            await asyncio.sleep(0)
        return items, bad

    async def _land(
        self, chunk: Chunk, items: Sequence[Update] | Sequence[Row], bad: list[BadRecord]
    ) -> None:
        work, run = self._work, self._run
        if bad:
            meta = {"kind": "records", "mapping": run.mapping}
            now_us = work.clock.now_us()
            template = Envelope(f"{PIECE}/{run.source}", chunk.key, now_us, b"", meta)
            key = f"{run.number}/{run.mapping}/{chunk.key}"
            await hold(work.link, work.tenant, template, bad, key=key)
        said = [*chunk.messages, *await self._remove(chunk)]
        await self._note_silent(chunk, items, bad)
        landed = await work.landing.land(chunk.key, chunk.position, items, bad)
        said += landed.messages
        let_go = getattr(work.reader, "landed", None)
        if let_go is not None:
            let_go(chunk.position)
        finish = getattr(work.landing, "finish", None)
        if chunk.full and finish is not None:
            # a record that cannot be read is not gone: then nothing is marked as removed
            said += (await finish(whole=not (self._run.bad or bad))).messages
        read = len(chunk.records) + len(chunk.bad)
        silent = max(0, read - len(items) - len(bad))  # records that say nothing
        before = self._run
        self._run = await work.runs.keep(
            msgspec.structs.replace(
                before.told(*said),
                read=before.read + read,
                landed=before.landed + landed.landed,
                unchanged=before.unchanged + landed.unchanged + silent,
                bad=before.bad + landed.bad,
                total=chunk.total if chunk.total is not None else before.total,
                position=chunk.position,
            )
        )
        work.progress(self._run)

    async def _note_silent(self, chunk: Chunk, items: Sequence[Any], bad: list[BadRecord]) -> None:
        """A record that says nothing but its id is there all the same: it has not left."""
        present = getattr(self._work.landing, "present", None)
        if present is not None and len(items) + len(bad) < len(chunk.records):
            await present(self._work.mapper.ids(record for _, record in chunk.records))

    async def _remove(self, chunk: Chunk) -> list[dict[str, str]]:
        """What the source deleted goes from a table data set, or its entity ends; of what tells
        no id because that needs more than a key, the entity stays and is told of."""
        if not chunk.removed:
            return []
        mapper = self._work.mapper
        context = mapper.mapping.target == "context"
        remove = getattr(self._work.landing, "remove", None)
        if remove is None:
            return [KEPT]
        gone = mapper.ids(chunk.removed) if context else mapper.keys(chunk.removed)
        landed: Landed = await remove(gone)
        kept = [KEPT] if context and len(gone) < len(chunk.removed) else []
        return [*landed.messages, *kept]

    def _hopeless(self, chunk: Chunk, bad: int) -> bool:
        """Whether nearly nothing can be read any more; looked at over the last records only."""
        self._looked += len(chunk.records) + len(chunk.bad)
        self._bad += bad
        least, share = GIVES_UP
        if self._looked < least:
            return False
        hopeless = self._bad > share * self._looked
        self._looked = self._bad = 0
        return hopeless


def _said(error: PintuError) -> dict[str, str]:
    en = error.detail or error.title
    return {"zh": str(error.extra.get("zh") or en), "en": en}
