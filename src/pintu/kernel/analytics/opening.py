"""How a city gets its history: one line for whoever wires."""

from __future__ import annotations

from typing import Any

from pintu.kernel.analytics.apart import Apart
from pintu.kernel.analytics.engines.asking import Analyst
from pintu.kernel.analytics.history import History
from pintu.kernel.analytics.retaining import read_retention
from pintu.kernel.store.pausing import Pausable
from pintu.kernel.tables import CityTables


def open_history(rooms: Any, tables: CityTables) -> History:
    """The history of `rooms`' store, which from now on tells an entity's whole chain, wherever its
    rows lie.
    """
    history = History(rooms.store, tables, rooms.clock, rooms.settings.store)
    history.packing.elsewhere = Apart(tables.data, rooms.settings.store)
    settings = rooms.settings
    history.analyst = Analyst(history, tables.data, settings.store, settings.engine)
    folder = tables.data / "history"
    if not settings.node or folder.is_symlink() or folder.is_mount():
        # of several brokers each would have other days in its folder, unless they share one
        history.each_night(rooms.timers, settings.tz, read_retention(settings.history))
    if isinstance(rooms.store, Pausable):
        rooms.store.history = history.past.history
    rooms.past = history.past
    return history
