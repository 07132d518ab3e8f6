"""What moves orders by themselves: deadlines that pass, alarms that are over, deeds of others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.errors import BadRequestData, PintuError, ResourceNotFound, Unavailable
from pintu.kernel.operations.journal import Deed, Journal
from pintu.kernel.operations.orders.closing import OVER
from pintu.kernel.operations.orders.looking import ALERT, about_of, alarm_of
from pintu.kernel.operations.orders.orders import Orders
from pintu.kernel.operations.orders.words import Deadline, Order
from pintu.kernel.store.port import Change, Store, settled
from pintu.kernel.timers import Firing, Timers

if TYPE_CHECKING:
    from pintu.kernel.feed import Feed, Subscription

log = logging.getLogger("pintu.operations")

TIMER: Final = "operations.order"
CURSOR: Final = "operations.orders"
BY: Final = "ledger"
FIRST_LOOK_US: Final = 60_000_000
"""A minute after work was reported its proof is looked for again, then ever more rarely."""

LATEST_LOOK_US: Final = 6 * 3_600_000_000
HEARD_US: Final = 7 * 86_400_000_000
"""Deeds of others that a crash kept from being heard are looked for this far back at a start."""

MOST_OF_ONE: Final = 20
"""Orders of one play that missing effects open one by one; more are gathered in one."""

AWAY_S: Final = 1.0
MISSED: Final = "missed"
"""A device said yes to a command and nothing was measured."""


class Watch:
    """Runs while the city runs; everything it does is done once however often it is asked for."""

    def __init__(
        self, orders: Orders, journal: Journal, timers: Timers, feed: Feed, store: Store
    ) -> None:
        self._orders, self._journal, self._timers = orders, journal, timers
        self._feed, self._store = feed, store
        self._tasks: set[asyncio.Task[None]] = set()
        self._one = asyncio.Lock()
        self.cause_of: Callable[[str, str], Awaitable[str]] | None = None
        """The incident that an alert of a tenant belongs to, as a cause."""
        self._stream: Subscription | None = None
        self._deaf = journal.listen(self._heard)
        orders.plan = self.plan
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """Follow alerts from where an earlier life ended; open what it had no time to open."""
        for order in await self._orders.unfinished():
            if self._timers.due(TIMER, order.id) is None:
                await self.plan(order)
        now_us = self._orders.clock.now_us()
        for deed in await self._journal.list_deeds(since_us=now_us - HEARD_US, limit=5_000):
            if concerns(deed):
                await self._open(deed)
        self._begin(self._follow())

    async def stop(self) -> None:
        """What is under way is done again at the next start."""
        if self._stream is not None:
            self._stream.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- deadlines --------------------------------------------------------------------------------
    async def plan(self, order: Order) -> None:
        """Look at an order again when its next deadline is over; never when it is finished."""
        order = await self._orders.get(order.id)  # somebody may have been quicker
        deadlines = self._orders.service.deadlines(order)
        at_us = next_look_us(order, deadlines, self._orders.clock.now_us())
        if at_us:
            await self._timers.set(TIMER, order.id, at_us)
        elif self._timers.due(TIMER, order.id) is not None:
            await self._timers.cancel(TIMER, order.id)

    async def _due(self, firing: Firing) -> None:
        try:
            order = await self._orders.overdue(firing.key)
        except ResourceNotFound:
            return
        if order.state in ("reported", "open"):
            order = await self._orders.settle(order)
        # a timer leaves after its handler unless it was set anew in it: this one looks again
        await self.plan(order)

    # --- alarms -----------------------------------------------------------------------------------
    async def _follow(self) -> None:
        stream = self._stream = self._feed.subscribe(CURSOR, types={ALERT})
        async for batch in stream.batches():
            for change in batch:
                await self._patiently(change)
                stream.position = change.position
            try:
                await stream.save()
            except PintuError as error:  # what was read is read once more after a restart
                log.warning("The place of work orders is kept later: %s", error.detail)

    async def _patiently(self, change: Change) -> None:
        """Take a change in; when the store is away, once more until it is back."""
        while True:
            try:
                return await self._changed(change)
            except Unavailable as error:
                log.warning("Work orders wait for the store: %s", error.detail)
                await asyncio.sleep(AWAY_S)
            except Exception:  # a loop's edge: one alert's mistake closes the way for no other
                log.exception("Alert %s at %d moves no order", change.id, change.position)
                return

    async def _changed(self, change: Change) -> None:
        body = change.body
        if body is None:
            record = await settled(self._store.retrieve(change.tenant, change.id))
            body = None if record is None else record.body
        entity = None if body is None else orjson.loads(body)
        if entity is None or alarm_of(entity).status not in OVER:
            return  # what is raised closes nothing
        about = about_of(entity)
        names = {number: name for name, number in self._store.tenants().items()}
        tenant = names.get(change.tenant, "")
        found = await self._orders.waiting_for(change.id, about)
        if self.cause_of is not None and (cause := await self.cause_of(tenant, change.id)):
            found += [one for one in await self._orders.list_for(cause) if one not in found]
        for order in found:
            if order.tenant == tenant:
                await self._orders.settle(order)

    # --- deeds of others --------------------------------------------------------------------------
    def _heard(self, deed: Deed) -> None:
        if concerns(deed):
            self._begin(self._open(deed))

    async def _open(self, deed: Deed) -> None:
        """The order a deed asks for; once, by the deed's own number."""
        asked = wanted(deed)
        if asked is None:
            return
        try:
            async with self._one:  # counted and opened by one at a time
                await self._open_or_gather(deed, asked)
        except BadRequestData as error:
            log.error("No order for %s %s: %s", deed.subject, deed.verb, error.detail)
        except PintuError as error:
            log.warning("The order for %s is opened later: %s", deed.subject, error.detail)

    async def _open_or_gather(self, deed: Deed, asked: dict[str, Any]) -> None:
        key = f"{deed.room}:{deed.number}"
        many = await self._many(deed)
        if many:
            asked = asked | {"what": "inspect", "target": many}
        await self._orders.open_order(BY, deed.tenant, key=key, **asked)

    async def _many(self, deed: Deed) -> str:
        """What a play's further missing effects are gathered under when there are many already: a
        feeder that failed under a thousand lamps is one order, not a thousand."""
        cause = deed.detail.get("cause")
        if not isinstance(cause, str) or not cause.startswith("play:"):
            return ""
        some = await self._orders.list_for(cause)
        if sum(not one.final for one in some) < MOST_OF_ONE:
            return ""
        return "urn:ngsi-ld:ResponsePlan:operations:" + cause.partition(":")[2]


