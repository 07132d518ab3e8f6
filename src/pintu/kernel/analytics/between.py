"""Every row of a span of time, in the order of the log, wherever the rows lie: log, packs, files.

The span is looked through once: of each pack and file what falls into it is kept packed, some ten
bytes a row. Then rows are loosened a window of positions at a time, so that a day of a busy city is
never in memory whole; no row of them is made before somebody wants it. Rows that come while it is
read are not waited for.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.columns import Body, selected
from pintu.kernel.analytics.packs import loosen, squeeze
from pintu.kernel.analytics.schema import FILE, PACK
from pintu.kernel.analytics.strips import (
    BodyStrip,
    PackStrip,
    Strip,
    between_positions,
    strips_of,
    within,
)
from pintu.kernel.errors import TooComplex, Unavailable
from pintu.kernel.store.port import Change, settled

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

WINDOW: Final = 200_000
"""Positions whose rows are loosened together."""
READ: Final = 1_000
MOST_PACKS: Final = 100_000
MOST_ROWS: Final = 50_000_000
"""More than that of one span is not kept, even packed."""


class Span(NamedTuple):
    """What was written in a tenant from a moment to before another, µs."""

    tenant: int
    since_us: int
    until_us: int


Found = tuple[str, bytes, int, int, int, int, int]
"""A pack: whose it is, its rows, first and last position, how many, first and last time."""


class Piece(NamedTuple):
    """Rows of one entity that fall into a span, squeezed, their first and last position; `filed`:
    as a file had them."""

    id: str
    first: int
    last: int
    packed: bytes
    filed: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Body).decode


async def strips_between(history: History, span: Span) -> AsyncIterator[list[Strip]]:
    """The rows of a span, a window of positions after the other; in each by entity, an entity's
    strips in order.

    Raises TooComplex where the span holds more than a hundred thousand packs, or too many rows;
    Unavailable when a file cannot be read.
    """
    packed, head = history.packing.packed, history.store.head()  # before what may be packed next
    packs, files = await history.opened.read(lambda c: (_packs(c, span), _files(c, span)))
    pieces = await asyncio.to_thread(_pieces, history.filing.folder, span, packs, files)
    del packs
    while pieces:
        low = pieces[0].first
        if low > packed:
            break  # a pack made ahead of its turn holds rows of the log's end, which is read there
        high = min(low + WINDOW, packed + 1)
        some = [piece for piece in pieces if piece.first < high]
        if strips := await asyncio.to_thread(_window, some, low, high):
            yield strips
        pieces = [piece for piece in pieces if piece.last >= high]
        pieces = [piece._replace(first=max(piece.first, high)) for piece in pieces]
    told, rows = packed, list[Change]()
    while told < head:
        page = await settled(history.store.changes(told, READ))
        if not page:
            break
        rows += [row for row in page if _inside(row, span) and row.position <= head]
        told = page[-1].position
        if len(rows) >= WINDOW:
            yield list(await asyncio.to_thread(strips_of, rows))
            rows = []
    if rows:
        yield list(await asyncio.to_thread(strips_of, rows))


def _inside(row: Change, span: Span) -> bool:
    return row.tenant == span.tenant and span.since_us <= row.at_us < span.until_us


def _window(pieces: list[Piece], low: int, high: int) -> list[Strip]:
    """What pieces hold of a window, each row once; blocks."""
    found: list[Strip] = []
    ends: dict[str, tuple[int, int]] = {}  # what of an entity was found already, and when it is due
    for piece in pieces:
        begin, after_us = ends.get(piece.id, (low, 0))
        strip: Strip | None = None
        if piece.filed:
            strip = _filed_strip(piece, (begin, high), after_us)
        elif pack := between_positions(loosen(piece.packed), begin, high):
            strip = PackStrip(piece.id, pack, after_us)
        if strip is not None:
            ends[piece.id] = (min(piece.last + 1, high), strip.due[-1])
            found.append(strip)
    return found


def _filed_strip(piece: Piece, window: tuple[int, int], after_us: int) -> BodyStrip | None:
    body = _decode(zlib.decompress(piece.packed))
    wanted = [window[0] <= position < window[1] for position in accumulate(body.positions)]
    if not any(wanted):
        return None
    some = body if all(wanted) else selected(body, wanted)
    return BodyStrip(piece.id, some, after_us)


def _pieces(folder: Path, span: Span, packs: list[Found], files: list[str]) -> list[Piece]:
    """What packs and files hold of a span, by their first positions; blocks."""
    found: list[Piece] = []
    rows = 0
    times = (span.since_us, span.until_us)
    for id, packed, first, last, count, since_us, until_us in packs:
        if span.since_us <= since_us and until_us < span.until_us:
            found.append(Piece(id, first, last, packed))
            rows += count
        elif inside := within(loosen(packed), times, id):
            ends = inside.positions[0], sum(inside.positions)
            found.append(Piece(id, *ends, squeeze(inside)))
            rows += len(inside.positions)
        _few_enough(rows)
    for path in files:
        for id, body in _filed(folder / path, span):
            told = zlib.compress(_encode(body), 1)
            found.append(Piece(id, body.positions[0], sum(body.positions), told, filed=True))
            rows += len(body.positions)
            _few_enough(rows)
    return sorted(found, key=attrgetter("first"))


def _few_enough(rows: int) -> None:
    if rows > MOST_ROWS:
        raise TooComplex(f"That time holds more than {MOST_ROWS:,} changes: ask for less")


def _filed(path: Path, span: Span) -> Iterator[tuple[str, Body]]:
    from pintu.kernel.analytics.filed import bodies_between  # a young city loads none

    try:
        yield from bodies_between(path, span.since_us, span.until_us)
    except OSError as error:
        raise Unavailable(f"History cannot be read: {path.name}: {error}") from error


def _overlap(table: sa.Table, span: Span) -> list[sa.ColumnElement[bool]]:
    return [
        table.c.tenant == span.tenant,
        table.c.since_us < span.until_us,
        table.c.until_us >= span.since_us,
    ]


def _packs(connection: Connection, span: Span) -> list[Found]:
    """The packs that hold anything of a span."""
    of = PACK.c
    asked = sa.select(of.id, of.body, of.first, of.last, of.rows, of.since_us, of.until_us)
    rows = connection.execute(asked.where(*_overlap(PACK, span)).limit(MOST_PACKS + 1))
    found: list[Found] = [tuple(row) for row in rows]
    if len(found) > MOST_PACKS:
        raise TooComplex(f"That time lies in more than {MOST_PACKS:,} packs: ask for less")
    return found


def _files(connection: Connection, span: Span) -> list[str]:
    read = (FILE.c.packed == 0, FILE.c.gone_us == 0)
    asked = sa.select(FILE.c.path).where(*_overlap(FILE, span), *read).order_by(FILE.c.first)
    return list(connection.execute(asked).scalars())
