"""Private tables made equal to others row by row, whichever stores the two lie on.

One walk copies, goes on where it was cut off, and brings what changed meanwhile: rows are compared
in primary key order, a thousand at a time, and only those that differ are written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.tables import copying_sql as raw
from pintu.kernel.tables.copying_shape import Shape, make_tables, read_shapes
from pintu.kernel.tables.door import OpenTables
from pintu.kernel.tables.file import TableFile, sync_file

AT_ONCE: Final = 1_000
Row = tuple[Any, ...]
Told = Callable[[str, int, int], None]
"""(table, rows looked at, rows written), after every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSum:
    """What a table holds: equal on both stores when its rows are."""

    rows: int
    digest: str


def make_equal(source: OpenTables, target: OpenTables, told: Told | None = None) -> int:
    """Bring `target` to what `source` holds; how many rows were written or removed.

    Tables and columns that the target lacks are made; a target made by the migrations of their own
    piece keeps its form. Called again it goes on where it stopped. Both stay open and usable; with
    nobody writing to the source the two are equal afterwards, which `checksums` shows.
    Raises ConfigurationError for a table without a primary key, what the stores raise, and
    BadRequestData for a text with NUL, which PostgreSQL cannot keep.
    """
    shapes = source.read_now(read_shapes)
    version = source.version()
    target.version()  # makes its place, where there is none
    make_tables(target, shapes)
    twins = {one.name: one for one in target.read_now(read_shapes)}
    names = {one.name for one in shapes}
    written = _clear(target, [one for name, one in twins.items() if name not in names])
    kept = {one.name: twins[one.name].with_columns(one) for one in shapes}
    for shape in reversed(shapes):  # what refers to others goes first and comes last
        written += _drop_stale(source, target, shape, kept[shape.name])
    for shape in shapes:
        put = 0
        for looked, step in _walk(source, target, shape, kept[shape.name]):
            put += step
            if told is not None:
                told(shape.name, looked, put)
        written += put
    numbers = source.read_now(lambda c: {one.name: raw.numbers(c, one) for one in shapes})

    def finish(connection: Connection) -> None:
        for shape in shapes:
            raw.keep_numbers(connection, kept[shape.name], numbers[shape.name])
        if target.version_in(connection) != version:
            target.keep_version(connection, version)

    target.run_now(finish)
    return written


def checksums(opened: OpenTables) -> dict[str, TableSum]:
    """What each table holds, by its name."""
    found = {}
    for shape in opened.read_now(read_shapes):
        digest, count = blake2b(digest_size=16), 0
        for rows in _pages(opened, shape):
            count += len(rows)
            for row in rows:
                digest.update(msgspec.msgpack.encode(row))
        found[shape.name] = TableSum(rows=count, digest=digest.hexdigest())
    return found


def copy_to_file(source: OpenTables, path: Path) -> None:
    """Write everything into one new SQLite file, which appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    target = TableFile(source.name, partial)
    try:
        make_equal(source, target)
    finally:
        target.close()
    with closing(sqlite3.connect(partial)) as there:
        there.execute("PRAGMA journal_mode=DELETE")
    sync_file(partial)
    partial.replace(path)


def _pages(opened: OpenTables, shape: Shape) -> Iterator[list[Row]]:
    after: Row | None = None
    while True:
        rows = opened.read_now(
            lambda c, after=after: raw.page(c, shape, after, AT_ONCE)  # type: ignore[misc]
        )
        if rows:
            yield rows
        if len(rows) < AT_ONCE:
            return
        after = shape.key_of(rows[-1])


def _walk(
    source: OpenTables, target: OpenTables, shape: Shape, kept: Shape
) -> Iterator[tuple[int, int]]:
    """(rows looked at so far, rows written by this step) for each page of the source."""
    before: Row | None = None
    looked = 0
    for rows in _pages(source, shape):
        last = shape.key_of(rows[-1])
        there = target.read_now(
            lambda c, at=(before, last): raw.between(c, kept, *at)  # type: ignore[misc]
        )
        new = rows
        if there:
            known = {shape.key_of(one): one for one in there}
            new = [one for one in rows if known.get(shape.key_of(one)) != one]
        if new:
            target.run_now(
                lambda c, new=new, fresh=not there: raw.put(  # type: ignore[misc]
                    c, kept, new, fresh=fresh
                )
            )
        looked += len(rows)
        yield looked, len(new)
        before = last


def _drop_stale(source: OpenTables, target: OpenTables, shape: Shape, kept: Shape) -> int:
    """Remove what the source no longer has; how many."""
    gone = 0
    before: Row | None = None
    keys = kept.only_key()
    for rows in _pages(target, keys):
        there = source.read_now(
            lambda c, at=(before, rows[-1]): raw.between(  # type: ignore[misc]
                c, shape.only_key(), *at
            )
        )
        old = sorted(set(rows) - set(there))
        if old:
            target.run_now(lambda c, old=old: raw.remove(c, kept, old))  # type: ignore[misc]
            gone += len(old)
        before = rows[-1]
    return gone


def _clear(target: OpenTables, shapes: Sequence[Shape]) -> int:
    """Empty tables that the source does not have."""

    def work(connection: Connection) -> int:
        gone = 0
        for shape in reversed(shapes):
            gone += connection.execute(sa.delete(sa.table(shape.name))).rowcount
        return gone

    return target.run_now(work) if shapes else 0
