"""What a load is made of: a reader that hands out chunks, a landing that keeps them, counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec

from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.mapping.words import BadRecord, Mapping
from pintu.kernel.intake.words import Batch, Receipt

Record = dict[str, Any]
"""One record of a source, by column; a feature of GeoJSON or a shapefile has its properties and
`geometry`, a GeoJSON geometry."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some records in a row, at most 10,000; the smaller the chunk, the less is read twice.

    `position` is where to go on after it, in the reader's own words: it outlives the run, so a
    reader whose content changed since must see that in it (a content's hash first). `key` is the
    same for the same chunk of the same content, at most 150 characters.
    """

    records: Sequence[tuple[int, Record]]  # line or row number in the source, from 1
    bad: Sequence[BadRecord] = ()  # what could not even be made a record
    position: str
    key: str
    full: bool = False  # the last chunk of a load that read everything there is
    total: int | None = None  # records in all, once somebody knows: for a progress bar
    messages: Sequence[dict[str, str]] = ()  # for the run, in zh and en: what the reader noticed
    removed: Sequence[Record] = ()  # what the source deleted: their key columns at least


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one chunk; `messages` are sentences in zh and en."""

    landed: int
    unchanged: int = 0
    bad: int = 0
    messages: list[dict[str, str]] = []


class Accepts(Protocol):
    """What landing needs of the link to the broker."""

    async def accept(self, batch: Batch) -> Receipt:
        """Durable when it returns."""
        ...


class Reader(Protocol):
    """What a door of kind `load` makes: the records of a source, from a position on.

    A reader may also have `def landed(self, position: str) -> None`: called when a chunk is
    durable, so that what it was read from may let it go.
    """

    def chunks(self, after: str) -> AsyncIterator[Chunk]:
        """Chunks behind `after` (empty: from the beginning), then an end; PintuError in words when
        the source cannot be read. Never blocks the loop for longer than 50 ms."""
        ...


class MakeReader(Protocol):
    """`make_reader` of a door's module."""

    def __call__(self, source: SourceFile, mapping: Mapping, around: Around) -> Reader:
        """A reader of what `mapping` names in the source; opens nothing yet."""
        ...


class Landing(Protocol):
    """Where chunks land, exactly once: the position is kept with what it stands for.

    A landing may also have `async def finish(self, *, whole) -> Landed`: called after a chunk that
    is `full`, when everything the source has was read in this run; `whole` is False when some of it
    could not be. And `async def remove(self, keys: Sequence[str]) -> Landed`: called before a chunk
    lands that says what the source deleted, by its rows' keys or its entities' ids.
    """

    async def position(self) -> str:
        """Behind the last chunk that is durable; empty when there was none."""
        ...

    async def land(
        self,
        chunk_key: str,
        position: str,
        items: Sequence[Any],
        bad: Sequence[BadRecord],
    ) -> Landed:
        """Keep a chunk of updates (context) or rows (table); durable when this returns. `bad` is
        in quarantine already: it is handed over for the count only. The same chunk again changes
        nothing."""
        ...
