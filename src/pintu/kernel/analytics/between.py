"""Every row of a span of time, in the order of the log, wherever the rows lie: log, packs, files.

The span is looked through once: of each pack and file what falls into it is kept packed, some ten
bytes a row. Then rows are made a window of positions at a time, so that a day of a busy city is
never in memory whole. Rows that come while it is read are not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packs import pack, unpack
from pintu.kernel.analytics.schema import FILE, PACK
from pintu.kernel.errors import TooComplex, Unavailable
from pintu.kernel.store.port import Change, settled

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

WINDOW: Final = 20_000
"""Positions whose rows are made together."""
READ: Final = 1_000
MOST_PACKS: Final = 100_000
MOST_ROWS: Final = 50_000_000
"""More than that of one span is not kept, even packed."""


class Span(NamedTuple):
    """What was written in a tenant from a moment to before another, µs."""

    tenant: int
    since_us: int
    until_us: int


class Piece(NamedTuple):
    """A pack with rows of one entity that fall into a span, and their first and last position."""

    id: str
    first: int
    last: int
    packed: bytes


async def rows_between(history: History, span: Span) -> AsyncIterator[list[Change]]:
    """The rows of a span, some thousand at a time, by position.

    Raises TooComplex where the span holds more than a hundred thousand packs, or too many rows;
    Unavailable when a file cannot be read.
    """
    packed, head = history.packing.packed, history.store.head()  # before what may be packed next
    packs, files = await history.opened.read(lambda c: (_packs(c, span), _files(c, span)))
    pieces = await asyncio.to_thread(_pieces, history.filing.folder, span, packs, files)
    del packs
    told = packed
    while pieces:
        low = min(piece.first for piece in pieces)
        high = low + WINDOW
        some = [piece for piece in pieces if piece.first < high]
        rows = await asyncio.to_thread(_window, span, some, low, high)
        # a pack made ahead of its turn holds rows of the log's end, which is read there
        if rows := [row for row in rows if row.position <= packed]:
            yield rows
        pieces = [piece for piece in pieces if piece.last >= high]
        pieces = [piece._replace(first=max(piece.first, high)) for piece in pieces]
        if low > packed:
            break
    while told < head:
        page = await settled(history.store.changes(told, READ))
        if not page:
            return
        if rows := [row for row in page if _inside(row, span) and row.position <= head]:
            yield rows
        told = page[-1].position


def _inside(row: Change, span: Span) -> bool:
    return row.tenant == span.tenant and span.since_us <= row.at_us < span.until_us


def _window(span: Span, pieces: list[Piece], low: int, high: int) -> list[Change]:
    """The rows of a window, each once; blocks."""
    found: dict[int, Change] = {}
    for piece in pieces:
        found.update(
            (row.position, row)
            for row in unpack(piece.packed, span.tenant, piece.id)
            if low <= row.position < high and span.since_us <= row.at_us < span.until_us
        )
    return [found[position] for position in sorted(found)]


def _pieces(
    folder: Path, span: Span, packs: list[tuple[str, bytes]], files: list[str]
) -> list[Piece]:
    """What packs and files hold of a span; blocks."""
    found: list[Piece] = []
    rows = 0
    for id, packed in packs:
        inside = [
            row.position
            for row in unpack(packed, span.tenant, id)
            if span.since_us <= row.at_us < span.until_us
        ]
        if inside:
            found.append(Piece(id, min(inside), max(inside), packed))
            rows += len(inside)
            _few_enough(rows)
    for path in files:
        for id, some in _filed(folder / path, span):
            found.append(Piece(id, some[0].position, some[-1].position, pack(some)))
            rows += len(some)
            _few_enough(rows)
    return found


def _few_enough(rows: int) -> None:
    if rows > MOST_ROWS:
        raise TooComplex(f"That time holds more than {MOST_ROWS:,} changes: ask for less")


def _filed(path: Path, span: Span) -> Iterator[tuple[str, list[Change]]]:
    from pintu.kernel.analytics.columns import rows_of
    from pintu.kernel.analytics.filed import bodies_between  # a young city loads none

    try:
        for id, body in bodies_between(path, span.since_us, span.until_us):
            yield id, rows_of(body, span.tenant, id)
    except OSError as error:
        raise Unavailable(f"History cannot be read: {path.name}: {error}") from error


def _overlap(table: sa.Table, span: Span) -> list[sa.ColumnElement[bool]]:
    return [
        table.c.tenant == span.tenant,
        table.c.since_us < span.until_us,
        table.c.until_us >= span.since_us,
    ]


def _packs(connection: Connection, span: Span) -> list[tuple[str, bytes]]:
    asked = sa.select(PACK.c.id, PACK.c.body).where(*_overlap(PACK, span)).limit(MOST_PACKS + 1)
    found = [(id, body) for id, body in connection.execute(asked)]
    if len(found) > MOST_PACKS:
        raise TooComplex(f"That time lies in more than {MOST_PACKS:,} packs: ask for less")
    return found


def _files(connection: Connection, span: Span) -> list[str]:
    read = (FILE.c.packed == 0, FILE.c.gone_us == 0)
    asked = sa.select(FILE.c.path).where(*_overlap(FILE, span), *read).order_by(FILE.c.first)
    return list(connection.execute(asked).scalars())
