"""Where alarms become incidents: one at a time onto the board, what changes collected beside it.

Pure but for its memory: nothing here reads a clock, a file or the network. When what it decided
cannot be written, the room throws it away and begins again from disk.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pintu.kernel.operations.incidents import settling, waiting
from pintu.kernel.operations.incidents.board import Board, Cluster
from pintu.kernel.operations.incidents.changes import Changes
from pintu.kernel.operations.incidents.clustering import RULES, Match, matches, waits_us
from pintu.kernel.operations.incidents.flood import Guard, Limits
from pintu.kernel.operations.incidents.rules import Rules
from pintu.kernel.operations.incidents.weighing import flood_name, source_of, weigh
from pintu.kernel.operations.incidents.words import (
    PERSON,
    RINGS,
    Alarm,
    Detector,
    Incident,
    Reason,
)

DETECTOR: Final = "detector"
LISTED: Final = 20
OF_A_FLOOD: Final = 100
"""Alarms of a flood that are held in memory; all are on disk."""
FLOOD_SURE: Final = 0.2
NextId = Callable[[int], str]
CauseName = Callable[[str, str], dict[str, str]]


class Desk:
    """Every tenant's board, who is flooding, and how reliable detectors are."""

    def __init__(
        self,
        next_id: NextId,
        cause_name: CauseName,
        *,
        rules: Rules = RULES,
        limits: Limits | None = None,
    ) -> None:
        self.rules, self._limits = rules, limits or Limits()
        self.next_id, self._cause_name = next_id, cause_name
        self.boards: dict[str, Board] = {}
        self.detectors: dict[tuple[str, str], Detector] = {}
        self.number = 0  # of the newest alarm
        self._guards: dict[str, Guard] = {}
        self.due: list[tuple[int, str, str]] = []  # (when, tenant, cluster)
        self.dirty: dict[tuple[str, str], Cluster] = {}

    def board(self, tenant: str) -> Board:
        """A tenant's board."""
        return self.boards.setdefault(tenant, Board())

    def guard(self, tenant: str) -> Guard:
        """Who is flooding in a tenant."""
        return self._guards.setdefault(tenant, Guard(self._limits))

    def goes_on(self, heard: Mapping[tuple[str, str], dict[int, int]]) -> None:
        """Who was flooding before a restart is not believed anew after it; `heard` by (tenant,
        detector), by bucket. After `load`."""
        for (tenant, detector), counts in heard.items():
            board = self.board(tenant)
            floods = any(one.flood == detector for one in board.clusters.values())
            alone = sum(one.detectors == {detector: 1} for one in board.clusters.values())
            self.guard(tenant).goes_on(detector, counts, alone, flooding=floods)

    # --- what is on disk --------------------------------------------------------------------------
    def load(self, incident: Incident, alarms: Iterable[Alarm]) -> Cluster:
        """An incident that was there before; of a flood the first alarms will do."""
        cluster = Cluster(incident.id, incident)
        cluster.alarms = {one.alert: one for one in alarms}
        if incident.flood:
            cluster.alarms = dict(list(cluster.alarms.items())[:OF_A_FLOOD])
        self.board(incident.tenant).open(cluster)
        if incident.quiet:
            waiting.until_passed(self, cluster, incident.changed_us)
        return cluster

    def load_waiting(self, alarm: Alarm) -> None:
        """An alarm that waited before."""
        self._wait(self.board(alarm.tenant), alarm)

    # --- alarms -----------------------------------------------------------------------------------
    def take(
        self, alarm: Alarm, change: Changes, known: Alarm | None = None, closed: str = ""
    ) -> None:
        """One alarm as it is now; `known` is its newest row on disk when the board has none, and
        `closed` the incident of that row when that is over."""
        board = self.board(alarm.tenant)
        cluster = board.alerts.get(alarm.alert)
        if cluster is not None and not self._anew(cluster, alarm):
            self._again(cluster, cluster.alarms[alarm.alert], alarm, change)
        elif known is not None and known.incident in board.clusters:  # of a flood
            self._again(board.clusters[known.incident], known, alarm, change)
        elif known is not None and known.open and not (alarm.open and alarm.rank > known.rank):
            # It was there when its incident was closed: no news, until it is over or graver.
            known.status, known.cleared_us = alarm.status, alarm.cleared_us
            change.alarms[known.number] = known
        elif alarm.open:
            self._new(board, alarm, change, closed)

    def _anew(self, cluster: Cluster, alarm: Alarm) -> bool:
        """Whether it comes again so long after everything was over that it is another incident."""
        incident = cluster.incident
        if incident is None or incident.flood or not incident.quiet or not alarm.open:
            return False
        over_us = max(one.cleared_us for one in cluster.alarms.values())
        return alarm.at_us > over_us + self.rules.again_us

    def _again(self, cluster: Cluster, old: Alarm, new: Alarm, change: Changes) -> None:
        was_open = old.open
        if new.open and not was_open:
            old.repeats += 1
            self._heard(new, change)
        old.cleared_us = (old.cleared_us or new.cleared_us) if not new.open else 0
        old.status = new.status
        if new.open:  # an end says nothing of how bad it was
            old.severity, old.name, old.confidence = new.severity, new.name, new.confidence
        change.alarms[old.number] = old
        if cluster.incident is None:
            if not old.open:
                self.board(old.tenant).close(cluster)
            return
        if cluster.flood:
            cluster.incident.alarms_open += int(old.open) - int(was_open)
        self.dirty[old.tenant, cluster.key] = cluster

    def _heard(self, alarm: Alarm, change: Changes) -> bool:
        key = (alarm.tenant, alarm.detector)
        detector = self.detectors.setdefault(
            key, Detector(tenant=alarm.tenant, detector=alarm.detector)
        )
        detector.alarms += 1
        detector.last_us = alarm.heard_us
        detector.clock_off_us = alarm.clock_off_us
        change.detectors[key] = detector
        if alarm.detector == PERSON:
            return False
        return self.guard(alarm.tenant).heard(alarm.detector, alarm.heard_us)

    def _new(self, board: Board, alarm: Alarm, change: Changes, closed: str) -> None:
        flooding = self._heard(alarm, change)
        self.number += 1
        alarm.number = self.number
        change.alarms[alarm.number] = alarm
        found = matches(alarm, board, self.rules)
        if flooding:
            found = [one for one in found if one.cluster.confirms(source_of(alarm))]
            if not found:
                self._flood(board, alarm, change)
                return
        if found:
            self._join(board, alarm, found, change)
            return
        if self._scatters(board, alarm):
            self._flood(board, alarm, change)
            return
        cluster = self._wait(board, alarm)
        if self.wait_us(alarm) == 0:
            self.open(board, cluster, change, follows=closed)

    def _scatters(self, board: Board, alarm: Alarm) -> bool:
        """Whether its detector makes more single alarms than can be true."""
        guard = self.guard(alarm.tenant)
        if alarm.detector == PERSON or not guard.alone(alarm.detector, alarm.heard_us):
            return False
        since_us = alarm.heard_us - self._limits.window_us
        own = {alarm.detector: 1}  # one alarm, and it is this detector's
        alone = sum(
            one.detectors == own and one.last_us >= since_us for one in board.clusters.values()
        )
        if alone <= self._limits.scattered:
            return False
        guard.scatters(alarm.detector)
        return True

    def wait_us(self, alarm: Alarm) -> int | None:
        """How long an alarm of such a detector waits for another."""
        known = self.detectors.get((alarm.tenant, alarm.detector))
        return waits_us(alarm, known.reliability if known else 0.8, self.rules)

    def _wait(self, board: Board, alarm: Alarm) -> Cluster:
        cluster = board.open(Cluster(f"~{alarm.alert}"))
        board.put(cluster, alarm)
        after_us = self.wait_us(alarm)
        if after_us:
            heapq.heappush(self.due, (alarm.heard_us + after_us, alarm.tenant, cluster.key))
        return cluster

    def _join(self, board: Board, alarm: Alarm, found: list[Match], change: Changes) -> None:
        best = min(found, key=lambda one: (one.cluster.incident is None, *one.cluster.age))
        if found[0].cluster.held:
            best = found[0]
        into = best.cluster
        if into.incident is None:
            into = self.open(board, into, change)
        alarm.reason = best.reason
        self._put(board, into, alarm, change)
        for one in found:
            other = one.cluster
            if other is not best.cluster and not other.held and not into.held and not other.flood:
                self.merge(other, into, change, one.reason)

    def _put(self, board: Board, into: Cluster, alarm: Alarm, change: Changes) -> None:
        assert into.incident is not None
        alarm.incident = into.incident.id
        change.alarms[alarm.number] = alarm
        change.joined.setdefault(into.incident.id, []).append(alarm)
        if not into.flood or len(into.alarms) < OF_A_FLOOD:
            board.put(into, alarm)
        if into.flood:
            into.incident.alarms += 1
            into.incident.alarms_open += int(alarm.open)
            into.incident.last_us = max(into.incident.last_us, alarm.at_us)
        self.dirty[alarm.tenant, into.key] = into

    def open(
        self,
        board: Board,
        cluster: Cluster,
        change: Changes,
        *,
        follows: str = "",
        flood: str = "",
    ) -> Cluster:
        """A new incident of the alarms of a cluster that has none."""
        alarms = list(cluster.alarms.values())
        tenant = alarms[0].tenant
        now_us = change.now_us
        incident = Incident(
            id=self.next_id(now_us),
            tenant=tenant,
            opened_us=now_us,
            changed_us=now_us,
            follows=follows,
            flood=flood,
        )
        board.close(cluster)
        made = board.open(Cluster(incident.id, incident))
        change.fresh.add(incident.id)
        for one in alarms:
            one.reason = Reason("flood" if flood else "first")
            self._put(board, made, one, change)
        return made

    # --- a broken detector ------------------------------------------------------------------------
    def _flood(self, board: Board, alarm: Alarm, change: Changes) -> None:
        """Into the one incident of a detector that is not to be believed."""
        into = board.floods.get(alarm.detector)
        if into is None:
            waits = Cluster(f"~{alarm.alert}")
            waits.alarms[alarm.alert] = alarm
            into = self.open(board, waits, change, flood=alarm.detector)
            detector = self.detectors[alarm.tenant, alarm.detector]
            detector.floods += 1
            self._absorb(board, alarm, into, change)
            return
        alarm.reason = Reason("flood", about=alarm.detector)
        self._put(board, into, alarm, change)

    def _absorb(self, board: Board, alarm: Alarm, into: Cluster, change: Changes) -> None:
        """What the same detector alone said since it began goes with it."""
        since_us = self.guard(alarm.tenant).began_us(alarm.detector, alarm.heard_us)
        reason = Reason("flood", about=alarm.detector)
        for other in list(board.clusters.values()):
            if other is into or set(other.detectors) != {alarm.detector}:
                continue
            taken_on = other.incident is not None and other.incident.state != "open"
            recent = all(one.heard_us >= since_us for one in other.alarms.values())
            if recent and not taken_on and not other.held and not other.flood:
                self.merge(other, into, change, reason)

    # --- merging ----------------------------------------------------------------------------------
    def merge(
        self,
        frm: Cluster,
        into: Cluster,
        change: Changes,
        reason: Reason,
        *,
        who: str = DETECTOR,
        why: str = "",
    ) -> None:
        """All alarms of one cluster become another's; the emptied incident says into which."""
        assert into.incident is not None
        board = self.board(into.incident.tenant)
        alarms = list(frm.alarms.values())
        gone = frm.incident
        board.close(frm)
        self.dirty.pop((into.incident.tenant, frm.key), None)
        for one in alarms:
            if gone is None or reason.kind == "flood":
                one.reason = reason
            self._put(board, into, one, change)
        if gone is None:
            return
        if gone.id in change.fresh:
            change.forget(gone.id)
            return
        if gone.flood:
            change.moves.append((gone.id, into.incident.id))
        gone.state, gone.into = "merged", into.incident.id
        gone.changed_us = gone.closed_us = change.now_us
        gone.reason = why
        change.incidents[gone.id] = gone
        change.affected[gone.id] = []
        told = {"into": into.incident.id, "alarms": gone.alarms, "kind": reason.kind}
        told |= {"about": reason.about} | ({"by": gone.by} if gone.by else {})
        change.deed(gone, "merged", who, why, told)
        settling.inherit(into.incident, gone, change)

    # --- time -------------------------------------------------------------------------------------
    def look(self, now_us: int, change: Changes) -> None:
        """What was only waited for happens; see `waiting`."""
        waiting.look(self, now_us, change)

    def next_due_us(self) -> int | None:
        """When `look` may find something."""
        return self.due[0][0] if self.due else None

    # --- the end of a step ------------------------------------------------------------------------
    def finish(self, change: Changes, who: str = DETECTOR) -> None:
        """Weigh what changed, and say so."""
        dirty, self.dirty = self.dirty, {}
        for (tenant, _), cluster in dirty.items():
            incident = cluster.incident
            if incident is None or not incident.live:
                continue
            before, quiet = incident.grade, incident.quiet
            self._weigh(tenant, cluster, incident)
            incident.changed_us = change.now_us
            change.incidents[incident.id] = incident
            change.affected[incident.id] = cluster.affected
            self._say(incident, before, change, who)
            if incident.quiet and (incident.flood or not quiet):
                waiting.until_passed(self, cluster, change.now_us)

    def _weigh(self, tenant: str, cluster: Cluster, incident: Incident) -> None:
        alarms = list(cluster.alarms.values())
        if not incident.flood:
            reliable = {
                name: known.reliability
                for name in cluster.detectors
                if (known := self.detectors.get((tenant, name))) is not None
            }
            weigh(incident, alarms, reliable, lambda key: self._cause_name(tenant, key))
            return
        counted = incident.alarms, incident.alarms_open, incident.last_us
        weigh(incident, alarms, {})
        incident.alarms, incident.alarms_open, incident.last_us = counted
        incident.confidence, incident.cause = FLOOD_SURE, ""
        incident.grade = incident.grade if incident.graded else RINGS
        incident.name = flood_name(incident.flood, incident.alarms)
        incident.why = [{"kind": "flood", "about": incident.flood, "count": incident.alarms}]

    def _say(self, incident: Incident, before: int, change: Changes, who: str) -> None:
        joined = change.joined.pop(incident.id, [])
        told = {
            "grade": incident.grade,
            "severity": incident.severity,
            "confidence": incident.confidence,
            "alarms": incident.alarms,
        }
        if incident.id in change.fresh:
            change.fresh.discard(incident.id)
            change.deed(incident, "opened", who, "", told | {"flood": incident.flood})
            if len(joined) < 2:
                return
        elif incident.grade != before:
            verb = "raised" if incident.grade > before else "lowered"
            change.deed(incident, verb, who, "", told | {"before": before})
        if joined:
            alerts = [one.alert for one in joined[:LISTED]]
            kinds = sorted({one.reason.kind for one in joined})
            detail = {"count": len(joined), "alerts": alerts, "kinds": kinds}
            change.deed(incident, "joined", who, "", detail)
