"""What is one incident: the same thing, a common cause, near in place and time; nothing else."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.operations.incidents.changes import Changes
from pintu.kernel.operations.incidents.desk import Desk
from pintu.kernel.operations.incidents.flood import Limits
from pintu.kernel.operations.incidents.graph import Graph, thing_of
from pintu.kernel.operations.incidents.reading import alarm_of
from pintu.kernel.operations.incidents.weighing import grade
from pintu.kernel.operations.incidents.words import Alarm, Incident
from tests.kernel.operations.incidents_town import (
    BEGAN_US,
    HERE,
    MINUTE_US,
    TENANT,
    alert,
    moved,
    thing,
)

DAY_US = 24 * 60 * MINUTE_US


class Table:
    """A desk without a disk: what it would keep is in `incidents`."""

    def __init__(self, limits: Limits | None = None) -> None:
        numbers = count(1)
        self.desk = Desk(
            lambda _: f"I{next(numbers)}", lambda _, key: {"zh": key, "en": key}, limits=limits
        )

    def take(self, *alarms: Alarm) -> list[str]:
        """Alarms in one step; the verbs that were done, with their incidents."""
        change = Changes(max(one.heard_us for one in alarms))
        for one in alarms:
            self.desk.take(one, change)
        self.desk.finish(change)
        return [f"{one.subject.partition(':')[2]} {one.verb}" for one in change.deeds]

    def look(self, at_us: int) -> list[str]:
        """Time has passed."""
        change = Changes(at_us)
        self.desk.look(at_us, change)
        self.desk.finish(change)
        return [f"{one.subject.partition(':')[2]} {one.verb}" for one in change.deeds]

    @property
    def incidents(self) -> list[Incident]:
        """What is live, oldest first."""
        clusters = self.desk.board(TENANT).clusters.values()
        return [one.incident for one in clusters if one.incident is not None]

    @property
    def sizes(self) -> list[int]:
        """How many alarms each has, the most first."""
        return sorted((one.alarms for one in self.incidents), reverse=True)


def alarm(
    name: str, *, minutes: float = 0.0, causes: dict[str, int] | None = None, **more: Any
) -> Alarm:
    """An alarm that was heard so many minutes after the beginning."""
    at_us = BEGAN_US + int(minutes * MINUTE_US)
    made = alarm_of(alert(name, at_us, **more), tenant=TENANT, heard_us=at_us)
    made.causes = causes or ({made.source: 0} if made.source else {})
    return made


def test_alarms_near_in_place_and_time_are_one() -> None:
    """A hundred metres and two minutes apart, of one kind."""
    table = Table()
    table.take(alarm("1"), alarm("2", place=moved(100), minutes=2))
    assert [2] == table.sizes
    assert {"first", "near"} == {one["kind"] for one in table.incidents[0].why}


@pytest.mark.parametrize(
    "more",
    [
        {"place": moved(400)},
        {"minutes": 11},
        {"category": "environment", "detector": "environment/detect"},
        {"place": None},
    ],
)
def test_far_or_late_or_of_another_kind_is_another(more: dict[str, Any]) -> None:
    """Nearness in one of them is not enough."""
    table = Table()
    table.take(alarm("1"), alarm("2", **more))
    assert [1, 1] == table.sizes


def test_what_depends_on_one_thing_is_one_however_far() -> None:
    """Two lamps of one cabinet, a kilometre apart."""
    table = Table()
    for number in range(41):
        place = moved(number * 1_000)
        table.take(alarm(str(number), place=place, causes={f"urn:l:{number}": 0, "urn:cab": 1}))
    assert [41] == table.sizes
    assert "urn:cab" == table.incidents[0].cause


def test_a_distant_common_cause_alone_joins_nothing() -> None:
    """Every lamp of the city hangs on one station: that alone says nothing, until it alarms."""
    table = Table()
    for number in range(4):
        causes = {f"urn:l:{number}": 0, f"urn:cab:{number}": 1, "urn:station": 2}
        table.take(alarm(str(number), place=moved(number * 1_000), causes=causes))
    assert [1, 1, 1, 1] == table.sizes
    deeds = table.take(alarm("station", place=moved(9_000), causes={"urn:station": 0}, minutes=5))
    assert [5] == table.sizes
    assert 3 == sum(one.endswith("merged") for one in deeds)


def test_a_bridge_merges_what_was_two_into_the_older() -> None:
    """The incident that somebody knows of already stays."""
    table = Table()
    table.take(alarm("1"))
    table.take(alarm("2", place=moved(250)))
    deeds = table.take(alarm("3", place=moved(125)))
    assert ["I2 merged", "I1 joined"] == deeds
    assert [3] == table.sizes


def test_what_a_person_divided_is_not_merged_by_the_room() -> None:
    """An alarm between two that are held goes to the nearer."""
    table = Table()
    table.take(alarm("1"))
    table.take(alarm("2", place=moved(250)))
    for one in table.incidents:
        one.held = True
    table.take(alarm("3", place=moved(150)))
    assert [2, 1] == table.sizes


def test_a_lonely_doubt_waits_and_may_pass() -> None:
    """One medium alarm that clears within its two minutes never was an incident."""
    table, doubt = Table(), {"severity": "medium", "category": "water"}
    assert [] == table.take(alarm("1", **doubt))
    table.take(alarm("1", status="cleared", minutes=1, **doubt))
    assert [] == table.look(BEGAN_US + DAY_US)
    assert [] == table.take(alarm("2", minutes=30, **doubt))
    assert ["I1 opened"] == table.look(BEGAN_US + 33 * MINUTE_US)


def test_broken_lamps_here_and_there_are_work_and_no_incident() -> None:
    """A city always has some: they call nobody, however long they stay dark; two that confirm each
    other are an incident, but none that rings, far apart as they may stand on their feeder."""
    table = Table()
    for n in range(12):
        far = moved(700.0 * n)
        assert [] == table.take(alarm(f"{n}", severity="medium", place=far, minutes=15 * n))
    assert [] == table.look(BEGAN_US + DAY_US)
    told = {"severity": "medium", "minutes": 300}
    table.take(alarm("a", place=moved(9_000), **told))
    table.take(alarm("b", place=moved(9_120), **told))
    assert [(2, 1)] == [(one.alarms, one.grade) for one in table.incidents]
    alarms = [alarm(f"{n}", severity="medium", place=moved(1_200.0 * n)) for n in range(5)]
    assert [1, 2] == [grade(some, 0.9, 1_300.0) for some in (alarms[:2], alarms)]


def test_a_chattering_thing_never_lasts_long_enough() -> None:
    """High, and over a minute later, again and again: it stays among what was no incident."""
    table = Table()
    for minutes in range(0, 120, 2):
        assert [] == table.take(alarm("1", severity="high", minutes=minutes))
        assert [] == table.take(alarm("1", status="cleared", minutes=minutes + 1))
        assert [] == table.look(BEGAN_US + (minutes + 2) * MINUTE_US)


def test_what_comes_again_hours_after_it_was_over_is_another_incident() -> None:
    """The same alert in the afternoon, of what was over in the morning."""
    table = Table()
    table.take(alarm("1"))
    table.take(alarm("1", status="cleared", minutes=10))
    assert ["I2 opened"] == table.take(alarm("1", minutes=90))
    assert [1, 0] == [one.alarms_open for one in reversed(table.incidents)]


def test_two_doubts_confirm_each_other() -> None:
    """What one source doubts is an incident at once when another says so too."""
    table = Table()
    table.take(alarm("1", severity="medium"))
    table.take(alarm("2", severity="medium", detector="person", category="service"))
    assert [2] == table.sizes
    assert 2 == table.incidents[0].detectors


def test_an_independent_neighbour_makes_it_surer_than_the_same_source() -> None:
    """A second alarm of one source is worth less than a first of another."""
    sure = []
    for detector in ("street_lights/other", "water/detect"):
        table = Table()
        table.take(alarm("1", source="urn:a"), alarm("2", detector=detector, source="urn:b"))
        sure.append(table.incidents[0].confidence)
    assert sure[0] < sure[1]


def test_a_detector_that_was_often_wrong_counts_for_less() -> None:
    """Its incidents begin with less confidence, and its high alarms wait to be confirmed."""
    table = Table()
    table.take(alarm("1"))
    before = table.incidents[0].confidence
    table.desk.detectors[TENANT, "street_lights/detect"].mistaken = 20
    assert [] == table.take(alarm("2", place=moved(5_000), minutes=60))
    table.look(BEGAN_US + 63 * MINUTE_US)
    assert before > table.incidents[-1].confidence


def test_a_clock_a_day_wrong_changes_nothing_but_is_told() -> None:
    """An alarm that says yesterday is taken when it was heard."""
    table = Table()
    wrong = [alert("2", BEGAN_US - DAY_US), alert("3", BEGAN_US + DAY_US)]
    read = [alarm_of(one, tenant=TENANT, heard_us=BEGAN_US) for one in wrong]
    assert [-DAY_US, DAY_US] == [one.clock_off_us for one in read]
    table.take(alarm("1"), *read)
    assert [3] == table.sizes
    assert DAY_US == table.desk.detectors[TENANT, "street_lights/detect"].clock_off_us


def test_the_same_alert_again_is_one_alarm_raised_twice() -> None:
    """Cleared and raised again it is the same alarm, and no deed more."""
    table = Table()
    table.take(alarm("1"))
    table.take(alarm("1", status="cleared", minutes=1))
    assert 0 == table.incidents[0].alarms_open
    table.take(alarm("1", minutes=2))
    assert (1, 1) == (table.incidents[0].alarms, table.incidents[0].alarms_open)
    (only,) = table.desk.board(TENANT).clusters["I1"].alarms.values()
    assert 2 == only.repeats


def test_the_grade_rises_with_what_joins_and_is_told_once() -> None:
    """Critical alone is grade 3; twenty of them are 4."""
    table = Table()
    assert ["I1 opened"] == table.take(alarm("0"))
    more = [alarm(str(n), place=moved(n * 10)) for n in range(1, 30)]
    assert ["I1 raised", "I1 joined"] == table.take(*more)
    assert 4 == table.incidents[0].grade


def test_what_is_over_and_unseen_passes_and_what_is_grave_stays() -> None:
    """Half an hour after its last alarm cleared; a grave one waits a day for somebody."""
    table = Table()
    table.take(alarm("1", severity="low", detector="person"))
    table.take(alarm("2", place=moved(3_000)))
    for name in ("1", "2"):
        place = HERE if name == "1" else moved(3_000)
        table.take(alarm(name, status="cleared", minutes=5, place=place))
    assert [] == table.look(BEGAN_US + 34 * MINUTE_US)
    assert ["I1 closed"] == table.look(BEGAN_US + 36 * MINUTE_US)
    assert ["I2 closed"] == table.look(BEGAN_US + DAY_US + 6 * MINUTE_US)


def test_one_broken_detector_is_one_incident_that_says_so() -> None:
    """Ten thousand alarms all over the city; memory holds the first hundred of them."""
    table = Table()
    table.take(alarm("real", place=moved(-9_000)))
    dice = random.Random(7)
    for begin in range(0, 10_000, 500):
        table.take(*(
            alarm(f"f{begin + n}", detector="broken/one",
                  place=moved(dice.uniform(0, 2e4), dice.uniform(0, 2e4)))
            for n in range(500)
        ))  # fmt: skip
    assert [10_000, 1] == table.sizes
    flood = next(one for one in table.incidents if one.flood)
    assert "检测器 broken/one 告警泛滥：10000 条" == flood.name["zh"]
    assert 2 == flood.grade
    board = table.desk.board(TENANT)
    assert 101 == len(board.alerts)
    assert 100 == len(board.clusters[flood.id].alarms)


def test_a_flood_hides_nothing_that_somebody_else_sees() -> None:
    """An alarm of the flooding detector at a place where another source alarms goes there."""
    table = Table(Limits(most=50))
    table.take(alarm("water", category="infrastructure", detector="water/detect",
                     place=moved(-500)))  # fmt: skip
    for n in range(60):
        table.take(alarm(f"f{n}", place=moved(n * 400)))
    assert [60, 1] == table.sizes
    table.take(alarm("beside", place=moved(-480)))
    assert [60, 2] == table.sizes


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.booleans()), max_size=40))
def test_every_alarm_is_in_one_place_whatever_happens(steps: list[tuple[int, int, bool]]) -> None:
    """Board, clusters and counts agree after any alarms in any order."""
    table = Table(Limits(most=25, scattered=10))
    for minutes, (name, place, over) in enumerate(steps):
        table.take(alarm(str(name), place=moved(place * 90), minutes=minutes / 3,
                         status="cleared" if over else "open"))  # fmt: skip
    board = table.desk.board(TENANT)
    seen = [key for one in board.clusters.values() for key in one.alarms]
    assert sorted(seen) == sorted(board.alerts)
    for one in board.clusters.values():
        if one.incident is not None and not one.flood:
            assert one.incident.alarms == len(one.alarms)
            assert one.incident.alarms_open == sum(a.open for a in one.alarms.values())


def test_the_graph_says_what_hangs_on_a_thing() -> None:
    """Lamps on their cabinet, cabinets on their station; a loop ends."""
    cabinet, station = "urn:ngsi-ld:StreetlightControlCabinet:c", "urn:ngsi-ld:Device:station"
    lamps = [thing(f"urn:ngsi-ld:Streetlight:{n}", refStreetlightControlCabinet=cabinet)
             for n in range(3)]  # fmt: skip
    loop = thing(station, refParent=cabinet)
    graph = Graph(map(thing_of, [*lamps, thing(cabinet, refParent=station), loop]))
    hang = graph.dependents([station])
    assert {1: 1, 2: 3} == {steps: list(hang.values()).count(steps) for steps in (1, 2)}
    assert 4 == len(hang)
