"""A stored lamp and what writing tests do with it."""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.context import write
from pintu.kernel.context.read import read_fragment
from pintu.kernel.context.record import Effect, Put, Record, Transform
from pintu.kernel.jsonld import CORE

BORN, NOW = 1_000_000, 2_000_000
POINT = {"type": "Point", "coordinates": [120.1, 30.2]}
LAMP = {
    "id": "urn:ngsi-ld:Lamp:1",
    "type": "Lamp",
    "power": {
        "type": "Property",
        "value": 60,
        "unitCode": "WTT",
        "observedAt": "2026-01-01T00:00:00Z",
    },
    "address": {"type": "Property", "value": {"street": "A", "city": "B", "geo": {"x": 1, "y": 2}}},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "灯", "en": "lamp"}},
    "location": {"type": "GeoProperty", "value": POINT},
    "refGroup": {
        "type": "Relationship",
        "object": "urn:ngsi-ld:Group:1",
        "since": {"type": "Property", "value": 2020},
    },
    "level": [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ],
}


def record(entity: dict[str, Any] | None = None, times: Any = None) -> Record:
    """A stored lamp, or another entity."""
    entity = LAMP if entity is None else entity
    types = entity["type"] if isinstance(entity["type"], list) else [entity["type"]]
    encoded = None if times is None else orjson.dumps(times)
    return Record(1, entity["id"], tuple(types), orjson.dumps(entity), BORN, BORN, encoded)


def fragment(**members: Any) -> dict[str, Any]:
    """A read fragment of a merge."""
    return read_fragment(members, CORE)


def put(transform: Transform, present: Record | None = None) -> Put:
    """What the transform stores."""
    effect: Effect = transform(record() if present is None else present, NOW)
    assert isinstance(effect, Put)
    return effect


def merged(**members: Any) -> dict[str, Any]:
    """The lamp after a merge."""
    return put(write.merge(fragment(**members))).entity
