"""Opening the room: one line for whoever wires a city."""

from __future__ import annotations

from pintu.kernel.access import Gate
from pintu.kernel.calling import Caller
from pintu.kernel.clock import Clock
from pintu.kernel.federation.federation import Federation
from pintu.kernel.federation.maps import EntityMaps
from pintu.kernel.federation.offers import Offers
from pintu.kernel.federation.registry import Happened, Registry
from pintu.kernel.federation.snapshots import Snapshots
from pintu.kernel.federation.sources import Sources
from pintu.kernel.federation.watchers import Watchers
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.tables import CityTables


def open_federation(
    tables: CityTables,
    clock: Clock,
    caller: Caller | None = None,
    *,
    library: ContextLibrary | None = None,
    gate: Gate | None = None,
) -> Federation:
    """The registrations as they were kept; with a caller also the way to their sources, with a
    library of @contexts those who want to hear of registrations.
    """
    federation = Federation(
        registry=Registry(tables, clock),
        offers=Offers(tables, clock),
        maps=EntityMaps(clock),
        snapshots=Snapshots(tables, clock),
    )
    if library is not None:
        watchers = Watchers(tables, federation.registry, library, clock)
        watchers.caller, watchers.gate = caller, gate
        federation.watchers = watchers
    if caller is not None:
        sources = federation.sources = Sources(caller, clock)
        federation.registry.listen(lambda happened: _forget(sources, happened))
    return federation


def _forget(sources: Sources, happened: Happened) -> None:
    """What was said under a registration that is changed or gone is not said any more."""
    if happened.what != "added":
        sources.forget(happened.registration.tenant, happened.registration.id)