# --- pure -----------------------------------------------------------------------------------------
def next_look_us(order: Order, deadlines: Mapping[Deadline, int], now_us: int) -> int:
    """When an order needs to be looked at; 0: not before somebody does something."""
    if order.final:
        return 0
    if order.reported_us:
        waited_us = now_us - order.reported_us
        return now_us + min(max(FIRST_LOOK_US, waited_us), LATEST_LOOK_US)
    ahead = [due for name, due in deadlines.items() if due and name not in order.missed]
    return min(ahead, default=0)


def concerns(deed: Deed) -> bool:
    """Whether a deed of another part asks for work: a command without its effect, or any deed that
    says `work` in its detail."""
    return (deed.subject.startswith("command:") and deed.verb == MISSED) or (
        not deed.subject.startswith("order:") and isinstance(deed.detail.get("work"), dict)
    )


def wanted(deed: Deed) -> dict[str, Any] | None:
    """What to open an order with, out of such a deed; None when it says too little.

    A deed of another part asks for work with `detail = {"work": {"what", "target", "severity"}}`.
    """
    work = deed.detail.get("work")
    told = work if isinstance(work, dict) else deed.detail
    target = told.get("target")
    if not isinstance(target, str):
        return None
    lamp = target.startswith("urn:ngsi-ld:Streetlight:")
    what = told.get("what") or ("repair_lamp" if lamp else "inspect")
    also = deed.detail.get("cause")
    return {
        "what": str(what),
        "target": target,
        "cause": deed.subject,
        "severity": str(told.get("severity") or "medium"),
        "also": (also,) if isinstance(also, str) and also else (),
    }
