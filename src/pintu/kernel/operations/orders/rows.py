"""The orders room's rows: plain functions of a connection, called inside one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.operations.orders.schema import KEY, LINK, ORDER
from pintu.kernel.operations.orders.states import UNFINISHED
from pintu.kernel.operations.orders.words import Order
from pintu.kernel.tables import add_rows


def insert(connection: Connection, order: Order) -> Order:
    """Keep a new order; as it is numbered."""
    done = connection.execute(ORDER.insert().values(_columns(order)))
    number = int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0
    return save(connection, msgspec.structs.replace(order, number=number))


def save(connection: Connection, order: Order) -> Order:
    """Keep an order as it is now, with the links to its causes and alarms."""
    link(connection, order.number, order.causes, order.alarms)
    connection.execute(ORDER.update().where(ORDER.c.number == order.number).values(_columns(order)))
    return order


def link(
    connection: Connection, number: int, causes: Sequence[str], alarms: Sequence[str] = ()
) -> None:
    """Have an order found by its causes and alarms."""
    told = [("cause", one) for one in causes] + [("alarm", one) for one in alarms]
    found = [{"thing": thing, "number": number, "role": role} for role, thing in told]
    add_rows(connection, LINK, found)


def _columns(order: Order) -> dict[str, Any]:
    return {
        "tenant": order.tenant,
        "state": order.state,
        "crew": order.crew,
        "kind": order.kind,
        "target": order.target,
        "opened_us": order.opened_us,
        "changed_us": order.changed_us,
        "body": msgspec.json.encode(order).decode(),
    }


def read(row: Any) -> Order:
    """The order of a row."""
    return msgspec.json.decode(row.body.encode(), type=Order)


def get(connection: Connection, number: int) -> Order:
    """One order; ResourceNotFound when there is none."""
    row = connection.execute(sa.select(ORDER.c.body).where(ORDER.c.number == number)).first()
    if row is None:
        raise ResourceNotFound(f"Work order {number} does not exist")
    return read(row)


def select(connection: Connection, where: Iterable[Any], limit: int = 500) -> list[Order]:
    """Orders, newest first."""
    asked = sa.select(ORDER.c.body).where(*where).order_by(ORDER.c.number.desc()).limit(limit)
    return [read(row) for row in connection.execute(asked)]


def linked(
    connection: Connection,
    things: Sequence[str],
    role: Literal["cause", "alarm"] | None = None,
    limit: int = 500,
) -> list[Order]:
    """The orders that name one of these as their cause or alarm."""
    of = sa.select(LINK.c.number).where(LINK.c.thing.in_(list(things)))
    if role is not None:
        of = of.where(LINK.c.role == role)
    return select(connection, [ORDER.c.number.in_(of)], limit)


def waiting_for(connection: Connection, alert: str, about: str) -> list[Order]:
    """Orders that an alert raised and nobody has begun, and what is reported about its thing."""
    raised = sa.select(LINK.c.number).where(LINK.c.thing == alert, LINK.c.role == "alarm")
    by_alarm = ORDER.c.number.in_(raised) & ORDER.c.state.in_(("open", "reported"))
    by_thing = (
        sa.false() if not about else ((ORDER.c.target == about) & (ORDER.c.state == "reported"))
    )
    return select(connection, [by_alarm | by_thing])


def same_work(connection: Connection, tenant: str, target: str, kind: str) -> Order | None:
    """An order for the same work on the same thing that is not finished."""
    where = [
        ORDER.c.tenant == tenant,
        ORDER.c.target == target,
        ORDER.c.kind == kind,
        ORDER.c.state.in_(UNFINISHED),
    ]
    found = select(connection, where, 1)
    return found[0] if found else None


def unfinished(connection: Connection) -> list[Order]:
    """Every order that goes on."""
    return select(connection, [ORDER.c.state.in_(UNFINISHED)], 100_000)


def known(connection: Connection, actor: str, key: str, body: str) -> Order | None:
    """What this actor's key was used for: the order, None when it is new.

    Raises StateConflict when the key was used for something else.
    """
    row = connection.execute(sa.select(KEY).where(KEY.c.actor == actor, KEY.c.key == key)).first()
    if row is None:
        return None
    if row.body != body:
        raise StateConflict(f"Key {key[:80]!r} was used for something else (order {row.number})")
    return get(connection, int(row.number))


def bare(order: Order) -> Order:
    """An order as somebody may know it who had it once: what and where, nothing of what became of
    it."""
    return msgspec.structs.replace(
        order,
        state="assigned",
        crew="",
        reason="",
        causes=(),
        alarms=(),
        pauses=(),
        missed=(),
        level=0,
        assigned_us=0,
        confirmed_us=0,
        arrived_us=0,
        reported_us=0,
        closed_us=0,
        proof="",
    )


def keep_key(connection: Connection, actor: str, key: str, body: str, of: Order) -> None:
    """Remember what a key was used for."""
    connection.execute(
        KEY.insert().values(actor=actor, key=key, number=of.number, body=body, at_us=of.changed_us)
    )


def digest(*parts: Any) -> str:
    """What an idempotency key stands for."""
    told = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
