"""How an organisation keeps its word: measured from its steps and recalls, typed in by nobody."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.exchange.agreements.schema import RECALL, STEP, VERSION
from pintu.kernel.exchange.agreements.words import Agreement, Recall, Standing


def standing_of(
    connection: Connection, organisation: str, provided: Iterable[Agreement], now_us: int
) -> Standing:
    """One organisation's; `provided` are the open agreements about its own data."""
    waiting = [one for one in provided if one.state in ("requested", "escalated")]
    recalls = [
        msgspec.json.decode(body, type=Recall)
        for (body,) in connection.execute(
            sa.select(RECALL.c.body).where(RECALL.c.holder == organisation)
        )
    ]
    unanswered = [one for one in recalls if one.open]
    decided, late = _decided(connection, organisation)
    told = [one for one in recalls if one.answer is not None]
    in_time = sum(one.answer.at_us <= one.due_us for one in told if one.answer is not None)
    return Standing(
        organisation=organisation,
        requests_open=len(waiting),
        requests_overdue=sum(
            one.state == "escalated" or (0 < one.due_us <= now_us) for one in waiting
        ),
        recalls_open=len(unanswered),
        recalls_overdue=sum(one.overdue or one.due_us <= now_us for one in unanswered),
        limits_broken=_broken(connection, organisation),
        answered=decided + len(told),
        in_time=decided - late + in_time,
    )


def _decided(connection: Connection, organisation: str) -> tuple[int, int]:
    """(requests an owner decided, those after its deadline)."""
    decisions = STEP.c.deed.in_(("approve", "refuse")) & (STEP.c.receipt != 0)
    mine = decisions & (STEP.c.organisation == organisation)
    escalated = STEP.alias("escalated")
    late = sa.exists().where(
        escalated.c.agreement == STEP.c.agreement,
        escalated.c.version == STEP.c.version,
        escalated.c.deed == "escalate",
        escalated.c.receipt != 0,
    )
    count = sa.select(sa.func.count()).select_from(STEP)
    return (
        int(connection.execute(count.where(mine)).scalar_one()),
        int(connection.execute(count.where(mine, late)).scalar_one()),
    )


def _broken(connection: Connection, organisation: str) -> int:
    """Agreements that were suspended because the organisation broke their limits."""
    joined = sa.join(
        STEP, VERSION, (STEP.c.agreement == VERSION.c.id) & (STEP.c.version == VERSION.c.version)
    )
    query = sa.select(sa.func.count(sa.distinct(STEP.c.agreement))).select_from(joined)
    broken = query.where(
        STEP.c.deed == "break", STEP.c.receipt != 0, VERSION.c.consumer == organisation
    )
    return int(connection.execute(broken).scalar_one())
