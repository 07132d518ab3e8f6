"""The search box: things of the city by id or name, and pages by their title."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from pintu.kernel.store.port import settled
from pintu.web.api.picture import Picture
from pintu.web.api.states import position_of, value_of

if TYPE_CHECKING:
    from pintu.web.visit import Visit

SHOWN = 12
LONGEST = 100


def plain(text: str) -> str:
    """Full-width to half-width, lower case, trimmed: how a search is compared."""
    return unicodedata.normalize("NFKC", text).strip().lower()[:LONGEST]


def known_ids(picture: Picture, wanted: str) -> list[str]:
    """Ids on the map that hold the text; the last part of an id counts first."""
    exact: list[str] = []
    rest: list[str] = []
    for id in picture.points.row_of:
        low = id.lower()
        if wanted in low:
            (exact if low.rpartition(":")[2].startswith(wanted) else rest).append(id)
            if len(exact) >= SHOWN:
                break
    return (sorted(exact) + rest)[:SHOWN]


async def find_things(
    visit: Visit, picture: Picture, text: str, named: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Up to twelve entities: by whole id, those `named` (ids whose name fits, best first), by part
    of an id on the map. `names` is the name in its languages where it has several, `at` a place
    [lon, lat] where it stands, else None. Under an agreement `picture` is of it, and what is not
    there for the visitor is passed over."""
    wanted = plain(text)
    if not wanted or not visit.number:
        return []
    found: dict[str, dict[str, Any]] = {}
    most = min(SHOWN, visit.projection.most_rows or SHOWN)
    for id in (text.strip(), *named, *known_ids(picture, wanted)):
        if len(id) > 2_000 or id in found:
            continue
        record = await settled(visit.rooms.store.retrieve(visit.number, id))
        entity = visit.see(orjson.loads(record.body)) if record is not None else {}
        if record is None or not entity:
            continue
        found[id] = {
            "id": id,
            "types": visit.types(record.types),
            "name": _name(entity),
            "names": _names(entity),
            "at": _place(entity),
        }
        if len(found) >= most:
            break
    return list(found.values())


def _names(entity: dict[str, Any]) -> str | dict[str, Any]:
    found = value_of(entity, "name")
    return found if isinstance(found, str | dict) else ""


def _name(entity: dict[str, Any]) -> str:
    name = value_of(entity, "name") or value_of(entity, "roadName")
    if isinstance(name, dict):
        name = name.get("@none") or next(iter(name.values()), "")
    return str(name or "")


def _place(entity: dict[str, Any]) -> tuple[float, float] | None:
    """A place on it: the point itself, else a corner in the middle of its line or rim."""
    point = position_of(entity)
    shape = value_of(entity, "location")
    if point is not None or not isinstance(shape, dict):
        return point
    corners = shape.get("coordinates")
    while isinstance(corners, list) and corners and isinstance(corners[0], list):
        middle = corners[len(corners) // 2]
        if isinstance(middle, list) and middle and isinstance(middle[0], int | float):
            return position_of({"location": {"value": {"type": "Point", "coordinates": middle}}})
        corners = corners[0]
    return None
