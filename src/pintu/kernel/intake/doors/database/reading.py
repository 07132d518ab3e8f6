"""Reading one table for one mapping: everything once by key, then what changed, from any position
on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from pintu.kernel.errors import BadRequestData, ConfigurationError, Forbidden
from pintu.kernel.intake.doors.database import place as places
from pintu.kernel.intake.doors.database.columns import changes, chosen, others_of, shape_of
from pintu.kernel.intake.doors.database.connecting import Database, open_database
from pintu.kernel.intake.doors.database.failures import ColumnGone
from pintu.kernel.intake.doors.database.following import Following, begin
from pintu.kernel.intake.doors.database.pace import Pace, opens_in
from pintu.kernel.intake.doors.database.persons import persons_in
from pintu.kernel.intake.doors.database.pgoutput import lsn_number
from pintu.kernel.intake.doors.database.place import Place
from pintu.kernel.intake.doors.database.replicating import Replicating
from pintu.kernel.intake.doors.database.schema import Table, find_table
from pintu.kernel.intake.doors.database.sheet import Page, Sheet, chunk_key
from pintu.kernel.intake.doors.database.slots import Slot, slot_of
from pintu.kernel.intake.doors.database.told import Told, read_told
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.mapping.words import Mapping

GAP = {
    "en": "The replication slot moved on without us: everything is read once more",
    "zh": "复制槽已越过我们的位置，将重新读取整表",
}
STAY_S = 60.0
SCHEMA_CHANGES = 3
"""How often a table may change while one run reads it."""


def make_reader(source: SourceFile, mapping: Mapping, around: Around) -> DatabaseReader:
    """A reader of the table a mapping names; opens nothing yet. ConfigurationError lists every
    mistake of the source's settings."""
    return DatabaseReader(source, mapping, around)


