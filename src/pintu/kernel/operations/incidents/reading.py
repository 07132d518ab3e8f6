"""From an Alert entity to an alarm: what it says, and when that was, whatever its clock. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import shapely
from shapely.geometry import shape

from pintu.kernel.operations.incidents.words import PERSON, RANK, Alarm

AHEAD_US: Final = 5 * 60 * 1_000_000
BEHIND_US: Final = 3 * 3600 * 1_000_000
"""How far a sender's time may be from when it was heard: hourly figures come hours late, nothing
comes from the future."""

OVER: Final = frozenset(("cleared", "dismissed"))
LANGUAGES: Final = ("zh", "en")
SURE: Final = 0.6
SURE_PERSON: Final = 0.8
LONGEST: Final = 300
DEGREE_M: Final = 111_320.0


def alarm_of(entity: Mapping[str, Any], *, tenant: str, heard_us: int) -> Alarm:
    """The alarm of a stored Alert; `heard_us` is when its entity was written.

    Never fails: what cannot be read is left at what is usual, for an alarm with a bad place is
    still an alarm.
    """
    status = _text(entity, "status") or "open"
    until_us = _time(entity, "validTo")
    over = status in OVER or bool(until_us and until_us <= heard_us)
    said_us = _time(entity, "validFrom") or _time(entity, "dateIssued") or heard_us
    right = heard_us - BEHIND_US <= said_us <= heard_us + AHEAD_US
    # An alert that stays as it is and is written again began long ago: that is no wrong clock.
    detector = _text(entity, "detector") or _text(entity, "alertSource") or _piece(entity["id"])
    severity = _text(entity, "severity")
    lon, lat, extent_m = place_of(_raw(entity, "location"))
    usual = SURE_PERSON if detector == PERSON else SURE
    return Alarm(
        tenant=tenant,
        alert=str(entity["id"]),
        status=status,
        category=_text(entity, "category") or "service",
        sub=_text(entity, "subCategory"),
        severity=severity if severity in RANK else "medium",
        source=_link(entity, "alertTarget") or _link(entity, "alertSource"),
        target=_text(entity, "target"),
        detector=detector,
        name=_names(entity),
        at_us=min(said_us, heard_us) if right else heard_us,
        said_us=said_us,
        heard_us=heard_us,
        clock_off_us=0 if right else said_us - heard_us,
        lon=lon,
        lat=lat,
        extent_m=extent_m,
        confidence=_share(entity, usual),
        cleared_us=heard_us if over else 0,
    )


def place_of(geometry: Any) -> tuple[float | None, float | None, int]:
    """(longitude, latitude, metres across) of a GeoJSON geometry; (None, None, 0) of none."""
    if not isinstance(geometry, dict):
        return None, None, 0
    try:
        if geometry.get("type") == "Point":  # most are: no need of a library
            x, y = (float(one) for one in geometry["coordinates"][:2])
            inside = -180 <= x <= 180 and -90 <= y <= 90
            return (x, y, 0) if inside else (None, None, 0)
        found = shape(geometry)
        if found.is_empty:
            return None, None, 0
        at = found if found.geom_type == "Point" else found.representative_point()
        west, south, east, north = found.bounds
        lon, lat = float(at.x), float(at.y)
    except (ValueError, TypeError, AttributeError, KeyError, shapely.errors.ShapelyError):
        return None, None, 0
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None, None, 0
    return lon, lat, int(metres((west, south), (east, north)))


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Between two (longitude, latitude), on a plane that touches them: exact enough for a city."""
    x = (one[0] - other[0]) * math.cos(math.radians((one[1] + other[1]) / 2))
    return math.hypot(x, one[1] - other[1]) * DEGREE_M


def links_of(entity: Mapping[str, Any], name: str) -> list[str]:
    """The ids a relationship leads to."""
    one = entity.get(name)
    found: list[str] = []
    for instance in one if isinstance(one, list) else [one]:
        to = instance.get("object") if isinstance(instance, dict) else None
        found += [str(it) for it in (to if isinstance(to, list) else [to]) if it]
    return found


def names_of(entity: Mapping[str, Any]) -> dict[str, str]:
    """What an entity is called, by language; empty when it has no name."""
    one = _first(entity, "name")
    if isinstance(one.get("languageMap"), dict):
        told = {str(lang): text for lang, text in one["languageMap"].items()}
        return {
            lang: str(text[0] if isinstance(text, list) else text)[:LONGEST]
            for lang, text in told.items()
            if text and lang in LANGUAGES
        }
    value = one.get("value")
    return dict.fromkeys(LANGUAGES, str(value)[:LONGEST]) if value else {}


def text_of(entity: Mapping[str, Any], name: str) -> str:
    """A property's value as text; "" when it has none."""
    return _text(entity, name)


def _names(entity: Mapping[str, Any]) -> dict[str, str]:
    found = names_of(entity)
    if not found:
        said = _text(entity, "description") or _text(entity, "subCategory") or str(entity["id"])
        return dict.fromkeys(LANGUAGES, said[:LONGEST])
    some = next(iter(found.values()))
    return {lang: found.get(lang, some) for lang in LANGUAGES}


def _first(entity: Mapping[str, Any], name: str) -> dict[str, Any]:
    one = entity.get(name)
    one = one[0] if isinstance(one, list) and one else one
    return one if isinstance(one, dict) else {}


def _raw(entity: Mapping[str, Any], name: str) -> Any:
    one = _first(entity, name)
    return one.get("value", one.get("json"))


def _text(entity: Mapping[str, Any], name: str) -> str:
    value = _raw(entity, name)
    if isinstance(value, dict):
        value = value.get("@value")
    return str(value)[:LONGEST] if isinstance(value, str | int | float) else ""


def _link(entity: Mapping[str, Any], name: str) -> str:
    return next(iter(links_of(entity, name)), "")[:500]


def _time(entity: Mapping[str, Any], name: str) -> int:
    try:
        at = datetime.fromisoformat(_text(entity, name).replace("Z", "+00:00"))
        return int(at.timestamp() * 1_000_000) if at.tzinfo else 0
    except (ValueError, OverflowError):
        return 0


def _share(entity: Mapping[str, Any], usual: float) -> float:
    value = _raw(entity, "confidence")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return usual
    return min(max(float(value), 0.0), 1.0)


def _piece(id: Any) -> str:
    parts = str(id).split(":")
    return parts[3] if len(parts) > 4 else "unknown"
