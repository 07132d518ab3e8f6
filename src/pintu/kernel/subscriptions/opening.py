"""Opening the room: one line for whoever wires a city."""

from __future__ import annotations

from collections.abc import Callable

from pintu.kernel.access import Actor
from pintu.kernel.clock import Clock
from pintu.kernel.store.port import Store
from pintu.kernel.subscriptions.keeping import MOST, Subscriptions
from pintu.kernel.tables import CityTables


def open_subscriptions(
    tables: CityTables,
    store: Store,
    clock: Clock,
    standing: Callable[[Actor], Actor | None] | None = None,
    *,
    most: int = MOST,
) -> Subscriptions:
    """The subscriptions as they were kept; `standing` says what a subscriber may be taken for at
    the time of sending."""
    opened = Subscriptions(tables, store, clock, most=most)
    if standing is not None:
        opened.standing = lambda asker: standing(asker.actor())
    return opened
