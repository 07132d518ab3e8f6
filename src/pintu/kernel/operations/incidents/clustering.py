"""To which incidents an alarm belongs: by the same thing, by a common cause, by place and time.

Pure: alarm and board in, matches with their reasons out. Nothing is decided by nearness that a kind
of alarm does not allow (`rules.py`), and no incident grows without end by nearness alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pintu.kernel.operations.incidents.board import WIDE_M, Board, Cluster
from pintu.kernel.operations.incidents.reading import metres
from pintu.kernel.operations.incidents.rules import (
    BY_PERSON,
    USUAL,
    Near,
    Rules,
)
from pintu.kernel.operations.incidents.words import PERSON, Alarm, Reason

RULES: Final = Rules()
_BEST: Final = {"same": 0, "cause": 1, "near": 2}


@dataclass(frozen=True, slots=True)
class Match:
    """A cluster an alarm may belong to, and why."""

    cluster: Cluster
    reason: Reason

    @property
    def order(self) -> tuple[int, int, int, bool]:
        """The strongest reason first; between equals what is an incident already."""
        reason = self.reason
        waits = self.cluster.incident is None
        return _BEST.get(reason.kind, 3), reason.metres, reason.seconds, waits


def matches(alarm: Alarm, board: Board, rules: Rules = RULES) -> list[Match]:
    """Every cluster the alarm belongs to, the best reason first; each once."""
    found: dict[str, Match] = {}
    for match in [*_by_cause(alarm, board, rules), *_by_place(alarm, board, rules)]:
        known = found.get(match.cluster.key)
        if known is None or match.order < known.order:
            found[match.cluster.key] = match
    return sorted(found.values(), key=lambda one: one.order)


def closeness(one: Alarm, other: Alarm, rules: Rules = RULES) -> Near | None:
    """How near two alarms of their kinds must be to be one thing; None: nearness says nothing."""
    if PERSON in (one.detector, other.detector):
        return BY_PERSON
    pair = frozenset((one.category, other.category))
    near = rules.related.get(pair) or (USUAL if len(pair) == 1 else None)
    return None if near is not None and near.alike and one.sub != other.sub else near


def _by_cause(alarm: Alarm, board: Board, rules: Rules) -> list[Match]:
    found = []
    for key, steps in alarm.causes.items():
        for cluster, theirs in board.by_cause(key):
            gap_us = cluster.gap_us(alarm.at_us)
            if steps == 0 and theirs == 0:
                kind, within_us = "same", rules.same_us
            elif steps == 0 or theirs == 0:
                kind, within_us = "cause", rules.cause_us
            elif steps + theirs <= rules.shared_steps:
                kind, within_us = "cause", rules.shared_us
            else:
                continue
            if gap_us <= within_us and not cluster.flood:
                reason = Reason(kind, about=key, seconds=gap_us // 1_000_000)
                found.append(Match(cluster, reason))
    return found


def _by_place(alarm: Alarm, board: Board, rules: Rules) -> list[Match]:
    if alarm.lon is None or alarm.lat is None or alarm.extent_m >= WIDE_M:
        return []
    found: dict[str, Match] = {}
    here = (alarm.lon, alarm.lat)
    for cluster, other in board.near(*here, _reach(alarm, rules), found.keys()):
        near = closeness(alarm, other, rules)
        apart_us = abs(alarm.at_us - other.at_us)
        if near is None or apart_us > near.us or other.lon is None or other.lat is None:
            continue
        away_m = metres(here, (other.lon, other.lat))
        if away_m > near.metres or cluster.extent_m(*here) > rules.extent_m:
            continue
        seconds = apart_us // 1_000_000
        reason = Reason("near", about=other.alert, metres=int(away_m), seconds=seconds)
        match, known = Match(cluster, reason), found.get(cluster.key)
        if known is None or match.order < known.order:
            found[cluster.key] = match
    return list(found.values())


def _reach(alarm: Alarm, rules: Rules) -> float:
    if alarm.detector == PERSON:
        return BY_PERSON.metres
    own = [one.metres for pair, one in rules.related.items() if alarm.category in pair]
    return min(max([*own, USUAL.metres, BY_PERSON.metres]), rules.furthest_m)


def waits_us(alarm: Alarm, reliability: float, rules: Rules = RULES) -> int | None:
    """How long an alarm that nobody else confirms waits before it is an incident; None: for ever.

    What passes before that never rang: it stays in the list of alarms that were no incident. One
    thing of a kind that is mended day by day (`rules.upkeep`: a lamp) is work for who mends it, not
    for the officer on duty, until something else confirms it or it is grave.
    """
    doubt = 2 if reliability < 0.5 or alarm.confidence < 0.4 else 1
    if alarm.detector == PERSON:
        return 0
    if alarm.category in rules.upkeep and alarm.severity in ("medium", "low"):
        return None
    if alarm.severity == "critical":
        return 0 if doubt == 1 else rules.waits_high_us
    if alarm.severity == "high":
        return rules.waits_high_us * doubt
    if alarm.severity == "medium":
        return rules.waits_medium_us * doubt
    return rules.waits_low_us * doubt if alarm.severity == "low" else None
