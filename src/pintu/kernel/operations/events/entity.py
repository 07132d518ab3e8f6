"""What the city is told of a major event: its zones and its time, no person."""

from __future__ import annotations

from typing import Any, Final

import orjson
import shapely

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.events.words import EventPlan, Zone
from pintu.kernel.operations.warnings.geometry import EARTH, geojson, joined, mended

MOST_CORNERS: Final = 2_000


def entity_of(plan: EventPlan) -> dict[str, Any]:
    """The plan as a MajorEvent (concise NGSI-LD)."""
    shapes = [shape_of(zone) for zone in plan.zones]
    union = joined(shapes)
    return {
        "id": plan.entity_id,
        "type": "MajorEvent",
        "name": {"type": "LanguageProperty", "languageMap": plan.title},
        "eventState": plan.state,
        "validFrom": iso(plan.from_us),
        "validTo": iso(plan.until_us),
        "zones": [zone.name for zone in plan.zones],
        "location": {"type": "GeoProperty", "value": geojson(union)},
    }


def shape_of(zone: Zone) -> Any:
    """The zone's area as a shape, mended where a ring crosses itself; BadRequestData for none."""
    try:
        found = shapely.from_geojson(orjson.dumps(zone.area))
    except (shapely.errors.GEOSException, ValueError, TypeError) as error:
        raise BadRequestData(f"The area of zone {zone.name} cannot be read: {error}") from error
    if found.is_empty or not EARTH.covers(shapely.box(*found.bounds)):
        raise BadRequestData(f"The area of zone {zone.name} is empty, or not on the earth")
    if shapely.get_num_coordinates(found) > MOST_CORNERS:
        raise BadRequestData(f"The area of zone {zone.name} has more than {MOST_CORNERS} corners")
    return mended(found)


def zone_at(plan: EventPlan, longitude: float, latitude: float) -> Zone | None:
    """The zone that a place lies in; of several the one with the most steps."""
    point = shapely.Point(longitude, latitude)
    found = [zone for zone in plan.zones if shape_of(zone).covers(point)]
    return max(found, key=lambda one: one.steps, default=None)
