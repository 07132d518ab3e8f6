"""What looks wrong in a month of a city's looks: misdeeds planted among ordinary work are found,
and ordinary work is not accused (`python -m claims.exchange_anomalies`).

People, subjects and reasons are made up; the seed is drawn anew each time unless one is given.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from claims.words import Finding, judged
from pintu.kernel.audit.anomalies import Thresholds, detect
from pintu.kernel.audit.rows import Numbered, Row

DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24
START_US = 1_763_856_000_000_000  # a midnight of the town
DAYS = 28
RECALL, PRECISION = 0.95, 0.9
REASONS = ("入学核对", "疫苗补种预约", "医保结算核对", "低保复审", "就诊登记", "转学材料核验")
PURPOSES = ("enrolment", "public_health", "insurance", "welfare")

Planted = set[tuple[str, str]]
"""(kind, actor) of what was planted; of a profile (kind, organisation)."""


@dataclass
class Month:
    """Four weeks of rows, and what was planted in them."""

    chance: random.Random
    rows: list[Row] = field(default_factory=list)
    planted: Planted = field(default_factory=set)

    def look(self, clerk: str, at_us: int, **more: Any) -> None:
        """One look by a clerk, like any other unless said otherwise."""
        chance = self.chance
        reason = f"{chance.choice(REASONS)} {chance.randrange(10**6):06d}"
        told: dict[str, Any] = {
            "what": "read",
            "deed": "read",
            "actor": f"person:{clerk}",
            "person": clerk,
            "organisation": f"org{hash_of(clerk) % 6}",
            "data_set": "records",
            "purpose": chance.choice(PURPOSES),
            "reason": reason,
            "fields": ("name", "state"),
            "agreement": f"AG-{hash_of(clerk) % 6}/1",
            "subjects": (f"s{chance.randrange(20_000)}",),
        }
        self.rows.append(Row(at_us=at_us, salt="0", **{**told, **more}))

    def moment(self, day: int, from_h: float = 8.5, to_h: float = 17.5) -> int:
        """Some time of a day."""
        return START_US + day * DAY_US + int(self.chance.uniform(from_h, to_h) * HOUR_US)

    def numbered(self) -> list[Numbered]:
        """The rows in order."""
        self.rows.sort(key=lambda row: row.at_us)
        return [Numbered(number=n, row=row) for n, row in enumerate(self.rows, 1)]


def hash_of(word: str) -> int:
    """A number that stays the same."""
    return sum(word.encode())


def ordinary(month: Month) -> None:
    """Eighty clerks by day, eight on night shifts, services, a few mistypes and cases that last."""
    chance = month.chance
    for number in range(80):
        clerk, usual = f"c{number}", chance.randrange(8, 45)
        # cases come again, some of them five times in the month
        cases = [f"s{chance.randrange(20_000)}" for _ in range(10) for _ in range(5)]
        chance.shuffle(cases)
        for day in range(DAYS):
            if day % 7 > 4 and chance.random() < 0.9:
                continue
            for _ in range(max(0, int(chance.gauss(usual, usual / 4)))):
                more: dict[str, Any] = {}
                if cases and chance.random() < 0.1:
                    more["subjects"] = (cases.pop(),)
                month.look(clerk, month.moment(day), **more)
            if chance.random() < 0.05:  # somebody stays longer
                month.look(clerk, month.moment(day, 18, 22.5))
            for _ in range(chance.choice((0, 0, 0, 1, 3))):
                month.look(clerk, month.moment(day), what="refused", basis="no purpose")
    for number in range(8):  # nurses: the same patients every day of a stay, also at night
        clerk = f"n{number}"
        for day in range(DAYS):
            ward = [f"s{number * 50 + (day // 5) * 9 + bed}" for bed in range(9)]
            for _ in range(14):
                at_us = month.moment(day, 20, 31) if day % 3 else month.moment(day)
                month.look(
                    clerk,
                    at_us,
                    subjects=(chance.choice(ward),),
                    purpose="treatment",
                    basis="owner",
                )
    for day in range(DAYS):  # a program that matches, all night long, under one agreement
        for _ in range(120):
            month.look("", month.moment(day, 0, 24), actor="token:match", organisation="org1")


def plant(month: Month, times: int) -> None:
    """Each misdeed, so many times, by people of their own, in sizes that vary."""
    for kind, deed in DEEDS.items():
        for number in range(times):
            clerk = f"{kind}-{number}"
            for day in range(DAYS):
                for _ in range(month.chance.randrange(5, 25) if day % 7 < 5 else 0):
                    month.look(clerk, month.moment(day))
            deed(month, clerk)
            who = f"org-{clerk}" if kind == "profile" else f"person:{clerk}"
            month.planted.add((kind, who))


def _same_person(month: Month, clerk: str) -> None:
    """A former husband's file, every few days; or all in one angry afternoon."""
    subject = (f"s{month.chance.randrange(20_000)}",)
    if month.chance.random() < 0.7:
        days = month.chance.sample(range(DAYS), month.chance.randrange(7, 12))
    else:
        days = [month.chance.randrange(DAYS)] * month.chance.randrange(11, 18)
    for day in days:
        month.look(clerk, month.moment(day), subjects=subject)


