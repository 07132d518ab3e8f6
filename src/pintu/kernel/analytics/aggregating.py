"""Aggregations answered from sums of hours and days, and from the log's tail; never by fetching
rows. Equal, to the last bit, to the same made from all rows; None where that cannot be.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.rolling import ALL, ALWAYS, ASK_ROWS
from pintu.kernel.analytics.rollups import BUCKET, DAY_US, HOUR_US, LEVELS, loosened_all, start_of
from pintu.kernel.analytics.schema import ROLLUP

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

METHODS: Final = frozenset({"totalCount", "sum", "avg", "min", "max", "sumsq"})
"""What sums can tell; the rest needs every value."""
MOST: Final = 2_000_000
"""Buckets of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Sums of one attribute's default data set or another over equal periods by `observedAt`,
    of many entities at once. Times are µs; `step_us` whole hours, all bounds whole hours.
    """

    tenant: int
    ids: tuple[str, ...]
    attribute: str
    dataset: str = ""
    low_us: int
    high_us: int
    step_us: int
    methods: tuple[str, ...]
    alone: bool = False
    """None where the attribute has other data sets, too: they would have to be told apart."""


Column = list[Any]
Sums = dict[str, tuple[list[int], dict[str, Column]]]
"""Entity → (beginnings of its periods in µs, method → a value each)."""


async def aggregate(history: History, ask: Ask) -> Sums | None:
    """The sums of each entity that has any; None where somebody must ask the rows."""
    if not ask.methods or not METHODS.issuperset(ask.methods):
        return None
    if ask.step_us <= 0 or ask.step_us % HOUR_US or ask.low_us % HOUR_US or ask.high_us % HOUR_US:
        return None
    if history.packing.waiting:
        await history.packing.ahead(ask.tenant, ask.ids)
    level = (
        "d" if not (ask.step_us % DAY_US or ask.low_us % DAY_US or ask.high_us % DAY_US) else "h"
    )
    return await history.opened.read(lambda c: _summed(c, ask, level))


def _summed(connection: Connection, ask: Ask, level: str) -> Sums | None:
    found = _buckets(connection, ask, level)
    if found is None:
        return None
    owners, starts, rows = found
    if len(rows) and rows["odd"].any():
        return None
    length = LEVELS[level][0]
    if ask.step_us == length:
        return _straight(ask, owners, starts, rows)
    try:
        return _gathered(ask, owners, starts, rows)
    except OverflowError:  # sums of hours that no float holds together
        return None


def _buckets(connection: Connection, ask: Ask, level: str) -> tuple[Any, Any, Any] | None:
    """(number of the entity, beginning, bucket), in order of both; None when rows are to be
    asked."""
    length, places = LEVELS[level]
    low, high = ask.low_us // length // places, (ask.high_us - 1) // length // places
    owners: list[int] = []
    starts: list[int] = []
    bodies: list[bytes] = []
    number_of = {id: n for n, id in enumerate(sorted(ask.ids))}
    ids = list(number_of)
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        asked = sa.select(ROLLUP.c.id, ROLLUP.c.span, ROLLUP.c.body).where(
            ROLLUP.c.tenant == ask.tenant,
            ROLLUP.c.attribute == ask.attribute,
            ROLLUP.c.dataset == ask.dataset,
            ROLLUP.c.level == level,
            ROLLUP.c.id.in_(some),
            ROLLUP.c.span.between(low, high),
        )
        if _unsummed(connection, ask, some):
            return None
        for id, span, body in connection.execute(asked):
            owners.append(number_of[id])
            starts.append(start_of(level, span))
            bodies.append(body)
    if not bodies:
        return None
    rows, spans = loosened_all(bodies)
    owner = np.array(owners)[spans]
    begins = np.array(starts)[spans] + rows["place"].astype(np.int64) * length
    inside = (begins >= ask.low_us) & (begins < ask.high_us)
    rows, owner, begins = rows[inside], owner[inside], begins[inside]
    order = np.lexsort((begins, owner))
    return owner[order], begins[order], rows[order]


def _unsummed(connection: Connection, ask: Ask, ids: list[str]) -> bool:
    asked = sa.select(sa.func.count()).where(
        ROLLUP.c.tenant == ask.tenant,
        ROLLUP.c.attribute.in_((ask.attribute, ALL)),
        ROLLUP.c.dataset.in_((ask.dataset, "")),
        ROLLUP.c.level == ASK_ROWS,
        ROLLUP.c.id.in_(ids),
        sa.or_(
            ROLLUP.c.span.in_((ALWAYS, 0)),  # 0: as marks were written once
            ROLLUP.c.span.between(ask.low_us // DAY_US, (ask.high_us - 1) // DAY_US),
        ),
    )
    if connection.execute(asked).scalar():
        return True
    others = sa.select(sa.func.count()).where(
        ROLLUP.c.tenant == ask.tenant,
        ROLLUP.c.attribute == ask.attribute,
        ROLLUP.c.dataset > "",
        ROLLUP.c.id.in_(ids),
    )
    return ask.alone and bool(connection.execute(others).scalar())


def _straight(ask: Ask, owners: Any, starts: Any, rows: Any) -> Sums:
    """Periods that are buckets: nothing is added up."""
    columns = {
        "totalCount": rows["count"], "sum": rows["sum"], "sumsq": rows["squares"],
        "min": rows["low"], "max": rows["high"],
    }  # fmt: skip
    if "avg" in ask.methods:
        columns["avg"] = rows["sum"] / rows["count"]
    lists = {method: columns[method].tolist() for method in ask.methods}
    begins = starts.tolist()
    return {
        id: (begins[a:b], {method: column[a:b] for method, column in lists.items()})
        for id, a, b in _parts(ask, owners)
    }


def _parts(ask: Ask, owners: Any) -> list[tuple[str, int, int]]:
    """(entity, first bucket, after its last)."""
    ids = sorted(ask.ids)
    cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]
    return [(ids[int(owners[a])], a, b) for a, b in pairwise(cuts) if b > a]


def _gathered(ask: Ask, owners: Any, starts: Any, rows: Any) -> Sums:
    """Periods of several buckets: sums of sums, rounded once."""
    found: Sums = {}
    for id, a, b in _parts(ask, owners):
        periods: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for at, row in zip(starts[a:b].tolist(), rows[a:b].tolist(), strict=True):
            periods[ask.low_us + (at - ask.low_us) // ask.step_us * ask.step_us].append(row)
        told = [_told(one) for one in periods.values()]
        columns = {method: [one[method] for one in told] for method in ask.methods}
        found[id] = (list(periods), columns)
    return found


_NAMES = BUCKET.names or ()


def _told(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    column = dict(zip(_NAMES, zip(*rows, strict=True), strict=True))
    count = sum(column["count"])
    total = fsum((*column["sum"], *column["rest"]))
    return {
        "totalCount": count,
        "sum": total,
        "avg": total / count,
        "min": min(column["low"]),
        "max": max(column["high"]),
        "sumsq": fsum((*column["squares"], *column["squares_rest"])),
    }
