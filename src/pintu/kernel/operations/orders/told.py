"""What the city is told of a work order: an entity without a person in it. Pure."""

from __future__ import annotations

from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.operations.orders.words import Order


def entity_of(order: Order, crew_name: str, due_us: int) -> dict[str, Any]:
    """The WorkOrder as it stands; `due_us` 0 is no time."""
    told: dict[str, Any] = {
        "id": order.entity,
        "type": "WorkOrder",
        "name": {"type": "LanguageProperty", "languageMap": dict(order.what)},
        "kindOfWork": _said(order.kind),
        "status": _said(order.state),
        "severity": _said(order.severity),
        "escalation": _said(order.level),
        "dateIssued": _at(order.opened_us),
        "dateModified": _at(order.changed_us),
    }
    if order.target:
        told["orderTarget"] = {"type": "Relationship", "object": order.target}
    if order.place is not None:
        place = {"type": "Point", "coordinates": list(order.place)}
        told["location"] = {"type": "GeoProperty", "value": place}
    if order.causes:
        told["orderCauses"] = _said(list(order.causes))
    if order.alarms:
        told["alerts"] = {"type": "Relationship", "object": list(order.alarms)}
    if crew_name:
        told["crew"] = _said(crew_name)
    if due_us:
        told["dateDue"] = _at(due_us)
    if order.closed_us:
        told["dateClosed"] = _at(order.closed_us)
    if order.proof:
        told["proof"] = _said(order.proof)
    return told


def _said(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _at(at_us: int) -> dict[str, Any]:
    return {"type": "Property", "value": {"@type": "DateTime", "@value": iso(at_us)}}
