"""Work orders: a service clock in working hours, crews, ranked queues, routes, closure proof.

Wiring: `rooms.operations.orders = open_orders(rooms, tables, journal)`. Others call
`open_order(actor, tenant, what, target, cause=…, severity=…, key=…)`, `deed(actor, id, verb, key,
reason)`, `list_for(cause)` and `queue(tenant, crew)`; they hear of orders in the journal under
`order:ID`.
"""

from pintu.kernel.operations.orders.hand import OrderHand
from pintu.kernel.operations.orders.orders import Orders
from pintu.kernel.operations.orders.ranking import Ranked
from pintu.kernel.operations.orders.wiring import open_orders
from pintu.kernel.operations.orders.words import KINDS, Crew, Order, Shift

__all__ = ["KINDS", "Crew", "Order", "OrderHand", "Orders", "Ranked", "Shift", "open_orders"]
