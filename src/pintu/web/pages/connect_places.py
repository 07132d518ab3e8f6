"""Where the points of a dry run lie: beside things of the same name, and beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

from pintu.kernel.context.selection import Compare, OneOf, Path, Selection
from pintu.kernel.intake.mapping.frames import metres, suspected_frame
from pintu.kernel.intake.mapping.words import Mapping as MappingFile
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.port import settled
from pintu.web.api.states import position_of, value_of

if TYPE_CHECKING:
    from pintu.kernel.context.record import Record
    from pintu.web.rooms import Rooms

Position = tuple[float, float]

ENOUGH = 5
FAR_M = 20_000.0
TIMES_FARTHER = 6.0
SAME_NAMES = 200  # things of the city compared at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One point of the sample, in WGS-84; `far_km` is how far it lies from the middle of all when
    that is farther than the others."""

    name: str
    at: Position
    id: str = ""
    far_km: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The points of a sample. `frame` is the one they seem to be in, `off_m` how far (in the
    middle) the compared `compared` lie from things of the same name."""

    points: tuple[Place, ...] = ()
    frame: str = ""
    off_m: int = 0
    compared: int = 0

    @property
    def drawn(self) -> list[dict[str, Any]]:
        """What the page's map draws."""
        return [{"name": one.name, "at": one.at, "far": bool(one.far_km)} for one in self.points]

    @property
    def far(self) -> list[Place]:
        """Points that lie far from the others."""
        return [one for one in self.points if one.far_km]


def places_of_entities(entities: Sequence[Mapping[str, Any]]) -> list[Place]:
    """The points of things as they would be stored."""
    found = []
    for one in entities:
        at = position_of(dict(one))
        if at is not None:
            local = str(one["id"]).rpartition(":")[2]
            found.append(Place(name=_name(one) or local, at=at, id=str(one["id"])))
    return found


def places_of_rows(rows: Sequence[Row], mapping: MappingFile) -> list[Place]:
    """The points of rows of a data set, called by their key or their first text."""
    point = next((one.to for one in mapping.fields if one.kind == "point"), None)
    name = next((one.to for one in mapping.fields if one.kind == "text" and not one.person), None)
    found = []
    for row in rows:
        value = row.values.get(point) if point else None
        if isinstance(value, list) and len(value) == 2:
            said = row.key or str(row.values.get(name) or "") if name else row.key
            found.append(Place(name=said, at=(float(value[0]), float(value[1]))))
    return found


def with_far(points: Sequence[Place]) -> tuple[Place, ...]:
    """The points, those marked that lie more than 20 km and six times as far from the middle of
    all as half of them do."""
    if len(points) < ENOUGH:
        return tuple(points)
    middle = (median(one.at[0] for one in points), median(one.at[1] for one in points))
    away = [metres(one.at, middle) for one in points]
    bound = max(FAR_M, TIMES_FARTHER * median(away))
    return tuple(
        Place(name=one.name, at=one.at, id=one.id, far_km=round(off / 1000) if off > bound else 0)
        for one, off in zip(points, away, strict=True)
    )


async def judged(rooms: Rooms, tenant: int, found: Sequence[Place], mapping: MappingFile) -> Places:
    """Points judged: which lie far, and whether their frame seems to be another one."""
    points = with_far(found)
    pairs = await _known_places(rooms, tenant, points)
    frame = suspected_frame(pairs, mapping.frame) or ""
    off = median(metres(here, there) for here, there in pairs) if pairs else 0.0
    return Places(points=points, frame=frame, off_m=round(off / 10) * 10, compared=len(pairs))


async def _known_places(
    rooms: Rooms, tenant: int, points: Sequence[Place]
) -> list[tuple[Position, Position]]:
    """(point of the sample, the nearest place of a thing of that id or name in the city)."""
    names = sorted({one.name for one in points if not one.far_km and len(one.name) > 1})
    if len(names) < ENOUGH or not tenant:
        return []
    known: dict[str, list[Position]] = {}
    wanted = Compare(Path("name"), "==", OneOf(tuple(names)))
    page = await settled(rooms.store.select(Selection(tenant=tenant, q=wanted, limit=SAME_NAMES)))
    for record in page.records:
        _add(known, record)
    for one in points:
        if one.id:
            stored: Record | None = await settled(rooms.store.retrieve(tenant, one.id))
            if stored is not None:
                _add(known, stored)
    pairs = []
    for one in points:
        there = [*known.get(one.id, ()), *known.get(one.name, ())]
        if there and not one.far_km:
            pairs.append((one.at, _nearest(one.at, there)))
    return pairs


def _nearest(here: Position, places: Sequence[Position]) -> Position:
    return min(places, key=lambda at: metres(here, at))


def _add(known: dict[str, list[Position]], record: Record) -> None:
    entity = orjson.loads(record.body)
    at = position_of(entity)
    if at is not None:
        known.setdefault(record.id, []).append(at)
        known.setdefault(_name(entity), []).append(at)


def _name(entity: Mapping[str, Any]) -> str:
    name = value_of(dict(entity), "name")
    if isinstance(name, dict):
        name = name.get("@none") or name.get("zh") or next(iter(name.values()), "")
    return str(name or "")
