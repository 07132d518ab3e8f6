"""Keeps the sums of hours and days as rows are packed, in the same transaction.

Only what is told with `observedAt` and is a number is summed up. What cannot be summed as it comes
(values besides numbers, several data sets in one row, instances edited or deleted in the past) is
marked: of that series the rows are asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.rollups import (
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
"""The level that says: ask the rows of this series."""
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
    unsummed: set[Series] = set()
    for row in rows:
        for series, told in _instances(row):
            if told is None:
                unsummed.add(series)
            else:
                values[series].append(told)
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
    marks = [_row((tenant, attribute, dataset, ASK_ROWS), (id, 0), b"", (until_us, types))
             for tenant, attribute, dataset, id in unsummed]  # fmt: skip
    add_rows(connection, ROLLUP, marks)


def _instances(row: Change) -> Iterator[tuple[Series, tuple[int, float] | None]]:
    """What a row tells of each series: (time, number), or None for what is not summed."""
    if row.verb in ("amended", "erased"):
        yield (row.tenant, ALL, "", row.id), None
        return
    if row.verb == "deleted" or b'"observedAt"' not in row.payload:
        return
    for name, told in orjson.loads(row.payload).items():
        if name in MEMBERS or told is None:
            continue
        several = told.__class__ is list
        if several or row.verb == "recorded":  # recorded: what was told of a time is told anew
            yield (row.tenant, name, "", row.id), None
            for one in told if several else (told,):
                yield (row.tenant, name, one.get("datasetId") or "", row.id), None
            continue
        at = told.get("observedAt")
        if at is not None:
            series = (row.tenant, name, told.get("datasetId") or "", row.id)
            value: Any = told.get("value") if told.get("type") == "Property" else None
            number = value.__class__ is int or value.__class__ is float
            yield series, (micros(at), float(value)) if number else None


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
