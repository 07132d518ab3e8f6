"""Who is on duty when: a table of turns, laid on the calendar."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.roster import quiet
from pintu.kernel.operations.roster import rota as rotas
from pintu.kernel.operations.roster.words import Message, Reach, Rota, Shift, Swap, Turn

ZONE = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
TITLE = {"zh": "演示", "en": "demo"}


def us(text: str, zone: ZoneInfo = ZONE) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1e6)


def four_teams() -> Rota:
    """四班三运转: four teams, three turns a day, eight days a cycle."""
    order = "AABBCCDD"
    turns = []
    for day in range(8):
        for starts, shift in (("00:00", 0), ("08:00", 2), ("16:00", 4)):
            turns.append(
                Turn(day=day, starts=starts, minutes=480, people=(order[(day + shift) % 8],))
            )
    return Rota(id="r", tenant="t", title=TITLE, first_day="2026-01-01", days=8, turns=tuple(turns))


def test_four_teams_leave_no_gap_in_a_year() -> None:
    """Every moment of a year has one team; each works a quarter of it."""
    since, until = us("2026-01-01T00:00"), us("2027-01-01T00:00")
    shifts = rotas.shifts_of(four_teams(), since, until)
    assert [] == rotas.gaps(shifts, since, until)
    assert 365 * 3 == len(shifts)
    worked = {name: sum(one.person == name for one in shifts) for name in "ABCD"}
    assert max(worked.values()) - min(worked.values()) <= 6
    for moment in (us("2026-05-01T03:00"), us("2026-11-30T23:59")):
        assert 1 == len(rotas.on_at(shifts, moment))


def test_a_night_is_found_from_either_day() -> None:
    """A turn over midnight belongs to both days it touches."""
    turn = Turn(day=0, starts="20:00", minutes=720, people=("a",))
    rota = Rota(id="r", tenant="t", title=TITLE, first_day="2026-01-01", days=1, turns=(turn,))
    [shift] = rotas.shifts_of(rota, us("2026-03-05T03:00"), us("2026-03-05T03:01"))
    assert (us("2026-03-04T20:00"), us("2026-03-05T08:00")) == (shift.since_us, shift.until_us)
    assert [] == rotas.shifts_of(rota, us("2025-12-31T12:00"), us("2026-01-01T19:59"))


@pytest.mark.parametrize(
    ("day", "hours_until_wall_eight"), [("2026-03-28", 11), ("2026-10-24", 13), ("2026-06-01", 12)]
)
def test_a_clock_that_is_set_makes_no_gap_longer_than_its_hour(
    day: str, hours_until_wall_eight: int
) -> None:
    """Turns begin on the wall clock and last their minutes, also in the nights it is changed."""
    turns = (
        Turn(day=0, starts="08:00", minutes=720, people=("a",)),
        Turn(day=0, starts="20:00", minutes=720, people=("b",)),
    )
    rota = Rota(
        id="r", tenant="t", title=TITLE, first_day="2026-01-01", days=1, turns=turns,
        zone="Europe/Berlin",
    )  # fmt: skip
    begin = us(f"{day}T20:00", BERLIN)
    wall_eight = rotas.at_wall(rotas.day_of(begin + 43_200_000_000, BERLIN), "08:00", BERLIN)
    assert hours_until_wall_eight * 3_600_000_000 == wall_eight - begin
    found = rotas.shifts_of(rota, begin, wall_eight)
    gap = rotas.gaps(found, begin, wall_eight)
    assert max(0, wall_eight - begin - 43_200_000_000) == sum(b - a for a, b in gap)


def test_the_line_of_whom_to_ring() -> None:
    """Duty officers by rank, then supervisors; crews and foremen are not rung; nobody twice."""

    def shift(person: str, post: Any, rank: int = 0) -> Shift:
        return Shift(
            id=person + post, tenant="t", person=person, post=post, since_us=0, until_us=10,
            rank=rank,
        )  # fmt: skip

    shifts = [
        shift("s", "supervisor"), shift("c", "crew"), shift("b", "duty", 1), shift("a", "duty"),
        shift("f", "foreman"), shift("a", "supervisor", 1),
    ]  # fmt: skip
    assert ["a", "b", "s"] == rotas.ladder(rotas.on_at(shifts, 5))
    assert [] == rotas.on_at(shifts, 10)


def test_swaps_cut_shifts_and_lose_no_minute() -> None:
    """Random swaps: each moment has as many on duty as before, and whoever swapped is not there."""
    chance = random.Random(5)
    since, until = us("2026-05-01T00:00"), us("2026-05-15T00:00")
    shifts = rotas.shifts_of(four_teams(), since, until)
    for _ in range(50):
        swaps = []
        for number in range(4):
            begin = chance.randrange(since, until)
            swaps.append(
                Swap(
                    id=str(number),
                    tenant="t",
                    person=chance.choice("ABCD"),
                    by=f"x{number}",
                    since_us=begin,
                    until_us=begin + chance.randrange(1, 40) * 3_600_000_000,
                )
            )
        found = rotas.swapped(shifts, swaps)
        assert sum(b.until_us - b.since_us for b in shifts) == sum(
            b.until_us - b.since_us for b in found
        )
        assert len({one.id for one in found}) == len(found)
        at = chance.randrange(since, until)
        away = {one.person for one in swaps if one.since_us <= at < one.until_us}
        assert not away & {one.person for one in rotas.on_at(found, at)}


def test_gaps_are_told_exactly() -> None:
    """Before, between, after; overlapping shifts hide none."""

    def shift(begin: int, over: int) -> Shift:
        return Shift(
            id=str(begin), tenant="t", person="a", post="duty", since_us=begin, until_us=over
        )

    shifts = [shift(2, 4), shift(3, 5), shift(7, 8)]
    assert [(0, 2), (5, 7), (8, 10)] == rotas.gaps(shifts, 0, 10)
    assert [(0, 10)] == rotas.gaps(shifts, 0, 10, "supervisor")
    assert [] == rotas.gaps(shifts, 2, 5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"days": 0}, "A cycle has"),
        ({"first_day": "yesterday"}, "days like"),
        ({"zone": "Mars/Base"}, "unknown"),
        ({"turns": ()}, "1 to 500 turns"),
        ({"turns": (Turn(day=9, starts="08:00", minutes=1, people=("a",)),)}, "is on day 9"),
        ({"turns": (Turn(day=0, starts="8", minutes=1, people=("a",)),)}, "like 07:30"),
        ({"turns": (Turn(day=0, starts="08:00", minutes=0, people=("a",)),)}, "takes 0"),
        ({"turns": (Turn(day=0, starts="08:00", minutes=9, people=("a", "a")),)}, "somebody twice"),
    ],
)
def test_what_cannot_be_a_rota_is_refused(change: dict[str, Any], why: str) -> None:
    """With a sentence about each mistake."""
    turn = Turn(day=0, starts="08:00", minutes=60, people=("a",))
    told = {"id": "r", "tenant": "t", "title": TITLE, "first_day": "2026-01-01", "days": 1}
    with pytest.raises(BadRequestData, match=why):
        rotas.check_rota(Rota(**{**told, "turns": (turn,), **change}))


# --- quiet hours ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "span", "ends"),
    [
        ("2026-11-30T23:00", ("22:00", "07:00"), "2026-12-01T07:00"),
        ("2026-11-30T03:00", ("22:00", "07:00"), "2026-11-30T07:00"),
        ("2026-11-30T07:00", ("22:00", "07:00"), ""),
        ("2026-11-30T13:00", ("12:00", "14:00"), "2026-11-30T14:00"),
        ("2026-11-30T15:00", ("12:00", "14:00"), ""),
        ("2026-11-30T15:00", ("09:00", "09:00"), ""),
        ("2026-11-30T15:00", None, ""),
    ],
)
def test_quiet_hours_end_when_they_say(at: str, span: Any, ends: str) -> None:
    """Also over midnight, and the minute they end in is not quiet."""
    assert (us(ends) if ends else 0) == quiet.quiet_until(span, us(at), ZONE)


@pytest.mark.parametrize(
    ("severity", "kind", "on_duty", "waits"),
    [
        ("medium", "warning", False, True),
        ("high", "warning", False, True),
        ("critical", "warning", False, False),
        ("low", "ring", False, False),
        ("low", "warning", True, False),
    ],
)
def test_who_is_woken(severity: Any, kind: str, on_duty: bool, waits: bool) -> None:
    """Critical ones, rings, and whoever is on duty; everybody else sleeps till seven."""
    reach = Reach(
        id="1", person="a", kind="email", channel="email", address="a@b.cn",
        quiet=("22:00", "07:00"),
    )  # fmt: skip
    message = Message(subject="w:1", title=TITLE, text=TITLE, severity=severity, kind=kind)
    now = us("2026-11-30T03:00")
    due = quiet.due_at(message, reach, now, ZONE, on_duty=on_duty)
    assert (us("2026-11-30T07:00") if waits else now) == due


def test_what_is_too_mild_is_not_sent() -> None:
    """But an all-clear follows a warning wherever it went."""
    reach = Reach(id="1", person="a", kind="email", channel="email", address="a@b.cn", least="high")
    for severity, kind, sent in (
        ("medium", "warning", False), ("high", "warning", True), ("low", "all_clear", True),
    ):  # fmt: skip
        message = Message(subject="w:1", title=TITLE, text=TITLE, severity=severity, kind=kind)  # type: ignore[arg-type]
        assert sent == quiet.wanted(message, reach)
