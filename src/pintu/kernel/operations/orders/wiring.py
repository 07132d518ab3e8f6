"""Opening the orders room over what a city has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.orders.looking import ContextLook
from pintu.kernel.operations.orders.orders import Orders
from pintu.kernel.operations.orders.schema import TABLES
from pintu.kernel.operations.orders.service import ServiceClock
from pintu.kernel.operations.orders.watching import Watch

if TYPE_CHECKING:
    from pintu.kernel.tables import CityTables


def open_orders(
    rooms: Any, tables: CityTables, journal: Journal
) -> tuple[Orders, Watch, ContextLook]:
    """The orders room of a city, which joins the journal; what runs by itself in it; and how it
    sees the city."""
    opened = tables.register(TABLES)
    journal.join(opened)

    async def effect_us(tenant: str, target: str) -> int:
        found = await rooms.commands.for_target(target, tenant=tenant, limit=20)
        return max((one.changed_us for one in found if one.state == "confirmed"), default=0)

    look = ContextLook(rooms.store, effect_us)
    orders = Orders(opened, journal, rooms.gate, look, ServiceClock(zone=rooms.settings.tz))
    return orders, Watch(orders, journal, rooms.timers, rooms.feed, rooms.store), look
