"""How a city opens its room of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pintu.kernel.exchange.nodes.nodes import Nodes

if TYPE_CHECKING:
    from pintu.kernel.tables import CityTables


def open_nodes(tables: CityTables, rooms: Any, log_name: str = "") -> Nodes:
    """The room over a city's other rooms."""
    settings = rooms.settings
    sealer = getattr(rooms.audit, "sealer", None)
    nodes = Nodes(
        tables,
        rooms.clock,
        rooms.keys,
        rooms.egress,
        name=settings.node_name,
        url=settings.public_url or settings.address,
        log_name=sealer.name if sealer is not None else log_name,
        organisations=rooms.people.organisations if rooms.people is not None else tuple,
    )
    nodes.use(
        agreements=rooms.agreements,
        exchange=rooms.exchange,
        audit=rooms.audit,
        gate=rooms.gate,
        notices=rooms.notices,
    )
    return nodes
