"""Plans follow their incident into the one it became part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.operations.playbooks import rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pintu.kernel.operations.journal import Deed
    from pintu.kernel.operations.playbooks.desk import Desk
    from pintu.kernel.operations.playbooks.rows import Kept

MOST: Final = 20
"""Incidents that became part of each other in a row."""


async def follow(desk: Desk, tenant: str, cause: str) -> str:
    """Give the plans of a merged incident to the incident it is part of now; the cause they have
    then."""
    now = cause
    for _ in range(MOST):
        into = await _into(desk, tenant, now)
        if not into:
            break
        now = into
    if now == cause:
        return cause

    def work(connection: Connection, kept: Kept) -> list[Deed]:
        if kept.cause != cause:
            return []
        rows.change_cause(connection, kept, now, desk.now_us())
        return [desk.deed(kept, "followed", "playbook", into=now)]

    for id in await desk.opened.read(lambda c: rows.depending(c, cause)):
        await desk.change(id, work)
    return now


async def _into(desk: Desk, tenant: str, cause: str) -> str:
    kind, _, local = cause.partition(":")
    if kind != "incident" or not local:
        return ""
    entity = await desk.looking.entity(tenant, f"urn:ngsi-ld:Incident:operations:{local}")
    told: Any = (entity or {}).get("mergedInto")
    named = told.get("object") if isinstance(told, dict) else None
    return f"incident:{str(named).rpartition(':')[2]}" if named else ""
