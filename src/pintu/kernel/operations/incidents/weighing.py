"""How grave an incident is and how sure one can be of it, from its alarms. Pure.

Each detector is one witness: a second alarm of the same one makes it little surer, a neighbour of
another source makes it much surer. A detector that was often wrong counts for less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pintu.kernel.operations.incidents.reading import LANGUAGES, metres
from pintu.kernel.operations.incidents.words import SEVERITIES, Alarm, Incident

BY_SEVERITY: Final = {"informational": 1, "low": 1, "medium": 1, "high": 2, "critical": 3}
MANY, WIDE_M, WITNESSES = 20, 1_000, 3
WIDE_ALARMS: Final = 5
"""Two lamps at the ends of a long street are no wide incident."""
SOME: Final = 10
SURELY: Final = 0.99
UNSURE: Final = 0.3
MOST_REASONS: Final = 8


def source_of(alarm: Alarm) -> str:
    """Who says so: the piece or person behind a detector; two rules of one piece are one source."""
    return alarm.detector.partition("/")[0]


def confidence(alarms: Iterable[Alarm], reliable: Mapping[str, float]) -> float:
    """0 to 1: that something did happen."""
    best: dict[str, float] = {}
    things: dict[str, set[str]] = {}
    for one in alarms:
        who = source_of(one)
        sure = one.confidence * reliable.get(one.detector, 0.8) / 0.8
        best[who] = max(best.get(who, 0.0), min(sure, SURELY))
        things.setdefault(who, set()).add(one.source or one.target or one.alert)
    doubt = 1.0
    for who, sure in best.items():
        doubt *= (1.0 - sure) * 0.85 ** min(len(things[who]) - 1, 5)
    return round(min(1.0 - doubt, SURELY), 3) if best else 0.0


def grade(alarms: Sequence[Alarm], sure: float, extent_m: float) -> int:
    """1 to 4 by what holds still (all of it when nothing does)."""
    counted = [one for one in alarms if one.open] or list(alarms)
    if not counted:
        return 1
    found = max(BY_SEVERITY.get(one.severity, 1) for one in counted)
    witnesses = len({source_of(one) for one in counted})
    if found == 1 and len(counted) >= SOME:
        found = 2
    wide = extent_m >= WIDE_M and (len(counted) >= WIDE_ALARMS or found > 1)
    if len(counted) >= MANY or wide or witnesses >= WITNESSES:
        found += 1
    if sure < UNSURE:
        found -= 1
    return min(max(found, 1), 4)


def weigh(
    incident: Incident,
    alarms: Sequence[Alarm],
    reliable: Mapping[str, float],
    cause_name: Any = None,
) -> None:
    """Everything of an incident that follows from its alarms; a grade that a person set stays, and
    none is lowered by itself. `cause_name(key)` says what a cause is called."""
    if not alarms:
        return
    incident.alarms = len(alarms)
    incident.alarms_open = sum(one.open for one in alarms)
    incident.detectors = len({source_of(one) for one in alarms})
    incident.first_us = min(one.at_us for one in alarms)
    incident.last_us = max(one.at_us for one in alarms)
    gravest = max(alarms, key=lambda one: (one.rank, -one.number, -one.at_us))
    incident.severity = SEVERITIES[gravest.rank]
    incident.category = Counter(one.category for one in alarms).most_common(1)[0][0]
    incident.confidence = confidence(alarms, reliable)
    _place(incident, alarms)
    incident.cause = common_cause(alarms)
    if cause_name is not None and incident.cause:
        incident.cause_name = cause_name(incident.cause)
    if not incident.graded:
        found = grade(alarms, incident.confidence, 2.0 * incident.radius_m)
        incident.grade = max(incident.grade, found)
    incident.name = name_of(incident, alarms)
    incident.why = reasons_of(alarms)


def _place(incident: Incident, alarms: Sequence[Alarm]) -> None:
    placed = [(one.lon, one.lat) for one in alarms if one.lon is not None and one.lat is not None]
    if not placed:
        return
    incident.lon = round(sum(lon for lon, _ in placed) / len(placed), 6)
    incident.lat = round(sum(lat for _, lat in placed) / len(placed), 6)
    centre = (incident.lon, incident.lat)
    incident.radius_m = int(max(metres(centre, one) for one in placed))


def common_cause(alarms: Sequence[Alarm]) -> str:
    """What most alarms depend on (the nearest such thing); "" when they share none."""
    if len(alarms) < 2:
        return alarms[0].source if alarms else ""
    counted: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    for one in alarms:
        counted.update(one.causes.keys())
        steps.update(one.causes)
    if not counted:
        return ""

    def order(key: str) -> tuple[float, float, bool, str]:
        entity = key.startswith("urn:")
        return -counted[key], steps[key] / counted[key], not entity, key

    best = min(counted, key=order)
    return best if counted[best] * 2 >= len(alarms) and counted[best] > 1 else ""


def name_of(incident: Incident, alarms: Sequence[Alarm]) -> dict[str, str]:
    """What to call it, in each language."""
    gravest = max(alarms, key=lambda one: (one.rank, -one.number, -one.at_us))
    count = incident.alarms
    found = {}
    for lang in LANGUAGES:
        whole = gravest.name.get(lang) or next(iter(gravest.name.values()), gravest.alert)
        if count == 1:
            found[lang] = whole
            continue
        what = Counter(_what(one.name.get(lang, whole)) for one in alarms).most_common(1)[0][0]
        where = incident.cause_name.get(lang, "") if incident.cause else ""
        if lang == "zh":
            found[lang] = (
                f"{where}：{what}等 {count} 条告警" if where else f"{whole}等 {count} 条告警"
            )
        else:
            found[lang] = (
                f"{where}: {what}, {count} alarms" if where else f"{whole}, {count} alarms"
            )
    return found


def _what(name: str) -> str:
    for sign in ("：", ": "):
        if sign in name:
            return name.partition(sign)[0]
    return name


def reasons_of(alarms: Iterable[Alarm]) -> list[dict[str, Any]]:
    """The reasons that hold it together: of each kind and cause how many, how far, how long."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in alarms:
        reason = one.reason
        about = reason.about if reason.kind not in ("near", "first") else ""
        told = found.setdefault(
            (reason.kind, about),
            {"kind": reason.kind, "about": about, "count": 0, "metres": 0, "seconds": 0},
        )
        told["count"] += 1
        told["metres"] = max(told["metres"], reason.metres)
        told["seconds"] = max(told["seconds"], reason.seconds)
    ordered = sorted(found.values(), key=lambda one: -one["count"])
    return ordered[:MOST_REASONS]


def flood_name(detector: str, count: int) -> dict[str, str]:
    """What an incident is called that one detector alone makes."""
    return {
        "zh": f"检测器 {detector} 告警泛滥：{count} 条",
        "en": f"Detector {detector} floods: {count} alarms",
    }
