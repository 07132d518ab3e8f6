"""From entities to what the room of streets knows of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from pintu.kernel.operations.streets.words import KINDS, SEVERITIES, Street

Doc = Mapping[str, Any]
OVER = frozenset(
    {"cleared", "closed", "dismissed", "merged", "resolved", "cancelled", "expired", "replaced"}
)


class Matter(msgspec.Struct, kw_only=True):
    """Something that may lie on streets: open, with a place or things it names."""

    id: str
    kind: str
    severity: str
    name: dict[str, str] = {}
    shape: Doc | None = None
    things: tuple[str, ...] = ()  # entities it is about, streets among them
    until_us: int = 0


class Watcher(msgspec.Struct, kw_only=True):
    """A thing that stands somewhere and tells of itself."""

    id: str
    type: str
    lon: float
    lat: float
    street: str = ""  # the one it names
    heard_us: int = 0


def value(entity: Doc, name: str) -> Any:
    """The value of an attribute's (first) instance; None when it has none."""
    found = entity.get(name)
    if isinstance(found, list):
        found = found[0] if found else None
    if not isinstance(found, Mapping):
        return None
    for member in ("value", "object", "languageMap", "json", "vocab"):
        if member in found:
            return found[member]
    return None


def text(entity: Doc, name: str) -> str:
    """The value as a text, "" when it is none."""
    found = value(entity, name)
    return found if isinstance(found, str) else ""


def names(entity: Doc) -> dict[str, str]:
    """What it is called, a language each; a name of no language stands for all."""
    found = value(entity, "name")
    if isinstance(found, Mapping):
        return {str(k): str(v) for k, v in found.items() if isinstance(v, str)}
    said = found if isinstance(found, str) else text(entity, "description")
    return {"zh": said, "en": said} if said else {}


def links(entity: Doc, *named: str) -> list[str]:
    """The entities that some attributes name."""
    found: list[str] = []
    for name in named:
        told = value(entity, name)
        for one in told if isinstance(told, list) else [told]:
            if isinstance(one, str) and one.startswith("urn:"):
                found.append(one)
    return found


def point(entity: Doc) -> tuple[float, float] | None:
    """Where it stands, when that is a point."""
    where = value(entity, "location")
    if isinstance(where, Mapping) and where.get("type") == "Point":
        lon, lat = where["coordinates"][:2]
        return float(lon), float(lat)
    return None


def line(entity: Doc) -> list[tuple[float, float]]:
    """The line of a street; of several the parts one behind the other."""
    where = value(entity, "location")
    if not isinstance(where, Mapping):
        return []
    told: Any = where.get("coordinates") or ()
    if where.get("type") == "MultiLineString":
        return [(float(one[0]), float(one[1])) for part in told for one in part]
    if where.get("type") == "LineString":
        return [(float(one[0]), float(one[1])) for one in told]
    return []


def street_of(entity: Doc) -> Street | None:
    """A RoadSegment with a line; None for one without."""
    found = line(entity)
    if len(found) < 2:
        return None
    road = value(entity, "roadName")
    return Street(
        id=str(entity["id"]),
        name=names(entity),
        road=road if isinstance(road, str) else "",
        road_class=text(entity, "roadClass"),
        line=found,
        status=text(entity, "status"),
    )


def watcher_of(entity: Doc, type: str, heard_us: int) -> Watcher | None:
    """A thing at a point; None for one without."""
    where = point(entity)
    if where is None:
        return None
    named = links(entity, "refRoadSegment")
    return Watcher(
        id=str(entity["id"]),
        type=type,
        lon=where[0],
        lat=where[1],
        street=named[0] if named else "",
        heard_us=heard_us,
    )


def matter_of(entity: Doc, type: str, now_us: int) -> Matter | None:
    """What may lie on streets, while it is not over; None when it is."""
    state = text(entity, "status") or text(entity, "warningState")
    until_us = moment(entity, "validTo") if type != "Incident" else 0
    if state in OVER or 0 < until_us <= now_us:
        return None
    severity = text(entity, "severity")
    shape = value(entity, "location")
    named = ("affects", "refCause", "alertTarget", "alertSource", "refRoadSegment")
    return Matter(
        id=str(entity["id"]),
        kind=KINDS[type],
        severity=severity if severity in SEVERITIES else "medium",
        name=names(entity),
        shape=shape if isinstance(shape, Mapping) else None,
        things=tuple(dict.fromkeys(links(entity, *named))),
        until_us=until_us,
    )


def moment(entity: Doc, name: str) -> int:
    """A time it tells of, µs; 0 when it tells none that can be read."""
    told = value(entity, name)
    if isinstance(told, Mapping):
        told = told.get("@value")
    if not isinstance(told, str):
        return 0
    try:
        read = datetime.fromisoformat(told)
    except ValueError:
        return 0
    if read.tzinfo is None:  # a machine's own zone says nothing
        read = read.replace(tzinfo=UTC)
    return round(read.timestamp() * 1_000_000)
