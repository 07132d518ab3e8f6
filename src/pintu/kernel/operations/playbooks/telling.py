"""What the city is told of a play: its ResponsePlan."""

from __future__ import annotations

from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.operations.playbooks.rows import Kept
from pintu.kernel.operations.playbooks.states import STEP_ENDED

CAUSES = {"incident": "Incident", "warning": "PublicWarning"}


def entity_of(kept: Kept) -> dict[str, Any]:
    """The ResponsePlan of a play (normalised NGSI-LD); no person in it."""
    steps = kept.steps
    told: dict[str, Any] = {
        "playbook": kept.book.name,
        "status": kept.state,
        "planCause": kept.cause or "none",
        "stepsTotal": len(steps),
        "stepsEnded": sum(1 for one in steps if one.state in STEP_ENDED),
        "stepsFailed": sum(1 for one in steps if one.state in ("failed", "not_undone")),
        "targetsTotal": sum(one.targets for one in steps),
        "targetsReached": sum(one.reached for one in steps),
        "groupsWaiting": sum(1 for one in kept.groups if one.state == "waiting"),
        "dateIssued": {"@type": "DateTime", "@value": at(kept)},
    }
    entity: dict[str, Any] = {
        "id": f"urn:ngsi-ld:ResponsePlan:operations:{kept.id}",
        "type": "ResponsePlan",
        "name": {"type": "LanguageProperty", "languageMap": dict(kept.book.title)},
    }
    entity |= {name: {"type": "Property", "value": value} for name, value in told.items()}
    kind, _, local = kept.cause.partition(":")
    if kind in CAUSES and local:
        named = f"urn:ngsi-ld:{CAUSES[kind]}:operations:{local}"
        entity["refCause"] = {"type": "Relationship", "object": named}
    if kept.area is not None:
        entity["location"] = {"type": "GeoProperty", "value": kept.area}
    return entity


def at(kept: Kept) -> str:
    """When the play was proposed."""
    return iso(kept.created_us // 1000 * 1000)
