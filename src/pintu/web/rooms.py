"""The rooms a screen or a binding may use, handed in by `city.py`; the web wires nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pintu.kernel.access import Gate
    from pintu.kernel.clock import Clock
    from pintu.kernel.feed import Feed
    from pintu.kernel.identity import Identity
    from pintu.kernel.intake import Intake
    from pintu.kernel.jsonld import ContextLibrary
    from pintu.kernel.operations import Commands
    from pintu.kernel.store.port import Store
    from pintu.kernel.timers import Timers
    from pintu.kit.manifest import Manifest
    from pintu.settings import Settings


@dataclass(slots=True, kw_only=True)
class Rooms:
    """One running city, as the web sees it."""

    settings: Settings
    clock: Clock
    store: Store
    library: ContextLibrary
    identity: Identity
    gate: Gate
    feed: Feed
    timers: Timers
    intake: Intake
    commands: Commands
    pieces: list[Manifest] = field(default_factory=list)
    basemap: Path | None = None  # GeoJSON under the map: water, roads, places; None: a graticule
