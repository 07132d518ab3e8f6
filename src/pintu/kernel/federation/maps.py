"""Entity maps: which entities a query considers and where each of them is, fixed for a while so
that its pages fit together (4.3.6.7, 5.5.9.3, 5.14). Kept in memory: whoever comes with one that is
gone gets a new one (5.7.2.4).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Any, Final

import msgspec

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import ResourceNotFound

HERE: Final = "@none"
"""Stands for this broker among the sources of an entity."""
PREFIX: Final = "urn:ngsi-ld:EntityMap:"
LIFETIME_S: Final = 600.0
MOST_LIFETIME_S: Final = 86_400.0
MOST_MAPS: Final = 1_000
MOST_ENTITIES: Final = 1_000_000
"""Of all maps together: the oldest go first."""


class EntityMap(msgspec.Struct, gc=False):
    """One map. `sources`: entity id → ids of registrations, `HERE` for this broker."""

    id: str
    tenant: str
    owner: str  # who made it; nobody else finds it
    expires_us: int
    sources: dict[str, tuple[str, ...]]
    linked: dict[str, str] = {}  # registration → the map its source made
    temporal: bool = False

    def document(self) -> dict[str, Any]:
        """As 5.2.39 shows it."""
        shown: dict[str, Any] = {
            "id": self.id,
            "type": "EntityMap",
            "expiresAt": iso(self.expires_us),
            "entityMap": {id: list(where) for id, where in self.sources.items()},
        }
        if self.linked:
            shown["linkedMaps"] = dict(self.linked)
        return shown


class EntityMaps:
    """The maps of a city, bounded by their number and by what they hold."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._maps: OrderedDict[str, EntityMap] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._maps)

    def make(
        self, key: tuple[str, str], sources: dict[str, tuple[str, ...]], lifetime_s: float | None
    ) -> EntityMap:
        """A new map of (tenant, owner), for as long as is asked for within a day."""
        made = EntityMap(
            id=PREFIX + secrets.token_hex(16),
            tenant=key[0],
            owner=key[1],
            expires_us=self._until(LIFETIME_S if lifetime_s is None else lifetime_s),
            sources=sources,
        )
        self._maps[made.id] = made
        self._held += len(sources)
        while len(self._maps) > MOST_MAPS or (self._held > MOST_ENTITIES and len(self._maps) > 1):
            self._drop(next(iter(self._maps)))
        return made

    def find(self, key: tuple[str, str], id: str) -> EntityMap | None:
        """A map of (tenant, owner) by its id; None when there is none, or no longer (5.5.14)."""
        found = self._maps.get(id)
        if found is None or (found.tenant, found.owner) != key:
            return None
        if found.expires_us <= self._clock.now_us():
            self._drop(id)
            return None
        return found

    def get(self, key: tuple[str, str], id: str) -> EntityMap:
        """The same; raises ResourceNotFound."""
        found = self.find(key, id)
        if found is None:
            raise ResourceNotFound(f"There is no entity map {id[:200]}")
        return found

    def extend(self, found: EntityMap, until_us: int) -> None:
        """Let it end at another time, within a day from now."""
        found.expires_us = min(until_us, self._until(MOST_LIFETIME_S))

    def remove(self, key: tuple[str, str], id: str) -> None:
        """Forget one; raises ResourceNotFound."""
        self._drop(self.get(key, id).id)

    def prune(self, found: EntityMap, ids: list[str]) -> None:
        """Take out entities that no longer fit (5.5.9.3)."""
        for id in ids:
            if found.sources.pop(id, None) is not None and found.id in self._maps:
                self._held -= 1

    def _until(self, seconds: float) -> int:
        return self._clock.now_us() + int(min(seconds, MOST_LIFETIME_S) * 1e6)

    def _drop(self, id: str) -> None:
        found = self._maps.pop(id, None)
        if found is not None:
            self._held -= len(found.sources)
