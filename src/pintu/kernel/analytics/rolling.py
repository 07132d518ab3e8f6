"""Keeps the sums of hours and days as rows are packed, in the same transaction.

Only what is told with `observedAt` and is a number is summed up. What cannot be summed as it comes
(values besides numbers, several data sets in one row, what is told of the past) marks its day, and
instances edited or deleted in the past mark the entity: there the rows are asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.rollups import (
    DAY_US,
    HOUR_US,
    LEVELS,
    added,
    empty,
    loosened,
    span_of,
    squeezed,
)
from pintu.kernel.analytics.schema import ROLLUP
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.store.port import Change
from pintu.kernel.tables import add_rows, put_rows

ASK_ROWS: Final = "x"
"""The level that says: ask the rows of this series; `span` is the UTC day that is concerned."""
ALWAYS: Final = -(2**40)
"""In place of a day: of every day."""
ALL: Final = "*"
"""In place of an attribute: of every series of the entity."""
MEMBERS: Final = frozenset({"id", "type", "scope", "expiresAt"})

Series = tuple[int, str, str, str]
"""(tenant, attribute, data set or "", entity)"""
Told = tuple[int, dict[tuple[int, str], str]]
"""When the last row arrived, and the types of each entity."""


def roll_up(connection: Connection, rows: Sequence[Change]) -> None:
    """Add what rows tell to the sums of their hours and days."""
    values: dict[Series, list[tuple[int, float]]] = defaultdict(list)
    unsummed: set[tuple[Series, int]] = set()
    for row in rows:
        for series, at_us, value in _instances(row):
            if value is None:
                unsummed.add((series, ALWAYS if at_us is None else at_us // DAY_US))
            elif at_us is not None:
                values[series].append((at_us, value))
    until_us = max(row.at_us for row in rows)
    types = {(row.tenant, row.id): orjson.dumps(row.types).decode() for row in rows}
    by_level: dict[tuple[int, str, str, str], dict[tuple[str, int], Any]] = defaultdict(dict)
    for (tenant, attribute, dataset, id), samples in values.items():
        hours: dict[int, list[float]] = defaultdict(list)
        for at_us, value in samples:
            hours[at_us // HOUR_US].append(value)
        for level in LEVELS:
            group = by_level[tenant, attribute, dataset, level]
            for hour, some in hours.items():
                span, place = span_of(level, hour * HOUR_US)
                group.setdefault((id, span), {}).setdefault(place, []).extend(some)
    for key, group in by_level.items():
        _add(connection, key, group, (until_us, types))
    marks = [_row((tenant, attribute, dataset, ASK_ROWS), (id, day), b"", (until_us, types))
             for (tenant, attribute, dataset, id), day in unsummed]  # fmt: skip
    add_rows(connection, ROLLUP, marks)


def _instances(row: Change) -> Iterator[tuple[Series, int | None, float | None]]:
    """What a row tells of each series: (series, time, number); no number: it is not summed, no
    time: whatever the time."""
    if row.verb in ("amended", "erased"):
        yield (row.tenant, ALL, "", row.id), None, None
        return
    if row.verb == "deleted" or b'"observedAt"' not in row.payload:
        return
    for name, told in orjson.loads(row.payload).items():
        if name in MEMBERS or told is None:
            continue
        several = told.__class__ is list
        for one in told if several else (told,):
            at = one.get("observedAt")
            if at is None:
                continue
            at_us, dataset = micros(at), one.get("datasetId") or ""
            series = (row.tenant, name, dataset, row.id)
            if several or row.verb == "recorded":  # recorded: what was told of a time is told anew
                yield series, at_us, None
                if dataset:
                    yield (row.tenant, name, "", row.id), at_us, None
                continue
            value: Any = one.get("value") if one.get("type") == "Property" else None
            number = value.__class__ is int or value.__class__ is float
            lasting = "expiresAt" not in one  # what ends leaves no history (4.22)
            yield series, at_us, float(value) if number and lasting else None


def _add(
    connection: Connection, key: tuple[int, str, str, str], group: dict[Any, Any], told: Told
) -> None:
    """Add values to the spans of one attribute, data set and level."""
    known = {}
    ids = sorted({id for id, _ in group})
    spans = sorted({span for _, span in group})
    columns = (ROLLUP.c.tenant, ROLLUP.c.attribute, ROLLUP.c.dataset, ROLLUP.c.level)
    mine = [column == value for column, value in zip(columns, key, strict=True)]
    for start in range(0, len(ids), 300):
        asked = sa.select(ROLLUP.c.id, ROLLUP.c.span, ROLLUP.c.body).where(
            *mine,
            ROLLUP.c.id.in_(ids[start : start + 300]),
            ROLLUP.c.span.between(spans[0], spans[-1]),
        )
        known.update({(id, span): body for id, span, body in connection.execute(asked)})
    rows = []
    for place, values in group.items():
        body = known.get(place)
        buckets = added(empty() if body is None else loosened(body), values)
        rows.append(_row(key, place, squeezed(buckets), told))
    put_rows(connection, ROLLUP, rows)


def _row(
    key: tuple[int, str, str, str], place: tuple[str, int], body: bytes, told: Told
) -> dict[str, Any]:
    tenant, attribute, dataset, level = key
    return {
        "tenant": tenant,
        "attribute": attribute,
        "dataset": dataset,
        "level": level,
        "id": place[0],
        "span": place[1],
        "until_us": told[0],
        "types": told[1][tenant, place[0]],
        "body": body,
    }
