"""What follows from hours: verdicts, means, index, days, after a restart and out of order."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from pintu.kit import Changed, Envelope
from pintu.kit.protocols import Frame, write_hj212
from pintu.pieces.environment.derive import Deriver
from pintu.pieces.environment.model.index import Editions
from pintu.pieces.environment.settings import read_all_limits, read_tables
from pintu.pieces.environment.tests.city import LOCAL, City


def test_a_station_has_its_index_with_all_it_comes_from() -> None:
    """Index, level, edition, sub-indices with period and concentration, at the hour's time."""
    city = City()
    city.hours(0, 1, S0={"PM2.5": 75.0, "PM10": 100.0})
    told = city.station("S0")
    assert tuple(
        told[one]["value"]
        for one in ("airQualityIndex", "airQualityLevel", "primaryPollutant", "indexTable")
    ) == (114, "lightlyPolluted", "PM2.5", "HJ 633-2026")
    assert told["airQualityIndex"]["observedAt"] == "2026-11-19T16:00:00Z"
    assert told["subIndices"]["json"]["PM2.5"] == {
        "index": 114,
        "period": "1h",
        "concentration": 75.0,
    }
    assert told["dataState"]["value"] == "good"


def test_rolling_means_come_when_enough_hours_are_there() -> None:
    """8 h of ozone from the sixth hour, 24 h from the twentieth."""
    city = City()
    city.hours(0, 5)
    assert "o3Mean8h" not in city.station("S0")
    city.hours(5, 6)
    assert 60 < city.station("S0")["o3Mean8h"]["value"] < 65
    city.hours(6, 19)
    assert "pm25Mean24h" not in city.station("S0")
    city.hours(19, 20)
    assert 30 < city.station("S0")["pm25Mean24h"]["value"] < 35


def test_a_value_in_doubt_enters_no_mean_and_no_index() -> None:
    """A negative hour, one under maintenance and one far from its neighbours are left out, and
    shown with the reason."""
    city = City()
    city.hours(0, 21)
    city.tell("S0", 21, {"PM2.5": 900.0, "PM10": 950.0})
    for name in city.names[1:]:
        city.tell(name, 21)
    city.tick()
    told = city.station("S0")
    assert (told["pm25"]["quality"]["value"], told["pm25"]["value"]) == ("uncertain", 900.0)
    assert "周边站点没有随之变化" in told["pm25"]["reason"]["languageMap"]["zh"]
    assert told["pm25Mean24h"]["value"] < 40
    assert "airQualityIndex" not in told  # the rest is below 100, and PM2.5 may be above it
    assert "缺少 PM2.5, PM10" in told["indexRemark"]["languageMap"]["zh"]
    assert told["dataState"]["value"] == "doubtful"
    remark = city.day("S0", "2026-11-20")["remarks"]["json"][-1]
    assert (remark["hour"], remark["pollutant"], remark["code"]) == (21, "PM2.5", "step")


def test_a_doubt_goes_when_the_neighbours_say_the_same() -> None:
    """The first station of a sandstorm is in doubt until the others have reported."""
    city = City()
    city.hours(0, 3)
    city.tell("S0", 3, {"PM10": 900.0, "PM2.5": 90.0})
    city.tick()
    assert city.station("S0")["pm10"]["quality"]["value"] == "uncertain"
    for name in city.names[1:]:
        city.tell(name, 3, {"PM10": 850.0, "PM2.5": 90.0})
    city.tick()
    assert city.station("S0")["pm10"]["quality"]["value"] == "good"
    assert city.station("S0")["pm10"]["reason"] == "urn:ngsi-ld:null"  # takes it away


def test_a_day_is_reported_when_it_is_over() -> None:
    """24 hours of the natural day give its means, ozone maxima, index and level."""
    city = City()
    city.hours(0, 24)
    day = city.day("S0", "2026-11-20")
    assert (
        day["validHours"]["value"], day["indexTable"]["value"], day["remarks"]["json"],
    ) == (24, "HJ 633-2026", [])  # fmt: skip
    assert 31 < day["pm25"]["value"] < 33
    assert {"pm25", "pm10", "so2", "no2", "co", "o3Max8h", "o3Max1h"} <= day.keys()
    assert tuple(day[one]["value"] for one in ("primaryPollutant", "airQualityLevel")) == (
        "PM10",
        "good",
    )
    assert day["airQualityIndex"]["observedAt"] == "2026-11-19T16:00:00Z"


