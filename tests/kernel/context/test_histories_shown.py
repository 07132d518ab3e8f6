"""Histories chosen by time, cut into pages, shown and aggregated."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.context.temporal import (
    Chosen,
    Look,
    Period,
    choose,
    cut_page,
    fold,
    keep_scoped,
    parse_period,
    read_asked,
    show,
)
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE
from tests.kernel.context.histories import ID, NOON, SECOND, Log, prop

A = "urn:a"
HOUR = 3_600 * SECOND
DAY = "2026-01-01T"


def chosen(log: Log, **asked: Any) -> Chosen:
    """What a temporal query chooses."""
    return choose(fold(ID, log.rows), read_asked(asked))


def told(found: Chosen, name: str = "power") -> list[Any]:
    """The values of an attribute."""
    return [
        one.document["value"]
        for each in found.series
        if each.name == name
        for one in each.instances
    ]


def hours(*numbers: int) -> list[dict[str, Any]]:
    """Readings of full hours, with the hour as value."""
    return [prop(number, f"{number:02d}:00:00") for number in numbers]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"timerel": "after", "timeAt": f"{DAY}02:00:00Z"}, [2, 3]),
        ({"timerel": "after", "timeAt": f"{DAY}02:00:00.000Z"}, [2, 3]),
        ({"timerel": "after", "timeAt": f"{DAY}02:00:00.5Z"}, [3]),
        ({"timerel": "before", "timeAt": f"{DAY}02:00:00Z"}, [1]),
        (
            {"timerel": "between", "timeAt": f"{DAY}01:00:00Z", "endTimeAt": f"{DAY}03:00:00Z"},
            [1, 2],
        ),
        ({"lastN": 2}, [2, 3]),
        ({"lastN": "1", "timerel": "before", "timeAt": f"{DAY}03:00:00Z"}, [2]),
        ({"timeproperty": "deletedAt"}, []),
        ({}, [1, 2, 3]),
    ],
)
def test_times_are_asked_for(asked: dict[str, Any], expected: list[int]) -> None:
    """The lower bound is in, the upper is not, whatever the fraction's spelling; told in order."""
    assert expected == told(chosen(Log().recorded(power=hours(3, 1, 2)), **asked))


def test_system_times_are_asked_for() -> None:
    """createdAt and modifiedAt are those of the write; a deletion only has deletedAt."""
    log = Log().created(power=prop(1)).updated(power=prop(2)).updated(power=None)
    at = {"timerel": "after", "timeAt": f"{DAY}12:00:02Z"}
    assert [2] == told(chosen(log, timeproperty="modifiedAt", **at))
    assert [1, 2, "urn:ngsi-ld:null"] == told(chosen(log, timeproperty="createdAt"))
    assert ["urn:ngsi-ld:null"] == told(chosen(log, timeproperty="deletedAt", **at))


