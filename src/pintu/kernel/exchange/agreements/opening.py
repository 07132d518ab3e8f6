"""How a city opens its room of agreements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pintu.kernel.exchange.agreements.agreements import Agreements
from pintu.kernel.exchange.agreements.deadlines import Deadlines

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.configuration import Configuration
    from pintu.kernel.identity.keys import Keys
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Timers


def open_agreements(
    kept: tuple[CityTables, Clock, Timers, Keys],
    rooms: Any,
    codes: Callable[[str], frozenset[str]],
) -> Agreements:
    """The room over a city's other rooms; `codes(list)` are the values of a code list."""
    tables, clock, timers, keys = kept
    configuration: Configuration = rooms.configuration
    return Agreements(
        tables,
        clock,
        timers,
        keys,
        audit=rooms.audit,
        people=getattr(rooms, "people", None),
        find_data_set=rooms.exchange.get,
        deadlines=lambda: deadlines_of(configuration, rooms.settings.tz),
        codes=codes,
    )


def deadlines_of(configuration: Configuration, zone: str) -> Deadlines:
    """A town's deadlines; those everybody has where it said nothing or what cannot be read."""
    return Deadlines(zone=zone)
