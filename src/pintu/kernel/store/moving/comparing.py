"""Compares both sides of a move row by row while the city goes on; what differs stops the move.

The target stands still between two pieces that are brought, so its rows are those of one position.
A row of the source that is newer, or that is missing on one side, must be named by the log after
that position: it is brought again later, and its sums are put right then (`carrying._exchange`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from pintu.kernel.errors import PintuError
from pintu.kernel.store.moving.carrying import PIECE, Carrier
from pintu.kernel.store.moving.rows import (
    COMPARED,
    SMALL,
    Ahead,
    Figure,
    Key,
    Row,
    entity_hash,
    log_hash,
    row_hash,
    tombstone_hash,
)

END = 1 << 62
"""Behind every number and position."""


async def compare(carrier: Carrier) -> set[Key]:
    """Fill the carrier's figures; returns the keys whose difference the log has yet to explain.

    Raises PintuError for a difference that it cannot explain.
    """
    entity, tombstone, log = Figure("entity"), Figure("tombstone"), Figure("log")
    note = Figure("note")
    position = await _caught_up(carrier)
    source, target, told = carrier.source, carrier.target, carrier.told
    of = await target.count("entity")
    open_keys: set[Key] = set()
    after = 0
    rows = await target.entities(after, END, PIECE)
    while rows:
        last = rows[-1][0] if len(rows) == PIECE else END
        async with Ahead(target.entities(last, END, PIECE)) as ahead:
            now = await source.entities(after, last, 1 << 30)
            open_keys |= _compare_piece(entity, entity_hash, (rows, now), position)
            told("comparing entities", entity.target.rows, of)
            rows, after = await ahead.rows(), last
    await _open_end(carrier, after, position)
    key: Key = (0, "")
    while rows := await target.tombstones(key, PIECE):
        now = await source.tombstones_of([row[:2] for row in rows])
        open_keys |= _compare_piece(tombstone, tombstone_hash, (rows, now), position)
        key = rows[-1][:2]
    await _missing_tombstones(carrier, position)
    await _compare_log(carrier, log, position)
    await _compare_notes(carrier, note)
    carrier.explained.clear()
    carrier.figures = {"entity": entity, "tombstone": tombstone, "log": log, "note": note}
    return open_keys


async def _caught_up(carrier: Carrier) -> int:
    await carrier.catch_up()
    await carrier.trimmed()
    return int((await carrier.target.progress())["log"])


def _compare_piece(
    figure: Figure, hashed: Callable[[Row], int], rows: tuple[list[Row], list[Row]], position: int
) -> set[Key]:
    """One piece of both sides. Newer rows count as the target has them, for the time being."""
    brought, now = rows
    at = 1 if figure.table == "entity" else 0  # where (tenant, id) stands
    last_at = 7 if figure.table == "entity" else 2
    present = {(row[0], row[at : at + 2]): row for row in now}
    open_keys: set[Key] = set()
    for row in brought:
        value = hashed(row)
        figure.target.add(value)
        figure.source.add(value)
        other = present.pop((row[0], row[at : at + 2]), None)
        if other is None:
            open_keys.add(row[at : at + 2])
        elif hashed(other) != value and other[last_at] <= position:
            raise _differs(figure.table, row[at : at + 2])
    for row in present.values():
        if row[last_at] <= position:
            raise _differs(figure.table, row[at : at + 2])
    return open_keys


async def _open_end(carrier: Carrier, after: int, position: int) -> None:
    """Entities of the source behind the last one of the target are all newer."""
    while rows := await carrier.source.entities(after, END, PIECE):
        for row in rows:
            if row[7] <= position:
                raise _differs("entity", row[1:3])
        after = rows[-1][0]


async def _missing_tombstones(carrier: Carrier, position: int) -> None:
    """Tombstones that only the source has are newer."""
    key: Key = (0, "")
    while rows := await carrier.source.tombstones(key, PIECE):
        there = {row[:2] for row in await carrier.target.tombstones_of([row[:2] for row in rows])}
        for row in rows:
            if row[2] <= position and row[:2] not in there:
                raise _differs("tombstone", row[:2])
        key = rows[-1][:2]


async def _compare_log(carrier: Carrier, figure: Figure, position: int) -> None:
    """The log never changes but at its ends: a row that the source has no longer was trimmed."""
    after = 0
    rows = await carrier.target.log(after, position, PIECE)
    while rows:
        last = rows[-1][0] if len(rows) == PIECE else position
        async with Ahead(carrier.target.log(last, position, PIECE)) as ahead:
            now = {row[0]: row for row in await carrier.source.log(after, last, 1 << 30)}
            trimmed = _compare_log_piece(figure, rows, now)
            carrier.told("comparing history", last, position)
            rows, after = await ahead.rows(), last
        if trimmed:
            await carrier.target.drop_log(trimmed)
    for row in await carrier.source.log(after, position, 1):
        raise _differs("log", f"position {row[0]}")


def _compare_log_piece(figure: Figure, rows: list[Row], now: dict[Any, Row]) -> list[int]:
    """One piece of both sides; the positions that the source has no longer."""
    trimmed = []
    for row in rows:
        other = now.pop(row[0], None)
        if other is None:
            trimmed.append(row[0])
            continue
        if other[:9] != row[:9]:
            raise _differs("log", f"position {row[0]}")
        figure.target.add(log_hash(row))
        figure.source.add(log_hash(other))
    if now:
        raise _differs("log", f"position {min(now)}")
    return trimmed


async def _compare_notes(carrier: Carrier, figure: Figure) -> None:
    """Notes never change: whatever was brought is the same on both sides, to the byte."""
    after = 0
    while rows := await carrier.target.notes(after, END, PIECE):
        last = rows[-1][0]
        now = await carrier.source.notes(after, last, len(rows) + 1)
        for row, other in zip_longest(rows, now):
            if row is None or other is None or tuple(row) != tuple(other):
                raise _differs("note", f"number {(row or other)[0]}")
            figure.target.add(row_hash(row))
            figure.source.add(row_hash(other))
        carrier.told("comparing sealed rows", last, last)
        after = last
    brought = int((await carrier.target.progress()).get("note", 0))
    if after != brought:
        raise _differs("note", f"number {after + 1}")


async def compare_small(carrier: Carrier) -> Iterator[Figure]:
    """The small tables of both sides, while nobody writes."""
    figures = []
    for table in SMALL:
        figure = Figure(table)
        width = COMPARED.get(table, len(SMALL[table]))
        for rows, side in (
            (await carrier.source.small(table), figure.source),
            (await carrier.target.small(table), figure.target),
        ):
            for row in rows:
                if not (table == "path" and _own(row)):
                    side.add(row_hash(row[:width]))
        figures.append(figure)
    return iter(figures)


def _own(row: Row) -> bool:
    """A path that only one kind of store numbers, or one that is going."""
    return bool(row[0] > 1_000_000 or row[4] == "dropping")


def _differs(table: str, key: Any) -> PintuError:
    return PintuError(f"The copy differs in {table}, {key}: nothing was switched")