def _counting(month: Month, clerk: str) -> None:
    """Counts with ever other conditions, among ordinary ones."""
    begin = month.moment(month.chance.randrange(DAYS), 9, 15)
    for number in range(month.chance.randrange(30, 70)):
        at_us = begin + int(month.chance.uniform(0, 0.8) * HOUR_US)
        detail = {"form": "count", "question": f"{clerk}-{number}"}
        month.look(clerk, at_us, subjects=(), detail=detail)


def _profile(month: Month, clerk: str) -> None:
    """Six agreements of one firm, two fields each, one person."""
    subject = (f"s{month.chance.randrange(20_000)}",)
    for number in range(month.chance.randrange(5, 9)):
        month.look(
            f"{clerk}-{number % 3}",
            month.moment(month.chance.randrange(DAYS)),
            subjects=subject,
            organisation=f"org-{clerk}",
            agreement=f"AG-{clerk}-{number}/1",
            data_set=f"set{number}",
            fields=("a", "b"),
        )


def _night(month: Month, clerk: str) -> None:
    """A few looks after midnight, by somebody who is at work by day."""
    day = month.chance.randrange(DAYS)
    for _ in range(month.chance.randrange(4, 9)):
        month.look(clerk, month.moment(day, 24.2, 28.5))


def _same_reason(month: Month, clerk: str) -> None:
    """One sentence for everybody who comes to the counter."""
    day = month.chance.randrange(DAYS)
    for _ in range(month.chance.randrange(36, 55)):
        month.look(clerk, month.moment(day), reason="窗口业务办理核对")


def _refused(month: Month, clerk: str) -> None:
    """Trying doors, one after another; a flood is told as one row."""
    begin = month.moment(month.chance.randrange(DAYS), 9, 16)
    many = month.chance.random() < 0.5
    for number in range(1 if many else month.chance.randrange(12, 25)):
        detail = {"times": str(month.chance.randrange(20, 400))} if many else {}
        at_us = begin + number * 20_000_000
        month.look(clerk, at_us, what="refused", basis="no agreement", detail=detail)


def _many_persons(month: Month, clerk: str) -> None:
    """A whole school in an afternoon."""
    day = month.chance.choice([day for day in range(DAYS) if day % 7 < 5])
    for _ in range(month.chance.randrange(200, 320)):
        month.look(clerk, month.moment(day))


def _glass(month: Month, clerk: str) -> None:
    """The glass is broken; an auditor judges whether that was right."""
    at_us = month.moment(month.chance.randrange(DAYS))
    month.look(clerk, at_us, what="glass", deed="opened", subjects=())


DEEDS: dict[str, Callable[[Month, str], None]] = {
    "same_person": _same_person,
    "counting": _counting,
    "profile": _profile,
    "night": _night,
    "same_reason": _same_reason,
    "refused": _refused,
    "many_persons": _many_persons,
    "glass": _glass,
}


def score(seed: int, times: int = 4) -> tuple[float, float, int, float, list[str]]:
    """(recall, precision, rows, seconds, what was missed or wrongly told) of one month."""
    month = Month(random.Random(seed))
    ordinary(month)
    plant(month, times)
    rows = month.numbered()
    began = time.perf_counter()
    findings = detect(rows, Thresholds(), 0)
    took = time.perf_counter() - began
    found = {(o.kind, o.organisation if o.kind == "profile" else o.actor) for o in findings}
    wrong = [f"not planted: {kind} {who}" for kind, who in sorted(found - month.planted)]
    missed = [f"missed: {kind} {who}" for kind, who in sorted(month.planted - found)]
    right = len(found & month.planted)
    return (
        right / len(month.planted),
        right / max(1, len(found)),
        len(rows),
        took,
        [*missed, *wrong],
    )


def run(seeds: list[int]) -> list[Finding]:
    """The finding over some months."""
    recalls, precisions = [], []
    for seed in seeds:
        recall, precision, rows, took, told = score(seed)
        recalls.append(recall)
        precisions.append(precision)
        shown = f"recall {recall:.3f}, precision {precision:.3f}, {rows:,} rows in {took:.2f} s"
        print(f"  seed {seed}: {shown}{''.join(f'; {one}' for one in told[:6])}")
    recall, precision = min(recalls), min(precisions)
    return [
        judged(
            "planted misdeeds found in a month of looks (least recall)",
            f"{recall:.3f}",
            f"≥ {RECALL}",
            recall >= RECALL,
        ),
        judged(
            "of what was told, how much was planted (least precision)",
            f"{precision:.3f}",
            f"≥ {PRECISION}",
            precision >= PRECISION,
        ),
    ]


def main() -> int:
    """Print the findings; 0 when all passed."""
    seeds = [int(one) for one in sys.argv[1:]]
    seeds = seeds or [random.SystemRandom().randrange(10**9) for _ in range(5)]
    findings = run(seeds)
    for one in findings:
        print(one.line())
    return 0 if all(one.verdict == "ok" for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
