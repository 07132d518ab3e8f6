"""What one step changes: collected while it is decided, written in one transaction afterwards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pintu.kernel.operations.incidents import keeping
from pintu.kernel.operations.incidents.telling import entity_of
from pintu.kernel.operations.incidents.words import Alarm, Detector, Incident, Reason
from pintu.kernel.operations.journal import Deed, enter, tell


class Changes:
    """Alarms, incidents and detectors that are to be kept, deeds that are to be told."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us
        self.alarms: dict[int, Alarm] = {}
        self.incidents: dict[str, Incident] = {}
        self.detectors: dict[tuple[str, str], Detector] = {}
        self.affected: dict[str, list[str]] = {}
        self.fresh: set[str] = set()  # incidents that nobody knows of yet
        self.joined: dict[str, list[Alarm]] = {}
        self.moves: list[tuple[str, str]] = []  # alarms on disk only: from, into
        self.position: int | None = None
        self.deeds: list[Deed] = []

    def __bool__(self) -> bool:
        return bool(self.alarms or self.incidents or self.detectors or self.deeds or self.moves)

    def deed(
        self,
        incident: Incident,
        verb: str,
        who: str,
        reason: str = "",
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Something was done to an incident."""
        self.deeds.append(
            Deed(
                subject=f"incident:{incident.id}",
                verb=verb,
                who=who,
                at_us=self.now_us,
                tenant=incident.tenant,
                reason=reason,
                detail=detail or {},
            )
        )

    def forget(self, id: str) -> None:
        """An incident came and went within this step: nobody hears of it."""
        self.fresh.discard(id)
        self.incidents.pop(id, None)
        self.joined.pop(id, None)
        self.affected.pop(id, None)
        self.deeds = [one for one in self.deeds if one.subject != f"incident:{id}"]

    def write(self, connection: Connection) -> list[Deed]:
        """Everything, in this transaction; the deeds as they are kept."""
        for frm, into in self.moves:
            keeping.move_alarms(connection, frm, into, Reason("merged", about=frm))
        keeping.put_alarms(connection, self.alarms.values())
        keeping.put_incidents(connection, self.incidents.values())
        keeping.put_detectors(connection, self.detectors.values())
        if self.position is not None:
            keeping.put_position(connection, self.position)
        for one in self.incidents.values():
            tell(connection, one.tenant, entity_of(one, self.affected.get(one.id, ())), "upsert")
        return [enter(connection, deed) for deed in self.deeds]
