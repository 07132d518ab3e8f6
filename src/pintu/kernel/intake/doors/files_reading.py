"""Reads the files of one source through one mapping, oldest first, chunk by chunk; goes on where
an earlier run stopped, and tells in words what a data officer should know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import BadInput, PintuError, StateConflict
from pintu.kernel.intake.doors.files_inbox import (
    Inbox,
    Waiting,
    changed,
    content_hash,
    fitting,
    standing_still,
)
from pintu.kernel.intake.doors.files_ledger import FileRead, Ledger
from pintu.kernel.intake.doors.files_sameness import Sameness, columns_said, lacking
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.mapping.words import Mapping
from pintu.kernel.intake.tabular import Options, Place, Portion, TableReader, open_table, said_of
from pintu.kernel.intake.tabular.drift import Drift
from pintu.kernel.intake.tabular.words import Said

STILL_S: Final = 1.0  # a file is taken when two looks this far apart see the same size and time
T = TypeVar("T")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a load stands: in which content, behind which record of it."""

    content: str
    name: str
    place: Place = Place()
    end: bool = False
    again: bool = False  # one of those that were read before

    @classmethod
    def read(cls, text: str) -> Position | None:
        """A position from its text; None for an empty text, or one of another make."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.ValidationError, msgspec.DecodeError):
            return None

    def text(self) -> str:
        """For the landing to keep."""
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader of files works with."""

    inbox: Inbox
    options: Options
    mapping: Mapping
    ledger: Ledger
    clock: Clock
    full: bool = False  # each file holds all there is
    alone: Callable[[str], bool] = lambda _: True  # may a file of this content be moved away?


@dataclass(frozen=True, slots=True, kw_only=True)
class _Through:
    """A file of which nothing more comes, once its last chunk is durable."""

    file: Waiting
    content: str
    note: str
    read: bool = True  # to its end; else it failed
    rows: int | None = None  # None: they are noted already


class FilesReader:
    """Implements Reader. A file is moved away when its last chunk has landed, not before: whoever
    only reads, as a dry run does, moves nothing."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._inbox, self._ledger = reading.inbox, reading.ledger
        self._through: dict[str, _Through] = {}

    def landed(self, position: str) -> None:
        """A chunk is durable; behind a file's last one the file is let go. DiskFull."""
        done = self._through.pop(position, None)
        if done is not None:
            self._let_go(done)

    def _let_go(self, done: _Through) -> None:
        if done.rows is not None:
            self._ledger.end(done.content, done.rows, self._reading.clock.now_us())
        if not done.read or self._reading.alone(done.content):
            self._inbox.settle(done.file, read=done.read, note=done.note)

    def _last(
        self, here: Position, why: str, done: _Through, said: Sequence[Said], *, full: bool = False
    ) -> Chunk:
        """The last chunk of a file; it holds no records."""
        ended = msgspec.structs.replace(here, end=True)
        self._through[ended.text()] = done
        return _saying(ended, said, why, full=full)

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        """See Reader. From the beginning means: what was read before and still lies there comes
        again, oldest first, and then what is new."""
        position = Position.read(after)
        said: list[Said] = []
        begun: Waiting | None = None
        if position is not None:
            begun = await self._lying(position)
            if begun is None and not position.end:
                said.append(_gone(position.name))
            if begun is not None:
                async for chunk in self._file(begun, position):
                    yield chunk
        if position is None or position.again:
            for file in await _aside(lambda: self._inbox.read_before(begun)):
                position = await self._begin(file, again=True)
                async for chunk in self._file(file, position):
                    yield chunk
            if position is not None:
                whole = msgspec.structs.replace(position, again=False, end=True)
                yield _saying(whole, [], "whole")
        async for chunk in self.new():
            yield _with(chunk, said)
            said = []

    async def _lying(self, position: Position) -> Waiting | None:
        aside = position.again or not position.end
        return await _aside(lambda: self._inbox.find(position.name, position.content, aside=aside))

    async def new(self) -> AsyncIterator[Chunk]:
        """Chunks of the files nobody has read yet."""
        before = self._inbox.waiting()
        if before:
            await asyncio.sleep(STILL_S)
        for file in standing_still(before, self._inbox.waiting()):
            if changed(file):
                continue  # replaced while others were read: it is looked at next time
            read = await self._ledger.find_stamp(file.stamp)
            if read is not None:  # it waits for the other mappings of its source
                done = _Through(file=file, content=read.content, note=_note(file, [], self._now()))
                await _aside(lambda done=done: self._let_go(done))  # type: ignore[misc]
                continue
            here = await self._begin(file)
            known = await self._ledger.find(here.content)
            if known is not None and (known.ended_us or self._waits_for(here.content)):
                told = _again(file, known)
                note = _note(file, [told], self._now())
                done = _Through(file=file, content=here.content, note=note)
                yield self._last(here, "again", done, [told])
                continue
            async for chunk in self._file(file, here):
                yield chunk

    def _waits_for(self, content: str) -> bool:
        """Whether a file of this content was read in this run and has yet to land."""
        return any(one.content == content for one in self._through.values())

    async def _begin(self, file: Waiting, *, again: bool = False) -> Position:
        content = await _aside(lambda: content_hash(file))
        return Position(content=content, name=file.name, again=again)

    async def _file(self, file: Waiting, here: Position) -> AsyncIterator[Chunk]:
        """One file from a position on, to its end or to where nothing more can be read of it."""
        if here.end:  # it landed, and then nobody was there to let it go
            note = _note(file, [], self._now(), rows=here.place.row)
            done = _Through(file=file, content=here.content, note=note, rows=here.place.row)
            await _aside(lambda: self._let_go(done))
            return
        notes: list[Said] = []
        try:
            table = await _aside(lambda: self._open(file))
            try:
                async for chunk in self._table(file, here, table, notes):
                    here = Position.read(chunk.position) or here
                    yield chunk
            finally:
                table.close()
        except BadInput as error:
            notes.append(_named(file, error))
            note = _note(file, notes, self._now(), rows=here.place.row or None)
            failed = _Through(file=file, content=here.content, note=note, read=False)
            yield self._last(here, "refused", failed, notes[-1:])

    def _open(self, file: Waiting) -> TableReader:
        fitting(self._inbox, file)
        options = self._reading.options
        if self._reading.mapping.records and not options.records:
            options = msgspec.structs.replace(options, records=self._reading.mapping.records)
        return open_table(file.path, options)

    async def _table(
        self, file: Waiting, here: Position, table: TableReader, notes: list[Said]
    ) -> AsyncIterator[Chunk]:
        reading, now_us = self._reading, self._reading.clock.now_us()
        last = await self._ledger.newest()
        said = [] if here.place.row else list(table.said)
        said += columns_said(file.name, table.columns, last)
        said += lacking(reading.mapping, table.columns)
        number = await self._ledger.begin(here.content, file, table.columns, now_us)
        drift = await _aside(lambda: _learnt(table, reading.mapping))
        sameness = Sameness(self._ledger, number, reading.mapping, file.name)
        portions, bad = table.portions(here.place), 0
        while (portion := await _aside(lambda: self._next(portions, file))) is not None:
            said += [*portion.said, *await _aside(lambda p=portion: drift.look(p.records))]  # type: ignore[misc]
            await sameness.look(portion.records)
            bad += len(portion.bad)
            here = msgspec.structs.replace(here, place=portion.place)
            notes += said
            yield Chunk(
                records=portion.records,
                bad=portion.bad,
                position=here.text(),
                key=f"{here.content}:{here.place.offset}:{here.place.row}",
                messages=said,
            )
            said = []
        said += sameness.said()
        notes += said
        rows = here.place.row
        note = _note(file, notes, self._now(), rows=rows, bad=bad)
        done = _Through(file=file, content=here.content, note=note, rows=rows)
        yield self._last(here, "end", done, said, full=reading.full)

    def _next(self, portions: Iterator[Portion], file: Waiting) -> Portion | None:
        portion = next(portions, None)
        if changed(file):
            raise StateConflict(
                f"File {file.name} was changed while it was read; what landed stays, the next run "
                "reads it from its beginning",
                zh=f"文件 {file.name} 在读取时被改动；已读入的行保留，下次从头再读",
            )
        return portion

    def _now(self) -> str:
        return iso(self._reading.clock.now_us())


