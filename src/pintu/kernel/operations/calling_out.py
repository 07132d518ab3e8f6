"""Whom the orders room calls: a crew that was given work, the duty officer when nobody takes it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import PintuError
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.orders import crews
from pintu.kernel.operations.roster.words import Message

if TYPE_CHECKING:
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.operations.orders import Order

log = logging.getLogger("pintu.operations")

RINGS_FROM: Final = {"critical": 1, "high": 2}
"""Severity → from which escalation on the duty officer is rung; others are seen in the queue."""

BACK_US: Final = 6 * 3_600_000_000
"""So far back deeds are read at a start for whom nobody called yet."""

MOST_ALARMS: Final = 500
PAGE: Final = "/my-orders"


class CallingOut:
    """Listens to the journal; what it does is done once a deed, by the deed's number."""

    def __init__(self, room: OperationsRoom) -> None:
        self._room = room
        self._tasks: set[asyncio.Task[None]] = set()
        room.journal.listen(self._heard)

    async def start(self) -> None:
        """Call whom an earlier life had no time to call: once a deed, whoever asks."""
        journal = self._room.journal
        since_us = journal.clock.now_us() - BACK_US
        for deed in await journal.list_deeds(since_us=since_us, limit=5_000):
            if calls_for(deed):
                await self._call(deed)

    async def stop(self) -> None:
        """What is being said is said to its end."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _heard(self, deed: Deed) -> None:
        if calls_for(deed):
            task = asyncio.create_task(self._call(deed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, deed: Deed) -> None:
        orders = self._room.orders
        if orders is None:
            return
        try:
            order = await orders.get(deed.subject.partition(":")[2])
            if deed.verb == "assigned" and order.state == "assigned":
                await self._crew(order, deed)
            elif deed.verb == "escalated" and not order.final:
                await self._duty(order, deed)
        except PintuError as error:  # the order is in its queue whoever hears of it
            log.warning("Nobody was told of %s: %s", deed.subject, error.detail)

    async def _crew(self, order: Order, deed: Deed) -> None:
        notifier, orders = getattr(self._room, "notifier", None), self._room.orders
        if notifier is None or orders is None:
            return
        people = await orders.tables.read(lambda c: crews.members(c, order.crew))
        if not people:
            return
        told = Message(
            subject=order.subject,
            title={"zh": "新工单", "en": "A new order"},
            text=named(order),
            severity=order.severity,
            link=PAGE,
            kind="order",
        )
        to = [f"person:{one}" for one in people]
        await notifier.send(order.tenant, told, to, f"{deed.room}:{deed.number}")

    async def _duty(self, order: Order, deed: Deed) -> None:
        duty = getattr(self._room, "duty", None)
        least = RINGS_FROM.get(order.severity)
        if duty is None or least is None or order.level < least:
            return
        said = {
            "zh": f"工单无人处理：{named(order)['zh']}",
            "en": f"Nobody has dealt with an order: {named(order)['en']}",
        }
        link = f"/orders/{order.id}"
        key = f"{deed.room}:{deed.number}"
        await duty.ring(
            order.tenant, order.subject, order.severity, said, key=key, link=link, by="timer",
            at_us=deed.at_us,
        )  # fmt: skip

    # --- what orders ask of incidents -------------------------------------------------------------
    async def alarms_of(self, cause: str) -> list[str]:
        """The alerts of an incident, as an order's proof needs them."""
        incidents: Any = getattr(self._room, "incidents", None)
        kind, _, id = cause.partition(":")
        if incidents is None or kind != "incident":
            return []
        found = await incidents.list_alarms(id, limit=MOST_ALARMS)
        return list(dict.fromkeys(one.alert for one in found))

    async def cause_of(self, tenant: str, alert: str) -> str:
        """The incident an alert belongs to as a cause; "" when it belongs to none."""
        incidents: Any = getattr(self._room, "incidents", None)
        found = await incidents.incident_of(tenant, alert) if incidents is not None else ""
        return f"incident:{found}" if found else ""


def calls_for(deed: Deed) -> bool:
    """Whether somebody is called because of a deed."""
    return deed.subject.startswith("order:") and deed.verb in ("assigned", "escalated")


def named(order: Order) -> dict[str, str]:
    """What is to be done and where, in both languages."""
    where = order.where or order.target.rpartition(":")[2]
    return {
        lang: f"{order.what.get(lang) or next(iter(order.what.values()), '')} · {where}"
        for lang in ("zh", "en")
    }
