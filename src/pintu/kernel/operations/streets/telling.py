"""A street as the city is told of it: attributes of its RoadSegment. Pure."""

from __future__ import annotations

from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.jsonld import NULL
from pintu.kernel.operations.streets.words import STREET, Street


def told_of(street: Street) -> dict[str, Any]:
    """What of it is told, without times: compared to know whether anything is new."""
    return {
        "streetState": street.state,
        "severity": street.severity,
        "coverage": street.coverage,
        "watchedBy": sorted(street.watched_by),
        "causes": [
            {"id": one.id, "kind": one.kind, "severity": one.severity, "how": one.how,
             "distance_m": one.distance_m}
            for one in street.causes
        ],
        "causeCount": street.cause_count,
    }  # fmt: skip


def entity_of(street: Street) -> dict[str, Any]:
    """The attributes of the RoadSegment that this room owns, to be merged into it."""
    told = told_of(street)
    since = {"@type": "DateTime", "@value": iso(street.since_us // 1000 * 1000)}
    named = [one.id for one in street.causes if one.kind != "status"]
    return {
        "id": street.id,
        "type": STREET,
        "streetState": _property(told["streetState"]),
        "severity": _property(told["severity"]),
        "coverage": _property(told["coverage"]),
        "watchedBy": _property(told["watchedBy"] or NULL),
        "causes": {"type": "JsonProperty", "json": told["causes"]},
        "stateSince": _property(since),
        "refCause": {"type": "Relationship", "object": named[0] if named else NULL},
    }


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}
