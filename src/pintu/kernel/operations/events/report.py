"""The report after an event, as a pure function of its plan, its rounds and the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pintu.kernel.operations.events.words import EventPlan, Round
from pintu.kernel.operations.journal import Deed

ANSWERS = ("acknowledged", "assigned")


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one check went."""

    name: str
    due: int
    done: int
    missed: int
    wrong: int
    notes: tuple[str, ...]


class ZoneReport(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one zone: what the raised watch rang for."""

    name: str
    rang: int
    subjects: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; times in seconds, None where there was nothing to measure."""

    event: str
    deeds: int
    kinds: dict[str, dict[str, int]]  # incident, order, play, warning … → verb → how often
    zones: tuple[ZoneReport, ...]
    checks: tuple[CheckReport, ...]
    checks_done_share: float | None
    answered: int
    answered_s_median: float | None
    answered_s_longest: float | None


def report_of(plan: EventPlan, rounds: Sequence[Round], deeds: Iterable[Deed]) -> Report:
    """The report; `deeds` are those of the event's span, oldest first."""
    told = list(deeds)
    kinds: dict[str, Counter[str]] = {}
    for deed in told:
        kinds.setdefault(deed.subject.partition(":")[0], Counter())[deed.verb] += 1
    watched = [one for one in told if one.subject == plan.subject and one.verb == "watched"]
    waits = answer_times_s(told)
    ended = [one for one in rounds if one.state in ("done", "missed")]
    done = sum(one.state == "done" for one in ended)
    return Report(
        event=plan.id,
        deeds=len(told),
        kinds={kind: dict(sorted(count.items())) for kind, count in sorted(kinds.items())},
        zones=tuple(_zone(zone.name, watched) for zone in plan.zones),
        checks=tuple(_check(check.name, rounds) for check in plan.checks),
        checks_done_share=done / len(ended) if ended else None,
        answered=len(waits),
        answered_s_median=waits[len(waits) // 2] if waits else None,
        answered_s_longest=waits[-1] if waits else None,
    )


def answer_times_s(deeds: Sequence[Deed]) -> list[float]:
    """How long each incident waited for somebody, sorted; those nobody answered are not in it."""
    opened: dict[str, int] = {}
    waits: list[float] = []
    for deed in deeds:
        if deed.verb == "opened" and deed.subject.startswith("incident:"):
            opened[deed.subject] = deed.at_us
        elif deed.verb in ANSWERS and deed.subject in opened:
            waits.append((deed.at_us - opened.pop(deed.subject)) / 1e6)
    return sorted(waits)


def _zone(name: str, watched: Sequence[Deed]) -> ZoneReport:
    here = [one for one in watched if one.detail.get("zone") == name]
    subjects: dict[str, Any] = dict.fromkeys(str(one.detail.get("about", "")) for one in here)
    return ZoneReport(name=name, rang=len(here), subjects=tuple(subjects))


def _check(name: str, rounds: Sequence[Round]) -> CheckReport:
    mine = [one for one in rounds if one.check == name]
    return CheckReport(
        name=name,
        due=len(mine),
        done=sum(one.state == "done" for one in mine),
        missed=sum(one.state == "missed" for one in mine),
        wrong=sum(one.wrong for one in mine),
        notes=tuple(one.note for one in mine if one.note)[:100],
    )
