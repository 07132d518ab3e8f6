"""What the city is told of a warning: a PublicWarning, and the Alert that incidents are made of."""

from __future__ import annotations

import re
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.operations.warnings.geometry import geojson, shape_of_message
from pintu.kernel.operations.warnings.judging import responses
from pintu.kernel.operations.warnings.words import Message, PublicWarning

INCIDENT: Final = re.compile(r"\d{8}-\d{4,6}")
"""How this house numbers its incidents; other words of CAP's `incidents` are other houses'."""
LONGEST: Final = 2_000
ALERT_STATUS: Final = {"issued": "open"}


def entity_of(warning: PublicWarning) -> dict[str, Any]:
    """The warning as NGSI-LD (concise): where, how bad, until when, what to do, in every language
    it was told in; no contact, no addressee."""
    message = warning.message
    first = message.infos[0] if message.infos else None
    entity: dict[str, Any] = {
        "id": warning.entity_id,
        "type": "PublicWarning",
        "name": said(message, "headline") or said(message, "event") or message.identifier,
        "warningState": warning.state,
        "messageStatus": message.status,
        "severity": message.severity,
        "category": message.category,
        "version": warning.version,
        "issuer": (first.sender_name if first else "") or message.sender,
        "identifier": message.identifier,
        "dateIssued": iso(warning.sent_us),
        "validFrom": iso(warning.from_us),
        "validTo": iso(warning.until_us),
        "contradicts": [
            f"urn:ngsi-ld:PublicWarning:operations:{one}" for one in warning.contradicts
        ],
        "refIncident": [
            f"urn:ngsi-ld:Incident:operations:{one}"
            for one in message.incidents
            if INCIDENT.fullmatch(one)
        ],
    }
    for name, read in (("description", "description"), ("instruction", "instruction")):
        if text := said(message, read):
            entity[name] = text
    if first is not None:
        entity["event"] = said(message, "event") or first.event
        entity["urgency"], entity["certainty"] = first.urgency, first.certainty
    if told := sorted(responses(message)):
        entity["responseType"] = told
    if described := [a.description for a in first.areas] if first else []:
        entity["areaServed"] = "; ".join(described)[:LONGEST]
    if (area := area_of(warning)) is not None:
        entity["location"] = {"type": "GeoProperty", "value": area}
    return _marked(entity)


def area_of(warning: PublicWarning) -> dict[str, Any] | None:
    """Where it holds as GeoJSON: what the message draws, else the places its codes stand for; None
    when nobody here knows them."""
    shape = shape_of_message(warning.message)
    return warning.place if shape is None else geojson(shape)


def said(message: Message, field: str) -> Any:
    """A text in every language it was told in, as a LanguageProperty; "" when nobody told it."""
    found: dict[str, str] = {}
    for info in message.infos:
        text = str(getattr(info, field)).strip()
        if text:
            found.setdefault(info.language or "en-US", text[:LONGEST])
    return {"type": "LanguageProperty", "languageMap": found} if found else ""


def _marked(entity: dict[str, Any]) -> dict[str, Any]:
    """Relationships and languages as NGSI-LD has them; an empty list is nothing told."""
    for name in ("contradicts", "refIncident"):
        if linked := entity.pop(name):
            entity[name] = {"type": "Relationship", "object": linked}
    return entity


def alert_id(warning: PublicWarning) -> str:
    """The alert that stands for a warning."""
    return f"urn:ngsi-ld:Alert:operations:warning-{warning.id}"


def alert_of(warning: PublicWarning) -> dict[str, Any]:
    """The alert that stands for a warning among those of detectors: open while it is in force."""
    entity = entity_of(warning)
    alert: dict[str, Any] = {
        "id": alert_id(warning),
        "type": "Alert",
        "name": entity["name"],
        "category": entity["category"],
        "subCategory": "publicWarning",
        "severity": entity["severity"],
        "status": ALERT_STATUS.get(warning.state, "cleared"),
        "alertSource": {"type": "Relationship", "object": warning.entity_id},
        "detector": "warnings",
        "confidence": CONFIDENCE.get(entity.get("certainty", ""), 0.5),
        "dateIssued": entity["dateIssued"],
        "validFrom": entity["validFrom"],
        "validTo": entity["validTo"],
        "data": {"type": "JsonProperty", "json": {"warning": warning.id}},
    }
    if "location" in entity:
        alert["location"] = entity["location"]
    if not warning.in_force:
        alert["dateResolved"] = iso(warning.changed_us)
    return alert


CONFIDENCE: Final = {
    "Observed": 1.0,
    "Likely": 0.8,
    "Possible": 0.4,
    "Unlikely": 0.1,
    "Unknown": 0.5,
}
"""CAP 1.2: likely is above one half, possible at or below it."""
