"""Which order is done first: queues are ranked, never workers. Pure.

The order of a queue is made of what is wrong, how late it is and how often it was escalated. No
person, crew or speed of anybody enters, so that nothing here can be read as a score of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from pintu.kernel.operations.orders.service import ServiceClock
from pintu.kernel.operations.orders.words import Order, Severity

POINTS: Final[dict[Severity, int]] = {
    "critical": 1_000,
    "high": 600,
    "medium": 300,
    "low": 150,
    "informational": 50,
}
LATE: Final = 300
"""All of the promised time is used."""

ESCALATED: Final = 120
MOST_ESCALATED: Final = 5


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its place in a queue, and what the place is made of."""

    order: Order
    points: int
    severity: int
    lateness: int
    escalation: int
    due_us: int  # of the next deadline; 0: none runs
    late: bool


def rank(orders: Iterable[Order], clock: ServiceClock, now_us: int) -> list[Ranked]:
    """The most urgent first; what is suspended or only waits for its proof comes last. Equal ones
    by age, then by number: the same queue for everybody who looks."""
    found = [_ranked(one, clock, now_us) for one in orders if not one.final]
    found.sort(key=lambda one: (_rests(one.order), -one.points, one.order.opened_us, one.order.id))
    return found


def _rests(order: Order) -> int:
    return {"suspended": 1, "reported": 2}.get(order.state, 0)


def _ranked(order: Order, clock: ServiceClock, now_us: int) -> Ranked:
    running = [due for due in clock.deadlines(order).values() if due]
    share = clock.share(order, now_us)
    parts = {
        "severity": POINTS[order.severity],
        "lateness": int(LATE * min(share, 2.0)),
        "escalation": ESCALATED * min(order.level, MOST_ESCALATED),
    }
    ahead = [due for due in running if due > now_us]
    return Ranked(
        order=order,
        points=sum(parts.values()),
        due_us=min(ahead or running, default=0),
        late=any(due <= now_us for due in running),
        **parts,
    )
