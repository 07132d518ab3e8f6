"""`python -m pintu.kernel.analytics.engines.answering`: the process that answers questions about
history as a whole; orders as frames on standard input, answers on standard output.

What it imports and how much memory a question takes concern nobody else, and whoever asked may end
it at any moment.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import msgspec

from pintu.kernel.analytics.apart import frame, next_frame
from pintu.kernel.analytics.engines.engine import Engine, open_engine
from pintu.kernel.analytics.engines.expressions import answer
from pintu.kernel.analytics.engines.gathering import Source, gather
from pintu.kernel.analytics.engines.samples import asked_for, concerned, filed, fresh, shapes, union
from pintu.kernel.analytics.engines.shapes import MOST_OF_ROW, Sample, places_of
from pintu.kernel.analytics.engines.words import DUCKDB, Answer, Limits, Question, checked
from pintu.kernel.analytics.schema import TABLES
from pintu.kernel.errors import PintuError, TooComplex
from pintu.kernel.tables import open_tables

MOST_SHAPES = 200_000
"""Ways of writing rows; more would mean that texts vary from row to row."""


class Where(msgspec.Struct):
    """Whose history it is, and what computes."""

    data: str
    store: str
    folder: str
    engine: str
    limits: Limits


class Order(msgspec.Struct):
    """One question. `edited`: entities whose samples are `told`, whatever packs and files say."""

    tenant: int
    question: Question
    edited: list[str] = []
    told: list[Sample] = []


def main() -> None:
    """An order, an answer, until nobody asks any more."""
    os.nice(10)
    asked, answered = sys.stdin.buffer, take_over(sys.stdout.buffer)
    said = next_frame(asked)
    if said is None:
        return
    where = msgspec.msgpack.decode(said, type=Where)
    if where.engine == DUCKDB:  # a JVM reserves far more than it uses
        most = where.limits.memory_mb * 1_048_576
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    tables = open_tables(Path(where.data), where.store)
    try:
        opened = tables.open("rooms", TABLES.name)
        engine = open_engine(where.engine, Path(where.folder), where.limits)
    except PintuError as error:
        say(answered, Answer(error=str(error) or type(error).__name__))
        return
    except (ImportError, MemoryError):  # a library that cannot be mapped is not there either
        say(answered, Answer(error=f"{where.limits.memory_mb} MB of memory hold no engine"))
        return
    say(answered, Answer(engine=engine.name))
    while (said := next_frame(asked)) is not None:
        order = msgspec.msgpack.decode(said, type=Order)
        try:
            source = opened.read_now(
                lambda c, o=order: gather(  # type: ignore[misc]
                    c, Path(where.folder), o.tenant, o.question, where.limits
                )
            )
            told = answered_by(engine, source, order, where.limits)
        except PintuError as error:
            too_much = isinstance(error, TooComplex)
            told = Answer(error=str(error) or type(error).__name__, too_much=too_much)
        except MemoryError:
            told = Answer(error="That takes more memory than an answer may", too_much=True)
        say(answered, told)


def take_over(out: BinaryIO) -> BinaryIO:
    """Standard output for frames alone: what a library prints goes where errors go."""
    mine = os.fdopen(os.dup(out.fileno()), "wb")
    os.dup2(2, out.fileno())
    return mine


def say(out: BinaryIO, told: Answer) -> None:
    """One frame."""
    out.write(frame(msgspec.msgpack.encode(told)))
    out.flush()


def answered_by(engine: Engine, source: Source, order: Order, limits: Limits) -> Answer:
    """The answer to an order. Raises TooComplex over a limit, Unavailable where files cannot be
    read."""
    began, question = monotonic(), checked(order.question)
    parts: list[Any] = []
    passed = 0
    if source.paths:
        rows = concerned(engine.rows(source.paths), question)
        said = ways_of(engine, rows)
        known = zip(said["form"].to_pylist(), said["template"].to_pylist(), strict=True)
        places, passed = places_of(known, question)
        if places:
            parts.append(filed(rows, places, MOST_OF_ROW))
    if source.fresh:
        parts.append(fresh(source.fresh))
    samples = union(parts, order.edited, order.told)
    if samples is None:
        return Answer(engine=engine.name, read=source.rows, passed=passed)
    found = engine.table(answer(asked_for(samples, question), question), limits.rows)
    return Answer(
        columns=columns(found), engine=engine.name, seconds=round(monotonic() - began, 3),
        read=source.rows + len(source.fresh) + len(order.told), passed=passed,
    )  # fmt: skip


def ways_of(engine: Engine, rows: Any) -> Any:
    """Every way in which rows are written. Raises TooComplex for too many."""
    found = engine.table(shapes(rows).limit(MOST_SHAPES + 1), MOST_SHAPES + 1)
    if found.num_rows > MOST_SHAPES:
        raise TooComplex(f"It is told in more than {MOST_SHAPES:,} ways: ask for less time")
    return found


def columns(table: Any) -> dict[str, list[Any]]:
    """An Arrow table as lists, what is not there (also NaN) as None."""
    found = {}
    for name in table.column_names:
        values: Sequence[Any] = table[name].to_pylist()
        found[name] = [None if value != value else value for value in values]
    return found


if __name__ == "__main__":
    main()
