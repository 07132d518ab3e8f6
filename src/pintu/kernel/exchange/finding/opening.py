"""The finder of a city, measuring by its timer and when a load has landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pintu.kernel.clock import Clock
from pintu.kernel.exchange.finding.finder import Described, Finder
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.exchange.schemas import Schemas
    from pintu.kernel.timers import Timers

TIMER: Final = "finder"


def open_finder(
    tables: CityTables,
    clock: Clock,
    timers: Timers,
    described: Described,
    schemas: Schemas,
) -> Finder:
    """The finder of a city."""
    return Finder(tables, clock, described, schemas)
