"""The index by its tables: vectors worked by hand, two independent packages, dates, reports."""

from __future__ import annotations

import json
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import aqi
import pytest
from aqi.constants import (
    POLLUTANT_CO_1H,
    POLLUTANT_CO_24H,
    POLLUTANT_NO2_1H,
    POLLUTANT_NO2_24H,
    POLLUTANT_O3_1H,
    POLLUTANT_O3_8H,
    POLLUTANT_PM10,
    POLLUTANT_PM25,
    POLLUTANT_SO2_1H,
    POLLUTANT_SO2_24H,
)
from aqi_hub.aqi_cn.aqi import cal_iaqi_cn

from pintu.kit import ConfigurationError, ResourceNotFound
from pintu.pieces.environment.model.index import (
    Editions,
    IndexTable,
    level_of,
    limits_at,
    report,
    sub_index,
)
from pintu.pieces.environment.settings import read_all_limits, read_tables

TABLES = {one.edition: one for one in read_tables()}
OLD, NEW = TABLES["HJ 633-2012"], TABLES["HJ 633-2026"]
VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text("utf-8")
)
THEIRS = {
    ("PM2.5", "24h"): POLLUTANT_PM25, ("PM10", "24h"): POLLUTANT_PM10,
    ("SO2", "24h"): POLLUTANT_SO2_24H, ("SO2", "1h"): POLLUTANT_SO2_1H,
    ("NO2", "24h"): POLLUTANT_NO2_24H, ("NO2", "1h"): POLLUTANT_NO2_1H,
    ("O3", "8h"): POLLUTANT_O3_8H, ("O3", "1h"): POLLUTANT_O3_1H,
    ("CO", "24h"): POLLUTANT_CO_24H, ("CO", "1h"): POLLUTANT_CO_1H,
}  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["working"][:40])
def test_a_vector_worked_by_hand(vector: dict[str, Any]) -> None:
    """Each of the vectors gives the index that a person worked out from the table."""
    found = sub_index(
        TABLES[vector["edition"]], vector["pollutant"], vector["period"], vector["concentration"]
    )
    assert vector["index"] == found


def test_there_are_fifty_vectors_and_more() -> None:
    """Every pollutant, period and edition is among them."""
    kinds = {(one["edition"], one["pollutant"], one["period"]) for one in VECTORS}
    assert len(VECTORS) >= 50
    assert {("HJ 633-2012", *one) for one in THEIRS} <= kinds


def of_python_aqi(pollutant: str, period: str, concentration: float) -> int | None:
    """What python-aqi (algorithm MEP) says; None where it raises."""
    try:
        return int(aqi.to_iaqi(THEIRS[pollutant, period], str(concentration), algo=aqi.ALGO_MEP))
    except (TypeError, IndexError):
        return None


def why_python_aqi_differs(vector: dict[str, Any], theirs: int | None) -> str:
    """The known reason, or an empty text."""
    value = vector["concentration"]
    if theirs is None:
        return "it raises above the table, below zero and between its whole numbers"
    if value != int(value):
        return "it cuts decimals off, the standard rounds (GB/T 8170); CO even to whole mg"
    if vector["pollutant"] == "CO":
        return "its segments begin at 3, 5 … mg, the standard's at 2, 4 …"
    if abs(theirs - vector["index"]) <= 2:
        return "its segments begin at 51, 101 …, and it rounds half to even, the standard up"
    return ""


def test_python_aqi_agrees_or_the_difference_is_explained() -> None:
    """At every breakpoint it agrees; between them it follows another rounding."""
    agreed, explained = [], []
    for vector in VECTORS:
        where = vector["pollutant"], vector["period"]
        if vector["edition"] != OLD.edition or where not in THEIRS or vector["index"] is None:
            continue
        theirs = of_python_aqi(*where, vector["concentration"])
        if theirs == vector["index"]:
            agreed.append(vector)
        else:
            assert why_python_aqi_differs(vector, theirs) != "", (vector, theirs)
            assert "breakpoint" not in vector["working"] or vector["index"] == 500
            explained.append(vector)
    assert len(agreed) >= 25
    assert len(explained) <= 20


