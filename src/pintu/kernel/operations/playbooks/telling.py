"""What the city is told of a play: its ResponsePlan."""

from __future__ import annotations

from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.operations.playbooks.rows import Kept
from pintu.kernel.operations.playbooks.states import STEP_ENDED

CAUSES = {"incident": "Incident", "warning": "PublicWarning"}


def entity_of(kept: Kept) -> dict[str, Any]:
    """The ResponsePlan of a play (concise NGSI-LD); no person in it."""
    steps = kept.steps
    entity: dict[str, Any] = {
        "id": f"urn:ngsi-ld:ResponsePlan:operations:{kept.id}",
        "type": "ResponsePlan",
        "name": {"languageMap": kept.book.title},
        "playbook": kept.book.name,
        "status": kept.state,
        "cause": kept.cause or "none",
        "stepsTotal": len(steps),
        "stepsEnded": sum(1 for one in steps if one.state in STEP_ENDED),
        "stepsFailed": sum(1 for one in steps if one.state in ("failed", "not_undone")),
        "targetsTotal": sum(one.targets for one in steps),
        "targetsReached": sum(one.reached for one in steps),
        "groupsWaiting": sum(1 for one in kept.groups if one.state == "waiting"),
        "dateCreated": {"type": "Property", "value": {"@type": "DateTime", "@value": at(kept)}},
    }
    kind, _, local = kept.cause.partition(":")
    if kind in CAUSES and local:
        entity["refCause"] = {"object": f"urn:ngsi-ld:{CAUSES[kind]}:operations:{local}"}
    if kept.area is not None:
        entity["location"] = {"type": "GeoProperty", "value": kept.area}
    return entity


def at(kept: Kept) -> str:
    """When the play was proposed."""
    return iso(kept.created_us // 1000 * 1000)
