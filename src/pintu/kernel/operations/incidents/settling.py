"""What ends an incident or divides it, on the desk: people's deeds and the passing of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pintu.kernel.operations.incidents.board import Board, Cluster
from pintu.kernel.operations.incidents.words import Alarm, Incident, Reason

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.changes import Changes
    from pintu.kernel.operations.incidents.desk import Desk


def split(
    desk: Desk, board: Board, frm: Cluster, alarms: Sequence[Alarm], change: Changes
) -> Incident:
    """Some alarms leave an incident for a new one; both stay live."""
    assert frm.incident is not None
    whole = frm.incident
    made = Incident(
        id=desk.next_id(change.now_us),
        tenant=whole.tenant,
        opened_us=change.now_us,
        changed_us=change.now_us,
        state=whole.state,
        follows=whole.id,
        acknowledged_us=whole.acknowledged_us,
        by=whole.by,
        assigned=whole.assigned,
    )
    into = board.open(Cluster(made.id, made))
    board.move(list(alarms), frm, into)
    for one in alarms:
        one.incident, one.reason = made.id, Reason("person", about=whole.id)
        change.alarms[one.number] = one
    change.fresh.add(made.id)
    for cluster in (frm, into):
        desk.dirty[whole.tenant, cluster.key] = cluster
    return made


def inherit(incident: Incident, gone: Incident, change: Changes) -> None:
    """What people did to an incident holds for the one it became part of: who has it, whose it is,
    how grave a person said it was."""
    incident.assigned = incident.assigned or gone.assigned
    if gone.graded and not incident.graded:
        incident.graded, incident.grade = True, max(incident.grade, gone.grade)
    known = {incident.by, *incident.also}
    incident.also += [one for one in (gone.by, *gone.also) if one and one not in known]
    if gone.by and incident.state == "open":
        incident.state, incident.acknowledged_us = "acknowledged", gone.acknowledged_us
        incident.by = gone.by
        incident.also = [one for one in incident.also if one != gone.by]
        # the duty phone rings no more for what somebody has
        change.deed(incident, "acknowledged", gone.by, "", {"from": gone.id})


def end(desk: Desk, incident: Incident, change: Changes, outcome: str) -> None:
    """It is over: off the board, and its detectors are told apart by it."""
    board = desk.board(incident.tenant)
    cluster = board.clusters.get(incident.id)
    incident.state, incident.outcome = "closed", outcome
    incident.closed_us = incident.changed_us = change.now_us
    change.incidents[incident.id] = incident
    if cluster is not None:
        change.affected[incident.id] = cluster.affected
        _count(desk, cluster, outcome, change)
        board.close(cluster)


def uncount(desk: Desk, cluster: Cluster, outcome: str, change: Changes) -> None:
    """An outcome was not the last word: what was counted by it is taken back."""
    _count(desk, cluster, outcome, change, by=-1)


def _count(desk: Desk, cluster: Cluster, outcome: str, change: Changes, *, by: int = 1) -> None:
    assert cluster.incident is not None
    tenant = cluster.incident.tenant
    for name in cluster.detectors:
        detector = desk.detectors.get((tenant, name))
        if detector is not None and outcome in ("resolved", "false"):
            detector.confirmed += by * int(outcome == "resolved")
            detector.mistaken += by * int(outcome == "false")
            change.detectors[tenant, name] = detector