@pytest.mark.parametrize(
    ("pollutant", "period"),
    [(pollutant, period) for pollutant, row in NEW.limits.items() for period in row],
)
def test_aqi_hub_agrees_at_every_whole_concentration(pollutant: str, period: str) -> None:
    """An independent package of the edition of 2026 gives the same for each whole number, but for
    SO2 of 24 h, where it has the breakpoints of 1 h (150, 500, 650) by mistake."""
    name = f"{pollutant.replace('.', '')}_{period.upper()}"
    top = NEW.limits[pollutant][period][-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = [
            one
            for one in range(top + 100)
            if cal_iaqi_cn(name, one) != sub_index(NEW, pollutant, period, one)
        ]
    if (pollutant, period) == ("SO2", "24h"):
        assert max(other) < 800
        assert sub_index(NEW, "SO2", "24h", 150) == 100
    else:
        assert other == []


@pytest.mark.parametrize("table", [OLD, NEW], ids=lambda one: one.edition)
def test_the_index_only_rises(table: IndexTable) -> None:
    """A higher concentration never has a lower sub-index."""
    for pollutant, columns in table.limits.items():
        for period, row in columns.items():
            told = [sub_index(table, pollutant, period, one / 10) for one in range(row[-1] * 10)]
            known = [one for one in told if one is not None]
            assert known == sorted(known)


@pytest.mark.parametrize(
    ("day", "edition"),
    [
        ("2012-02-29", "HJ 633-2012"),
        ("2016-01-01", "HJ 633-2012"),
        ("2026-02-28", "HJ 633-2012"),
        ("2026-03-01", "HJ 633-2026"),
        ("2026-11-22", "HJ 633-2026"),
    ],
)
def test_a_date_has_its_edition(day: str, edition: str) -> None:
    """The table in use on that day."""
    assert edition == Editions(read_tables()).at(date.fromisoformat(day)).edition


def test_a_date_without_a_table_is_refused_not_guessed() -> None:
    """Before 2012 there is none; who wants one names it."""
    with pytest.raises(ResourceNotFound, match="No index table covers 2012-02-28"):
        Editions(read_tables()).at(date(2012, 2, 28))
    named = Editions(read_tables(), "HJ 633-2012")
    assert named.at(date(2012, 2, 28)).edition == "HJ 633-2012"
    assert named.at(date(2026, 11, 22)).edition == "HJ 633-2026"
    with pytest.raises(ConfigurationError, match="no table"):
        Editions(read_tables(), "HJ 633-2030")


@pytest.mark.parametrize("table", [OLD, NEW], ids=lambda one: one.edition)
def test_every_table_says_where_it_is_from(table: IndexTable) -> None:
    """Sources, whole columns that rise, an index for each breakpoint, six levels with colours."""
    assert all("http" in table.sources[0] for _ in table.sources)
    for columns in table.limits.values():
        for row in columns.values():
            assert list(row) == sorted(set(row))
            assert len(row) <= len(table.index)
    assert [one.up_to for one in table.levels] == [50, 100, 150, 200, 300, 500]
    assert len({one.colour for one in table.levels}) == 6


ALL = {
    "PM2.5": {"1h": 75.0, "24h": 60.0}, "PM10": {"1h": 80.0, "24h": 90.0},
    "SO2": {"1h": 5.0, "24h": 6.0}, "NO2": {"1h": 30.0, "24h": 35.0},
    "O3": {"1h": 100.0, "8h": 90.0}, "CO": {"1h": 0.5, "24h": 0.6},
}  # fmt: skip


def test_a_real_time_report_takes_what_its_edition_takes() -> None:
    """2012: particles by their rolling 24 h; 2026: by the hour."""
    old, new = report(OLD, ALL, "real_time"), report(NEW, ALL, "real_time")
    assert (old.index, old.subs["PM2.5"].period, old.primary) == (82, "24h", ("PM2.5",))
    assert (new.index, new.subs["PM2.5"].period, new.primary) == (114, "1h", ("PM2.5",))
    assert new.level is not None
    assert new.level.code == "lightlyPolluted"


def test_a_report_of_2012_goes_to_the_other_period_above_800() -> None:
    """SO2 of 1 h at 900 is judged by its 24 h mean, O3 of 8 h at 900 by its hour."""
    values = {**ALL, "SO2": {"1h": 900.0, "24h": 475.0}, "O3": {"1h": 900.0, "8h": 900.0}}
    told = report(OLD, values, "real_time")
    assert (told.subs["SO2"].index, told.subs["SO2"].period) == (150, "24h")
    assert (told.subs["O3"].index, told.subs["O3"].period) == (350, "1h")
    assert told.primary == ("O3",)


def test_several_pollutants_may_be_primary_and_none_below_51() -> None:
    """Who reaches the index is primary, all of them; at 50 and less nobody is."""
    values = {**ALL, "PM2.5": {"1h": 60.0}, "PM10": {"1h": 120.0}}
    assert report(NEW, values, "real_time").primary == ("PM2.5", "PM10")
    low = {name: dict.fromkeys(row, 1.0) for name, row in ALL.items()}
    assert report(NEW, low, "real_time").primary == ()


def test_with_a_pollutant_missing_2026_publishes_only_what_is_above_100() -> None:
    """5.3.1: what is missing might be higher, unless the rest is bad enough already."""
    without = {name: row for name, row in ALL.items() if name != "CO"}
    assert report(NEW, without, "real_time").index == 114
    clean = {**without, "PM2.5": {"1h": 20.0}}
    told = report(NEW, clean, "real_time")
    assert (
        told.index, told.missing, told.reason["zh"],
    ) == (None, ("CO",), "缺少 CO，按 HJ 633-2026 不发布指数")  # fmt: skip
    assert report(OLD, {**without, "PM2.5": {"24h": 20.0}}, "real_time").index is not None
    assert report(NEW, {}, "daily").index is None


def test_levels_end_where_the_standard_says() -> None:
    """50 is excellent, 51 good; above 300 is the sixth."""
    told = [level_of(NEW, one).code for one in (0, 50, 51, 100, 101, 150, 301, 999)]
    assert told[:6] == ["excellent"] * 2 + ["good"] * 2 + ["lightlyPolluted"] * 2
    assert told[6:] == ["severelyPolluted"] * 2


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-02-28", 75), ("2026-03-01", 60), ("2031-01-01", 50)]
)
def test_limits_are_dated(day: str, expected: int) -> None:
    """PM2.5 of 24 h in class 2: 75, in the transition 60, from 2031 on 50."""
    found = limits_at(read_all_limits(), date.fromisoformat(day))
    assert found is not None
    assert expected == found.limits["PM2.5"]["24h"][1]


def test_no_limit_is_guessed() -> None:
    """Before the first edition nothing is an exceedance."""
    assert limits_at(read_all_limits(), date(2011, 1, 1)) is None
