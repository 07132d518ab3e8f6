"""Looking at the city: one thing as it is, the things of a step, whether a condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import GeoSelection, Selection, TypeSelection
from pintu.kernel.jsonld import CORE
from pintu.kernel.operations.playbooks.words import Condition, Targets
from pintu.kernel.store.port import Store, settled

PAGE: Final = 1_000
NAMED: Final = 200
Entity = dict[str, Any]
Area = dict[str, Any]
"""GeoJSON, WGS 84, longitude first."""


class Looking:
    """Reads the context; changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def entity(self, tenant: str, id: str) -> Entity | None:
        """One thing as the city knows it now, or None."""
        number = self._store.tenant(tenant)
        if number is None:
            return None
        record = await settled(self._store.retrieve(number, id))
        if record is None:
            return None
        found: Entity = orjson.loads(record.body)
        return found

    async def entities(self, tenant: str, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of many things that the city knows, as they are now, by id."""
        number = self._store.tenant(tenant)
        found: dict[str, Entity] = {}
        for at in range(0, len(ids) if number is not None else 0, NAMED):
            assert number is not None
            named = tuple(ids[at : at + NAMED])
            for one in await self._page(Selection(tenant=number, ids=named, limit=NAMED)):
                found[str(one["id"])] = one
        return found

    async def things(
        self,
        tenant: str,
        wanted: Targets,
        area: Area | None,
        ids: Sequence[str] = (),
        *,
        within: Sequence[str] = (),
    ) -> list[Entity]:
        """The things a step is for, by id: of its type, in the area (or among `ids`, where any are
        named, wherever they are; among `within` only in the area), matching its query; never more
        than its `most`."""
        number = self._store.tenant(tenant)
        if number is None:
            return []
        selection = _selection(number, wanted, area)
        found: list[Entity] = []
        named = ids or within
        if named:
            geo = None if ids else selection.geo
            for at in range(0, len(named), NAMED):
                part = replace(selection, geo=geo, ids=tuple(named[at : at + NAMED]), limit=PAGE)
                found += await self._page(part)
        else:
            while len(found) < wanted.most:
                page = await self._page(replace(selection, offset=len(found)))
                found += page
                if len(page) < PAGE:
                    break
        return sorted(found, key=lambda one: str(one["id"]))[: wanted.most]

    async def holds(self, tenant: str, asked: Condition, area: Area | None) -> bool:
        """Whether a condition holds now."""
        wanted = Targets(
            type=asked.type, q=asked.q, reach_m=asked.reach_m, most=max(asked.count, 1)
        )
        found = await self.things(tenant, wanted, None if asked.anywhere else area)
        return len(found) >= asked.count

    async def _page(self, selection: Selection) -> list[Entity]:
        page = await settled(self._store.select(selection))
        return [orjson.loads(one.body) for one in page.records]


def _selection(number: int, wanted: Targets, area: Area | None) -> Selection:
    return Selection(
        tenant=number,
        types=TypeSelection((frozenset((CORE.stored(wanted.type),)),)),
        q=parse_q(wanted.q, CORE) if wanted.q else None,
        geo=_within(area, wanted.reach_m),
        limit=PAGE,
    )


def _within(area: Area | None, reach_m: float) -> GeoSelection | None:
    if area is None:
        return None
    if reach_m > 0:
        return GeoSelection(relation="near", geometry=area, max_distance_m=reach_m)
    return GeoSelection(relation="intersects", geometry=area)
