"""What the screens read out of an entity: values, times, places, whether an alert is open; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

STALE_AFTER_US = 15 * 60_000_000
OVER = frozenset({"cleared", "closed", "dismissed", "ended", "inactive", "resolved"})
"""States in which an alert is over, in the words of whoever told of it."""


def value_of(entity: dict[str, Any], name: str) -> Any:
    """The value of an attribute (of its default instance); None when absent."""
    attribute = entity.get(name)
    if isinstance(attribute, list):
        attribute = next((part for part in attribute if "datasetId" not in part), attribute[0])
    if not isinstance(attribute, dict):
        return None
    for member in ("value", "object", "vocab", "languageMap", "json", "valueList", "objectList"):
        if member in attribute:
            return attribute[member]
    return None


def dim_level(entity: dict[str, Any]) -> float | None:
    """The dim level in percent: illuminanceLevel is 0-1 in the shared words, 0-100 in some."""
    level = value_of(entity, "illuminanceLevel")
    if isinstance(level, bool) or not isinstance(level, int | float):
        return None
    unit = entity.get("illuminanceLevel")
    percent = isinstance(unit, dict) and unit.get("unitCode") == "P1"
    return max(0.0, min(100.0, float(level) if percent or level > 1 else float(level) * 100))


def parse_time(text: str) -> int:
    """Microseconds of an ISO time in UTC; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def position_of(entity: dict[str, Any]) -> tuple[float, float] | None:
    """(longitude, latitude) of `location` when it is a point within the world."""
    geometry = value_of(entity, "location")
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return None
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list | tuple) or len(coordinates) < 2:
        return None
    longitude, latitude = coordinates[0], coordinates[1]
    if not isinstance(longitude, int | float) or not isinstance(latitude, int | float):
        return None
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return float(longitude), float(latitude)


def is_open_alert(entity: dict[str, Any], now_us: int) -> bool:
    """An alert that nobody has ended: no validTo in the past, no closed or resolved status."""
    ended = value_of(entity, "validTo")
    if isinstance(ended, dict):
        ended = ended.get("@value")
    if isinstance(ended, str) and 0 < parse_time(ended) <= now_us:
        return False
    return value_of(entity, "status") not in OVER


def alert_source(entity: dict[str, Any]) -> str:
    """The entity an alert is about, as an id; empty when it names none."""
    for name in ("alertSource", "refDevice", "source", "hasSource"):
        found = value_of(entity, name)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, str) and found.startswith("urn:"):
            return found
    return ""
