"""Who is on duty when: turns that come again made into shifts, swaps laid over them, gaps found.
Pure: nothing here reads a clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.roster.words import POSTS, Post, Rota, Shift, Swap, Turn

CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
DAY_US: Final = 86_400_000_000
MINUTE_US: Final = 60_000_000
LONGEST_MINUTES: Final = 48 * 60
MOST_DAYS: Final = 366
MOST_TURNS: Final = 500
MOST_PEOPLE: Final = 20


def check_rota(rota: Rota) -> Rota:
    """The same rota; BadRequestData says everything that is wrong with it."""
    wrong = []
    try:
        date.fromisoformat(rota.first_day)
        if rota.until_day:
            date.fromisoformat(rota.until_day)
    except ValueError:
        wrong.append("A rota begins and ends on days like 2026-11-23")
    try:
        ZoneInfo(rota.zone)
    except (KeyError, ValueError, OSError):
        wrong.append(f"Zone {rota.zone[:40]!r} is unknown")
    if not 1 <= rota.days <= MOST_DAYS:
        wrong.append(f"A cycle has 1 to {MOST_DAYS} days, not {rota.days}")
    if not 1 <= len(rota.turns) <= MOST_TURNS:
        wrong.append(f"A rota has 1 to {MOST_TURNS} turns")
    for number, turn in enumerate(rota.turns[:MOST_TURNS], 1):
        wrong += [f"Turn {number} {one}" for one in _wrong(turn, rota.days)]
    if wrong:
        raise BadRequestData("; ".join(wrong[:10]))
    return rota


def _wrong(turn: Turn, days: int) -> list[str]:
    found = []
    if not 0 <= turn.day < days:
        found.append(f"is on day {turn.day} of a cycle of {days}")
    if not CLOCK.fullmatch(turn.starts):
        found.append(f"begins at {turn.starts[:20]!r}, not at a time like 07:30")
    if not 1 <= turn.minutes <= LONGEST_MINUTES:
        found.append(f"takes {turn.minutes} minutes")
    if not 1 <= len(turn.people) <= MOST_PEOPLE or len(set(turn.people)) != len(turn.people):
        found.append("names nobody, somebody twice, or too many")
    if turn.post not in POSTS:
        found.append(f"is for {turn.post!r}, which nobody is on duty as")
    return found


def at_wall(day: date, clock: str, zone: ZoneInfo) -> int:
    """The moment (µs UTC) of HH:MM on a day in a zone; where the wall clock jumps over it, the
    moment it would have been before the jump."""
    hour, minute = int(clock[:2]), int(clock[3:5])
    local = datetime.combine(day, time(hour, minute), tzinfo=zone)
    return int(local.astimezone(UTC).timestamp() * 1_000_000)


def day_of(at_us: int, zone: ZoneInfo) -> date:
    """The day it is in a zone at a moment."""
    return datetime.fromtimestamp(at_us / 1e6, zone).date()


def shifts_of(rota: Rota, since_us: int, until_us: int) -> list[Shift]:
    """The shifts of a rota that touch a span, by their beginning. A night that changes the clock
    keeps its length in minutes: who began at ten goes home after so many hours."""
    zone, first = ZoneInfo(rota.zone), date.fromisoformat(rota.first_day)
    last = date.fromisoformat(rota.until_day) if rota.until_day else date.max
    day = max(first, day_of(since_us, zone) - timedelta(days=LONGEST_MINUTES // 1440 + 1))
    end = min(last, day_of(until_us, zone))
    turns: dict[int, list[tuple[int, Turn]]] = {}
    for number, turn in enumerate(rota.turns):
        turns.setdefault(turn.day, []).append((number, turn))
    found = []
    while day <= end:
        for number, turn in turns.get((day - first).days % rota.days, ()):
            begin = at_wall(day, turn.starts, zone)
            over = begin + turn.minutes * MINUTE_US
            if begin < until_us and over > since_us:
                found += _people(rota, turn, (f"{rota.id}.{day:%Y%m%d}.{number}", begin, over))
        day += timedelta(days=1)
    return sorted(found, key=_order)


def _people(rota: Rota, turn: Turn, span: tuple[str, int, int]) -> list[Shift]:
    name, begin, over = span
    return [
        Shift(
            id=f"{name}.{rank}",
            tenant=rota.tenant,
            person=person,
            post=turn.post,
            since_us=begin,
            until_us=over,
            rank=rank,
            rota=rota.id,
            event=rota.event,
        )
        for rank, person in enumerate(turn.people)
    ]


def _order(shift: Shift) -> tuple[int, int, int, str]:
    return shift.since_us, POSTS.index(shift.post), shift.rank, shift.id


def swapped(shifts: Iterable[Shift], swaps: Sequence[Swap]) -> list[Shift]:
    """The shifts with whoever stands in: a shift is cut where a swap begins or ends, and the later
    swap holds where two cover the same."""
    found: list[Shift] = []
    for shift in shifts:
        parts = [shift]
        for swap in swaps:
            if swap.tenant == shift.tenant:
                parts = [one for part in parts for one in _cut(part, swap)]
        found += parts
    return sorted(found, key=_order)


def _cut(shift: Shift, swap: Swap) -> list[Shift]:
    begin, over = max(shift.since_us, swap.since_us), min(shift.until_us, swap.until_us)
    if shift.person != swap.person or begin >= over:
        return [shift]
    replace = msgspec.structs.replace
    inside = replace(
        shift,
        id=f"{shift.id}~{swap.id}",
        person=swap.by,
        instead_of=shift.instead_of or shift.person,
        since_us=begin,
        until_us=over,
    )
    parts = [inside]
    if shift.since_us < begin:
        parts.insert(0, replace(shift, until_us=begin))
    if over < shift.until_us:
        parts.append(replace(shift, id=f"{shift.id}+", since_us=over))
    return parts


def on_at(shifts: Iterable[Shift], at_us: int) -> list[Shift]:
    """Who is on duty at a moment, in the order in which they are rung; nobody twice."""
    found, seen = [], set()
    on = (one for one in shifts if one.since_us <= at_us < one.until_us)
    for shift in sorted(on, key=_line):
        if (shift.person, shift.post) not in seen:
            seen.add((shift.person, shift.post))
            found.append(shift)
    return found


def _line(shift: Shift) -> tuple[int, int, int, str]:
    """First in line first; who watches an event of its own stands beside the ordinary watch."""
    return POSTS.index(shift.post), shift.rank, shift.since_us, shift.id


def ladder(on_duty: Iterable[Shift]) -> list[str]:
    """Who is rung, one after the other: duty officers, then supervisors; nobody else."""
    rungs: list[str] = []
    for shift in on_duty:
        if shift.post in ("duty", "supervisor") and shift.person not in rungs:
            rungs.append(shift.person)
    return rungs


def gaps(
    shifts: Iterable[Shift], since_us: int, until_us: int, post: Post = "duty"
) -> list[tuple[int, int]]:
    """The spans in which nobody is on duty as `post`, in order."""
    spans = sorted((one.since_us, one.until_us) for one in shifts if one.post == post)
    found, at = [], since_us
    for begin, over in spans:
        if begin > at:
            found.append((at, min(begin, until_us)))
        at = max(at, over)
        if at >= until_us:
            return found
    return [*found, (at, until_us)] if at < until_us else found
