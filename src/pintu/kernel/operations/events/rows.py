"""Rows of the room of major events: plain functions of a connection."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.operations.events.schema import PLAN, ROUND
from pintu.kernel.operations.events.words import EventPlan, Round
from pintu.kernel.tables import put_rows

MOST: Final = 20_000
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_PLAN: Final = msgspec.json.Decoder(EventPlan)
_ROUND: Final = msgspec.json.Decoder(Round)


def put_plan(connection: Connection, plan: EventPlan) -> None:
    """Keep a plan as it stands."""
    body = _ENCODER.encode(plan).decode()
    row = {"id": plan.id, "tenant": plan.tenant, "state": plan.state, "until_us": plan.until_us}
    put_rows(connection, PLAN, [{**row, "body": body}])


def find_plan(connection: Connection, id: str) -> EventPlan | None:
    """One plan, or None."""
    row = connection.execute(sa.select(PLAN.c.body).where(PLAN.c.id == id)).first()
    return None if row is None else _PLAN.decode(row.body)


def get_plan(connection: Connection, id: str) -> EventPlan:
    """One plan; ResourceNotFound."""
    found = find_plan(connection, id)
    if found is None:
        raise ResourceNotFound(f"Plan {id[:50]!r} does not exist")
    return found


def plans(
    connection: Connection, *, tenant: str | None = None, states: tuple[str, ...] = ()
) -> list[EventPlan]:
    """Plans of a tenant (None: of all), of some states where some are named; the latest end
    first."""
    asked = sa.select(PLAN.c.body).order_by(PLAN.c.until_us.desc()).limit(500)
    if tenant is not None:
        asked = asked.where(PLAN.c.tenant == tenant)
    if states:
        asked = asked.where(PLAN.c.state.in_(states))
    return [_PLAN.decode(row.body) for row in connection.execute(asked)]


def put_round(connection: Connection, one: Round) -> None:
    """Keep a round as it stands."""
    body = _ENCODER.encode(one).decode()
    row = {"event": one.event, "name": one.check, "due_us": one.due_us, "state": one.state}
    put_rows(connection, ROUND, [{**row, "body": body}])


def rounds(connection: Connection, event: str, check: str = "") -> list[Round]:
    """Rounds of a plan (of one check), oldest first; of very many the newest 20,000."""
    asked = sa.select(ROUND.c.body).where(ROUND.c.event == event)
    if check:
        asked = asked.where(ROUND.c.name == check)
    asked = asked.order_by(ROUND.c.due_us.desc(), ROUND.c.name.desc()).limit(MOST)
    return [_ROUND.decode(row.body) for row in connection.execute(asked)][::-1]


def open_rounds(connection: Connection, event: str, check: str = "") -> list[Round]:
    """Those that somebody still has to do, oldest first."""
    where = [ROUND.c.event == event, ROUND.c.state.in_(("due", "half"))]
    if check:
        where.append(ROUND.c.name == check)
    asked = sa.select(ROUND.c.body).where(*where).order_by(ROUND.c.due_us, ROUND.c.name)
    return [_ROUND.decode(row.body) for row in connection.execute(asked.limit(MOST))]