@pytest.mark.parametrize(
    "asked",
    [
        {"timerel": "during", "timeAt": f"{DAY}02:00:00Z"},
        {"timerel": "after"},
        {"timeAt": f"{DAY}02:00:00Z"},
        {"timerel": "after", "timeAt": "2026-01-01"},
        {"timerel": "between", "timeAt": f"{DAY}02:00:00Z"},
        {"timerel": "between", "timeAt": f"{DAY}02:00:00Z", "endTimeAt": f"{DAY}01:00:00Z"},
        {"timeproperty": "noon"},
        {"lastN": "0"},
        {"lastN": 1.5},
        {"lastN": True},
        {"aggrMethods": "median"},
        {"aggrMethods": []},
        {"aggrPeriodDuration": "1 hour", "aggrMethods": "avg"},
        {"aggrPeriodDuration": "P", "aggrMethods": "avg"},
        {"aggrPeriodDuration": "PT", "aggrMethods": "avg"},
    ],
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    """Unknown words, missing ends, reversed ranges, no durations."""
    with pytest.raises(BadRequestData):
        read_asked(asked)


def test_a_page_ends_at_one_time_for_all_and_nothing_is_lost() -> None:
    """Going on from its end, everything is told; the other way with lastN."""
    log = Log().recorded(power=hours(*range(10)), level=hours(5, 6, 7))
    seen: list[int] = []
    asked: dict[str, Any] = {"timerel": "after", "timeAt": f"{DAY}00:00:00Z"}
    for _ in range(10):
        found = chosen(log, **asked)
        page = cut_page([found], found.asked, 4)
        seen += [one for one in told(found) if one not in seen]
        if page is None:
            break
        asked["timeAt"] = page.end
    assert list(range(10)) == seen
    found = chosen(log, lastN=10)
    page = cut_page([found], found.asked, 4)
    assert page is not None
    assert f"date-time {DAY}09:00:00Z-{DAY}07:00:00Z/10".encode() == page.header
    assert ([7, 8, 9], [7]) == (told(found), told(found, "level"))


def test_many_instances_of_one_time_do_not_stop_a_page() -> None:
    """Then the next time comes along."""
    log = Log().recorded(power=[*(prop(n, "01:00:00", f"urn:{n}") for n in range(6)), *hours(2)])
    found = chosen(log, timerel="after", timeAt=f"{DAY}00:00:00Z")
    page = cut_page([found], found.asked, 3)
    assert page is not None
    assert f"{DAY}02:00:00Z" == page.end


def test_an_attribute_cut_away_is_told_empty() -> None:
    """It has a history there, on another page."""
    log = Log().recorded(power=hours(1, 2, 3), level=hours(20))
    found = chosen(log, timerel="after", timeAt=f"{DAY}00:00:00Z")
    cut_page([found], found.asked, 3)
    assert [] == show(found, CORE, Look())["level"]


def test_instances_are_shown_with_their_ids_and_times() -> None:
    """System times on request, deletedAt where there is one."""
    log = Log().created(power=prop(1)).updated(power=None)
    [first, last] = show(chosen(log), CORE, Look())["power"]
    assert {"type", "value", "instanceId"} == set(first)
    assert "2026-01-01T12:00:02Z" == last["deletedAt"]
    shown = show(chosen(log), CORE, Look(sys_attrs=True))
    assert {"createdAt": "2026-01-01T12:00:01Z", "modifiedAt": "2026-01-01T12:00:01Z"}.items() <= (
        shown["power"][0].items()
    )
    assert "2026-01-01T12:00:02Z" == shown["modifiedAt"]
    assert "instanceId" not in show(chosen(log), CORE, Look(ids=False))["power"][0]


EACH: list[tuple[dict[str, Any], str, Any]] = [
    ({"type": "Property", "value": [1, 2]}, "values", [1, 2]),
    ({"type": "Relationship", "object": "urn:x"}, "objects", "urn:x"),
    ({"type": "LanguageProperty", "languageMap": {"en": "a"}}, "languageMaps", None),
    ({"type": "VocabProperty", "vocab": ["a"]}, "vocabs", None),
    ({"type": "JsonProperty", "json": {"a": 1}}, "jsons", None),
    ({"type": "ListProperty", "valueList": [1, 2]}, "valueLists", [1, 2]),
    (
        {"type": "ListRelationship", "objectList": [{"object": "urn:x"}]},
        "objectLists",
        ["urn:x"],
    ),
]


@pytest.mark.parametrize(("instance", "member", "expected"), EACH)
def test_values_with_their_times(instance: dict[str, Any], member: str, expected: Any) -> None:
    """One member a type; what would be taken for something else keeps its own member (4.5.9)."""
    at = f"{DAY}01:00:00Z"
    found = chosen(Log().recorded(power=[{**instance, "observedAt": at}]))
    shown = show(found, CORE, Look(form="temporalValues"))["power"]
    simple = {name: value for name, value in instance.items() if name != "type"}
    assert {"type": instance["type"], member: [[expected or simple, at]]} == shown


def test_values_of_data_sets_stand_apart() -> None:
    """One block for one data set, else a list; a language chosen makes texts of a language map."""
    log = Log().recorded(power=[prop(1, "01:00:00"), prop(2, "01:00:00", A)])
    asked = read_asked({"timeproperty": "observedAt"})
    found = choose(fold(ID, log.rows), asked)
    first, other = show(found, CORE, Look(form="temporalValues"))["power"]
    assert ("datasetId" in first, A) == (False, other["datasetId"])
    only = choose(fold(ID, log.rows), asked, datasets=("@none",))
    assert [[1, f"{DAY}01:00:00Z"]] == show(only, CORE, Look(form="temporalValues"))["power"][
        "values"
    ]
    name = {"type": "LanguageProperty", "languageMap": {"de": "Licht", "en": "light"}}
    named = chosen(Log().recorded(name=[{**name, "observedAt": f"{DAY}01:00:00Z"}]))
    shown = show(named, CORE, Look(form="temporalValues", lang="de"))["name"]
    assert {"type": "Property", "values": [["Licht", f"{DAY}01:00:00Z"]]} == shown


def test_a_scope_counts_while_it_is_valid() -> None:
    """Only what was observed then is told; the scope that was set before is told with it."""
    log = Log().recorded(
        scope=[prop("/a", "01:00:00"), prop("/b", "05:00:00")], power=hours(0, 2, 6)
    )
    found = chosen(log, timerel="after", timeAt=f"{DAY}01:30:00Z")
    keep_scoped(found, lambda scopes: scopes == ["/a"])
    assert [2] == told(found)
    assert found.scope is not None
    assert ["/a"] == [one.document["value"] for one in found.scope.instances]


# --- aggregation ------------------------------------------------------------------------------
def aggregate(values: list[Any], methods: str, period: str = "PT0S") -> dict[str, list[Any]]:
    """The values of the methods, one an hour."""
    log = Log().recorded(power=[prop(one, f"{n:02d}:00:00") for n, one in enumerate(values)])
    found = chosen(log, aggrMethods=methods, aggrPeriodDuration=period)
    shown = show(found, CORE, Look(form="aggregatedValues"))["power"]
    return {name: [one[0] for one in shown[name]] for name in methods.split(",")}


ALL = "totalCount,distinctCount,sum,avg,min,max,stddev,sumsq"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 3, 3], ([3], [2], [7.0], [7 / 3], [1.0], [3.0], [pytest.approx(0.942809)], [19.0])),
        ([True, False], ([2], [2], [1.0], [0.5], [0.0], [1.0], [0.5], [1.0])),
        ([[1], [1, 2, 3]], ([2], [2], [4.0], [2.0], [1.0], [3.0], [1.0], [10.0])),
        (["b", "a"], ([2], [2], [], [], ["a"], ["b"], [], [])),
        ([{"a": 1}, {"a": 1}], ([2], [1], [], [], [], [], [], [])),
        (
            [{"@type": "Date", "@value": "2026-01-02"}, {"@type": "Date", "@value": "2026-01-01"}],
            ([2], [2], [], [], ["2026-01-01"], ["2026-01-02"], [], []),
        ),
    ],
)
def test_anything_can_be_aggregated(values: list[Any], expected: Any) -> None:
    """Numbers, truth values, lists by their length, texts, objects, dates (4.5.19)."""
    assert expected == tuple(aggregate(values, ALL).values())


