"""`python -m pintu.kernel.analytics.job`: writes files in a process of its own, so that the city
goes on while a day is moved; an order on standard input, what was written on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.columns import Body, body_of, rows_of
from pintu.kernel.analytics.filed import bodies_in
from pintu.kernel.analytics.packs import unpack
from pintu.kernel.analytics.parquet import FILE_ROWS, DayFile, Written
from pintu.kernel.analytics.schema import PACK
from pintu.kernel.analytics.standing import kept, read_standing
from pintu.kernel.context.standing import Standing
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Change
from pintu.kernel.tables import open_tables


class Order(msgspec.Struct, kw_only=True):
    """A day of packs to be written; or, with `path`, a file to be written without some rows."""

    data: str
    store: str
    folder: str  # DATA/history/DAY
    stamp: str  # what makes the names of its files new ones
    day: int = 0
    after: int = 0  # rows after this position ...
    up_to: int = 0  # ... and up to this one
    path: str = ""
    tenant: int = 0
    types: list[list[str]] = []  # sets of types whose rows are left out


class Outcome(msgspec.Struct, kw_only=True):
    """What was written, by tenant; or what went wrong."""

    files: list[tuple[int, Written]] = []
    error: str = ""


def main() -> None:
    """Read, write, answer; an error is an answer too."""
    os.nice(10)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        outcome = Outcome(files=list(write(order)))
    except (PintuError, OSError) as error:
        outcome = Outcome(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


def write(order: Order) -> Iterator[tuple[int, Written]]:
    """Write what is ordered; each file once it is there."""
    if order.path:
        yield from _files(order, _left(order))
        return
    tables = open_tables(Path(order.data), order.store)
    opened = tables.open("rooms", "history")
    try:
        yield from opened.read_now(lambda c: list(_files(order, _packed(order, c))))
    finally:
        opened.close()
        tables.close()


Bodies = Iterator[tuple[int, str, Body, bytes | None]]


def _packed(order: Order, connection: Connection) -> Bodies:
    """Bodies of the day's packs, entity by entity, as far as they are not in a file yet."""
    asked = sa.select(PACK.c.tenant, PACK.c.id, PACK.c.first, PACK.c.last, PACK.c.body)
    asked = asked.add_columns(PACK.c.base)
    rule = (PACK.c.day == order.day, PACK.c.last > order.after, PACK.c.first <= order.up_to)
    ordered = asked.where(*rule).order_by(PACK.c.tenant, PACK.c.id, PACK.c.first)
    found: Any = connection.execution_options(yield_per=200).execute(ordered)
    for tenant, id, first, last, packed, base in found:
        rows = unpack(packed, tenant, id)
        body: Body | None
        if first <= order.after or last > order.up_to:
            body, base = _some(rows, base, (order.after, order.up_to))
        else:
            body = body_of(rows)
        if body is not None:
            yield tenant, id, body, base


def _some(
    rows: list[Change], base: bytes | None, span: tuple[int, int]
) -> tuple[Body | None, bytes | None]:
    """Some rows of a pack, and how the entity stood before them."""
    standing = read_standing(base)
    for row in rows:
        if row.position <= span[0]:
            standing.apply(row)
    some = [row for row in rows if span[0] < row.position <= span[1]]
    return body_of(some) if some else None, None if standing.doc is None else kept(standing)


def _left(order: Order) -> Bodies:
    """Bodies of a file, without what is to go."""
    gone = {tuple(one) for one in order.types}
    for id, body, base in bodies_in(Path(order.path)):
        if any(form.types in gone for form in body.forms):
            rows = rows_of(body, order.tenant, id)
            for left, stood in _runs(rows, gone, read_standing(base)):
                yield order.tenant, id, body_of(left), stood
        else:
            yield order.tenant, id, body, base


def _runs(
    rows: list[Change], gone: set[tuple[str, ...]], standing: Standing
) -> Iterator[tuple[list[Change], bytes | None]]:
    """The rows that stay, as far as none between them goes, each time with how the entity stood
    before: what went is not in their rows any more."""
    for over, some in groupby(rows, lambda row: row.types in gone):
        run = list(some)
        if not over:
            yield run, kept(standing)
        for row in run:
            standing.apply(row)


def _files(order: Order, bodies: Bodies) -> Iterator[tuple[int, Written]]:
    folder = Path(order.folder)
    file: DayFile | None = None
    now = ("", 0)
    number = 0
    for tenant, id, body, base in bodies:
        full = file is not None and file.rows >= FILE_ROWS and now[0] != id
        if file is not None and (tenant != now[1] or full):
            yield now[1], file.close()
            file = None
        if file is None:
            number += 1
            file = DayFile(folder, f"{tenant}-{order.stamp}-{number}.parquet")
        now = (id, tenant)
        file.add(id, body, base)
    if file is not None:
        yield now[1], file.close()


if __name__ == "__main__":
    main()