class DatabaseReader:
    """Implements `Reader`. One connection, statements of at most half a second; a position is a key
    of the table, so whoever died, reading goes on where rows had landed."""

    def __init__(self, source: SourceFile, mapping: Mapping, around: Around) -> None:
        told = read_told(source, mapping.name)
        self._told = dataclasses.replace(told, table=mapping.records or told.table)
        self._mapping, self._around = mapping, around
        self._pace = Pace(self._told.rows_per_second, self._told.page_rows)
        self._replicating: Replicating | None = None
        self._until = 0.0
        if not self._told.table:
            raise ConfigurationError(
                [f"Source {source.name} must say its table, or mapping {mapping.name} its records"]
            )

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        """See Reader.chunks. Ends when there is nothing more to do now, or outside of the hours the
        owner allows; with `stay`, and something to follow, it looks again for a minute."""
        place = places.read(after)
        self._until = time.monotonic() + STAY_S
        if self._closed_for():
            return
        for attempt in range(SCHEMA_CHANGES + 1):
            database = await open_database(self._told, self._around)
            try:
                async for chunk in self._read(database, place):
                    place = places.read(chunk.position)
                    yield chunk
                return
            except ColumnGone:
                if attempt == SCHEMA_CHANGES:
                    raise
            finally:
                await database.close()

    def landed(self, position: str) -> None:
        """A chunk is durable: what it was read from may let it go."""
        place = places.read(position)
        if self._replicating is not None and place is not None:
            self._replicating.landed(place)

    async def _read(self, database: Database, before: Place | None) -> AsyncIterator[Chunk]:
        now_us = self._around.clock.now_us
        sheet, place, said = await self._opened(database, before)
        whole = False
        while True:
            if place.stage == "load":
                whole = True  # once a run is enough for one that ends
                reading = self._everything(sheet, place)
            else:
                if await self._has_gap(sheet, place):
                    said.append(GAP)
                    place = await self._again(sheet, replace(place, since=[]))
                    continue
                reading = self._changes(sheet, place)
            async for chunk in _closing(reading):
                if said:
                    chunk = replace(chunk, messages=[*said, *chunk.messages])
                    said = []
                place = places.read(chunk.position) or place
                yield chunk
            if said:  # nothing was there to read, and still somebody should know
                yield self._notice(place, said)
                said = []
            if self._closed_for() or place.stage == "load":
                return
            stays = self._stays()
            if self._due(place, now_us()) and (stays or not whole):
                place = await self._again(sheet, place)
            elif not stays:
                return

    def _stays(self) -> bool:
        """Whether to go on looking for changes: for a minute, then whoever runs this has a turn."""
        told = self._told
        return told.stay and told.follow != "nothing" and time.monotonic() < self._until

    def _closed_for(self) -> float:
        return opens_in(self._told.hours, self._mapping.zone, self._around.clock.now_us())

    def _due(self, place: Place, now_us: int) -> bool:
        """Whether everything is to be read again."""
        every_us = self._told.full_every_h * 3_600e6
        return not place.begun_us or (bool(every_us) and now_us >= place.begun_us + every_us)

    async def _has_gap(self, sheet: Sheet, place: Place) -> bool:
        """Whether the slot was made anew, or moved on by somebody else, behind our back."""
        if self._told.follow != "replication":
            return False
        slot: Slot = await sheet.run(lambda c: slot_of(c, self._told), "asking for the slot")
        return slot.confirmed > lsn_number(place.since[0])

    # --- opening ----------------------------------------------------------------------------------
    async def _opened(
        self, database: Database, before: Place | None
    ) -> tuple[Sheet, Place, list[dict[str, str]]]:
        """The table as it is now, where to go on, and what changed about its columns."""
        told, mapping = self._told, self._mapping
        table: Table = await database.run(
            lambda connection: find_table(connection, told, told.table), "looking at its tables"
        )
        if mapping.target == "context":
            await self._refuse_persons(database, table)
        key = told.key or table.key
        column = _followed(told, key)
        picked = chosen(mapping, table, [*key, *([column] if column else [])])
        table = dataclasses.replace(table, key=key)
        said = changes(table, picked, before)
        sheet = Sheet(database, table, picked.names)
        shape = {
            "shape": shape_of(table, picked.names),
            "others": others_of(table, picked.names),
        }
        same = before is not None and before.table == table.full_name
        if before is not None and same and before.follow == told.follow:
            return sheet, replace(before, **shape), said
        place = Place(table=table.full_name, follow=told.follow, **shape)  # type: ignore[arg-type]
        return sheet, await self._again(sheet, place), said

    async def _refuse_persons(self, database: Database, table: Table) -> None:
        found = await persons_in(database, table)
        if found:
            said = ", ".join(f"{name} ({mark})" for name, mark in found.items())
            raise Forbidden(
                f"{table.full_name} says something of persons: {said}. The context never gets a"
                " person: let the mapping fill a table data set instead",
                zh=f"{table.full_name} 含个人信息：{said}。个人信息不进入公共上下文，"
                "请改为映射到表数据集",
            )

    async def _again(self, sheet: Sheet, place: Place) -> Place:
        """The place at which everything is read, once more."""
        since = place.since if place.stage == "follow" else []
        return replace(
            place,
            stage="load",
            begun_us=self._around.clock.now_us(),
            line=0,
            key=[],
            since=await begin(sheet, self._told, self._mapping.zone, since),
        )

    # --- everything -------------------------------------------------------------------------------
    async def _everything(self, sheet: Sheet, place: Place) -> AsyncIterator[Chunk]:
        """Every row by key, page by page; while one page lands the next is read."""
        if not sheet.table.key:
            raise BadRequestData(
                f"{sheet.table.full_name} has no key: say in the source which columns tell its rows"
                " apart (key), so that reading can go on where it stopped"
            )
        after = [places.restored(one) for one in place.key]
        task = asyncio.create_task(self._next(sheet, after))
        try:
            more = True
            while more:
                page = await task
                chunk = self._chunk(place, page)
                place = places.read(chunk.position) or place
                more = not page.last and not self._closed_for()
                if more:
                    task = asyncio.create_task(self._next(sheet, list(page.end)))
                yield chunk
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # whoever waited for it has heard; nobody else will

    async def _next(self, sheet: Sheet, after: list[Any]) -> Page:
        await self._pace.wait()
        page = await sheet.page(sheet.table.key, after=after, limit=self._pace.page)
        self._pace.took(page.read, page.took_s)
        return page

    def _chunk(self, place: Place, page: Page) -> Chunk:
        first = place.line + 1
        at = replace(place, line=place.line + page.read)
        if page.end:
            at = replace(at, key=[places.kept(one) for one in page.end])
        if page.last:
            at = replace(at, stage="follow", key=[])
        return Chunk(
            records=list(enumerate(page.records, first)),
            bad=[replace(one, line=first + one.line) for one in page.bad],
            position=places.written(at),
            key=chunk_key(f"load {place.begun_us} {place.key}", page.records),
            full=page.last,
        )

    # --- what changed -----------------------------------------------------------------------------
    async def _changes(self, sheet: Sheet, place: Place) -> AsyncIterator[Chunk]:
        following: Following | Replicating
        if self._told.follow == "replication":
            following = self._replicating = Replicating(sheet, self._told, self._told.page_rows)
            following.landed(place)
        else:
            following = Following(sheet, self._told, self._mapping.zone, self._pace)
        while not self._closed_for() and not self._due(place, self._around.clock.now_us()):
            async for chunk in following.poll(place):
                place = places.read(chunk.position) or place
                yield chunk
            if not self._stays():
                return
            await asyncio.sleep(following.pause_s)

    def _notice(self, place: Place, said: list[dict[str, str]]) -> Chunk:
        position = places.written(place)
        return Chunk(records=[], position=position, key=chunk_key(position, []), messages=said)


def _followed(told: Told, key: tuple[str, ...]) -> str:
    if told.follow == "time":
        return told.column
    return (told.column or (key[0] if key else "")) if told.follow == "key" else ""


async def _closing(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Chunks of a generator that is closed when its reader goes."""
    async with contextlib.aclosing(chunks) as open_:  # type: ignore[type-var]
        async for chunk in open_:
            yield chunk
