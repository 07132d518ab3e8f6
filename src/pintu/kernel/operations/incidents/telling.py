"""An incident as the city is told of it: an Incident entity, with nothing of any person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.operations.incidents.words import Incident

PREFIX: Final = "urn:ngsi-ld:Incident:operations:"
MOST_AFFECTED: Final = 200


def entity_id(id: str) -> str:
    """The entity of an incident."""
    return PREFIX + id


def local_id(entity: str) -> str:
    """The incident an entity id is of; the text itself when it is none."""
    return entity.removeprefix(PREFIX)


def entity_of(incident: Incident, affected: Sequence[str] = ()) -> dict[str, Any]:
    """The whole entity, normalised; `affected` are the things its alarms are about."""
    told: dict[str, Any] = {
        "id": entity_id(incident.id),
        "type": "Incident",
        "category": _property(incident.category),
        "severity": _property(incident.severity),
        "grade": _property(incident.grade),
        "status": _property(incident.state),
        "name": {"type": "LanguageProperty", "languageMap": dict(incident.name)},
        "confidence": _property(round(incident.confidence, 2)),
        "alertCount": _property(incident.alarms),
        "openAlertCount": _property(incident.alarms_open),
        "detectorCount": _property(incident.detectors),
        "dateIssued": _time(incident.opened_us),
        "validFrom": _time(incident.first_us),
        "dateModified": _time(incident.changed_us),
        "reasons": {"type": "JsonProperty", "json": list(incident.why)},
    }
    if incident.lon is not None and incident.lat is not None:
        where = {"type": "Point", "coordinates": [incident.lon, incident.lat]}
        told["location"] = {"type": "GeoProperty", "value": where}
    if incident.flood:
        told["flood"] = _property(True)
    if incident.outcome:
        told["outcome"] = _property(incident.outcome)
    for name, at_us in (
        ("dateAcknowledged", incident.acknowledged_us),
        ("dateResolved", incident.closed_us),
    ):
        if at_us:
            told[name] = _time(at_us)
    for name, linked in (("mergedInto", incident.into), ("follows", incident.follows)):
        if linked:
            told[name] = _link(entity_id(linked))
    if incident.cause.startswith("urn:"):
        told["refCause"] = _link(incident.cause)
    things = [one for one in affected if one.startswith("urn:")][:MOST_AFFECTED]
    if things:
        told["affects"] = _link(things[0] if len(things) == 1 else things)
    return told


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _time(at_us: int) -> dict[str, Any]:
    return _property({"@type": "DateTime", "@value": iso(at_us // 1000 * 1000)})


def _link(to: Any) -> dict[str, Any]:
    return {"type": "Relationship", "object": to}
