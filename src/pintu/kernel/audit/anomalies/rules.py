"""The rules, each one pass over rows of a time: pure, so that a scorer can plant what they find."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from pintu.kernel.audit.anomalies.words import KINDS, Finding, Kind, Thresholds
from pintu.kernel.audit.rows import Numbered, Row

EVIDENCE: Final = 20
"""Rows that a finding names; a search finds the others."""

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
QUARTER_US: Final = HOUR_US // 4
LOOKS: Final = ("read", "write")

Rule = Callable[["Seen"], list[Finding]]


@dataclass(slots=True)
class Seen:
    """Rows of a time, sorted out once for all rules. Days and hours are the town's."""

    limits: Thresholds
    offset_us: int  # of the town's clock to UTC
    looks: dict[str, list[Numbered]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, list[Numbered]] = field(default_factory=lambda: defaultdict(list))
    glass: list[Numbered] = field(default_factory=list)
    under_glass: dict[str, list[Numbered]] = field(default_factory=lambda: defaultdict(list))

    def take(self, one: Numbered) -> None:
        """One row more."""
        row = one.row
        if row.what in LOOKS:
            self.looks[row.actor].append(one)
            if row.basis.startswith("glass "):
                self.under_glass[row.basis[6:]].append(one)
        elif row.what == "refused":
            self.refused[row.actor].append(one)
        elif row.what == "glass" and row.deed == "opened":
            self.glass.append(one)

    def day(self, row: Row) -> int:
        """The day of the town."""
        return (row.at_us + self.offset_us) // DAY_US

    def hour(self, row: Row) -> int:
        """The hour of that day."""
        return (row.at_us + self.offset_us) // HOUR_US % 24


def detect(rows: Iterable[Numbered], limits: Thresholds, offset_us: int = 0) -> list[Finding]:
    """Everything the rules find in these rows, the newest first."""
    seen = Seen(limits, offset_us)
    for one in rows:
        seen.take(one)
    found = [finding for rule in RULES for finding in rule(seen)]
    return sorted(found, key=lambda one: -one.last_us)


# --- the rules ------------------------------------------------------------------------------------
def same_person(seen: Seen) -> list[Finding]:
    """One insider, one person: on many days, or many times in one."""
    found = []
    limits = seen.limits
    for looks in seen.looks.values():
        by_subject: dict[str, list[Numbered]] = defaultdict(list)
        for one in looks:
            for subject in one.row.subjects:
                by_subject[subject].append(one)
        for subject, some in by_subject.items():
            factor = min(limits.usual.get(one.row.purpose, 1) for one in some)
            days = [seen.day(one.row) for one in some]
            most = max(days.count(day) for day in set(days))
            often = (
                len(some) >= limits.same_person_looks * factor
                and len(set(days)) >= limits.same_person_days * factor
            )
            if often or most >= limits.same_person_in_a_day * factor:
                told = (f"{len(some)} 次，分布在 {len(set(days))} 天",
                        f"{len(some)} looks on {len(set(days))} days")  # fmt: skip
                found.append(_finding("same_person", some, told, subject=subject))
    return found


def counting(seen: Seen) -> list[Finding]:
    """Counts with ever other conditions: each answer says little, their differences much."""
    found = []
    for looks in seen.looks.values():
        by_set: dict[str, list[Numbered]] = defaultdict(list)
        for one in looks:
            if one.row.detail.get("form") == "count":
                by_set[one.row.data_set].append(one)
        for some in by_set.values():
            worst = _densest(some, HOUR_US, lambda one: one.row.detail.get("question", ""))
            different = len({one.row.detail.get("question", "") for one in worst})
            if different >= seen.limits.counting_in_an_hour:
                told = (f"一小时内 {different} 个不同条件的计数",
                        f"{different} counts with different conditions within an hour")  # fmt: skip
                found.append(_finding("counting", worst, told))
    return found


def profile(seen: Seen) -> list[Finding]:
    """One organisation, one person, many agreements: each narrow, together a profile."""
    by_pair: dict[tuple[str, str], list[Numbered]] = defaultdict(list)
    for looks in seen.looks.values():
        for one in looks:
            if one.row.agreement:
                for subject in one.row.subjects:
                    by_pair[one.row.organisation, subject].append(one)
    found = []
    limits = seen.limits
    for (_, subject), some in by_pair.items():
        agreements = {one.row.agreement.partition("/")[0] for one in some}
        if len(agreements) < limits.profile_agreements:
            continue
        fields = {(one.row.data_set, name) for one in some for name in one.row.fields}
        if len(fields) >= limits.profile_fields:
            told = (f"凭 {len(agreements)} 份协议得到 {len(fields)} 个字段",
                    f"{len(fields)} fields under {len(agreements)} agreements")  # fmt: skip
            found.append(_finding("profile", some, told, subject=subject, nobody=True))
    return found


