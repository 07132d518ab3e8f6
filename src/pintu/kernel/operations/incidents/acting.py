"""What people do to incidents: each deed checked against the table of states, written in one
transaction with its line in the journal, by whom and why."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, ResourceNotFound, StateConflict
from pintu.kernel.operations.incidents import keeping
from pintu.kernel.operations.incidents.board import Board, Cluster
from pintu.kernel.operations.incidents.changes import Changes
from pintu.kernel.operations.incidents.desk import Desk
from pintu.kernel.operations.incidents.settling import end, split, uncount
from pintu.kernel.operations.incidents.states import after
from pintu.kernel.operations.incidents.words import (
    GRADES,
    OUTCOMES,
    PERSON,
    RANK,
    Incident,
    Reason,
)
from pintu.kernel.operations.journal import Deed, enter, tell

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Journal
    from pintu.kernel.tables import OpenTables

LONGEST: Final = 1_000
Found = tuple[Board, Cluster, Incident]


class Acting:
    """The deeds of people; `Incidents` is one. Every deed raises ResourceNotFound for an incident
    that is not there (or is another tenant's), StateConflict for one that cannot take it."""

    opened: OpenTables
    journal: Journal
    lock: asyncio.Lock
    desk: Desk

    def change(self) -> Changes:
        """A step that begins now."""
        raise NotImplementedError

    async def write(self, change: Changes) -> list[Deed]:
        """Keep a step."""
        raise NotImplementedError

    async def acknowledge(self, id: str, who: str, *, tenant: str, reason: str = "") -> Incident:
        """Somebody has seen it and takes it on."""
        async with self.lock:
            _, cluster, incident = self._live(id, tenant)
            state = after(incident.state, "acknowledge")
            change = self.change()
            self._seen(incident, who, change)
            incident.state = state
            self._keep(cluster, change)
            change.deed(incident, "acknowledged", who, _said(reason))
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def assign(
        self, id: str, to: str, who: str, *, tenant: str, reason: str = ""
    ) -> Incident:
        """It is somebody's (an actor's id) from now on."""
        to = to.strip()
        if not to or len(to) > 200:
            raise BadRequestData("An incident is assigned to somebody by their id")
        async with self.lock:
            _, cluster, incident = self._live(id, tenant)
            state = after(incident.state, "assign")
            change = self.change()
            self._seen(incident, who, change)
            incident.state, incident.assigned = state, to
            self._keep(cluster, change)
            change.deed(incident, "assigned", who, _said(reason), {"to": to})
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def grade(self, id: str, grade: int, who: str, *, tenant: str, reason: str) -> Incident:
        """A person knows better how grave it is; from then on the room leaves it."""
        if grade not in GRADES:
            raise BadRequestData(f"A grade is one of {', '.join(map(str, GRADES))}")
        reason = _said(reason, needed=True)
        async with self.lock:
            _, cluster, incident = self._live(id, tenant)
            after(incident.state, "grade")
            before, change = incident.grade, self.change()
            incident.grade, incident.graded = grade, True
            self._keep(cluster, change)
            if grade != before:
                verb = "raised" if grade > before else "lowered"
                told = {"grade": grade, "before": before, "severity": incident.severity}
                change.deed(incident, verb, who, reason, told)
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def merge(
        self, ids: Sequence[str], into: str, who: str, *, tenant: str, reason: str
    ) -> Incident:
        """Incidents are one with another: all their alarms become its."""
        reason = _said(reason, needed=True)
        async with self.lock:
            _, target, incident = self._live(into, tenant)
            others = [self._live(id, tenant) for id in dict.fromkeys(ids)]
            if not others or any(one is target for _, one, _ in others):
                raise BadRequestData("An incident is merged with at least one other")
            for one in (incident, *(other for _, _, other in others)):  # all, before any is merged
                after(one.state, "merge")
                if one.flood and not incident.flood:
                    raise StateConflict("A flood of alarms takes others in, not the other way")
            change = self.change()
            for _, cluster, other in others:
                count, floods = other.alarms, bool(other.flood)
                # A flood's alarms are moved on disk, where all of them are.
                self.desk.merge(cluster, target, change, Reason("merged", other.id),
                                who=who, why=reason)  # fmt: skip
                if floods and incident.flood:
                    incident.alarms += count - min(count, len(cluster.alarms))
                change.joined.pop(incident.id, None)
                told = {"from": other.id, "alarms": count, "count": count, "kinds": ["merged"]}
                change.deed(incident, "joined", who, reason, told)
            incident.held = True
            self.desk.finish(change, who)
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def split(
        self, id: str, numbers: Sequence[int], who: str, *, tenant: str, reason: str
    ) -> Incident:
        """Some alarms are another incident; returns the new one."""
        reason = _said(reason, needed=True)
        async with self.lock:
            board, cluster, incident = self._live(id, tenant)
            after(incident.state, "split")
            if incident.flood:
                raise StateConflict("A flood of alarms is not split: close it, or merge it")
            wanted = set(numbers)
            chosen = [one for one in cluster.alarms.values() if one.number in wanted]
            if not chosen or len(chosen) == len(cluster.alarms):
                raise BadRequestData("Some alarms of the incident leave it, not none and not all")
            change = self.change()
            made = split(self.desk, board, cluster, chosen, change)
            incident.held = made.held = True
            self.desk.finish(change, who)
            change.deed(incident, "split", who, reason, {"into": made.id, "alarms": len(chosen)})
            deeds = await self.write(change)
        return await self._told(made, deeds)

    async def close(self, id: str, outcome: str, who: str, *, tenant: str, reason: str) -> Incident:
        """It is over, and why; `false` counts against the detectors that raised it."""
        if outcome not in OUTCOMES:
            raise BadRequestData(f"An outcome is one of {', '.join(OUTCOMES)}")
        reason = _said(reason, needed=True)
        async with self.lock:
            _, _, incident = self._live(id, tenant)
            after(incident.state, "close")
            change = self.change()
            incident.reason = reason
            end(self.desk, incident, change, outcome)
            told = {"outcome": outcome, "alarms_open": incident.alarms_open}
            change.deed(incident, "closed", who, reason, told)
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def reopen(self, id: str, who: str, *, tenant: str, reason: str) -> Incident:
        """It is not over after all; what was counted for or against its detectors is taken back."""
        reason = _said(reason, needed=True)
        async with self.lock:
            incident = await self.opened.read(lambda c: keeping.find_incident(c, id))
            if incident is None or incident.tenant != tenant:
                raise ResourceNotFound(f"Incident {id[:80]} does not exist")
            incident.state = after(incident.state, "reopen")
            alarms = await self.opened.read(lambda c: keeping.alarms_of(c, id, 10_000_000))
            change = self.change()
            before, incident.outcome, incident.reason = incident.outcome, "", ""
            incident.closed_us, incident.held = 0, True
            cluster = self.desk.load(incident, alarms)
            uncount(self.desk, cluster, before, change)
            self._keep(cluster, change)
            told = {"grade": incident.grade, "severity": incident.severity, "before": before}
            change.deed(incident, "reopened", who, reason, told)
            deeds = await self.write(change)
        return await self._told(incident, deeds)

    async def report(self, told: dict[str, Any], who: str, *, tenant: str, key: str) -> str:
        """What somebody saw, as an Alert of the city like any other; its id.

        `told`: `text`, `category`, `severity`, `lon`, `lat`, `source` (an entity it is about). The
        same `key` again is the same alert. Nothing in it says who reported it; the journal does.
        """
        entity = _alert(told, key, self.change().now_us)
        deed = Deed(
            subject=f"alert:{entity['id']}",
            verb="reported",
            who=who,
            at_us=self.change().now_us,
            tenant=tenant,
        )

        def work(connection: Any) -> Deed:
            tell(connection, tenant, entity)
            return enter(connection, deed)

        kept = await self.opened.run(work)
        await self.journal.told(self.opened, [kept])
        return str(entity["id"])

    # --- what deeds share -------------------------------------------------------------------------
    def _live(self, id: str, tenant: str) -> Found:
        board = self.desk.board(tenant)
        cluster = board.clusters.get(id)
        if cluster is None or cluster.incident is None:
            closed = self.opened.read_now(lambda c: keeping.find_incident(c, id))
            if closed is not None and closed.tenant == tenant:
                raise StateConflict(f"Incident {id} is {closed.state}", state=closed.state)
            raise ResourceNotFound(f"Incident {id[:80]} does not exist")
        return board, cluster, cluster.incident

    def _seen(self, incident: Incident, who: str, change: Changes) -> None:
        if not incident.acknowledged_us:
            incident.acknowledged_us, incident.by = change.now_us, who

    def _keep(self, cluster: Cluster, change: Changes) -> None:
        assert cluster.incident is not None
        cluster.incident.changed_us = change.now_us
        change.incidents[cluster.incident.id] = cluster.incident
        change.affected[cluster.incident.id] = cluster.affected

    async def _told(self, incident: Incident, deeds: list[Deed]) -> Incident:
        await self.journal.told(self.opened, deeds)
        return copy.copy(incident)


def _said(reason: str, *, needed: bool = False) -> str:
    text = reason.strip()
    if needed and len(text) < 2:
        raise BadRequestData("This needs a reason in words")
    return text[:LONGEST]


def _alert(told: dict[str, Any], key: str, now_us: int) -> dict[str, Any]:
    """The Alert of a report; raises BadRequestData for what cannot be one."""
    text = str(told.get("text", "")).strip()[:200]
    if not text:
        raise BadRequestData("A report says what was seen")
    if not 1 <= len(key) <= 80 or not key.replace("-", "").isalnum():
        raise BadRequestData("A report needs a key of letters, digits and '-'")
    at = {"@type": "DateTime", "@value": iso(now_us // 1000 * 1000)}
    severity = told.get("severity") or "medium"
    values = {
        "category": told.get("category") or "service",
        "severity": severity if severity in RANK else "medium",
        "status": "open",
        "detector": PERSON,
        "name": text,
        "dateIssued": at,
        "validFrom": at,
    }
    entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Alert:operations:{key}", "type": "Alert"}
    entity |= {name: {"type": "Property", "value": value} for name, value in values.items()}
    lon, lat = told.get("lon"), told.get("lat")
    if lon is not None and lat is not None:
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise BadRequestData("A place is a longitude and a latitude in degrees")
        where = {"type": "Point", "coordinates": [lon, lat]}
        entity["location"] = {"type": "GeoProperty", "value": where}
    source = str(told.get("source") or "").strip()
    if source:
        if not source.startswith("urn:") or len(source) > 300 or " " in source:
            raise BadRequestData("What a report is about is named by its entity's id")
        entity["alertSource"] = {"type": "Relationship", "object": source}
    return entity
