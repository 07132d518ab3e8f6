"""What only time does: a lone alarm that lasts is an incident, one that is over and that nobody
looked at is closed."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from pintu.kernel.operations.incidents import settling
from pintu.kernel.operations.incidents.board import Board, Cluster
from pintu.kernel.operations.incidents.words import RINGS, Incident

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.changes import Changes
    from pintu.kernel.operations.incidents.desk import Desk

TIMER: Final = "timer"


def look(desk: Desk, now_us: int, change: Changes) -> None:
    """Everything that is due by now."""
    while desk.due and desk.due[0][0] <= now_us:
        _, tenant, key = heapq.heappop(desk.due)
        board = desk.board(tenant)
        cluster = board.clusters.get(key)
        if cluster is None:
            continue
        if cluster.incident is None:
            _lasted(desk, board, cluster, change)
        elif cluster.incident.quiet and not cluster.held:
            _passed(desk, cluster.incident, cluster, change)


def until_passed(desk: Desk, cluster: Cluster, since_us: int) -> None:
    """Look again when it has been over for long enough."""
    assert cluster.incident is not None
    due_us = since_us + _unseen_us(desk, cluster.incident)
    heapq.heappush(desk.due, (due_us, cluster.incident.tenant, cluster.key))


def _lasted(desk: Desk, board: Board, cluster: Cluster, change: Changes) -> None:
    """It is an incident when its alarm lasted; one that cleared and came again waits anew."""
    (alarm,) = cluster.alarms.values()
    after_us = desk.wait_us(alarm)
    if after_us is None:
        return
    if alarm.heard_us + after_us <= change.now_us:
        desk.open(board, cluster, change)
    else:
        heapq.heappush(desk.due, (alarm.heard_us + after_us, alarm.tenant, cluster.key))


def _unseen_us(desk: Desk, incident: Incident) -> int:
    grave = incident.grade >= RINGS or incident.state == "acknowledged"
    return desk.rules.passes_grave_us if grave else desk.rules.passes_us


def _passed(desk: Desk, incident: Incident, cluster: Cluster, change: Changes) -> None:
    if change.now_us < incident.changed_us + _unseen_us(desk, incident):
        until_passed(desk, cluster, incident.changed_us)  # it was alarmed again meanwhile
        return
    settling.end(desk, incident, change, "passed")
    change.deed(incident, "closed", TIMER, "", {"outcome": "passed"})