def night(seen: Seen) -> list[Finding]:
    """Looks at night by a person who does not work at night."""
    found = []
    limits = seen.limits

    def late(one: Numbered) -> bool:
        hour = seen.hour(one.row)
        return hour >= limits.night_from or hour < limits.night_to

    for looks in seen.looks.values():
        own = [one for one in looks if one.row.person]
        nights: dict[int, list[Numbered]] = defaultdict(list)
        for one in own:
            if late(one):  # a night is called by the day on which it began
                nights[(one.row.at_us + seen.offset_us - 12 * HOUR_US) // DAY_US].append(one)
        if sum(map(len, nights.values())) > limits.night_share * len(own):
            worked = {seen.day(one.row) for one in own if not late(one)}
            if len(nights) > limits.night_share * len(worked):
                continue  # whoever has the night shift
        for some in nights.values():
            if len(some) >= limits.night_looks:
                told = (f"一夜 {len(some)} 次", f"{len(some)} looks in one night")
                found.append(_finding("night", some, told))
    return found


def same_reason(seen: Seen) -> list[Finding]:
    """One reason, word for word, for many people in a day: nobody thought about any of them."""
    found = []
    for looks in seen.looks.values():
        by_reason: dict[tuple[int, str], list[Numbered]] = defaultdict(list)
        for one in looks:
            if one.row.reason and one.row.person:
                by_reason[seen.day(one.row), one.row.reason].append(one)
        for (_, reason), some in by_reason.items():
            persons = {subject for one in some for subject in one.row.subjects}
            if len(persons) >= seen.limits.same_reason_persons:
                told = (f"“{reason[:40]}”用于 {len(persons)} 人",
                        f"“{reason[:40]}” for {len(persons)} people")  # fmt: skip
                found.append(_finding("same_reason", some, told))
    return found


def refused(seen: Seen) -> list[Finding]:
    """Somebody tries what they may not, again and again; a flood is one row that says how often."""
    found = []
    for some in seen.refused.values():
        worst = _densest(some, QUARTER_US, None)
        times = sum(_times(one.row) for one in worst)
        if times >= seen.limits.refused_in_a_quarter:
            told = (f"一刻钟内 {times} 次", f"{times} times within a quarter of an hour")
            found.append(_finding("refused", worst, told))
    return found


def glass(seen: Seen) -> list[Finding]:
    """Every breaking of the glass, with what was looked at through it."""
    found = []
    for one in seen.glass:
        looks = seen.under_glass.get(str(one.number), [])  # a glass is called by its row
        persons = {subject for look in looks for subject in look.row.subjects}
        told = (f"查看 {len(looks)} 次，涉及 {len(persons)} 人：{one.row.reason[:60]}",
                f"{len(looks)} looks at {len(persons)} people: {one.row.reason[:60]}")  # fmt: skip
        found.append(_finding("glass", [one, *looks], told))
    return found


def many_persons(seen: Seen) -> list[Finding]:
    """Somebody who sees ten people a day sees three hundred."""
    found = []
    limits = seen.limits
    for looks in seen.looks.values():
        days: dict[int, list[Numbered]] = defaultdict(list)
        for one in looks:
            if one.row.person and one.row.subjects:
                days[seen.day(one.row)].append(one)
        counts = {
            day: len({subject for one in some for subject in one.row.subjects})
            for day, some in days.items()
        }
        for day, count in counts.items():
            others = [n for other, n in counts.items() if other != day]
            usual = median(others) if len(others) >= 3 else 0
            if count >= max(limits.many_persons_least, limits.many_persons_times * usual) and usual:
                told = (f"一天 {count} 人，平日 {usual:g} 人",
                        f"{count} people in a day, {usual:g} on others")  # fmt: skip
                found.append(_finding("many_persons", days[day], told))
    return found


RULES: Final[tuple[Rule, ...]] = (
    same_person, counting, profile, night, same_reason, refused, glass, many_persons,
)  # fmt: skip


# --- parts ----------------------------------------------------------------------------------------
def _times(row: Row) -> int:
    told = row.detail.get("times", "1")
    return int(told) if told.isdecimal() and len(told) < 10 else 1


def _densest(
    rows: Sequence[Numbered], within_us: int, different: Callable[[Numbered], str] | None
) -> list[Numbered]:
    """The rows of that time in which most lie, or most different ones."""
    best: list[Numbered] = []
    best_count = 0
    window: deque[Numbered] = deque()
    counts: dict[str, int] = defaultdict(int)
    weight = 0
    for one in sorted(rows, key=lambda one: one.row.at_us):
        window.append(one)
        word = "" if different is None else different(one)
        counts[word] += 1
        weight += _times(one.row)
        while window[0].row.at_us < one.row.at_us - within_us:
            gone = window.popleft()
            gone_word = "" if different is None else different(gone)
            counts[gone_word] -= 1
            if not counts[gone_word]:
                del counts[gone_word]
            weight -= _times(gone.row)
        count = weight if different is None else len(counts)
        if count > best_count:
            best, best_count = list(window), count
    return best


def _finding(
    kind: Kind,
    rows: Sequence[Numbered],
    told: tuple[str, str],
    *,
    subject: str = "",
    nobody: bool = False,
) -> Finding:
    last = max(rows, key=lambda one: one.number)
    numbers = sorted((one.number for one in rows), reverse=True)
    return Finding(
        kind=kind,
        actor="" if nobody else last.row.actor,
        organisation=last.row.organisation,
        count=len(rows),
        first_us=min(one.row.at_us for one in rows),
        last_us=max(one.row.at_us for one in rows),
        rows=tuple(numbers[:EVIDENCE]),
        title=KINDS[kind],
        told={"zh": told[0], "en": told[1]},
        subject=subject,
        data_set=last.row.data_set,
    )
