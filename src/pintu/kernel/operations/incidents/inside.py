"""What lies inside an incident's area and what depends on what it hit: read from the context when
somebody asks, exact, bounded, and said so where it was cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import shapely
from shapely.geometry import MultiPoint, mapping
from shapely.geometry.base import BaseGeometry

from pintu.kernel.context.selection import (
    Compare,
    GeoSelection,
    OneOf,
    Or,
    Path,
    Selection,
    TypeSelection,
)
from pintu.kernel.operations.incidents.graph import Graph, Thing, named, thing_of
from pintu.kernel.operations.incidents.reading import DEGREE_M
from pintu.kernel.operations.incidents.rules import DEPENDS, NAMED
from pintu.kernel.operations.incidents.words import Alarm
from pintu.kernel.store.port import Store, settled

BESIDE_M: Final = 60.0
"""So far around its alarms an incident reaches at least."""

MOST: Final = 2_000
AT_ONCE: Final = 500
STEPS: Final = 3
TOLD: Final = frozenset(
    (
        "Alert",
        "Incident",
        "PublicWarning",
        "ResponsePlan",
        "WorkOrder",
        "AirQualityDay",
        "AirQualityForecast",
        "District",
        "City",
    )
)
"""What lies in no street."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """`within` and `depends` by type, nearest step first; `steps` to what was hit; `cut` when there
    was more than is told."""

    within: dict[str, list[Thing]] = field(default_factory=dict)
    depends: dict[str, list[Thing]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    cut: bool = False


def area_of(alarms: Iterable[Alarm], beside_m: float = BESIDE_M) -> BaseGeometry | None:
    """The ground an incident covers: the hull of its alarms and some metres around; None when none
    of them has a place."""
    points = [(one.lon, one.lat) for one in alarms if one.lon is not None and one.lat is not None]
    if not points:
        return None
    hull = MultiPoint(points).convex_hull
    return hull.buffer(beside_m / DEGREE_M, quad_segs=4)


async def inside(
    store: Store, tenant: int, alarms: Sequence[Alarm], causes: Iterable[str] = ()
) -> Inside:
    """Everything in the area, and everything that depends on the things the alarms are about (and
    on `causes`), up to three steps away."""
    told = Inside(cut=False)
    area = area_of(alarms)
    cut = False
    if area is not None:
        found, cut = await _within(store, tenant, area)
        _sort(told.within, found)
    hit = dict.fromkeys([*causes, *(one.source for one in alarms if one.source)])
    hit |= dict.fromkeys(named(one.target) for one in alarms if one.target)
    graph, more = await _hanging(store, tenant, list(hit)[:AT_ONCE])
    steps = graph.dependents(hit)
    _sort(told.depends, sorted((graph.things[id] for id in steps if id in graph.things),
                               key=lambda one: (steps[one.id], one.id)))  # fmt: skip
    return Inside(within=told.within, depends=told.depends, steps=steps, cut=cut or more)


async def _within(store: Store, tenant: int, area: BaseGeometry) -> tuple[list[Thing], bool]:
    geo = GeoSelection("intersects", mapping(shapely.set_precision(area, 1e-7)))
    kinds = {kind for one in store.kinds(tenant) for kind in one.types if "location" in
             {name for name, _ in one.attributes}} - TOLD  # fmt: skip
    if not kinds:
        return [], False
    types = TypeSelection(tuple(frozenset((one,)) for one in sorted(kinds)))
    asked = Selection(tenant=tenant, geo=geo, types=types, limit=MOST + 1)
    page = await settled(store.select(asked))
    things = [thing_of(orjson.loads(one.body)) for one in page.records]
    return things[:MOST], len(things) > MOST


async def _hanging(store: Store, tenant: int, keys: Sequence[str]) -> tuple[Graph, bool]:
    """The graph of what depends on `keys`, a step at a time; only attributes that this city's
    things have are asked for."""
    graph, cut = Graph(), False
    links, names = _attributes(store, tenant)
    asked: set[str] = set()
    waiting = list(keys)
    for _ in range(STEPS):
        new = [one for one in waiting if one not in asked][:AT_ONCE]
        asked.update(new)
        parts: list[Any] = []
        ids = tuple(one for one in new if one.startswith("urn:"))
        texts = tuple(one.removeprefix("named:") for one in new if one.startswith("named:"))
        parts += [Compare(Path(one), "==", OneOf(ids)) for one in links if ids]
        parts += [Compare(Path(one), "==", OneOf(texts)) for one in names if texts]
        if not parts:
            break
        q = parts[0] if len(parts) == 1 else Or(tuple(parts))
        page = await settled(store.select(Selection(tenant=tenant, q=q, limit=MOST + 1)))
        things = [thing_of(orjson.loads(one.body)) for one in page.records]
        cut = cut or len(things) > MOST
        for thing in things[:MOST]:
            graph.add(thing)
        waiting = [one.id for one in things if one.id not in asked]
    return graph, cut


def _attributes(store: Store, tenant: int) -> tuple[list[str], list[str]]:
    there = {name for one in store.kinds(tenant) for name, _ in one.attributes}
    return sorted(there & set(DEPENDS)), sorted(there & set(NAMED))


def _sort(into: dict[str, list[Thing]], things: Iterable[Thing]) -> None:
    for one in things:
        if one.type not in TOLD:
            into.setdefault(one.type, []).append(one)
