"""What holds the answer: the day files of a time, and samples of packs that are in no file yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.engines.shapes import Sample, samples_of
from pintu.kernel.analytics.engines.words import Limits, Question, reads_from_us
from pintu.kernel.analytics.packs import loosen, rows_within
from pintu.kernel.analytics.rolling import ALL, ASK_ROWS
from pintu.kernel.analytics.schema import DAY, FILE, PACK, ROLLUP
from pintu.kernel.errors import TooComplex

MOST_EDITED: Final = 200
"""Their rows are folded one by one, in the city's own process."""


class Source(NamedTuple):
    """Where a question's samples lie: in files of so many rows, and in packs that no file has."""

    paths: list[Path]
    rows: int
    fresh: list[Sample]


def gather(
    connection: Connection, folder: Path, tenant: int, question: Question, limits: Limits
) -> Source:
    """Packs first, then files: rows move that way, and what is seen twice counts once. Raises
    TooComplex over a limit."""
    fresh: list[Sample] = []
    for sample in _fresh(connection, tenant, question):
        fresh.append(sample)
        if len(fresh) > limits.fresh:
            raise TooComplex(
                f"More than {limits.fresh:,} samples of that time are in no file yet: ask for less"
            )
    found = _files(connection, tenant, question)
    rows = sum(count for _, count in found)
    if rows > limits.samples:
        raise TooComplex(f"That time has {rows:,} changes, over {limits.samples:,}: ask for less")
    return Source([folder / path for path, _ in found], rows, fresh)


def edited_in(connection: Connection, tenant: int, question: Question) -> list[str]:
    """Entities some of whose instances were edited or erased after they were told. Raises
    TooComplex for too many of them."""
    asked = sa.select(ROLLUP.c.id, ROLLUP.c.types).where(
        ROLLUP.c.tenant == tenant, ROLLUP.c.attribute == ALL, ROLLUP.c.dataset == "",
        ROLLUP.c.level == ASK_ROWS,
    )  # fmt: skip
    wanted = set(question.types)
    found = {
        id
        for id, types in connection.execute(asked)
        if wanted.intersection(orjson.loads(types)) and (not question.ids or id in question.ids)
    }
    if len(found) > MOST_EDITED:
        raise TooComplex(f"The past of more than {MOST_EDITED:,} things was edited: name some")
    return sorted(found)


def _fresh(connection: Connection, tenant: int, question: Question) -> Iterator[Sample]:
    span = (reads_from_us(question), question.until_us)
    filed = sa.select(DAY.c.filed).where(DAY.c.day == PACK.c.day).scalar_subquery()
    series = sa.select(ROLLUP.c.id).where(
        ROLLUP.c.tenant == tenant, ROLLUP.c.attribute.in_(question.attributes)
    )
    rules = [
        PACK.c.tenant == tenant,
        PACK.c.observed_us < span[1],
        PACK.c.observed_to_us >= span[0],
        PACK.c.last > sa.func.coalesce(filed, 0),
        PACK.c.id.in_(question.ids) if question.ids else PACK.c.id.in_(series),
    ]
    for id, body in connection.execute(sa.select(PACK.c.id, PACK.c.body).where(*rules)):
        for row in rows_within(loosen(body), (tenant, id), span):
            for sample in samples_of(row, question):
                if span[0] <= sample.at_us < span[1]:
                    yield sample


def _files(connection: Connection, tenant: int, question: Question) -> list[tuple[str, int]]:
    """(path, rows) of the files that tell of that time and have those types."""
    asked = sa.select(FILE.c.path, FILE.c.rows, FILE.c.types, FILE.c.low, FILE.c.high).where(
        FILE.c.tenant == tenant, FILE.c.gone_us == 0,
        FILE.c.observed_us < question.until_us,
        FILE.c.observed_to_us >= reads_from_us(question),
    ).order_by(FILE.c.path)  # fmt: skip
    wanted = set(question.types)
    return [
        (path, rows)
        for path, rows, types, low, high in connection.execute(asked)
        if any(wanted.intersection(one) for one in orjson.loads(types))
        and (not question.ids or any(low <= id <= high for id in question.ids))
    ]
