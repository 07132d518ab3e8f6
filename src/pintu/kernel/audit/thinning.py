"""Heads are signed each second there is something new; of days that are past one a minute is kept,
and every one that a neighbour countersigned. Any kept head proves every row before it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.audit.schema import COSIGNATURE, FACT, HEAD
from pintu.kernel.tables import put_rows

AFTER_US: Final = 86_400_000_000
MINUTE_US: Final = 60_000_000
SLICE: Final = 5_000
THINNED: Final = "thinned"


def thin(connection: Connection, era: int, now_us: int) -> int:
    """Drop heads of one era that nobody needs, at most some thousand; how many."""
    name = f"{THINNED} {era}"
    done = connection.execute(sa.select(FACT.c.value).where(FACT.c.name == name)).scalar()
    old = (HEAD.c.era == era) & (HEAD.c.size > int(done or 0))
    asked = sa.select(HEAD.c.size, HEAD.c.at_us).where(old, HEAD.c.at_us < now_us - AFTER_US)
    rows = connection.execute(asked.order_by(HEAD.c.size).limit(SLICE)).all()
    if len(rows) < 2:
        return 0
    kept = set(
        connection.execute(
            sa.select(COSIGNATURE.c.size).where(
                COSIGNATURE.c.era == era, COSIGNATURE.c.size.between(rows[0].size, rows[-1].size)
            )
        ).scalars()
    )
    gone = [
        row.size
        for row, after in pairwise(rows)
        if row.at_us // MINUTE_US == after.at_us // MINUTE_US and row.size not in kept
    ]
    for start in range(0, len(gone), 500):
        some = gone[start : start + 500]
        connection.execute(HEAD.delete().where(HEAD.c.era == era, HEAD.c.size.in_(some)))
    # the last one is looked at again, with those that come after it
    put_rows(connection, FACT, [{"name": name, "value": str(rows[-2].size)}])
    return len(gone)