def _learnt(table: TableReader, mapping: Mapping) -> Drift:
    private = frozenset(
        name
        for one in mapping.fields
        if one.person
        for name in ([one.source] if isinstance(one.source, str) else one.source)
    )
    first = next(table.portions(Place()), None)
    return Drift(first.records if first is not None else [], private)


async def _aside(work: Callable[[], T]) -> T:
    """Work on the disk, off the loop."""
    return await asyncio.to_thread(work)


def _saying(position: Position, said: Sequence[Said], why: str, *, full: bool = False) -> Chunk:
    """A chunk without records: it moves the position on and says why."""
    return Chunk(
        records=[],
        position=position.text(),
        key=f"{position.content}:{why}",
        full=full,
        messages=said,
    )


def _with(chunk: Chunk, said: Sequence[Said]) -> Chunk:
    return msgspec.structs.replace(chunk, messages=[*said, *chunk.messages]) if said else chunk


def _gone(name: str) -> Said:
    return {
        "zh": f"上次没读完的文件 {name} 不见了，或内容已变；已读入的行保留",
        "en": f"File {name}, of which a part was read, is gone or was changed; what landed stays",
    }


def _again(file: Waiting, known: FileRead | None) -> Said:
    when = iso(known.ended_us)[:19] if known is not None else "?"
    name = known.name if known is not None else "?"
    return {
        "zh": f"文件 {file.name} 与 {when} 读过的 {name} 内容完全相同，已跳过",
        "en": f"File {file.name} holds exactly what {name} held at {when}; it was passed over",
    }


def _named(file: Waiting, error: PintuError) -> Said:
    said = said_of(error)
    return {
        "zh": f"文件 {file.name} 无法读取：{said['zh']}",
        "en": f"File {file.name} cannot be read: {said['en']}",
    }


def _note(
    file: Waiting, said: Sequence[Said], now: str, *, rows: int | None = None, bad: int = 0
) -> str:
    """What happened, for the person who looks into the folder."""
    lines = [f"{file.name}  {file.size} B  {now}"]
    if rows is not None:
        lines.append(f"读取 {rows} 行，另有 {bad} 行无法读取（见来源页面的隔离区）")
        lines.append(f"{rows} rows read, {bad} more could not be (see the source's quarantine)")
    for one in said[:200]:
        lines += ["", one["zh"], one["en"]]
    return "\n".join(lines) + "\n"