def test_periods_begin_at_the_time_asked_for_and_empty_ones_are_left_out() -> None:
    """Else with the first instance of the entity."""
    log = Log().recorded(power=hours(1, 2, 5))
    found = chosen(
        log, timerel="after", timeAt=f"{DAY}00:30:00Z", aggrMethods="sum", aggrPeriodDuration="PT2H"
    )
    shown = show(found, CORE, Look(form="aggregatedValues"))["power"]["sum"]
    assert [
        [3.0, f"{DAY}00:30:00Z", f"{DAY}02:30:00Z"],
        [5.0, f"{DAY}04:30:00Z", f"{DAY}06:30:00Z"],
    ] == shown
    found = chosen(log, aggrMethods="sum", aggrPeriodDuration="PT2H")
    shown = show(found, CORE, Look(form="aggregatedValues"))["power"]["sum"]
    assert [f"{DAY}01:00:00Z", f"{DAY}03:00:00Z"] == shown[0][1:]


def test_months_are_those_of_the_calendar() -> None:
    """31 January and a month is the end of February; years and weeks are read too."""
    month = parse_period("P1M")
    assert Period(months=1) == month
    january = NOON + 30 * 24 * HOUR
    assert january + 28 * 24 * HOUR == month.start(january, 1)
    assert january + 59 * 24 * HOUR == month.start(january, 2)
    assert 1 == month.number(january, january + 28 * 24 * HOUR)
    assert 0 == month.number(january, january + 28 * 24 * HOUR - 1)
    assert 14 == parse_period("P1Y2M").months
    assert 7 * 24 * HOUR + HOUR // 2 == parse_period("P1WT30M").micros
    assert 500_000 == parse_period("PT0.5S").micros
    assert parse_period("PT0S").whole


def test_too_many_periods_are_refused() -> None:
    """A microsecond over a day is a mistake, not a job."""
    with pytest.raises(BadRequestData, match="periods"):
        aggregate([1, 2, 3], "sum", "PT0.000001S")