def test_a_late_hour_finds_its_place() -> None:
    """Hour 20 comes after hour 23: the day and the means are worked out anew."""
    city = City(1)
    for number in [*range(4, 20), 21, 22, 23]:
        city.tell("S0", number)
    city.tick()
    assert "pm25" not in city.day("S0", "2026-11-20")
    city.tell("S0", 20)
    city.tick()
    assert city.day("S0", "2026-11-20")["validHours"]["value"] == 20
    assert "pm25" in city.day("S0", "2026-11-20")
    assert city.station("S0")["pm25Mean24h"]["observedAt"] == "2026-11-20T15:00:00Z"


def test_the_same_hour_again_changes_nothing() -> None:
    """A frame sent twice leads to no update of ours."""
    city = City()
    city.hours(0, 8)
    before = json.dumps(city.context.entities, sort_keys=True)
    city.tell("S0", 7)
    city.tick(4)
    assert before == json.dumps(city.context.entities, sort_keys=True)


def test_after_a_restart_nothing_is_written_again() -> None:
    """A new deriver is told every entity there is, and finds them as it would have them."""
    city = City()
    city.hours(0, 30)
    again = Deriver(Editions(read_tables()), read_all_limits())
    for entity in list(city.context.entities.values()):
        kind = entity["type"]
        again.changed(Changed(entity["id"], (kind,), "created", 0, "", entity), city.now_us)
    found = [one.entity for _ in range(4) for one in again.tick(city.now_us)]
    assert found == []
    city.deriver = again
    city.watchers = (city.detector, again)
    city.hours(30, 31)
    assert "pm25Mean24h" in city.station("S0")


def test_dates_without_a_table_get_no_index_and_say_why() -> None:
    """In 2010 there was none; concentrations and means are there all the same."""
    city = City(begin=datetime(2010, 5, 1, tzinfo=LOCAL))
    city.hours(0, 24)
    told = city.station("S0")
    assert "airQualityIndex" not in told
    assert "No index table covers 2010-05-01" in told["indexRemark"]["languageMap"]["en"]
    assert "pm25Mean24h" in told
    assert "airQualityIndex" not in city.day("S0", "2010-05-01")


def test_the_day_the_edition_changed() -> None:
    """PM2.5 at 75 all day: index 100 on 2026-02-28, 114 on 2026-03-01."""
    city = City(begin=datetime(2026, 2, 28, tzinfo=LOCAL))
    for number in range(48):
        value = 74.0 if number % 2 else 76.0
        for name in city.names:
            city.tell(name, number, {"PM2.5": value, "PM10": 100.0 + number % 3})
        city.tick()
    days = [city.day("S0", one) for one in ("2026-02-28", "2026-03-01")]
    assert [(one["airQualityIndex"]["value"], one["indexTable"]["value"]) for one in days] == [
        (100, "HJ 633-2012"),
        (114, "HJ 633-2026"),
    ]


@pytest.mark.parametrize(("every", "last", "made"), [(1, 44, False), (1, 46, True), (5, 55, True)])
def test_a_station_without_hours_gets_them_from_its_minutes(
    every: int, last: int, made: bool
) -> None:
    """45 minutes of real-time data make an hour, once it is over by twenty minutes."""
    city = City(1)
    for minute in range(0, last, every):
        at = city.begin + timedelta(minutes=minute)
        text = at.strftime("%Y%m%d%H%M%S")
        fields = {"QN": f"{text}000", "ST": "22", "CN": "2011", "PW": "1", "MN": "S0", "Flag": "5"}
        frame = Frame(fields=fields, data_time=text, factors={"a34004": {"Rtd": f"{40 + minute}"}})
        city.now_us = int(at.timestamp() * 1e6)
        city.read(Envelope("environment/hj212", text, city.now_us, write_hj212(frame), {}))
        city.tick(1)
    city.now_us = int((city.begin.timestamp() + 3_600 + 1_300) * 1e6)
    city.tick()
    assert made is ("pm25" in city.station("S0"))
    if made:
        assert 40 <= city.station("S0")["pm25"]["value"] <= 40 + last


def test_other_pieces_stations_are_left_alone() -> None:
    """An AirQualityObserved of somebody else has no hours here and gets nothing."""
    city = City(1)
    entity = {"id": "urn:ngsi-ld:AirQualityObserved:other:X", "type": "AirQualityObserved"}
    change = Changed(entity["id"], ("AirQualityObserved",), "created", 0, "", entity)
    city.keep(city.deriver.changed(change, 0))
    city.tick()
    assert "urn:ngsi-ld:AirQualityObserved:other:X" not in city.context.entities
