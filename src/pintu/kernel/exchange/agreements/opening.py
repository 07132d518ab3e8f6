"""How a city opens its room of agreements, and what of it a town decides itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.exchange.agreements.agreements import Agreements
from pintu.kernel.exchange.agreements.deadlines import Deadlines, read_deadlines
from pintu.kernel.exchange.agreements.policy import Policies

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.configuration import Configuration
    from pintu.kernel.identity.keys import Keys
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Timers

log = logging.getLogger("pintu.agreements")


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
        people=rooms.people,
        notices=rooms.notices,
        find_data_set=rooms.exchange.get,
        policies=Policies(configuration),
        deadlines=lambda: deadlines_of(configuration, rooms.settings.tz),
        codes=codes,
    )


def deadlines_of(configuration: Configuration, zone: str) -> Deadlines:
    """A town's `config/agreements/deadlines.toml`; what everybody has where it says nothing, and
    where it cannot be read: a mistake in it stops nobody's clock."""
    try:
        saved = configuration.find("agreements", "deadlines")
        found = read_deadlines(saved.content) if saved is not None else Deadlines()
    except ConfigurationError as error:
        log.error("%s", error.detail)
        found = Deadlines()
    return msgspec.structs.replace(found, zone=zone)
